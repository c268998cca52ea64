#ifndef TESTS_LOGIN_PAIR_H
#define TESTS_LOGIN_PAIR_H
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ssh/session.h"

/*
 * login_pair - a client and a server joined in memory, for the tests and fuzzers of what lies above
 * the transport. Every event is kept as a copy until a test takes it; LOGIN pairs are logged in.
 */

enum { CLI, SRV };

struct lp_event { struct ssh_event e; uint8_t *store; };

struct lp {
	struct ssh *side[2];
	struct privkey *key;
	uint64_t now;
	int login;			/* do the login by itself */
	int eat[2];			/* consume data at once */
	int quiet;			/* keep no events */
	int deaf[2];			/* what is sent to that side is thrown away */
	struct lp_event *log[2];
	size_t count[2], taken[2], size[2];
	/* sees each event while its views are the core's own; may be NULL */
	void (*hook)(struct lp *, int side, const struct ssh_event *);
	void *ctx;
};

static inline void lp_copy(struct view *v, uint8_t **to)
{
	if (v->len > 0)
		memcpy(*to, v->p, v->len);
	v->p = *to;
	*to += v->len;
}

static inline void lp_keep(struct lp *p, int side, const struct ssh_event *ev)
{
	struct lp_event *l;
	uint8_t *to;

	if (p->count[side] == p->size[side]) {
		p->size[side] = p->size[side] ? p->size[side] * 2 : 16;
		p->log[side] = realloc(p->log[side], p->size[side] * sizeof *p->log[side]);
	}
	l = &p->log[side][p->count[side]++];
	l->e = *ev;
	{
		struct view *all[] = { &l->e.user, &l->e.service, &l->e.alg, &l->e.text, &l->e.data, &l->e.data2,
			&l->e.data3, &l->e.ctype, &l->e.req.name, &l->e.req.value, &l->e.req.term, &l->e.req.modes };
		size_t n = 1;

		for (size_t i = 0; i < sizeof all / sizeof *all; i++)
			n += all[i]->len;
		l->store = to = malloc(n);
		for (size_t i = 0; i < sizeof all / sizeof *all; i++)
			lp_copy(all[i], &to);
	}
}

static inline void lp_sign(struct lp *p, const struct ssh_event *e)
{
	struct buf b;
	struct wr w = wr_to(&b);
	int r;

	buf_init(&b, SSH_SIG_MAX, NULL);
	r = privkey_sign(p->key, sig_alg_find(e->alg), e->data, &w);
	ssh_answer_sign(p->side[SRV], r, view_of(buf_head(&b), buf_len(&b)));
	buf_drop(&b);
}

static inline void lp_handle(struct lp *p, int side, const struct ssh_event *e)
{
	struct ssh *s = p->side[side];

	if (e->type == SSH_EV_IDENT || e->type == SSH_EV_KEX_DONE)
		return;
	if (e->type == SSH_EV_NEED_SIGN) {
		lp_sign(p, e);
		return;
	}
	if (e->type == SSH_EV_NEED_HOSTKEY_OK) {
		ssh_answer_hostkey(s, 1);
		return;
	}
	if (p->hook != NULL)
		p->hook(p, side, e);
	if (p->login && e->type == SSH_EV_AUTH_READY)
		ssh_auth_none(s, "ada");
	if (p->login && e->type == SSH_EV_AUTH_NONE)
		ssh_answer_auth(s, SSH_AUTH_YES, NULL, 0);
	if (p->eat[side] && e->type == SSH_EV_CHAN_DATA)
		ssh_chan_consumed(s, e->chan, e->data.len);
	if (!p->quiet)
		lp_keep(p, side, e);
}

/* Moves what one side has to say, as far as the other reads. */
static inline size_t lp_move(struct lp *p, int from)
{
	size_t n;
	const uint8_t *out = ssh_output(p->side[from], &n);
	struct ssh *to = p->side[!from];

	if (n == 0)
		return 0;
	if (ssh_error(to) == SSH_OK && !p->deaf[!from]) {
		if (!ssh_want_read(to))
			return 0;
		if (n > 65536)
			n = 65536;
		ssh_input(to, out, n, p->now);
	}
	ssh_sent(p->side[from], n);
	return n;
}

