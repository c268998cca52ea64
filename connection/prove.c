#include "connection/prove.h"

#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "connection/conn.h"
#include "ipc/values.h"

#define PROVE_REQ 0x80000000u	/* apart from conn_req() */
#define KEYS_MAX  (SSH_HOSTKEYS_MAX * (4 + SSH_BLOB_MAX))
#define SIGS_MAX  (SSH_HOSTKEYS_MAX * (4 + SSH_SIG_MAX))

_Static_assert(SIGS_MAX < SSH_PACKET_MAX, "all proofs fit a packet");

void prove_init(struct prove *p)
{
	memset(p, 0, sizeof *p);
	buf_init(&p->keys, KEYS_MAX, NULL);
	buf_init(&p->sigs, SIGS_MAX, NULL);
}

void prove_drop(struct prove *p)
{
	buf_drop(&p->keys);
	buf_drop(&p->sigs);
}

/* ---- the answer -------------------------------------------------------------------------- */

static void finish(struct conn *c, int ok)
{
	struct prove *p = &c->prove;
	int want_reply = p->want_reply;

	log_ev(LOGL_DEBUG, "ev=prove ok=%d", ok);
	p->open = 0;
	p->req = 0;
	if (want_reply)
		ssh_global_reply(c->ssh, ok, view_of(buf_head(&p->sigs), ok ? buf_len(&p->sigs) : 0));
	prove_drop(p);
	for (unsigned i = 0; i < p->later_count; i++)
		ssh_global_reply(c->ssh, p->later[i], view_of(NULL, 0));
	p->later_count = 0;
}

void prove_answer_other(struct conn *c, int ok)
{
	struct prove *p = &c->prove;

	/* The core ends a connection with more than SSH_GLOBAL_REQUESTS_MAX unanswered; the proof is one of them. */
	if (p->open && p->want_reply && p->later_count < SSH_GLOBAL_REQUESTS_MAX)
		p->later[p->later_count++] = ok != 0;
	else
		ssh_global_reply(c->ssh, ok, view_of(NULL, 0));
}

/* ---- asking keysign ------------------------------------------------------------------------ */

void prove_ask(struct conn *c)
{
	struct prove *p = &c->prove;
	struct ipc_PROVE m;
	struct rd in = rd_of(buf_head(&p->keys), buf_len(&p->keys));
	const char *alg;
	unsigned index;
	int r;

	if (!p->open || p->req != 0 || c->key == NULL || c->answers.sign_req != 0)
		return;
	/* The keys may be others since: the connection moved after a reload. */
	if ((r = ssh_prove_key(c->ssh, rd_string(&in, SSH_BLOB_MAX), &index, &alg)) == SSH_OK) {
		p->serial = (p->serial + 1) & ~PROVE_REQ;
		m = (struct ipc_PROVE){ .req = p->serial | PROVE_REQ, .key = (uint8_t)index, .alg = view_str(alg) };
		p->req = m.req;
		if ((r = link_send(c->key, IPC_PROVE, &m)) == SSH_OK || r == SSH_E_GONE)
			return;
	}
	survive_close(c);	/* a successor may have more luck */
	finish(c, 0);
}

void prove_request(struct conn *c, const struct ssh_event *ev)
{
	struct prove *p = &c->prove;

	if (p->open || p->requests >= PROVES_MAX || ssh_prove_check(c->ssh, ev->data) < 0) {
		if (ev->want_reply)
			prove_answer_other(c, 0);
		return;
	}
	p->requests++;
	prove_drop(p);
	if (!ev->want_reply)
		return;		/* nobody wants to know */
	p->open = p->want_reply = 1;
	if (buf_append(&p->keys, ev->data.p, ev->data.len) < 0)
		finish(c, 0);
	else
		prove_ask(c);
}

void prove_link_lost(struct conn *c)
{
	c->prove.req = 0;
}

/* ---- what it says ---------------------------------------------------------------------------- */

int prove_hears(const struct conn *c, const struct ipc_msg *m)
{
	return m->type == IPC_SIGNED && c->prove.req != 0 && m->u.SIGNED.req == c->prove.req;
}

/* One signature came, or none will: the same in a successor. Whoever is next to ask keysign is the caller's choice. */
static void take(struct conn *c, int ok, struct view sig)
{
	struct prove *p = &c->prove;
	struct rd keys = rd_of(buf_head(&p->keys), buf_len(&p->keys));
	struct wr w = wr_to(&p->sigs);

	p->req = 0;
	rd_string(&keys, SSH_BLOB_MAX);
	buf_consume(&p->keys, buf_len(&p->keys) - rd_left(&keys));
	wr_view(&w, sig);
	if (!ok || sig.len == 0 || wr_done(&w) < 0)
		finish(c, 0);
	else if (buf_len(&p->keys) == 0)
		finish(c, 1);
}

void prove_signed(struct conn *c, const struct ipc_SIGNED *m)
{
	int ok = m->status == SIGNED_OK;

	survive_bytes(c, BOOK_SIGNED, (unsigned)ok, m->sig.p, m->sig.len);
	take(c, ok, m->sig);
}

int prove_replay(struct conn *c, const struct memory_entry *e)
{
	size_t n = e->result > 0 ? (size_t)e->result : 0;
	int ok = e->which;

	if (!c->prove.open || n > SSH_SIG_MAX)
		return SSH_E_STATE;
	survive_bytes(c, BOOK_SIGNED, (unsigned)ok, (const uint8_t *)(e + 1), n);
	take(c, ok, view_of(e + 1, n));
	return SSH_OK;
}

/* ---- moving ------------------------------------------------------------------------------------ */

void prove_export(const struct prove *p, struct wr *w)
{
	wr_bool(w, p->open);
	wr_u8(w, (uint8_t)p->requests);
	wr_string(w, buf_head(&p->keys), p->open ? buf_len(&p->keys) : 0);
	wr_string(w, buf_head(&p->sigs), p->open ? buf_len(&p->sigs) : 0);
	wr_string(w, p->later, p->later_count);
}

int prove_import(struct prove *p, struct rd *in)
{
	struct view keys, sigs, later;
	struct rd one;
	int r;

	p->open = p->want_reply = rd_bool(in);
	p->requests = rd_u8(in);
	keys = rd_string(in, KEYS_MAX);
	sigs = rd_string(in, SIGS_MAX);
	later = rd_string(in, SSH_GLOBAL_REQUESTS_MAX);
	if (in->bad || p->requests > PROVES_MAX || (p->open ? keys.len == 0 : keys.len + sigs.len + later.len > 0))
		return SSH_E_STATE;
	for (one = rd_view(keys); rd_left(&one) > 0;)
		rd_string(&one, SSH_BLOB_MAX);
	if (rd_done(&one) < 0)
		return SSH_E_STATE;
	for (size_t i = 0; i < later.len; i++)
		p->later[i] = later.p[i] != 0;
	p->later_count = (unsigned)later.len;
	TRY(buf_append(&p->keys, keys.p, keys.len));
	return buf_append(&p->sigs, sigs.p, sigs.len);
}
