#ifndef SUPERVISOR_RELOAD_H
#define SUPERVISOR_RELOAD_H
#include "supervisor/daemon.h"

/*
 * reload - other configuration, in two phases: everybody whose part changes says whether he could live with it (helpers by
 * CONFIG and CONFIG_OK; keysign with other host keys and the nursery by a successor that comes up; listeners, pid file and
 * control socket by being bound or written), and then it holds for all (CONFIG_COMMIT 1) or nothing has happened anywhere (0).
 * Listening sockets that stay configured are never closed; running connections keep what they started with. Nothing here waits.
 */

#define RELOAD_VOTE_MS  5000		/* to answer CONFIG */
#define RELOAD_START_MS 12000		/* for successors, from the beginning; coppicectl waits 15 s */
#define RELOAD_AGAIN_MS 10000		/* a return that was refused is tried again */
#define RELOAD_CONFIRM_MAX (7 * 86400u)

struct client;
struct config;

/* ---- what starts one ---- */

/* SIGHUP. While one runs, one more is kept, however often it is asked for. */
void reload(struct daemon *);
/* The same for a client, who hears the outcome. confirm_s: seconds until it goes back unless confirmed; 0: it stays. What client_done() says, or SSH_OK. */
int  reload_for(struct client *, uint32_t confirm_s);
int  reload_rollback_for(struct client *);
int  reload_confirm_for(struct client *);
/* The tree is complete: the first configuration is a good one. */
void reload_booted(struct daemon *);
void reload_drop(struct daemon *);

/* ---- what its course depends on ---- */

/* The configuration that is being tried, or NULL. */
const struct config *reload_trial(const struct daemon *);
int  reload_answer(struct proc *, const struct ipc_CONFIG_OK *);
/* A successor is READY. */
void reload_ready(struct proc *);
/* This process is READY: it may have begun with what was in force before. */
void reload_newcomer(struct proc *);
/* This process ended. */
void reload_lost(struct proc *);

/* ---- over a change of supervisors ---- */

/* The text of the configuration that comes back unless the one in force is confirmed (borrowed), and until when (ms). -1, 0: nothing waits. */
int  reload_before(const struct daemon *);
uint64_t reload_confirm_by(const struct daemon *);
/* While everything is rebuilt, and when it serves again. */
void reload_restore(struct daemon *);
void reload_resume(struct daemon *);

/* ---- for coppicectl ---- */

/* Which configuration is in force, what was refused last, what waits for confirmation. Result of client_row(). */
int  reload_status(struct client *);

#endif
