#include "connection/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"
#include "ssh/crypto/crypto.h"

static void choose(const char **list, const char *configured)
{
	if (configured != NULL && *configured != '\0')
		*list = configured;
}

/* name NULL: our own. */
static int name_it(struct policy *p, const char *name)
{
	const char *more = p->values->VersionAddendum;
	int n = snprintf(p->version, sizeof p->version, "SSH-2.0-%s%s%s", name != NULL ? name : "Coppice_" COPPICE_VERSION,
	    more != NULL ? " " : "", more != NULL ? more : "");

	return n < 0 || (size_t)n > SSH_IDENT_MAX - 2 ? SSH_E_CONFIG : SSH_OK;
}

/* One of n, each as likely as the others. */
static unsigned draw(unsigned n)
{
	uint8_t b;

	do
		crypto_random(NULL, &b, 1);
	while (b >= 256 / n * n);
	return b % n;
}

void conn_policy_greet(struct policy *p)
{
	char name[SSH_IDENT_MAX];
	unsigned min, max, n;

	if (!conf_version_random(p->values, &min, &max))
		return;
	n = min + draw(max - min + 1);
	for (unsigned i = 0; i < n; i++)
		name[i] = (char)('a' + draw(26));
	name[n] = '\0';
	(void)name_it(p, name);		/* shorter than what was checked */
}

static int fill(struct policy *p, char *why, size_t size)
{
	const struct conf_values *v = p->values;
	unsigned min, max;

	if (name_it(p, conf_version_random(v, &min, &max) ? "random" : v->VersionString) < 0) {
		snprintf(why, size, "VersionString and VersionAddendum are too long");
		return SSH_E_CONFIG;
	}
	ssh_policy_defaults(&p->ssh);
	p->ssh.version = p->version;
	choose(&p->ssh.kex, v->KexAlgorithms);
	choose(&p->ssh.hostkey, v->HostKeyAlgorithms);
	choose(&p->ssh.sig_algs, v->PubkeyAcceptedAlgorithms);
	choose(&p->ssh.ciphers[0], v->CiphersClientToServer);
	choose(&p->ssh.ciphers[1], v->CiphersServerToClient);
	choose(&p->ssh.macs[0], v->MACsClientToServer);
	choose(&p->ssh.macs[1], v->MACsServerToClient);
	choose(&p->ssh.comps[0], v->Compression ? v->CompressionAlgorithmsClientToServer : "none");
	choose(&p->ssh.comps[1], v->Compression ? v->CompressionAlgorithmsServerToClient : "none");
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
