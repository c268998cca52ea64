#include "connection/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"

static void choose(const char **list, const char *configured)
{
	if (configured != NULL && *configured != '\0')
		*list = configured;
}

static int fill(struct policy *p, char *why, size_t size)
{
	const struct conf_values *v = p->values;
	int n = snprintf(p->version, sizeof p->version, "SSH-2.0-Coppice_" COPPICE_VERSION "%s%s",
	    v->VersionAddendum != NULL ? " " : "", v->VersionAddendum != NULL ? v->VersionAddendum : "");

	if (n < 0 || (size_t)n > SSH_IDENT_MAX - 2) {
		snprintf(why, size, "VersionAddendum is too long");
		return SSH_E_CONFIG;
	}
	ssh_policy_defaults(&p->ssh);
	p->ssh.version = p->version;
	choose(&p->ssh.kex, v->KexAlgorithms);
	choose(&p->ssh.hostkey, v->HostKeyAlgorithms);
	choose(&p->ssh.sig_algs, v->PubkeyAcceptedAlgorithms);
	for (int i = 0; i < 2; i++) {
		choose(&p->ssh.ciphers[i], v->Ciphers);
		choose(&p->ssh.macs[i], v->MACs);
		choose(&p->ssh.comps[i], v->Compression ? v->CompressionAlgorithms : "none");
	}
	/* MaxAuthTries is known to auth only, which says when it is enough (AUTH_VERDICT.last). */
	p->ssh.max_auth_tries = SSH_AUTH_REQUESTS;
	p->ssh.window_max = (uint32_t)v->WindowMax;
	/* RekeyLimit comes with AUTH_POLICY, too: no keys but the first are agreed on before. */
	return SSH_OK;
}

int conn_policy_read(struct policy *res, const char *slice, size_t len, char *why, size_t size)
{
	struct conf_error error = { "" };
	struct conf *conf = NULL;
	struct policy *p = calloc(1, sizeof *p);
	int r = SSH_E_NOMEM;

	if (p == NULL || (r = conf_parse(&conf, view_of(slice, len), "slice", &error)) < 0 ||
	    (r = conf_resolve(conf, NULL, &p->values, &error)) < 0) {
		snprintf(why, size, "%s", error.text[0] != '\0' ? error.text : err_text(r));
		goto out;
	}
	if ((r = fill(p, why, size)) < 0)
		goto out;
	*res = *p;
	res->ssh.version = res->version;
	p->values = NULL;
out:
	if (p != NULL)
		conn_policy_drop(p);
	free(p);
	conf_free(conf);
	return r;
}

void conn_policy_drop(struct policy *p)
{
	if (p->values != NULL)
		conf_values_free(p->values);
	memset(p, 0, sizeof *p);
}
