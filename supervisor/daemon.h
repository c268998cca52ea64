#ifndef SUPERVISOR_DAEMON_H
#define SUPERVISOR_DAEMON_H
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "base/list.h"
#include "base/table.h"
#include "conf/conf.h"
#include "ipc/link.h"
#include "supervisor/ids.h"
#include "supervisor/kids.h"
#include "supervisor/options.h"
#include "supervisor/places.h"

/*
 * daemon - what the supervisor process knows. The tree decides (tree.h), everything here obeys: a kid is what
 * belongs to one node of the tree, a proc is one Unix process, a session is the record of one client.
 */

struct event;
struct event_base;
struct session;
struct listener;
struct work;
struct control;
struct journal;
struct keep;
struct held;
struct resume;
struct upgrade;
struct replace;
struct drain;
struct reload;
struct daemon;

/* One Unix process. Made by spawn.c, nursery.c or worker.c, ended by proc.c when it was reaped. */
struct proc {
	struct daemon *d;
	struct list all;		/* daemon.procs */
	pid_t pid;			/* 0: the nursery has not told it yet */
	uint64_t serial;		/* never used twice */
	enum ipc_role role;
	struct kid *kid;		/* whose process it is; NULL: a predecessor that has to end, or a successor */
	struct link *link;
	uint64_t born_ms;
	unsigned greeted : 1;		/* it said HELLO and got its configuration */
	unsigned is_ready : 1;
	unsigned ending : 1;		/* asked to */
	unsigned killed : 1;		/* by us: that it died of a signal is no crash */
	unsigned broke_rules : 1;
	unsigned starved : 1;		/* we had not what it takes to serve it: killed, and no crash */
	unsigned hung : 1;		/* it did not answer PING: killed, and a crash */
	unsigned suspect : 1;		/* its answer is late */
	uint64_t heard;			/* connection: messages of memory_counts() (ipc/memory.h) */
	uint32_t ping_seq;
	uint64_t pinged_ms;		/* since then it owes PONG; 0: it does not */
	unsigned trial : 1;		/* a successor with the configuration that is being tried */
	unsigned voted : 1;		/* it accepted what it was asked */
	uint64_t generation;		/* of the configuration it runs with */
	uint64_t slice;			/* config_digest() of that; 0: not known */
	uint64_t tried;			/* generation of the CONFIG it was asked about; 0: none */
	uint64_t keys;			/* keysign: its set of host keys; nursery, connection: the set it shows to clients */
	uint64_t forked_by;		/* connection: serial of the nursery it was asked of; 0: waits in the queue */
	unsigned asked;			/* nursery: forks it has not answered */
	unsigned unmet;			/* 1 << role: guards that get to know it later (introduce.c) */
	struct event *deadline;		/* then it is killed */
	int pidfd;			/* -1: none */
	int order;			/* worker that was not told to GO yet: our end of its link; else -1 */
	struct event *watch;		/* adopted: it is no child of ours, its pidfd tells the end */
	struct kid *heir_of;		/* whose process it is to become, in a planned replacement */
	unsigned adopted : 1;
	struct rusage seen;		/* adopted: whoever reaps it gets the true ones, and tells nobody */
	uint64_t seen_ms;		/* when that was; 0: never */
	unsigned asked_ends : 1;	/* adopted connection: it has not told all of its ends */
	unsigned resumed : 1;		/* it was another supervisor's */
	uint32_t ends_after;		/* ENDS before the PONG of that number answer another supervisor; 0: none of them is to come */
	unsigned stored : 2;		/* how many descriptors of it the service manager has (store.h) */
	unsigned perhaps_stored : 1;	/* or it has them of the program before us */
	unsigned replay : 1;		/* adopted: its first message may be one that was handled before */
	int box;			/* helper: the page of its last events; -1 */
	uint32_t slot;			/* connection: its page in daemon.boxes; 0: none */
	struct session *adopts;		/* connection: the session it is to take over (handoff.h); NULL otherwise */
};

/* What belongs to one node of the tree. */
struct kid {
	struct daemon *d;
	struct sup_node *node;
	const struct kid_row *row;
	char name[100];
	struct proc *proc;
	struct event *timer;
	struct list pending;		/* in daemon.pending: answer waits for the tree */
	enum sup_event answer;
	uint64_t up_ms;			/* when its process or supervisor node last started */
	int last_status;		/* wait status; -1: none */
	int killed;			/* that end was our doing */
	char why[80];			/* of a start that failed; "": not known */
	int hung;			/* ... because it did not answer */
	pid_t last_pid;
	uint64_t lived_ms;
	char last_exit[100];		/* "" : never ended */
	struct session *session;	/* of a session, connection or worker */
	struct listener *listener;	/* of a listener or acceptor */
	struct work *work;		/* of a worker */
	struct kept *kept;		/* between an end and its report (reports.c) */
};

/* Both ends of the log sockets live as long as the daemon, so that lines wait while a reporter is replaced. */
struct log_pair { int send, receive; };

