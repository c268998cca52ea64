#include "base/log.h"
#include "supervisor/command.h"

/* command_daemon - what concerns the daemon as a whole. */

int command_STOP(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	int r;

	(void)m;
	log_ev(LOGL_INFO, "coppicectl stop; terminating.");
	r = client_done(c, 0, "stopping");
	daemon_stop(client_daemon(c));
	return r;
}
