#include "connection/hostkeys.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

void hostkeys_drop(struct hostkeys *h)
{
	for (unsigned i = 0; i < h->have; i++)
		free(h->v[i].p);
	memset(h, 0, sizeof *h);
}

int hostkeys_complete(const struct hostkeys *h)
{
	return h->count > 0 && h->have == h->count;
}

int hostkeys_put(struct hostkeys *h, const struct ipc_HOSTKEYS *m)
{
	if (m->index == 0) {
		hostkeys_drop(h);
		h->count = m->count;
	}
	if (m->count == 0 || m->count > HOSTKEYS_MAX || m->count != h->count || m->index != h->have || m->index >= m->count)
		return SSH_E_RULE;
	if ((h->v[h->have].p = malloc(m->blob.len ? m->blob.len : 1)) == NULL)
		return SSH_E_NOMEM;
	memcpy(h->v[h->have].p, m->blob.p, m->blob.len);
	h->v[h->have++].len = m->blob.len;
	return SSH_OK;
}

int hostkeys_hear(struct hostkeys *in_force, struct hostkeys *coming, const struct ipc_HOSTKEYS *m)
{
	int r;

	TRY(hostkeys_put(coming, m));
	if (!hostkeys_complete(coming))
		return SSH_OK;
	hostkeys_drop(in_force);
	*in_force = *coming;
	memset(coming, 0, sizeof *coming);
	return SSH_OK;
}
