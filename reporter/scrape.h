#ifndef REPORTER_SCRAPE_H
#define REPORTER_SCRAPE_H
#include "ipc/child.h"
#include "reporter/crashes.h"
#include "reporter/sink.h"

/* scrape - the metrics socket: few clients, little time for each, one answer. The supervisor is asked at most once a second. */

struct streams;

#define SCRAPE_CLIENTS_MAX 16u
#define SCRAPE_TIME_MS     3000		/* a client that is not done by then is gone */
#define SCRAPE_WAIT_MS     2000		/* for the supervisor; then the page is what we have */
#define SCRAPE_FRESH_MS    1000

/* listener (taken; -1: none) is a listening stream socket. SSH_OK or SSH_E_NOMEM. */
int  scrape_open(struct child *, int listener, const struct sink *, const struct crashes *, const struct streams *);
/* SAMPLES came: answers everybody who waits. */
void scrape_samples(const struct ipc_SAMPLES *);

#endif
