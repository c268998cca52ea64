#ifndef SUPERVISOR_TREE_H
#define SUPERVISOR_TREE_H
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"

/*
 * tree - OTP's supervisor as a pure function: events in, actions out. No system call, no clock, no
 * randomness; time is an argument. What must be kept true is what OTP's supervisor(3erl) documents.
 *
 * Where a Unix daemon may not block as OTP's start and terminate calls do, this tree does not block either:
 * children of a one_for_one or simple_one_for_one supervisor start and restart side by side; one_for_all and
 * rest_for_one restart in strict order, and deaths that happen meanwhile are answered afterwards, in the order
 * they happened. A supervisor told to stop does so at once, in the middle of a restart too.
 */

enum sup_kind { SUP_WORKER, SUP_SUPERVISOR };
enum sup_strategy { SUP_ONE_FOR_ONE, SUP_ONE_FOR_ALL, SUP_REST_FOR_ONE, SUP_SIMPLE_ONE_FOR_ONE };
enum sup_restart { SUP_PERMANENT, SUP_TRANSIENT, SUP_TEMPORARY };
enum sup_auto { SUP_NEVER, SUP_ANY_SIGNIFICANT, SUP_ALL_SIGNIFICANT };

#define SUP_BRUTAL_KILL 0u			/* shutdown_ms: SIGKILL at once */
#define SUP_INFINITY    UINT32_MAX		/* shutdown_ms: wait for ever */
#define SUP_INTENSITY_MAX 1000u

struct sup_spec {
	enum sup_kind kind;
	enum sup_restart restart;
	int significant;
	uint32_t shutdown_ms;		/* SUP_BRUTAL_KILL, a time, SUP_INFINITY */
	uint32_t start_ms;		/* until READY; 0: no limit */
	/*
	 * When a restart fails before READY: at once again, then after backoff_min_ms, doubled each time up to backoff_max_ms, for
	 * ever, and without counting for intensity. backoff_max_ms 0: as OTP, each failure is one more restart.
	 */
	uint32_t backoff_min_ms, backoff_max_ms;
	/* supervisors only */
	enum sup_strategy strategy;
	enum sup_auto auto_shutdown;
	unsigned intensity;		/* restarts allowed ... */
	uint32_t period_ms;		/* ... within this time */
};

/*
 * How a process ended. An exit it was asked for is SHUTDOWN; transient and temporary take that as normal. STARVED: it had to go because its
 * parent lacked something to serve it with: abnormal, but no crash; where there is a back-off it is started again after backoff_min_ms, and
 * does not count for intensity.
 */
enum sup_reason { SUP_NORMAL, SUP_SHUTDOWN, SUP_ABNORMAL, SUP_STARVED };

enum sup_state {
	SUP_ST_DOWN,		/* no process, none wanted now */
	SUP_ST_STARTING,	/* started, not READY */
	SUP_ST_ABORTING,	/* took too long to start: killed, not yet gone */
	SUP_ST_UP,
	SUP_ST_STOPPING,	/* asked to end */
	SUP_ST_KILLING,		/* made to end */
	SUP_ST_DEAD,		/* ended by itself; its supervisor has not answered yet */
	SUP_ST_RETRY,		/* to be started once more, in its turn */
	SUP_ST_WAITING,		/* its next start is put off: back-off, or too many restarts at a time */
	SUP_ST_COUNT
};

enum sup_event {
	SUP_EV_START,		/* its supervisor wants it */
	SUP_EV_READY,		/* it serves */
	SUP_EV_FAILED,		/* it could not be started at all (no process came of it) */
	SUP_EV_EXITED,		/* its process is gone */
	SUP_EV_TIMEOUT,		/* the timer asked for by SUP_DO_TIMER */
	SUP_EV_STOP,		/* its supervisor wants it gone */
	SUP_EV_COUNT
};

enum sup_verb {
	SUP_DO_START,		/* start its process; answer READY, FAILED or EXITED */
	SUP_DO_TERM,		/* ask its process to end */
	SUP_DO_KILL,		/* make it end */
	SUP_DO_TIMER,		/* in ms milliseconds say TIMEOUT; replaces the node's timer; 0: no timer any more */
	SUP_DO_REPORT,		/* tell the operator: did says what was decided about a death */
	SUP_DO_UP,		/* for information: the supervisor node has started all its children */
	SUP_DO_FALL,		/* for information: the supervisor node begins to stop its children */
	SUP_DO_FORGET,		/* the node is leaving the tree: drop what belongs to it */
	SUP_DO_EXIT		/* the root is down: ms is 0 when that was asked for, 1 when it gave up */
};

