#include "guard/helper_proto.h"

#include <string.h>

#include "base/err.h"
#include "ipc/codec.h"
#include "ipc/permits.h"

#define SERVICE_MAX 32u

int helper_ask_encode(struct buf *b, const struct helper_ask *a)
{
	struct wr w = wr_to(b);

	wr_u8(&w, (uint8_t)a->what);
	ipc_put_addr(&w, &a->peer);
	wr_view(&w, a->alg);
	wr_view(&w, a->blob);
	wr_view(&w, a->sig);
	wr_view(&w, a->session_id);
	wr_view(&w, a->service);
	wr_view(&w, a->hostkey);
	return wr_done(&w);
}

int helper_ask_decode(struct helper_ask *a, struct view v)
{
	struct rd r = rd_view(v);

	memset(a, 0, sizeof *a);
	a->what = rd_u8(&r) == HELPER_VERIFY ? HELPER_VERIFY : HELPER_QUERY;
	a->peer = ipc_get_addr(&r);
	a->alg = rd_string(&r, SSH_ALG_NAME_MAX);
	a->blob = rd_string(&r, SSH_BLOB_MAX);
	a->sig = rd_string(&r, SSH_SIG_MAX);
	a->session_id = rd_string(&r, SSH_HASH_MAX);
	a->service = rd_string(&r, SERVICE_MAX);
	a->hostkey = rd_string(&r, SSH_BLOB_MAX);
	return rd_done(&r);
}

int helper_answer_encode(struct buf *b, const struct helper_answer *a)
{
	struct wr w = wr_to(b);

	wr_u8(&w, (uint8_t)a->verdict);
	wr_u32(&w, a->permits);
	wr_bool(&w, a->has_command);
	wr_view(&w, a->command);
	wr_u8(&w, (uint8_t)a->nlines);
	for (unsigned i = 0; i < a->nlines && i < HELPER_LINES; i++) {
		wr_u8(&w, (uint8_t)a->lines[i].level);
		wr_view(&w, a->lines[i].text);
	}
	return wr_done(&w);
}

int helper_answer_decode(struct helper_answer *a, struct view v)
{
	struct rd r = rd_view(v);
	uint8_t verdict, level;

	memset(a, 0, sizeof *a);
	verdict = rd_u8(&r);
	a->permits = rd_u32(&r) & PERMIT_ALL;
	a->has_command = rd_bool(&r);
	a->command = rd_string(&r, AUTHOPTS_TEXT_MAX);
	a->nlines = rd_u8(&r);
	if (verdict > HELPER_YES || a->nlines > HELPER_LINES)
		return SSH_E_FORMAT;
	for (unsigned i = 0; i < a->nlines; i++) {
		level = rd_u8(&r);
		/* Nothing a user's file does is an operator's error. */
		a->lines[i].level = level >= LOGL_WARN && level <= LOGL_TRACE ? (enum log_level)level : LOGL_INFO;
		a->lines[i].text = rd_string(&r, HELPER_LINE_MAX);
	}
	if (a->command.len > 0 && memchr(a->command.p, '\0', a->command.len) != NULL)
		return SSH_E_FORMAT;
	if (rd_done(&r) < 0)
		return SSH_E_FORMAT;
	a->verdict = verdict == HELPER_YES ? HELPER_YES : HELPER_NO;
	return SSH_OK;
}
