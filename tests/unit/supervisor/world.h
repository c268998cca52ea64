#ifndef TESTS_SUPERVISOR_WORLD_H
#define TESTS_SUPERVISOR_WORLD_H
#include <stdarg.h>

#include "supervisor/tree.h"

/* world - a pretended operating system around a tree: obeys its actions by itself where a test wants that, and writes them down. */

#define WORLD_NODES 4096
#define WORLD_AUTO_START 1u	/* a started process is ready at once */
#define WORLD_AUTO_STOP  2u	/* a process told to end ends */

enum mood { OBEDIENT, STUBBORN, SILENT, STILLBORN };	/* ignores TERM; never gets ready; cannot be started */

struct world {
	struct sup_tree *tree;
	uint64_t now;
	unsigned flags;
	char log[16384];
	size_t used;
	int exited;			/* -1: the root runs */
	enum mood mood[WORLD_NODES];
	uint32_t timer[WORLD_NODES];	/* ms asked for; 0: none */
	unsigned char process[WORLD_NODES];	/* 1: exists */
	struct { uint64_t id; enum sup_event ev; enum sup_reason reason; } queue[WORLD_NODES];
	size_t head, tail;
};

/* A root with this strategy; AUTO_START and AUTO_STOP; intensity and period as given. */
void world_new(struct world *, enum sup_strategy, unsigned intensity, uint32_t period_ms);
void world_new_spec(struct world *, const struct sup_spec *root);
void world_free(struct world *);
struct sup_spec worker(enum sup_restart);		/* shutdown 5000 ms, not significant */
struct sup_spec super(enum sup_strategy, enum sup_restart, unsigned intensity, uint32_t period_ms);
struct sup_node *add(struct sup_node *parent, const char *name, const struct sup_spec *);
/* Adds a dynamic child and starts it. */
struct sup_node *start_child(struct world *, struct sup_node *parent, const char *name, const struct sup_spec *);
struct sup_node *root_of(struct world *);
void boot(struct world *);				/* starts the root and forgets what was written down */
void ready(struct world *, struct sup_node *);
void fail(struct world *, struct sup_node *);
void die(struct world *, struct sup_node *, enum sup_reason);
void timeout(struct world *, struct sup_node *);
void stop(struct world *, struct sup_node *);
void settle(struct world *);
/* What happened since the last time, "start a; term b", must be this. Timers are not in it. */
void happened(struct world *, const char *file, int line, const char *want);
#define HAPPENED(w, want) happened(w, __FILE__, __LINE__, want)
unsigned count_up(struct sup_node *);			/* direct children that are up */

#endif
