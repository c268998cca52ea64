#ifndef SUPERVISOR_JOURNAL_H
#define SUPERVISOR_JOURNAL_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/wire.h"

/*
 * journal - what the supervisor knows, as records in a memfd that outlives it. A record is a value for (kind, id); a later
 * one replaces it. Each put is copied behind the last record and becomes part of the journal by one store of the new
 * length, so that a SIGKILL between any two instructions leaves the journal as it was before the put, or after it.
 *
 * The memory has two halves; when garbage exceeds what is alive, the live records are copied into the other half and one
 * store makes that one the journal.
 */

#define JOURNAL_HALF_MAX ((size_t)64 << 20)	/* of address space; memory is taken as it is used */
#define JOURNAL_BUILD    40			/* bytes of the writer's version string */
#define JOURNAL_VALUE_MAX (72u << 10)	/* a parked SPAWN is a whole message */
#define JOURNAL_ID_MAX   (UINT64_C(1) << 56)

struct journal;

/* Who wrote it. */
struct journal_origin {
	uint32_t format;			/* of the values: state.h */
	uint32_t proto;				/* IPC_PROTO of the writer */
	pid_t pid;
	uint32_t number;			/* one more than that of the journal it follows; a fresh start's is 1 */
	char build[JOURNAL_BUILD];
};

/* A new one, whose size is sealed. half: bytes of each half, a multiple of 4096. SSH_OK, SSH_E_NOMEM, SSH_E_SYS. */
int  journal_new(struct journal **, size_t half, const struct journal_origin *);
void journal_free(struct journal *);		/* closes the descriptor; NULL is fine */
int  journal_fd(const struct journal *);	/* borrowed */
uint32_t journal_number(const struct journal *);	/* of its origin */
/* SSH_OK; SSH_E_FULL, SSH_E_NOMEM: the old value of that id is gone, too: better unknown than wrong. */
int  journal_put(struct journal *, unsigned kind, uint64_t id, struct view value);
void journal_del(struct journal *, unsigned kind, uint64_t id);
/* Bytes of live records, and of all. */
void journal_sizes(const struct journal *, size_t *live, size_t *used);
unsigned journal_compactions(const struct journal *);

/* One live record, for a reader. */
struct journal_record { unsigned kind, deleted; uint64_t id; struct view value; };

/* A journal somebody else wrote, mapped for reading. */
struct journal_image {
	struct journal_origin from;
	struct journal_record *v;		/* ordered by kind, then id */
	size_t n;
	void *map;
	size_t size;
};

/*
 * Reads what fd holds (not taken). Its size must be sealed, or it could shrink under our eyes. SSH_OK; SSH_E_FORMAT: not a
 * journal, or one whose records do not add up; SSH_E_SYS, SSH_E_NOMEM.
 */
int  journal_read(struct journal_image *, int fd);
void journal_image_drop(struct journal_image *);
/* The first record of a kind, or NULL; the others follow it up to v + n. */
const struct journal_record *journal_first(const struct journal_image *, unsigned kind);
const struct journal_record *journal_find(const struct journal_image *, unsigned kind, uint64_t id);

/* For tests: the same on memory, whatever it holds. map is borrowed. */
int  journal_read_memory(struct journal_image *, void *map, size_t size);
/* For tests: called before each store that counts. */
extern void (*journal_before_store)(const struct journal *);
const void *journal_memory(const struct journal *, size_t *size);

#endif