/* What the supervisor decided. */
enum sup_did {
	SUP_DID_RESTART,	/* it will be started again */
	SUP_DID_LEAVE,		/* transient and ended well: stays down */
	SUP_DID_REMOVE,		/* temporary: gone for good */
	SUP_DID_AUTO_SHUTDOWN,	/* significant: its supervisor stops */
	SUP_DID_GIVE_UP,	/* too many restarts: its supervisor stops and fails upwards */
	SUP_DID_FAIL_START,	/* a start failed: its supervisor's start fails */
	SUP_DID_STOP,		/* it ended because it had been asked to */
	SUP_DID_BACK_OFF	/* its restart failed before it was ready: again in ms milliseconds */
};

/* ms of a report: how long the next start is put off. */
struct sup_action { enum sup_verb verb; struct sup_node *node; uint32_t ms; enum sup_did did; };

struct sup_tree;

/* Read it, change nothing. */
struct sup_node {
	uint64_t id;
	struct sup_tree *tree;
	struct sup_node *parent;
	struct list link;		/* in parent's children */
	struct list children;
	struct sup_spec spec;
	enum sup_state state;
	enum sup_reason reason;		/* of its last end */
	void *ctx;			/* the owner's */
	unsigned restarts;		/* how often it was started again */
	unsigned fails;			/* starts that failed since it was last up */
	uint64_t due_ms;		/* WAITING: when its next start is due */
	/* the module's own */
	uint64_t seq;			/* when it became DEAD or RETRY */
	unsigned dynamic : 1;		/* not there when its supervisor starts anew */
	unsigned fresh : 1;		/* dynamic and never yet up: a failed start removes it */
	unsigned removing : 1;		/* forgotten as soon as it is down */
	unsigned gone : 1;		/* static child that was temporary and ended, or was deleted: as if not there until its supervisor starts anew */
	unsigned held : 1;		/* terminated by sup_terminate() */
	unsigned byhand : 1;		/* started by sup_restart_child(): a failure is its answer, no restart */
	unsigned paid : 1;		/* its next restart was counted, or does not count */
	unsigned asked : 1;		/* supervisor: STOPPING because its parent asked */
	unsigned restarting : 1;	/* the next start is a restart */
	unsigned timed : 1;		/* it has a timer */
	unsigned busy : 1;		/* its supervisor part is at work further up the stack */
	int job;
	uint64_t from;			/* one_for_all, rest_for_one: the child that caused the restart */
	unsigned window_used, window_room;
	uint64_t *window;		/* times of the last restarts: intensity + 1 */
};

/* An empty tree with its root, which must be a supervisor. NULL: no memory, or a spec sup_check() refuses. */
struct sup_tree *sup_tree_new(const struct sup_spec *root);
void sup_tree_free(struct sup_tree *);		/* nodes too; no actions */
struct sup_node *sup_root(struct sup_tree *);
/* NULL when there is no such node. */
struct sup_node *sup_find(struct sup_tree *, uint64_t id);

/*
 * Not more than SUP_PACE_BURST restarts at once in the whole tree, then one in SUP_PACE_MS: whatever intensities say, a crash
 * loop leaves the processor to those who serve.
 */
#define SUP_PACE_BURST 10u
#define SUP_PACE_MS    500u

/* OTP's check_childspecs: why parent may not have such a child, or NULL when it may. parent NULL: a root. */
const char *sup_check(const struct sup_spec *parent, const struct sup_spec *child);
/*
 * A new last child, down. dynamic 0: part of its supervisor's specification, started whenever that starts; 1: as
 * OTP's start_child, sup_start() it. NULL: no memory, or sup_check() refuses.
 */
struct sup_node *sup_add(struct sup_node *parent, const struct sup_spec *, int dynamic);

/*
 * Another specification for a node that lives on; kind, significance, strategy and auto_shutdown stay. It holds for what is decided from now
 * on (OTP's code_change): a window that is too full for a lower intensity makes the next restart one too many. NULL, or why not.
 */
