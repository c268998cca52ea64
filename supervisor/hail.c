#include "supervisor/hail.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "supervisor/effects.h"
#include "supervisor/proc.h"

#define BY_APPLICATION 11u	/* RFC 4253 11.1: SSH_DISCONNECT_BY_APPLICATION */
#define NOTICE_MOST 1000u	/* CONN_NOTICE.text */
#define REASON_MOST 200u	/* CONN_END.text */

static struct view at_most(const char *text, size_t most)
{
	return view_of(text, strnlen(text, most));
}

static struct link *link_of(const struct session *s)
{
	struct proc *p = s->connection != NULL ? s->connection->proc : NULL;

	return p != NULL && p->is_ready ? p->link : NULL;
}

int hail_session(struct session *s, uint32_t req, const char *text)
{
	struct link *l = link_of(s);

	if (l == NULL || s->grant == NULL)
		return SSH_E_NOT_NOW;
	return link_send(l, IPC_CONN_NOTICE, &(struct ipc_CONN_NOTICE){ .req = req, .text = at_most(text, NOTICE_MOST) });
}

unsigned hail_everybody(struct daemon *d, const char *text)
{
	struct session *s;
	size_t at = 0;
	unsigned n = 0;

	while ((s = table_next(&d->sessions, &at)) != NULL)
		n += hail_session(s, 0, text) == SSH_OK;
	return n;
}

const char *hail_words(char *out, size_t size, const char *who, const char *text)
{
	snprintf(out, size, "Message from %.*s: %s", (int)strcspn(who, " "), who, text);
	return out;
}

static int say_end(const struct session *s, const char *text)
{
	struct link *l = link_of(s);

	return l != NULL && link_send(l, IPC_CONN_END, &(struct ipc_CONN_END){ .reason = BY_APPLICATION, .text = at_most(text, REASON_MOST) }) == SSH_OK;
}

void hail_farewell(struct daemon *d, const char *text)
{
	struct session *s;
	size_t at = 0;

	while ((s = table_next(&d->sessions, &at)) != NULL)
		say_end(s, text);
}

void hail_end(struct session *s, const char *text, int *told)
{
	int said = say_end(s, text);

	if (told != NULL)
		*told = said;
	fx_stop(s->kid);
}
