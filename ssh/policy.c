#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/transport.h"

/* policy - the lists a connection offers, and their defaults. */

#define POLICY_STRINGS 10

/* Every string of the policy, with the kind its default comes from; the version has none. */
static size_t strings(struct ssh_policy *p, const char **at[POLICY_STRINGS], enum alg_kind kind[POLICY_STRINGS])
{
	const char **all[] = { &p->version, &p->kex, &p->hostkey, &p->ciphers[0], &p->ciphers[1], &p->macs[0],
	    &p->macs[1], &p->comps[0], &p->comps[1], &p->sig_algs };
	const enum alg_kind kinds[] = { ALG_KEX, ALG_KEX, ALG_HOSTKEY, ALG_CIPHER, ALG_CIPHER, ALG_MAC, ALG_MAC,
	    ALG_COMP, ALG_COMP, ALG_SIG };

	_Static_assert(sizeof all / sizeof all[0] == POLICY_STRINGS, "one kind for each string");
	_Static_assert(sizeof kinds / sizeof kinds[0] == POLICY_STRINGS, "one kind for each string");
	memcpy(at, all, sizeof all);
	memcpy(kind, kinds, sizeof kinds);
	return POLICY_STRINGS;
}

static void fill(struct ssh_policy *p)
{
	const char **at[POLICY_STRINGS];
	enum alg_kind kind[POLICY_STRINGS];
	size_t n = strings(p, at, kind);

	if (p->version == NULL)
		p->version = "SSH-2.0-Coppice_0.1";
	for (size_t i = 1; i < n; i++)
		if (*at[i] == NULL)
			*at[i] = alg_defaults(kind[i]);
}

void ssh_policy_defaults(struct ssh_policy *p)
{
	memset(p, 0, sizeof *p);
	fill(p);
}

int policy_copy(struct ssh_policy *to, const struct ssh_policy *from, const struct mem *mem)
{
	const char **at[POLICY_STRINGS];
	enum alg_kind kind[POLICY_STRINGS];
	size_t n, i;

	*to = *from;
	fill(to);
	n = strings(to, at, kind);
	for (i = 0; i < n; i++)
		if ((*at[i] = mem_strndup(mem, *at[i], strlen(*at[i]))) == NULL)
			break;
	if (i == n)
		return SSH_OK;
	for (size_t j = i; j < n; j++)
		*at[j] = NULL;		/* these were never ours */
	policy_drop(to, mem);
	return SSH_E_NOMEM;
}

void policy_drop(struct ssh_policy *p, const struct mem *mem)
{
	const char **at[POLICY_STRINGS];
	enum alg_kind kind[POLICY_STRINGS];
	size_t n = strings(p, at, kind);

	for (size_t i = 0; i < n; i++) {
		mem_free(mem, (void *)(uintptr_t)*at[i]);
		*at[i] = NULL;
	}
}
