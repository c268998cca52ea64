#ifndef CTL_ASK_H
#define CTL_ASK_H
#include "ctl/rows.h"
#include "ctl/tree.h"
#include "ipc/verbs.h"

/* ask - one question after the other on the control socket. */

enum { EXIT_REFUSED = 1, EXIT_USAGE = 2, EXIT_NO_DAEMON = 3 };

struct answer {
	struct ctl_tree tree;
	struct ctl_rows rows;
	int status;		/* the daemon's: 0 done, 1 refused */
	char text[1001];	/* its sentence; "" : none */
	int stream;		/* the rest comes from here; -1 */
};

/* Where the daemon of this user listens. */
const char *ask_default_socket(void);
/* Streams that have two forms come as JSON. */
void ask_for_json(int json);
/* A connected socket, or -1 with errno. */
int  ask_dial(const char *path);
/*
 * Asks and hears the answer to its end. SSH_OK, or an error: nobody answered, or nonsense. answer is to be dropped in either
 * case. Waits at most ASK_TIMEOUT_MS for each message, for verbs that take their time for ever.
 * live: gets each row as it comes, and the answer keeps none; NULL: they are kept.
 */
int  ask(int fd, const struct verb *, const char *text, void (*live)(const struct ctl_row *), struct answer *);
void ask_drop(struct answer *);
#define ASK_TIMEOUT_MS 15000

#endif
