/*
 * auth - the only one who can say "authenticated"
 *
 * SYNOPSIS    auth                        started by coppiced, link on descriptor 3
 * RUNS AS     root with DAC_READ_SEARCH, SETUID, SETGID, AUDIT_WRITE and KILL; no exec, no listening socket.
 *             Its forks: a key helper for each connection that offers keys, which becomes the user, reads
 *             authorized_keys and verifies signatures there (one that let its client in is kept for the next login of
 *             the same person); a child for each password, which hashes it
 * HEARS       AUTH_BEGIN AUTH_KEY_OK AUTH_KEY AUTH_PASSWORD AUTH_INTERACT AUTH_REPLY (connection);
 *             SESSION_ID (keysign, supervisor); WELCOME CONFIG CONFIG_COMMIT PEER_LINK PEER_GONE PING LOGLEVEL
 *             (supervisor)
 * SAYS        AUTH_VERDICT AUTH_PROMPT AUTH_POLICY (connection); AUTH_GRANTED (supervisor), before the VERDICT;
 *             COUNT HELLO CONFIG_OK READY PONG (supervisor); LOG EVENT (reporter)
 * NEVER       parses a key or a signature; touches a network socket; tells who exists by its answers or their time
 * IF IT DIES  the supervisor restarts it; keysign tells the session ids again, connections repeat their open
 *             question; whoever is logged in notices nothing
 */
#include <sys/resource.h>
#include <sys/wait.h>

#include "base/err.h"
#include "guard/authd.h"
#include "guard/proc.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"

/* A link and a helper's socket for each client that is logging in. */
static void raise_descriptors(void)
{
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) == 0) {
		l.rlim_cur = l.rlim_max;
		setrlimit(RLIMIT_NOFILE, &l);
	}
}

int main(void)
{
	static struct child self;
	static struct authd authd;
	int status;

	child_begin(&self, ROLE_AUTH);
	raise_descriptors();
	self.message = authd_message;
	self.prepare = authd_prepare;
	self.commit = authd_commit;
	self.forget = authd_forget;
	self.ctx = &authd;
	if (authd_init(&authd, &self) < 0 || proc_watch(self.base) < 0)
		return 1;
	child_lock(&self, sandbox_auth);
	child_ready(&self);
	status = child_run(&self);
	authd_drop(&authd);
	while (waitpid(-1, NULL, 0) > 0)	/* they were killed: nobody outlives us */
		;
	return status;
}
