#ifndef CONNECTION_SURVIVE_H
#define CONNECTION_SURVIVE_H
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "ipc/codec.h"
#include "ipc/memory.h"

/*
 * survive - keeps a connection's books (ipc/memory.h), so that a fresh process can go on where this one was killed, at whatever
 * instruction that was. Everything that moves bytes or wakes the loop goes through here: live it is written down, in a successor
 * it is read back until the log ends, and there the successor is live, in the middle of whatever its predecessor was doing.
 * A secret that was just made, or a signature that came, would be another the second time: each begins with a checkpoint (survive_step()).
 */

struct conn;
struct replay;

struct survive {
	struct memory *m;		/* NULL: no books are kept */
	uint64_t rchar, wchar;		/* what read() and write() have returned to this process */
	uint8_t seed[MEMORY_SEED];
	int closed;			/* the books are not complete until the next checkpoint */
	struct replay *replay;		/* NULL: live */
	uint64_t import_now;		/* 0: the clock's */
	/* survive_words.c */
	uint64_t said;			/* of memory_counts(), that our link took */
	uint64_t leave_out;		/* so many the supervisor heard from the predecessor already */
	uint32_t notice;		/* CONN_NOTICE.req of the replay; 0: none */
	int stand_ins;			/* there may be some */
};

/* MEMORY. SSH_OK, SSH_E_RULE, SSH_E_SYS. */
int  survive_begin(struct conn *, struct ipc_msg *);
void survive_drop(struct conn *);
/* Something happens that a successor could not do again: until the next checkpoint there is none. */
void survive_close(struct conn *);
/*
 * In a turn, before anything leaves: something happened that cannot be repeated. Then there is a checkpoint, or the books are closed.
 * 1: the turn begins anew.
 */
int  survive_step(struct conn *);
/* The end of a turn of the loop: a checkpoint when one is due. */
void survive_turn(struct conn *);

/* The loop woke up because of kind; chan, which: of the stream. What time it is, or was (ms). */
uint64_t survive_cause(struct conn *, enum memory_kind, uint32_t chan, unsigned which);
/* As read(2) on the program's stream, and write(2). */
ssize_t survive_read(struct conn *, uint32_t chan, unsigned which, int fd, uint8_t *, size_t n);
ssize_t survive_write(struct conn *, enum memory_kind, uint32_t chan, int fd, const uint8_t *, size_t n);
/* As writev(2), to a program. */
ssize_t survive_writev(struct conn *, uint32_t chan, int fd, const struct iovec *, int count);
/* As readv(2) into what ssh_chan_fill() gave, and ssh_chan_fill_done(). */
ssize_t survive_fill(struct conn *, uint32_t chan, unsigned which, int fd, struct iovec *, int n);
/* Reads what the client sent into the core; as read(2). */
ssize_t survive_read_client(struct conn *);
/* In a successor: 1 and what the predecessor was told, else 0; then survive_value() writes down what we were told. */
int  survive_known(struct conn *, int *value);
void survive_value(struct conn *, int value);
/* n bytes as an entry of their own. */
void survive_bytes(struct conn *, enum memory_kind, unsigned which, const uint8_t *, size_t n);

/* The padding from now on. */
void survive_seed(struct conn *, const uint8_t seed[MEMORY_SEED]);
/* For struct ssh_env. */
void survive_padding(void *ctx, uint64_t number, uint8_t *p, size_t n);

/* ---- survive_words.c ---- */

/* As link_send() to the supervisor, of memory_counts(): a successor leaves out what it heard already. */
int  survive_say(struct conn *, enum ipc_type, const void *body);
/* A message of the supervisor that changes something: before anybody acts upon it. */
void survive_heard(struct conn *, const struct ipc_msg *);
/*
 * BOOK_HEARD as the message it is; take() gives a descriptor for END_* of a worker, or -1; they are the message's then. Views point
 * into a buffer of ours. SSH_OK, or SSH_E_STATE: that is no such message.
 */
typedef int survive_take_fn(struct conn *, uint64_t worker, unsigned end);
int  survive_read_heard(struct conn *, const struct memory_entry *, survive_take_fn *, struct ipc_msg *);

/* ---- survive_replay.c ---- */

/* Whatever this process would say now might be a second packet under a number that was used: it says nothing at all. */
_Noreturn void survive_die(struct conn *, const char *why);

/* REVIVE, REVIVE_ENDS, REVIVE_GO. SSH_OK or SSH_E_RULE; what cannot be read is told and ends the process. */
int  survive_revive(struct conn *, struct ipc_msg *);
int  survive_ends(struct conn *, struct ipc_msg *);
int  survive_go(struct conn *);
/* The next entry of the log, which has to be of this kind; NULL: it has ended, and this process is live. Ends the process when the histories differ. */
struct memory_entry *replay_next(struct conn *, enum memory_kind, uint32_t chan, unsigned which, size_t asked);
/* Before fd is read or written live: it must not be one that only stands in. */
void replay_check(struct conn *, int fd);
/* Ends the process: what was written down is not what this process would do. */
void replay_differs(struct conn *) __attribute__((noreturn));

/*
 * How did the call in doubt end? e: it, or NULL; recorded and seen: what the books and the kernel say of all reads and writes.
 * 1: *result is what it returned. 0: nothing came of it. SSH_E_STATE: the two do not belong together.
 */
struct survive_count { uint64_t rchar, wchar; };
int  survive_doubt(const struct memory_entry *e, struct survive_count recorded, struct survive_count seen, int32_t *result);
/*
 * Walks the log of a slot: sums in *c, which starts as the slot's. The entry in doubt, or NULL, in *doubt. SSH_OK or SSH_E_STATE.
 * Both must be private copies.
 */
int  survive_walk(const struct memory_slot *, const uint8_t log[MEMORY_LOG], struct survive_count *c, const struct memory_entry **doubt);

#endif
