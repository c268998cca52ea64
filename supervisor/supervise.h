#ifndef SUPERVISOR_SUPERVISE_H
#define SUPERVISOR_SUPERVISE_H
#include "supervisor/daemon.h"

/* supervise - the specifications in force: children.def with what Supervise lines of the configuration change, and the nodes that wait. */

/* From d->values into d->specs, and onto every node there is, without restarting any. Before the tree is planted and after each reload. */
void supervise_apply(struct daemon *);
/* The specification in force of a row. */
const struct sup_spec *supervise_spec(const struct daemon *, enum kid_id);

/*
 * For people. Why it does not run: "exit status 1, 4 failed starts, next try in 3s", "terminated", "" when there is nothing to say
 * but its last exit, which is copied then.
 */
const char *supervise_trouble(const struct kid *, char *out, size_t size);
/* The first node, in the tree's order, that should run and waits for its next try; NULL: none. n: how many there are. */
const struct kid *supervise_throttled(const struct daemon *, unsigned *n);
/* A back-off is worth a line at first, then ever more seldom. */
int supervise_worth_a_line(const struct sup_node *);

#endif
