#ifndef TESTS_UNIT_SSH_PAIR_H
#define TESTS_UNIT_SSH_PAIR_H
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/mem.h"
#include "ssh/crypto/crypto.h"
#include "ssh/ssh.h"

/*
 * pair - a client and a server in one process, joined by two buffers. The clock and the
 * randomness are numbers, so the same conversation is the same bytes every time.
 */

struct pair;

/* Sees every event before the usual answer; 1: it was answered here. */
typedef int pair_hook(struct pair *, enum ssh_role, struct ssh_event *);

/* How many of the n bytes that wait are delivered in one go; NULL: all. */
typedef size_t pair_cut(struct pair *, size_t n);

/* An allocator that counts, and fails from the n-th request on. */
struct pair_mem {
	struct mem mem;
	long live;		/* blocks not yet freed */
	size_t bytes;		/* in them */
	long count;		/* requests so far */
	long fail_at;		/* this request and all later ones fail; 0: never */
};

struct pair {
	struct ssh *side[2];		/* by enum ssh_role */
	struct ssh_env env[2];
	struct ssh_policy policy[2];
	struct pair_mem mem[2];
	uint64_t rng[2];
	uint64_t now;
	struct privkey *hostkeys[4];
	unsigned hostkey_count;
	int key_shared;			/* the first one is another pair's */
	/* what happened */
	struct buf wire[2];		/* every byte that side sent, in order */
	struct buf events[2];		/* one line of text per event */
	struct buf got[2];		/* channel data received */
	unsigned kex_done[2], signs;
	int open[2];
	uint32_t chan[2];		/* the one channel of pair_channel() */
	int chan_up[2];
	/* behaviour */
	pair_hook *hook;
	pair_cut *cut;
	uint64_t cut_seed;
	int (*boundary)(struct pair *, enum ssh_role);	/* after a side is drained; <0 ends pair_run() */
	int quiet;			/* do not record wire and events */
	int lend;			/* what a logged in side receives is lent to it */
	uint8_t *lent[2];
	void *user;
	size_t said, echoed;		/* talk.c: by the client, by the server */
};

/* Library init, once per process. */
void pair_crypto(void);
/* Deterministic stream; ctx is a uint64_t. */
void pair_random(void *ctx, uint8_t *p, size_t n);
void pair_mem_init(struct pair_mem *);

/* Policies with all defaults, an Ed25519 host key; the objects are made by pair_start(). */
void pair_init(struct pair *);
/* Adds a host key of that kind before pair_start(). */
void pair_hostkey(struct pair *, enum key_kind);
/* Has the host key of another pair, which lives longer, instead of its own: else the same conversation is not the same bytes. */
void pair_share_key(struct pair *, const struct pair *with);
/* Makes both objects; returns their error. */
int  pair_start(struct pair *);
void pair_free(struct pair *);

/* Takes all events of one side and gives the usual answers. */
void pair_drain(struct pair *, enum ssh_role);
/* Moves what side has to say into the other; 1 when anything moved. */
int  pair_move(struct pair *, enum ssh_role from);
/* Runs both until nothing moves any more. */
void pair_run(struct pair *);
/* pair_start() and pair_run() until both are logged in; asserts it. */
void pair_login(struct pair *);
/* Opens one session channel between the two; asserts it. */
void pair_channel(struct pair *);
/* Sends all n bytes over that channel, running the pair as needed; asserts that they arrive unchanged. */
void pair_send(struct pair *, enum ssh_role from, const uint8_t *, size_t n);
void pair_same_bytes(const struct buf *, const struct buf *);
/* Asserts that both sides of both said the same bytes, were told the same events and got the same data. */
void pair_same(const struct pair *, const struct pair *);
/* For pair.cut: one byte at a time; 97. */
size_t pair_bytewise(struct pair *, size_t n);
size_t pair_by_97(struct pair *, size_t n);
/* Feeds bytes to one side as they are. */
int  pair_feed(struct pair *, enum ssh_role, const void *, size_t n);
/* Puts a payload into what side sends next, under its keys, whatever side itself thinks of it. */
void pair_inject(struct pair *, enum ssh_role from, const void *payload, size_t n);
/* Does the unsent output of side, before it has keys, hold this text? */
int  pair_said(struct pair *, enum ssh_role, const char *text);

/* ---- a peer made of bytes, for one side alone before it has keys ---- */
/* payload as an unencrypted packet */
void raw_packet(struct buf *to, const void *payload, size_t n);
/* A KEXINIT packet with these two lists and defaults for the rest. */
void raw_kexinit(struct buf *to, const char *kex, const char *hostkey, int follows);
/* KEX_ECDH_INIT with a good X25519 value. */
void raw_kex_init(struct buf *to);
/* Feeds and forgets the buffer. */
int  raw_feed(struct pair *, enum ssh_role, struct buf *);

#define STRICT_C "kex-strict-c-v00@openssh.com"
#define STRICT_S "kex-strict-s-v00@openssh.com"

/* Answers as pair_drain() does; for hooks that only want to look or delay. */
void pair_answer(struct pair *, enum ssh_role, struct ssh_event *);

#endif
