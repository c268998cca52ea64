#ifndef TESTS_UNIT_SSH_TALK_H
#define TESTS_UNIT_SSH_TALK_H
#include "tests/unit/ssh/pair.h"

/*
 * talk - one fixed conversation: login, a channel, data both ways, rekeys by both sides, requests,
 * the end. Everything in it is an answer to an event, so only the bytes decide how it goes.
 */

/* cipher NULL: the defaults. Sets p->hook. */
void talk_init(struct pair *, const char *cipher);
/* Runs it to the end and asserts that it got there. */
void talk_run(struct pair *);

#endif
