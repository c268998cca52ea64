#ifndef SUPERVISOR_LEND_H
#define SUPERVISOR_LEND_H
#include <sys/types.h>

/* lend - a child that borrows our memory until it execs (vfork(2), but with a function and a stack of its own). */

/*
 * Its pid, or -1 with errno. We wait until go() has execed or returned, which is its exit status then. All signals are blocked in it and stay
 * so over the exec: no handler of ours runs there. go() must not allocate, must not wait for anybody, and must stay who we are: whom a user
 * may stop or trace, that user could make us wait for ever.
 */
pid_t lend(int (*go)(void *), void *arg);

#endif
