#ifndef SSH_MUX_H
#define SSH_MUX_H
#include <stdint.h>

#include "ssh/chan.h"
#include "ssh/session.h"

/* mux - the table of channels, global requests and the keepalive (RFC 4254). For the files of ssh/ only. */

struct mux {
	struct chan *slots;
	uint32_t size, max, used;	/* slots there are, may be, are taken */
	/* global requests (RFC 4254 4) */
	unsigned asked;			/* the peer's, that wait for ssh_global_reply() */
	unsigned waiting;		/* ours, that wait for the peer */
	uint64_t probes;		/* bit i: the i-th oldest of ours is a keepalive */
	/* keepalive */
	uint64_t heard, probed;		/* when the peer last spoke, when we last asked */
	unsigned unanswered;
	/* the open ssh_chan_fill() */
	uint32_t fill_chan, fill_ext;
	int fill_count;
	size_t fill_each;
	uint32_t room_next;		/* whose turn it is to hear of room */
	/* windows grow */
	uint64_t rtt;			/* ms, the shortest that was seen; UINT64_MAX: none yet */
	uint32_t window_max;		/* of one channel, and of what all grew by */
	uint32_t grown;			/* all channels */
};

/* The channel of our number id in any state but free, or NULL; borrowed until a channel is opened. */
struct chan *mux_find(const struct ssh *, uint32_t id);
/* An open one that we may still send requests, data or EOF on; NULL otherwise. */
struct chan *mux_usable(const struct ssh *, uint32_t id);
/* For a number the peer used: *c, or the connection ends ("nonexistent channel"). */
int mux_peer_chan(struct ssh *, uint32_t id, struct chan **c) __attribute__((warn_unused_result));
/* Gives the number back. */
void mux_forget(struct ssh *, struct chan *);

#endif
