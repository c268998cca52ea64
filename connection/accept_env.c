#include "connection/accept_env.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"

/* Takes name out of the list; returns how many entries are left. */
static unsigned forget(struct buf *list, struct view name)
{
	unsigned count = 0;
	size_t at = 0;

	while (at < buf_len(list)) {
		uint8_t *p = buf_head(list) + at, *end = buf_head(list) + buf_len(list);
		size_t n = strlen((char *)p) + 1;

		if (n > name.len + 1 && p[name.len] == '=' && memcmp(p, name.p, name.len) == 0) {
			memmove(p, p + n, (size_t)(end - p) - n);
			buf_truncate(list, buf_len(list) - n);
		} else {
			at += n;
			count++;
		}
	}
	return count;
}

int accept_env_put(struct buf *list, struct view name, struct view value)
{
	size_t need = name.len + value.len + 2;
	uint8_t *p;

	if (name.len == 0 || memchr(name.p, '\0', name.len) != NULL || memchr(name.p, '=', name.len) != NULL || (value.len > 0 && memchr(value.p, '\0', value.len) != NULL))
		return SSH_E_FORMAT;
	if (need > CHAN_ENV_MAX || forget(list, name) >= CHAN_ENV_COUNT || buf_len(list) + need > CHAN_ENV_MAX)
		return SSH_E_FULL;
	if ((p = buf_reserve(list, need)) == NULL)
		return SSH_E_NOMEM;
	memcpy(p, name.p, name.len);
	p[name.len] = '=';
	if (value.len > 0)
		memcpy(p + name.len + 1, value.p, value.len);
	p[need - 1] = '\0';
	buf_commit(list, need);
	return SSH_OK;
}
