#ifndef SUPERVISOR_STATS_H
#define SUPERVISOR_STATS_H
#include "supervisor/session.h"

/* stats - how a connection says it is going (CONN_STATS), and what the kernel says of its socket. Asked only when somebody looks. */

struct session_stats {
	struct ipc_CONN_STATS now;	/* the last answer; its views point into text */
	char text[255 + 8 * 64];
	struct ipc_CHAN_STATS *chans;
	size_t nchans;
	/* an answer that is coming in */
	struct ipc_CHAN_STATS *next;
	size_t nnext, room;
	uint32_t next_req;
};

int  stats_ask(struct session *, uint32_t req);		/* SSH_OK: an answer may come */
int  stats_channel(struct session *, const struct ipc_CHAN_STATS *);
/* The answer is complete. SSH_OK, or SSH_E_RULE: more channels than there may be. */
int  stats_taken(struct session *, const struct ipc_CONN_STATS *);
void stats_free(struct session_stats *);

/* What the kernel knows of a TCP connection; zero and has 0 for pipes. */
struct tcp_stats {
	int has;
	uint32_t rtt_us, rtt_var_us, min_rtt_us, cwnd, mss, retransmits, unacked;
	uint64_t bytes_in, bytes_out, unsent;	/* unsent: still in our kernel */
	uint32_t quiet_ms;			/* since the client's last data */
};
void stats_tcp(const struct session *, struct tcp_stats *);
/* The session's sockets are about to be closed: their bytes go to the counters. */
void stats_last(const struct session *);
/* All sessions of the daemon's life, those that live included. */
void stats_traffic(const struct daemon *, uint64_t *in, uint64_t *out);

#endif