static inline int lp_events(struct lp *p, int side)
{
	struct ssh_event e;
	int any = 0;

	while (ssh_next(p->side[side], &e)) {
		lp_handle(p, side, &e);
		any = 1;
	}
	return any;
}

/* Until neither side has anything more to say or tell. */
static inline void lp_run(struct lp *p)
{
	size_t moved = 1;
	int told = 0;

	while (moved > 0 || told > 0) {
		told = lp_events(p, CLI) + lp_events(p, SRV);
		moved = lp_move(p, CLI) + lp_move(p, SRV);
	}
}

static inline void lp_forget(struct lp *p)
{
	for (int i = 0; i < 2; i++) {
		for (size_t k = 0; k < p->count[i]; k++)
			free(p->log[i][k].store);
		p->count[i] = p->taken[i] = 0;
	}
}

/* policies by role: [CLI], [SRV]; NULL: the defaults. */
static inline void lp_start(struct lp *p, int login, const struct ssh_policy *policies)
{
	static const enum ssh_role role[2] = { [CLI] = SSH_CLIENT, [SRV] = SSH_SERVER };
	static struct privkey *key;
	struct ssh_env env = { .random = crypto_random };
	struct ssh_policy d;

	memset(p, 0, sizeof *p);
	p->login = login;
	p->now = 1000;
	if (key == NULL && (crypto_init() < 0 || privkey_generate(&key, KEY_ED25519, 0) < 0))
		abort();
	p->key = key;
	ssh_policy_defaults(&d);
	for (int i = 0; i < 2; i++)
		if (ssh_new(&p->side[i], role[i], &env, policies ? &policies[i] : &d) < 0)
			abort();
	ssh_add_hostkey(p->side[SRV], 0, privkey_blob(key));
	lp_run(p);
	if (login)
		lp_forget(p);
}

static inline void lp_stop(struct lp *p)
{
	lp_forget(p);
	for (int i = 0; i < 2; i++) {
		free(p->log[i]);
		ssh_free(p->side[i]);
	}
}

/* The oldest event of a side not yet taken, if it is of that type; NULL otherwise. */
static inline const struct ssh_event *lp_take(struct lp *p, int side, enum ssh_event_type type)
{
	if (p->taken[side] == p->count[side] || p->log[side][p->taken[side]].e.type != type)
		return NULL;
	return &p->log[side][p->taken[side]++].e;
}

static inline int lp_more(const struct lp *p, int side)
{
	return p->taken[side] < p->count[side];
}

/* A message with any body, as a broken or hostile peer would send it. */
static inline void lp_inject(struct lp *p, int from, uint8_t type, const void *body, size_t n)
{
	struct wr w;

	msg_begin(p->side[from], &w, type);
	wr_raw(&w, body, n);
	if (msg_end(p->side[from], &w) < 0)
		abort();
	lp_run(p);
}

#define TAKE(p, who, T) ({ \
	const struct ssh_event *e_ = lp_take(p, who, SSH_EV_##T); \
	cr_assert(e_ != NULL, "no " #T " on side %d, next is %d", who, \
	    lp_more(p, who) ? (int)(p)->log[who][(p)->taken[who]].e.type : -1); \
	e_; })
#define NOTHING(p) cr_assert(!lp_more(p, CLI) && !lp_more(p, SRV), "an event nobody expected")
#define ENDED(p, who, E) \
	cr_assert_eq(ssh_error((p)->side[who]), SSH_E_##E, "%s", err_name(ssh_error((p)->side[who])))
#define LIVES(p) cr_assert(ssh_error((p)->side[CLI]) == SSH_OK && ssh_error((p)->side[SRV]) == SSH_OK, "%s / %s", \
	err_name(ssh_error((p)->side[CLI])), err_name(ssh_error((p)->side[SRV])))

/* Bodies of messages, written field by field. */
struct body { struct buf b; struct wr w; };
static inline void body_begin(struct body *x)
{
	buf_init(&x->b, 1 << 20, NULL);
	x->w = wr_to(&x->b);
}
static inline void body_inject(struct body *x, struct lp *p, int from, uint8_t type)
{
	lp_inject(p, from, type, buf_head(&x->b), buf_len(&x->b));
	buf_drop(&x->b);
}

#endif
