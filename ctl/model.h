#ifndef CTL_MODEL_H
#define CTL_MODEL_H
#include "ctl/procs.h"
#include "ctl/rows.h"
#include "ctl/tree.h"

/* model - what top knows: the last answers of the daemon and /proc, and what changed since the ones before. */

struct model_session {
	uint64_t id;
	char user[64], from[64], what[64], tty[32], state[24], log_level[12];
	int64_t idle_ms, rtt_us, window_in, window_out;	/* of the fullest channel; -1: has none */
	int64_t in_bytes, out_bytes, unsent, retransmits;
	double in_rate, out_rate;			/* bytes a second; < 0: not known yet */
	uint64_t memory_kib, ticks;
	double cpu;					/* percent of one processor; < 0: not known yet */
	pid_t pid;
};

struct model_node { uint64_t memory_kib; double cpu; };	/* by index of the tree */

struct model {
	const char *proc;
	struct model_session *v;		/* in the order of the daemon: oldest first */
	size_t n;
	double in_rate, out_rate;		/* of all */
	struct ctl_rows status;			/* one row, or none */
	struct ctl_tree tree;
	struct model_node *nodes;
	struct procs procs;
	struct table ticks_before;		/* pid to ticks + 1 */
	uint64_t at_ms, before_ms;		/* when it was taken, 0: never */
};

void model_init(struct model *, const char *proc);
void model_drop(struct model *);
/*
 * The answer to who -v at now_ms; its rows are read, not kept. Reads /proc, too. Rates come from the difference to
 * the call before. SSH_OK or SSH_E_NOMEM.
 */
int  model_take(struct model *, const struct ctl_rows *who, uint64_t now_ms);
void model_take_status(struct model *, struct ctl_rows *);	/* taken */
int  model_take_tree(struct model *, struct ctl_tree *);		/* taken */
const struct model_session *model_session(const struct model *, uint64_t id);	/* NULL: gone */
/* One JSON object: time, status, sessions with their rates. */
void model_json(const struct model *, int64_t unix_s, FILE *);

#endif
