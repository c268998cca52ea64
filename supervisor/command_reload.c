#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "conf/number.h"
#include "supervisor/command.h"
#include "supervisor/reload.h"

/* command_reload - reload, confirm, rollback. */

/* "", "--confirm 2m" or "--confirm=2m"; seconds, 0 without one. */
static int confirm_of(struct view text, uint32_t *seconds)
{
	static const char word[] = "--confirm";
	char time[32];
	size_t n = sizeof word - 1;

	*seconds = 0;
	if (text.len == 0)
		return SSH_OK;
	if (text.len <= n + 1 || memcmp(text.p, word, n) != 0 || (text.p[n] != ' ' && text.p[n] != '=') || text.len - n - 1 >= sizeof time)
		return SSH_E_FORMAT;
	memcpy(time, text.p + n + 1, text.len - n - 1);
	time[text.len - n - 1] = '\0';
	if (number_time(time, seconds) < 0 || *seconds == 0 || *seconds > RELOAD_CONFIRM_MAX)
		return SSH_E_FORMAT;
	return SSH_OK;
}

int command_RELOAD(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	uint32_t seconds;

	if (confirm_of(m->text, &seconds) < 0)
		return client_done(c, 1, "usage: reload [--confirm TIME]; a TIME is 90, 90s, 2m, 1h30m ..., a week at most");
	return reload_for(c, seconds);
}

int command_CONFIRM(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	(void)m;
	return reload_confirm_for(c);
}

int command_ROLLBACK(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	(void)m;
	return reload_rollback_for(c);
}

int command_RELOAD_STATUS(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	int r;

	(void)m;
	TRY(reload_status(c));
	return client_done(c, 0, "%s", "");
}
