/*
 * coppiced - the supervisor: keeps the process tree of an SSH server alive
 *
 * RUNS AS     root, or an ordinary user who serves himself
 * HEARS       HELLO READY CONFIG_OK PONG (every child); CONN_NEW ACCEPT_STOPPED (acceptor); FORKED (nursery); AUTH_GRANTED (auth);
 *             CONN_PHASE CONN_PEER SPAWN CHAN_SHUT WORKER_SIGNAL (connection); CTL_REQUEST (coppicectl)
 * SAYS        WELCOME CONFIG CONFIG_COMMIT PEER_LINK PEER_GONE PING (children); LISTEN CONN_FATE ACCEPT_STOP HEALTH_LISTEN READINESS (acceptor); FORK (nursery);
 *             CONN_START SPAWNED WORKER_EXIT (connection); WORK (worker); CTL_NODE CTL_DONE (coppicectl)
 * NEVER       reads a byte that came from the network; links SSH or crypto; waits in a send
 * IF IT DIES  every child sees the end of its link and ends
 */
#include <stdio.h>

#include "base/err.h"
#include "supervisor/boot.h"

int main(int argc, char **argv)
{
	static struct daemon d;
	char why[200];
	int status;

	if (options_parse(&d.opt, argc, argv, why, sizeof why) < 0) {
		if (why[0] != '\0')
			fprintf(stderr, "coppiced: %s\n", why);
		fputs(options_usage, stderr);
		options_drop(&d.opt);
		return 1;
	}
	if (d.opt.version) {
		fprintf(stderr, "Coppice %s\n", COPPICE_VERSION);
		return 0;
	}
	status = boot_run(&d);
	options_drop(&d.opt);
	return status;
}
