#ifndef SUPERVISOR_EXITS_H
#define SUPERVISOR_EXITS_H
#include "supervisor/session.h"
#include "supervisor/state_codec.h"

/*
 * exits - how programs ended whose connection could not be told at once, because it moves or does not read. A supervisor that is killed takes what
 * it held back along; the next one finds it here.
 */

struct kept_exit;

/* The program of that node ended with wstatus, and its connection has perhaps not heard so. */
void exits_note(struct session *, uint64_t node, uint64_t worker, int wstatus);
/* The connection has heard all that was held back. */
void exits_settle(struct session *);
void exits_drop(struct session *);
/* From the journal. */
void exits_restore(struct session *, uint64_t node, const struct saved_EXITED *);
/* Its wait status in *wstatus: 1; 0: nothing is known. */
int  exits_find(const struct session *, uint64_t worker, int *wstatus);
/* For state.c: each of them, as a record. NULL after the last. */
const struct kept_exit *exits_next(const struct session *, const struct kept_exit *);
struct saved exits_record(const struct session *, const struct kept_exit *);

#endif
