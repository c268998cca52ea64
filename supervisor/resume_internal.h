#ifndef SUPERVISOR_RESUME_INTERNAL_H
#define SUPERVISOR_RESUME_INTERNAL_H
#include "base/table.h"
#include "supervisor/daemon.h"
#include "supervisor/journal.h"
#include "supervisor/report.h"
#include "supervisor/state_codec.h"

/* resume_internal - between resume.c (finding, and what others see) and resume_tree.c (rebuilding). */

struct resume {
	struct journal_image im;
	struct saved daemon;
	int by_exec;			/* the processes are our children still */
	int from_store;			/* the descriptors are the service manager's: the keeper is gone, too */
	int keeper;			/* our link to it; -1: taken, or none */
	pid_t keeper_pid;		/* another one may have been about to replace it, or it another one */
	struct table proc_of;		/* node: its PROC record */
	struct table busy;		/* supervisor nodes with a child that has a process */
	uint64_t *end;			/* nodes whose process is gone */
	size_t nend;
	uint64_t *stop;			/* nodes that were being stopped for good */
	size_t nstop;
};

/* Each record of a kind, decoded into s (checked before: it decodes). */
#define RESUME_EACH(rec, rs, KIND, s) \
	for (const struct journal_record *rec = journal_first(&(rs)->im, KIND); \
	    rec != NULL && rec < (rs)->im.v + (rs)->im.n && rec->kind == (KIND) && resume_decode(rs, rec, &(s)); rec++)
int resume_decode(const struct resume *, const struct journal_record *, struct saved *);

/* Is l, which the service manager passed to this start, what the record is about? */
int resume_is_passed(const struct listener *l, const struct saved_LISTENER *m);

/* What a live daemon does by itself: timers, reaping, helpers that are missing. */
void resume_go_on(struct daemon *);

#endif
