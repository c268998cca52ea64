#ifndef SUPERVISOR_UPGRADE_H
#define SUPERVISOR_UPGRADE_H
#include "supervisor/daemon.h"

/*
 * upgrade - another program takes over in this very process: same pid, same children, same sockets.
 *
 *   asked      the new program is run with --can-resume and our arguments: it says which journals it reads, after reading its
 *              configuration; what it cannot do is refused here, before anything happens
 *   rest       until every helper is ready and nothing waits in our queues; then everything is written down
 *   execve     the new program reads it, and goes on (resume.h). If it cannot, it executes us again, with the same journal
 *   replaced   helpers one by one (replace.h), then live connections move (handoff.h)
 */

#define UPGRADE_CHECK_MS 15000	/* what a new program may take to read its configuration */
#define UPGRADE_REST_MS  10000

struct client;
struct buf;

/* path: the new program, NULL: the one we were started from. client: who asked, 0: SIGUSR2. Ends with client_done() or a log line. */
void upgrade_ask(struct daemon *, const char *path, uint64_t client);
/* A child of ours was reaped: 1 when it was the one that checks. */
int  upgrade_reaped(struct daemon *, pid_t, int wstatus);
void upgrade_drop(struct daemon *);
/* The answer of --can-resume, on stdout. */
void upgrade_can_resume(void);
/* In the new program: it goes on now. */
void upgrade_done(struct daemon *);
/* In a program that took over from one that was killed while it replaced: that goes on. */
void upgrade_go_on(struct daemon *);
/* In the new program, which cannot go on: the old one again. Returns only when that fails, too. */
void upgrade_step_back(struct daemon *);
/* Fields of a row: version, since, upgrades, upgraded, from, adoptions, replacing. SSH_OK or the error of wr_done(). */
int  upgrade_row(const struct daemon *, struct buf *);

#endif