const char *sup_respec(struct sup_node *, const struct sup_spec *);

/*
 * The three commands and the one event function. After each call take all actions with sup_next() and
 * carry them out; a node given with SUP_DO_FORGET is freed when the next call begins.
 */
/* Start the whole tree (on the root), or a dynamic child; SSH_OK or SSH_E_NOT_NOW (its supervisor is not up). */
int  sup_start(struct sup_node *, uint64_t now_ms);
/* Terminate; a child is removed from the tree afterwards (terminate_child, delete_child), the root ends with SUP_DO_EXIT 0. */
void sup_stop(struct sup_node *, uint64_t now_ms);

/* OTP's functions of these names, for one child. They answer at once; what they began ends with the node's state. */
enum sup_refusal {
	SUP_ALLOWED,
	SUP_NOT_FOUND,
	SUP_RUNNING,		/* restart_child, delete_child: terminate it first */
	SUP_RESTARTING,
	SUP_SIMPLE,		/* simple_one_for_one: its children cannot be restarted or deleted */
	SUP_STARTED,		/* already_started */
	SUP_PRESENT,		/* already_present: restart_child is what starts it */
	SUP_NOT_NOW,		/* its supervisor does not run, or is restarting others: later (OTP's call would wait) */
	SUP_IS_ROOT,		/* nobody's child */
	SUP_REFUSALS
};
/* It ends and stays in the tree, DOWN, until restart_child, or until its supervisor restarts it with others; a temporary one is gone. */
enum sup_refusal sup_terminate(struct sup_node *, uint64_t now_ms);
/* Ends UP, or DOWN when it cannot be started. */
enum sup_refusal sup_restart_child(struct sup_node *, uint64_t now_ms);
/* A dynamic node is forgotten; a static one is gone until its supervisor starts anew, or sup_start_again(). */
enum sup_refusal sup_delete(struct sup_node *, uint64_t now_ms);
/* start_child with the specification of a static node: only one that is gone; failing, it is gone again. */
enum sup_refusal sup_start_again(struct sup_node *, uint64_t now_ms);
/* count_children; nodes that are gone do not count. */
struct sup_count { unsigned specs, active, supervisors, workers; };
struct sup_count sup_count_children(const struct sup_node *);
const char *sup_refusal_name(enum sup_refusal);

/* READY, FAILED, EXITED (with reason) or TIMEOUT of a worker; TIMEOUT of a supervisor. Others are ignored. */
void sup_event(struct sup_node *, enum sup_event, enum sup_reason, uint64_t now_ms);
/* 1 and the next action, 0 when there is none. */
int  sup_next(struct sup_tree *, struct sup_action *);
/* Restarts of this supervisor within its period, for reports. */
unsigned sup_window(const struct sup_node *, uint64_t now_ms);

/* ---- a tree that was there before (tree_restore.c) ---- */

/* One node as its record says. A supervisor is UP, DOWN, DEAD, RETRY or STARTING: then it goes on with those that are DOWN. */
struct sup_saved {
	uint64_t id;
	enum sup_state state;
	enum sup_reason reason;
	unsigned restarts, fails;
	uint64_t due_ms;		/* WAITING */
	unsigned dynamic : 1, fresh : 1, removing : 1, gone : 1, held : 1, byhand : 1;
	const uint64_t *window;
	unsigned window_used;
};
/*
 * Parents before children, siblings in their order. parent NULL: the root, which sup_tree_new() made. NULL: no memory, the
 * id is taken, or sup_check() refuses.
 */
struct sup_node *sup_restore(struct sup_tree *, struct sup_node *parent, const struct sup_spec *, const struct sup_saved *);
/* All are there; new nodes get numbers above last_id. Take the actions then. */
void sup_restored(struct sup_tree *, uint64_t last_id, uint64_t now_ms);

const char *sup_state_name(enum sup_state);
const char *sup_event_name(enum sup_event);
const char *sup_did_name(enum sup_did);
const char *sup_strategy_name(enum sup_strategy);
const char *sup_restart_name(enum sup_restart);

/* Cells of the state x event tables, for the test that hunts for holes: name, or NULL when there is no answer. */
const char *sup_cell_name(enum sup_kind, enum sup_state, enum sup_event);

#endif
