#include "supervisor/ids.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <sys/types.h>

#include "base/err.h"

static int system_account(void *ctx, const char *name, struct id_pair *out)
{
	const struct passwd *pw = getpwnam(name);

	(void)ctx;
	if (pw == NULL || pw->pw_uid == 0)	/* an account of that name that is root would defeat its purpose */
		return 0;
	*out = (struct id_pair){ pw->pw_uid, pw->pw_gid };
	return 1;
}

static int system_taken(void *ctx, uint32_t id)
{
	(void)ctx;
	return getpwuid(id) != NULL || getgrgid(id) != NULL;
}

const struct ids_source ids_system = { system_account, system_taken, NULL };

static int choose_one(struct id_pair *out, const struct ids_source *src, const char *name, uint32_t *next, int *made_up)
{
	if (src->account(src->ctx, name, out))
		return SSH_OK;
	while (*next <= IDS_LAST && src->taken(src->ctx, *next))
		++*next;
	if (*next > IDS_LAST)
		return SSH_E_LIMIT;
	*out = (struct id_pair){ *next, *next };
	++*next;
	*made_up = 1;
	return SSH_OK;
}

int ids_choose(struct ids *ids, const struct ids_source *src)
{
	uint32_t next = IDS_FIRST;
	int r;

	memset(ids, 0, sizeof *ids);
	TRY(choose_one(&ids->net, src, "coppice-net", &next, &ids->made_up));
	TRY(choose_one(&ids->key, src, "coppice-key", &next, &ids->made_up));
	TRY(choose_one(&ids->log, src, "coppice-log", &next, &ids->made_up));
	return SSH_OK;
}

struct id_pair ids_of(const struct ids *ids, const char *account)
{
	if (strcmp(account, "coppice-net") == 0)
		return ids->net;
	if (strcmp(account, "coppice-key") == 0)
		return ids->key;
	if (strcmp(account, "coppice-log") == 0)
		return ids->log;
	return (struct id_pair){ 0, 0 };
}
