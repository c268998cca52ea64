#ifndef SUPERVISOR_COMMAND_H
#define SUPERVISOR_COMMAND_H
#include "supervisor/daemon.h"

/*
 * command - what a verb of ipc/verbs.def does. control.c hears the client and calls command_NAME(); the functions stand
 * in command_*.c, by subject. A command answers with rows and ends with client_done(), at once or later; while
 * it has not, its client asks nothing else.
 *
 * A command returns SSH_OK, or an error that ends the client's link.
 */

struct client;
struct proc;
struct session;
struct buf;

struct daemon *client_daemon(const struct client *);
struct link *client_link(const struct client *);
/* For an answer that comes later: ask with the number, the client may have left meanwhile (NULL). */
uint64_t client_id(const struct client *);
/* Something of a command's own, which drop() frees when the client leaves or something else is kept. NULL, NULL: nothing. */
void client_keep(struct client *, void *ctx, void (*drop)(void *));
/* The client's link broke outside its own callbacks. */
void client_end(struct client *);
/* Who asks, by the kernel's word: "root (uid 0, pid 4711)". */
const char *client_who(const struct client *, char *out, size_t size);
struct client *client_find(struct daemon *, uint64_t id);

/* Sends CTL_ROW with the fields in b (row.h), and empties b. r: what wr_done() said of it. */
int  client_row(struct client *, const char *kind, struct buf *b, int r);
/* The end of the answer: status 0 or 1, and a sentence for people, which may be "". */
int  client_done(struct client *, int status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/*
 * tell() for each id, as many at a time as the client's socket takes, then client_done(0, ""). ids (malloc'd) are taken, also
 * on failure. tell() skips an id that is gone meanwhile.
 */
int  client_each(struct client *, uint64_t *ids, size_t n, int (*tell)(struct client *, uint64_t id));

/* NOTICE_SHOWN: the answer of a connection to coppicectl message. */
int  command_notice_shown(struct session *, const struct ipc_NOTICE_SHOWN *);
/* To a successor of the connection: what was not answered. */
void command_notice_again(struct session *);
/* A process is there, or has a new configuration: it learns the level coppicectl asked for, if it did. */
void command_tell_level(struct proc *);

#define VERB(number, NAME, name, arguments, meaning) int command_##NAME(struct client *, const struct ipc_CTL_REQUEST *);
#include "ipc/verbs.def"
#undef VERB

#endif