/* The pages of the last events of connections (boxes.c). */
struct box_slab { int fd; uint32_t *free; unsigned nfree; int former; };	/* former: it was another supervisor's, too */

/* A client's link that waits for a nursery. */
struct fork_wait { struct list link; uint64_t conn; int fd; };

/* Live connections that move to other processes. */
struct handoffs {
	struct list active;		/* struct handoff */
	struct list wanted, later;	/* struct session: in turn, and the ones that could not yet */
	struct list jobs;		/* commands that wait to hear of it */
	unsigned nactive;
	uint32_t last;			/* number of the last move */
	struct event *again;
	uint64_t moved, failed;		/* since the daemon began */
	unsigned pumping;
	int suspended;			/* none begins: the supervisor is about to be replaced */
};

struct nursery {
	struct proc *next;		/* its successor, not ready yet */
	unsigned forks;			/* since the current one started */
	int tainted;			/* a worker crashed: no more forks from this layout */
	struct list queue;		/* struct fork_wait */
	unsigned queued;
	struct event *again;		/* a successor failed: try later */
	struct event *serve;		/* it could not be asked: try later */
	unsigned failed;		/* successors in a row */
};

struct daemon {
	struct options opt;
	struct places places;
	struct conf *conf;
	struct conf_values *values;
	struct sup_spec specs[KID_COUNT];	/* children.def as the configuration wants it (supervise.h) */
	char *slice[ROLE_COUNT];	/* the configuration as each role got it last */
	size_t slice_len[ROLE_COUNT];
	uint64_t generation;
	uint64_t slice_since[ROLE_COUNT];	/* generation that changed it last */
	struct addr *addr;		/* where it wants to listen */
	size_t addrs;
	uint64_t keys;			/* number of the set of host keys in force */
	char *fallback;			/* why the last good configuration is in force instead of the file; NULL: it is not */
	struct reload *reload;
	struct ids ids;
	int privileged;

	struct event_base *base;
	struct event *signals[6];
	struct sup_tree *tree;
	struct kid *kids[KID_COUNT];	/* the rows there is one of */
	struct list pending;
	struct list asked;		/* coppicectl's commands that wait for a node (command_child.c) */
	int obeying;			/* inside the loop that carries out actions */
	int stopping;
	int up;				/* the tree has been complete once */
	int status;			/* of the process, at the end */
	uint64_t born_ms;
	int log_level;			/* set by coppicectl; -1: as configured */
	struct { uint64_t at_ms; int ok; char text[200]; } last_reload;	/* at_ms 0: never */

	struct list procs;
	struct table by_pid;
	struct { pid_t pid; int wstatus; struct rusage used; } strangers[64];	/* reaped before the nursery told us of them */
	unsigned stranger_at;
	uint64_t last_serial;
	int program[PROG_COUNT];	/* descriptors; -1 */

	struct table sessions;		/* by number of the connection */
	struct nursery nursery;
	struct handoffs handoffs;
	struct list listeners;
	uint32_t last_listener;
	struct listener *health;	/* HealthListen; NULL */
	struct drain *drain;		/* NULL until the first one */
	struct list listeners_next;	/* bound for the configuration that is being tried */
	struct event *introductions;	/* paces them */
	struct control *control;
	struct {			/* watchdog.c */
		struct event *tick;
		uint64_t due_ms, round_ms;	/* of the timer, of the next round */
		unsigned busy : 1;	/* the round was brought forward */
		unsigned told : 1;	/* the manager knows of this round */
	} watchdog;

	struct journal *journal;	/* NULL: nobody is to read it */
	struct keep *keep;
	struct upgrade *upgrade;	/* one is asked for */
	struct replace *replace;	/* one is under way */
	int renewing;			/* a former program's helpers (1), then its connections (2) are being replaced: the next supervisor goes on with it */
	char **argv, **environment;	/* as we were started */
	int took_over;			/* the tree is ours, and others know */
	int self;			/* this very program, for a step back */
	char program_path[PLACE_MAX];	/* of this program, when it was started */
	struct resume *resume;		/* the same while */
	struct held *held;		/* while we take over: what is not adopted yet */
	uint64_t left_until_ms;		/* what a killed daemon left here ends about now, and may hold our port so long */
	int keep_refused;		/* the keeper at that place is another daemon's */
	uint64_t began, upgraded;	/* seconds since 1970; upgraded: 0 or when this program took over from another */
	unsigned upgrades, adoptions;
	char came_from[40];		/* version before the last upgrade */

	struct log_pair log_trusted, log_untrusted;
	unsigned untold;		/* records the log socket did not take */
	struct box_slab boxes;
	int crash_dir, metrics;		/* for the reporter: where it keeps reports, where it is asked for metrics; -1 */
	int sink;			/* for the reporter; -1: syslog */
	int detached;
	int start_pipe;			/* to the process the user started; -1 */
	int socks[2];			/* -i: the client */
};

/* Ends it all in order; the loop returns when the tree is down. */
void daemon_stop(struct daemon *);

#endif
