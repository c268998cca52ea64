#ifndef SUPERVISOR_TREE_INTERNAL_H
#define SUPERVISOR_TREE_INTERNAL_H
#include "base/table.h"
#include "supervisor/tree.h"

/* tree_internal - between tree.c (one child's life) and tree_sup.c (what a supervisor does about it). */

/* What a supervisor node is busy with; a fall is asked for by its parent, or it could not start, or it gave up. */
enum sup_job { JOB_IDLE, JOB_BOOT, JOB_CLEAR, JOB_REGROW, JOB_FALL_ASKED, JOB_FALL_BOOT, JOB_FALL_SELF };

struct sup_tree {
	struct sup_node *root;
	struct table nodes;		/* by id */
	uint64_t last_id, seq, now;
	uint64_t pace;			/* when the restarts so far would be done at one in SUP_PACE_MS */
	struct list forgotten;		/* freed when the next call begins */
	struct sup_action *actions;
	size_t head, tail, size;
};

#define SUP_CHILD(l) LIST_OF(l, struct sup_node, link)

/* Number last_id + 1, in no list yet. NULL: no memory. */
struct sup_node *sup_node_new(struct sup_tree *, struct sup_node *parent, const struct sup_spec *);

typedef void sup_step_fn(struct sup_node *);
struct sup_cell { sup_step_fn *fn; const char *name; };
extern const struct sup_cell sup_super_table[SUP_ST_COUNT][SUP_EV_COUNT];

void sup_step(struct sup_node *, enum sup_event);
void sup_do(struct sup_node *, enum sup_verb, uint32_t ms, enum sup_did);
/* Enters a state; a timer of the old one is cancelled. */
void sup_enter(struct sup_node *, enum sup_state);
void sup_timer(struct sup_node *, uint32_t ms);
void sup_forget(struct sup_node *);
/* An end that was asked for is complete. */
void sup_went_down(struct sup_node *);
void sup_start_failed(struct sup_node *);
void sup_ignore(struct sup_node *);
/* Before a command or event from outside. */
void sup_begin(struct sup_tree *, uint64_t now_ms);
/* Its next start is put off. */
void sup_wait(struct sup_node *, uint32_t ms);
void sup_due(struct sup_node *);
/* Nothing of it is alive; it only waits for an answer: no answer is needed any more. */
void sup_drop_claim(struct sup_node *);

/* Goes on with whatever the supervisor node is busy with, as far as it gets now. */
void sup_advance(struct sup_node *);
static inline int sup_job_falls(int job) { return job >= JOB_FALL_ASKED; }

#endif
