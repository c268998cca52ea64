#ifndef CONNECTION_STATS_H
#define CONNECTION_STATS_H
#include <stdint.h>

/* stats - what coppicectl wants to know of a connection; computed when it is asked for, never before. */

struct conn;

/* STATS_ASK: a CHAN_STATS for each channel, then CONN_STATS. SSH_OK, or the link's error. */
int stats_tell(struct conn *, uint32_t req);

#endif
