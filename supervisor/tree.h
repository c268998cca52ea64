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
	/* supervisors only */
	enum sup_strategy strategy;
	enum sup_auto auto_shutdown;
	unsigned intensity;		/* restarts allowed ... */
	uint32_t period_ms;		/* ... within this time */
};

/* How a process ended. An exit it was asked for is SHUTDOWN; transient and temporary take that as normal. */
enum sup_reason { SUP_NORMAL, SUP_SHUTDOWN, SUP_ABNORMAL };

enum sup_state {
	SUP_ST_DOWN,		/* no process, none wanted now */
	SUP_ST_STARTING,	/* started, not READY */
	SUP_ST_ABORTING,	/* took too long to start: killed, not yet gone */
	SUP_ST_UP,
	SUP_ST_STOPPING,	/* asked to end */
	SUP_ST_KILLING,		/* made to end */
	SUP_ST_DEAD,		/* ended by itself; its supervisor has not answered yet */
	SUP_ST_RETRY,		/* failed to start in a restart; that counts as one more restart, in its turn */
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
	SUP_DID_STOP		/* it ended because it had been asked to */
};

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
	/* the module's own */
	uint64_t seq;			/* when it became DEAD or RETRY */
	unsigned dynamic : 1;		/* not there when its supervisor starts anew */
	unsigned fresh : 1;		/* dynamic and never yet up: a failed start removes it */
	unsigned removing : 1;		/* forgotten as soon as it is down */
	unsigned gone : 1;		/* static temporary child that ended: not started until its supervisor starts anew */
	unsigned asked : 1;		/* supervisor: STOPPING because its parent asked */
	unsigned restarting : 1;	/* the next start is a restart */
	unsigned timed : 1;		/* it has a timer */
	unsigned busy : 1;		/* its supervisor part is at work further up the stack */
	int job;
	uint64_t from;			/* one_for_all, rest_for_one: the child that caused the restart */
	unsigned window_used;
	uint64_t window[];		/* times of the last restarts: intensity + 1 */
};

/* An empty tree with its root, which must be a supervisor. NULL: no memory, or a spec sup_check() refuses. */
struct sup_tree *sup_tree_new(const struct sup_spec *root);
void sup_tree_free(struct sup_tree *);		/* nodes too; no actions */
struct sup_node *sup_root(struct sup_tree *);
/* NULL when there is no such node. */
struct sup_node *sup_find(struct sup_tree *, uint64_t id);

/* OTP's check_childspecs: why parent may not have such a child, or NULL when it may. parent NULL: a root. */
const char *sup_check(const struct sup_spec *parent, const struct sup_spec *child);
/*
 * A new last child, down. dynamic 0: part of its supervisor's specification, started whenever that starts; 1: as
 * OTP's start_child, sup_start() it. NULL: no memory, or sup_check() refuses.
 */
struct sup_node *sup_add(struct sup_node *parent, const struct sup_spec *, int dynamic);

/*
 * The three commands and the one event function. After each call take all actions with sup_next() and
 * carry them out; a node given with SUP_DO_FORGET is freed when the next call begins.
 */
/* Start the whole tree (on the root), or a dynamic child; SSH_OK or SSH_E_NOT_NOW (its supervisor is not up). */
int  sup_start(struct sup_node *, uint64_t now_ms);
/* Terminate; a child is removed from the tree afterwards (terminate_child, delete_child), the root ends with SUP_DO_EXIT 0. */
void sup_stop(struct sup_node *, uint64_t now_ms);
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
	unsigned restarts;
	unsigned dynamic : 1, fresh : 1, removing : 1, gone : 1;
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
