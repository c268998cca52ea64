/*
 * coppiced - the supervisor: keeps the process tree of an SSH server alive
 *
 * RUNS AS     root, or an ordinary user who serves himself
 * HEARS       HELLO READY CONFIG_OK PONG (every child); KEPT KEPT_END (the keeper that is there already); CONN_NEW ACCEPT_STOPPED (acceptor); FORKED (nursery);
 *             AUTH_GRANTED (auth); CONN_PHASE CONN_PEER SPAWN CHAN_SHUT WORKER_SIGNAL ENDS (connection); CTL_REQUEST (coppicectl)
 * SAYS        WELCOME CONFIG CONFIG_COMMIT PEER_LINK PEER_GONE PING (children); LISTEN CONN_FATE ACCEPT_STOP HEALTH_LISTEN READINESS (acceptor); FORK (nursery);
 *             CONN_START SPAWNED WORKER_EXIT ENDS_ASK MEMORY REVIVE REVIVE_ENDS REVIVE_GO (connection); KEEP KEEP_DOOR KEEPER_LEAVE (keeper); WORK GO (worker); CTL_NODE CTL_DONE (coppicectl)
 * NEVER       reads a byte that came from the network; links SSH or crypto; waits in a send
 * IF IT DIES  the keeper holds its ends of the links, and everybody goes on; the next one takes over (resume.h). Without a
 *             keeper every child sees the end of its link and ends
 */
#include <stdio.h>

#include "base/err.h"
#include "supervisor/boot.h"
#include "supervisor/query.h"
#include "supervisor/version.h"

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
		fprintf(stderr, "Coppice %s\n", program_version.name);
		return 0;
	}
	if (d.opt.query != NULL) {
		status = query_answer(d.opt.query, stdout);
		if (status < 0)
			fprintf(stderr, "coppiced: unsupported query \"%s\"; there are those of -Q help\n", d.opt.query);
		options_drop(&d.opt);
		return status < 0 ? 1 : 0;
	}
	d.argv = argv;
	status = boot_run(&d);
	options_drop(&d.opt);
	return status;
}
