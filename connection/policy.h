#ifndef CONNECTION_POLICY_H
#define CONNECTION_POLICY_H
#include <stddef.h>

#include "ssh/ssh.h"

/* policy - the connection's slice of the configuration as the core's struct ssh_policy. */

struct conf_values;

struct policy {
	struct ssh_policy ssh;		/* strings point into values and version */
	struct conf_values *values;
	char version[256];		/* "SSH-2.0-Coppice_0.1 addendum" */
};

/* SSH_OK, or SSH_E_CONFIG with a sentence in why. *p is not touched on failure; else yours: conn_policy_drop(). */
int  conn_policy_read(struct policy *p, const char *slice, size_t len, char *why, size_t size);
/* VersionString random: another name in version, for one connection. The crypto libraries are ready. */
void conn_policy_greet(struct policy *p);
void conn_policy_drop(struct policy *);

#endif
