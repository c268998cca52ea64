/*
 * channel - becomes the user's shell or command
 *
 * RUNS AS     root until it has read BECOME; then the user, in a session of its own, with the user's limits
 * HEARS       BECOME, WORK, GO (supervisor)
 * SAYS        nothing; it execs
 * NEVER       parses SSH; keeps a descriptor but 0, 1 and 2
 * IF IT DIES  the supervisor reaps it and tells the connection (WORKER_EXIT), whose client gets exit-status or exit-signal
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "channels/argv.h"
#include "channels/env.h"
#include "channels/exec.h"
#include "channels/pty.h"
#include "ipc/worker.h"

static struct worker self;

int main(void)
{
	const struct ipc_WORK *w = &self.msg.u.WORK;
	struct argv argv;
	struct env env;
	char *home;

	worker_begin(&self);
	if (w->pty)
		pty_take(w->modes);
	if (argv_build(&argv, w) < 0 || env_build(&env, w, getuid() == 0, getenv("TZ")) < 0 ||
	    (home = argv_text(w->home)) == NULL) {
		dprintf(2, "coppice: out of memory\n");
		_exit(1);
	}
	exec_program(&argv, &env, home);
}
