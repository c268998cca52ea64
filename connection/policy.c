#include "connection/policy.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"

#define NO_BYTE_LIMIT (UINT64_C(1) << 60)	/* "none": sshd leaves it to the other limits then */

/* Digits at *p; SSH_E_CONFIG when there are none or the number is absurd. */
static int number(const char **p, uint64_t *n)
{
	if (**p < '0' || **p > '9')
		return SSH_E_CONFIG;
	for (*n = 0; **p >= '0' && **p <= '9'; (*p)++) {
		if (*n > UINT64_C(1) << 40)
			return SSH_E_CONFIG;
		*n = *n * 10 + (uint64_t)(**p - '0');
	}
	return SSH_OK;
}

static int read_bytes(const char *text, uint64_t *bytes)
{
	int r;

	if (strcasecmp(text, "default") == 0) {
		*bytes = 0;
		return SSH_OK;
	}
	if (strcasecmp(text, "none") == 0) {
		*bytes = NO_BYTE_LIMIT;
		return SSH_OK;
	}
	TRY(number(&text, bytes));
	switch (*text) {
	case 'g': case 'G':
		*bytes *= 1024;	/* fall through */
	case 'm': case 'M':
		*bytes *= 1024;	/* fall through */
	case 'k': case 'K':
		*bytes *= 1024;
		text++;
	}
	return *text == '\0' && *bytes > 0 ? SSH_OK : SSH_E_CONFIG;
}

static int read_time(const char *text, uint64_t *ms)
{
	uint64_t n, unit, seconds = 0;
	int r;

	*ms = 0;
	if (strcasecmp(text, "none") == 0)
		return SSH_OK;
	do {
		TRY(number(&text, &n));
		unit = 1;
		switch (*text) {
		case 'w': case 'W': unit *= 7;		/* fall through */
		case 'd': case 'D': unit *= 24;		/* fall through */
		case 'h': case 'H': unit *= 60;		/* fall through */
		case 'm': case 'M': unit *= 60;		/* fall through */
		case 's': case 'S': text++;
		}
		seconds += n * unit;
	} while (*text != '\0');
	*ms = seconds * 1000;
	return SSH_OK;
}

int conn_policy_rekey_limit(const char *text, uint64_t *bytes, uint64_t *ms)
{
	char copy[64], *save, *first, *second;
	int r;

	*bytes = *ms = 0;
	if (text == NULL)
		return SSH_OK;
	if (strlen(text) >= sizeof copy)
		return SSH_E_CONFIG;
	strcpy(copy, text);
	if ((first = strtok_r(copy, " \t", &save)) == NULL)
		return SSH_OK;
	TRY(read_bytes(first, bytes));
	if ((second = strtok_r(NULL, " \t", &save)) != NULL)
		TRY(read_time(second, ms));
	return strtok_r(NULL, " \t", &save) == NULL ? SSH_OK : SSH_E_CONFIG;
}

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
	}
	/* MaxAuthTries is known to auth only, which says when it is enough (AUTH_VERDICT.last). */
	p->ssh.max_auth_tries = SSH_AUTH_REQUESTS;
	if (conn_policy_rekey_limit(v->RekeyLimit, &p->ssh.rekey_bytes, &p->ssh.rekey_ms) < 0) {
		snprintf(why, size, "RekeyLimit: not a size and a time");
		return SSH_E_CONFIG;
	}
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
