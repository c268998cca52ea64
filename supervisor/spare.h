#ifndef SUPERVISOR_SPARE_H
#define SUPERVISOR_SPARE_H

/* spare - descriptors that we could still open. */

#define SPARE_MOVE    16u	/* what a move may take here */
#define SPARE_WORKER  24u
#define SPARE_SESSION 48u
#define SPARE_MAX     SPARE_SESSION

/*
 * Are n more to be had, at most SPARE_MAX? Asked before a session or a worker takes its own: a message whose descriptors we
 * have no room for would look as if its honest sender had broken the rules.
 */
int spare_fds(unsigned n);

#endif
