#include "connection/accept_env.h"

#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"

#define NAME_MAX_LEN 256u

static int possible_name(struct view name)
{
	return name.len > 0 && name.len < NAME_MAX_LEN && memchr(name.p, '\0', name.len) == NULL &&
	    memchr(name.p, '=', name.len) == NULL;
}

int accept_env(const char *patterns, struct view name)
{
	char text[NAME_MAX_LEN], pattern[NAME_MAX_LEN];

	if (!possible_name(name) || patterns == NULL)
		return 0;
	memcpy(text, name.p, name.len);
	text[name.len] = '\0';
	while (*patterns != '\0') {
		size_t n = strcspn(patterns, " \t");

		if (n > 0 && n < sizeof pattern) {
			memcpy(pattern, patterns, n);
			pattern[n] = '\0';
			if (conf_glob(text, pattern, 0))
				return 1;
		}
		patterns += n + strspn(patterns + n, " \t");
	}
	return 0;
}

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

	if (!possible_name(name) || (value.len > 0 && memchr(value.p, '\0', value.len) != NULL))
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
