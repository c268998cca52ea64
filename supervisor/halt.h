#ifndef SUPERVISOR_HALT_H
#define SUPERVISOR_HALT_H
#include "supervisor/listen.h"

/*
 * halt - a listening socket that is closed for a while (stop-listener, drain). Its record stays in daemon.listeners,
 * without a node and a descriptor, until it is opened again or no longer configured.
 */

/* By "192.0.2.1:22" or "[2001:db8::1]:22", as tree and log show it; NULL: none. */
struct listener *halt_find(struct daemon *, struct view text);
/* Who waits in its queue is still served, then its node goes and its socket is closed. */
void halt_listener(struct listener *, enum listen_state why);
/* Binds and accepts again. SSH_E_SYS, logged, when that fails; SSH_E_NOT_NOW: it is still closing. */
int  halt_undo(struct listener *);
/* After a change of supervisors: those that were closing go on with it. */
void halt_resume(struct daemon *);
/* ACCEPT_STOPPED. */
int  halt_stopped(struct proc *, const struct ipc_ACCEPT_STOPPED *);

/* For listen.c. Its node is gone: 1 when the record stays, with its socket closed. */
int  halt_keeps(struct listener *);
/* 1: it gets no node now. A new one of a drained daemon (running: the tree is up) is halted at once. */
int  halt_holds(struct listener *, int running);
/* It is no longer configured: 1 when it had no node and is forgotten now; else its node has to be stopped. */
int  halt_drop(struct listener *);

#endif
