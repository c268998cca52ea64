#ifndef IPC_MEMORY_H
#define IPC_MEMORY_H
#include <stddef.h>
#include <stdint.h>

#include "ipc/codec.h"

/*
 * memory - the books of one connection in a memfd that the supervisor keeps: a checkpoint (its whole state), and behind it a log of
 * what the kernel told it since. The state and the log's bytes decide every byte it sends, so a successor that reads them makes the
 * same packets again. Two slots: the one that is not active is filled, then active changes in one store. Then the log begins again, in
 * the same place: it was the old slot's, and the processor's caches have it. An entry of another era than the slot's is not there.
 *
 * An entry counts when log_len covers it. The one behind log_len, if its kind is not 0 and it is of the slot's era, is a call whose result nobody wrote down:
 * the process died in it, and /proc/PID/io tells how it ended.
 */

#define MEMORY_MAGIC   0x4353424bu	/* "CSBK" */
#define MEMORY_VERSION 4u
#define MEMORY_LOG     (1u << 20)
#define MEMORY_STATE   (48u << 20)	/* it takes memory as far as it is written: a whole window may wait for a program */
#define MEMORY_SEED    32u
#define MEMORY_LOCKED  (1u << 20)	/* of each slot: its head and the keys in its state; with the log they fit the usual RLIMIT_MEMLOCK of 8 MiB */

enum memory_kind {
	BOOK_NONE,
	/* why the loop woke up */
	BOOK_READABLE, BOOK_WRITABLE, BOOK_PAUSE_OVER, BOOK_OUTPUT, BOOK_INPUT_ROOM,
	/* what it asked the kernel */
	BOOK_READ_CLIENT, BOOK_WRITE_CLIENT, BOOK_READ_PROGRAM, BOOK_WRITE_PROGRAM, BOOK_VALUE,
	/* what the supervisor said (the message as its bytes; which: descriptors that came with it); a deadline of the core; anything else */
	BOOK_HEARD, BOOK_TIMER, BOOK_TURN,
	/* a signature of keysign for a proof (which: it is one), as its bytes */
	BOOK_SIGNED,
	BOOK_MAX
};

/*
 * What a connection says to the supervisor because of what is in its books. The supervisor counts what it heard of these on one link,
 * so a successor knows how many it is to leave out while it says them again. Answers to questions are not among them.
 */
static inline int memory_counts(unsigned type)
{
	return type == IPC_SPAWN || type == IPC_CHAN_SHUT || type == IPC_WORKER_SIGNAL || type == IPC_COUNT || type == IPC_NOTICE_SHOWN;
}

struct memory_entry {
	uint8_t kind, which;		/* which: of the channel's streams, 0 stdin or stdout, 1 stderr */
	uint16_t zero;
	uint32_t chan;
	uint32_t asked;			/* bytes */
	int32_t result;			/* of the call, or -errno */
	uint32_t extent;		/* bytes behind this, a multiple of 8: reads, BOOK_HEARD and BOOK_SIGNED only. In doubt: as many as there may be */
	uint32_t era;
	uint64_t now;			/* CLOCK_MONOTONIC ms */
	uint64_t chain;			/* struct ssh_mark */
	/* reads, BOOK_HEARD, BOOK_SIGNED: result bytes; of much from a program with gaps between them (ssh_chan_fill_from()) */
};

struct memory_slot {
	uint32_t log_len, state_len;
	uint32_t paused;		/* loop_pause() */
	uint32_t era;			/* one more with each checkpoint */
	uint64_t now;			/* the core's, when the state was written */
	uint64_t rchar, wchar;		/* all that read() and write() had returned to that process then (proc_pid_io(5)) */
	uint64_t said;			/* of memory_counts(), on that process's link: the kernel has them */
	uint8_t seed[MEMORY_SEED];	/* of the padding */
	uint8_t state[MEMORY_STATE];
};

_Static_assert(offsetof(struct memory_slot, state) + (512u << 10) <= MEMORY_LOCKED, "what is locked");

struct memory {
	uint32_t magic, version;
	uint32_t valid;			/* 1: a successor can go on from here */
	uint32_t active;		/* slot */
	uint64_t packets;		/* taken in, at the last entry */
	struct memory_slot slot[2];
	uint8_t log[MEMORY_LOG] __attribute__((aligned(64)));
};

#endif
