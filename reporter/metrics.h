#ifndef REPORTER_METRICS_H
#define REPORTER_METRICS_H
#include "reporter/crashes.h"
#include "reporter/sink.h"

/*
 * metrics - numbers in the text formats of Prometheus (0.0.4) and OpenMetrics (1.0.0). Their names are those of metrics.def and
 * ipc/counters.def, so that nothing a sender says becomes a name.
 */

#define METRICS_MAX (1u << 20)

/* Counts what passes by: events of each kind, the time logins took. */
void metrics_event(const struct record *);
/*
 * The whole page. samples: SAMPLES.samples, numbers by "name" or "name label=value"; others than the tables' are left out. followers: of
 * events. SSH_OK, or SSH_E_FULL.
 */
int  metrics_page(struct buf *, int openmetrics, struct view samples, const struct sink *, const struct crashes *, unsigned followers);
const char *metrics_type(int openmetrics);	/* Content-Type */

#endif
