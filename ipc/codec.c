#include "ipc/codec.h"

#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"

#undef SECRET		/* here the word is a field of messages.def, not the type of base/secret.h */

/* ---- the rules ------------------------------------------------------------------ */

/* An answer is the name of a message or NONE. */
enum answer {
	ANSWER_NONE = 0,
#define MSG(no, name_, from_, to_, fds_, when_, answer_, fields_, doc_) ANSWER_##name_ = (no),
#include "ipc/messages.def"
#undef MSG
};

/* 1 when a row has a SECRET field, by letting each field word become a summand. */
#define U8(n)
#define U32(n)
#define U64(n)
#define I32(n)
#define STR(n, x)
#define BYTES(n, x)
#define SECRET(n, x) | 1
#define ADDR(n)

static const struct ipc_rule rules[] = {
#define FDS(min_, max_) .fds_min = (min_), .fds_max = (max_)
#define MSG(no, name_, from_, to_, fds_, when_, answer_, fields_, doc_) \
	{ .type = IPC_##name_, .name = #name_, .doc = doc_, .from = (from_), .to = (to_), .when = (when_), fds_, \
	  .answer = (enum ipc_type)ANSWER_##answer_, .secret = 0 fields_ },
#include "ipc/messages.def"
#undef MSG
#undef FDS
};
#include "ipc/words_end.def"
#undef SECRET

#define RULES (sizeof rules / sizeof rules[0])

/* Where in rules, from 1 on, a number stands. Several times for each message, and the table is longer than what a new process has in its caches. */
enum {
	AT_NONE,
#define MSG(no, name_, from_, to_, fds_, when_, answer_, fields_, doc_) AT_##name_,
#include "ipc/messages.def"
#undef MSG
};

static const uint8_t places[] = {
#define MSG(no, name_, from_, to_, fds_, when_, answer_, fields_, doc_) [no] = AT_##name_,
#include "ipc/messages.def"
#undef MSG
};
_Static_assert(RULES <= UINT8_MAX, "a place is one byte");

const struct ipc_rule *ipc_rule(unsigned type)
{
	unsigned at = type < sizeof places ? places[type] : AT_NONE;

	return at != AT_NONE ? &rules[at - 1] : NULL;
}

const struct ipc_rule *ipc_rule_at(unsigned i)
{
	return i < RULES ? &rules[i] : NULL;
}

const char *ipc_role_name(enum ipc_role role)
{
	static const char *const names[ROLE_COUNT] = {
		[ROLE_SUP] = "supervisor", [ROLE_ACC] = "acceptor", [ROLE_NUR] = "nursery",
		[ROLE_CONN] = "connection", [ROLE_KEY] = "keysign", [ROLE_AUTH] = "auth",
		[ROLE_REP] = "reporter", [ROLE_WRK] = "worker", [ROLE_CTL] = "coppicectl", [ROLE_KEEP] = "keeper",
	};

	return (unsigned)role < ROLE_COUNT ? names[role] : "nobody";
}

int ipc_check(unsigned type, enum ipc_role from, enum ipc_role to, enum ipc_when when, int nfds)
{
	const struct ipc_rule *rule = ipc_rule(type);

	if (rule == NULL || !(rule->from & 1u << from) || !(rule->to & 1u << to))
		return SSH_E_RULE;
	if (!(rule->when & (unsigned)when) || nfds < rule->fds_min || nfds > rule->fds_max)
		return SSH_E_RULE;
	return SSH_OK;
}

/* ---- encoders ------------------------------------------------------------------- */

void ipc_put_addr(struct wr *w, const struct addr *a)
{
	wr_u8(w, a->family);
	wr_raw(w, a->ip, sizeof a->ip);
	wr_u16(w, a->port);
	wr_u32(w, a->scope);
}

void ipc_put_view(struct wr *w, struct view v, size_t max)
{
	if (v.len > max)
		w->error = SSH_E_FULL;
	else
		wr_view(w, v);
}

#include "ipc/words_put.def"
#define SECRET(n, x)  ipc_put_view(w, m->n, x);
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) \
	static void put_##name(struct wr *w, const struct ipc_##name *m) { fields_ }
#include "ipc/messages.def"
#undef MSG
#include "ipc/words_end.def"
#undef SECRET

int ipc_encode(struct buf *b, enum ipc_type type, const void *body)
{
	struct wr w = wr_to(b);

	wr_u8(&w, (uint8_t)type);
	switch (type) {
	case IPC_NONE:
		return SSH_E_RULE;
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) \
	case IPC_##name: put_##name(&w, body); break;
#include "ipc/messages.def"
#undef MSG
	}
	return wr_done(&w);
}

/* ---- decoders ------------------------------------------------------------------- */

struct addr ipc_get_addr(struct rd *r)
{
	struct addr a = { 0 };
	struct view ip;

	a.family = rd_u8(r);
	ip = rd_raw(r, sizeof a.ip);
	a.port = rd_u16(r);
	a.scope = rd_u32(r);
	if (a.family != ADDR_NONE && a.family != ADDR_IPV4 && a.family != ADDR_IPV6 && a.family != ADDR_UNIX)
		r->bad = 1;
	if (!r->bad)
		for (size_t i = 0; i < sizeof a.ip; i++)
			a.ip[i] = ip.p[i];
	return a;
}

struct view ipc_get_text(struct rd *r, size_t max)
{
	struct view v = rd_string(r, max);

	for (size_t i = 0; i < v.len; i++)
		if (v.p[i] == '\0')
			r->bad = 1;
	return v;
}

#include "ipc/words_get.def"
#define SECRET(n, x)  m->n = rd_string(r, x);
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) \
	static void get_##name(struct rd *r, struct ipc_##name *m) { fields_ }
#include "ipc/messages.def"
#undef MSG

int ipc_decode(struct ipc_msg *m, const uint8_t *p, size_t n)
{
	struct rd r = rd_of(p, n);
	const struct ipc_rule *rule = ipc_rule(rd_u8(&r));

	if (rule == NULL)
		return SSH_E_FORMAT;
	m->type = rule->type;
	switch (m->type) {
	case IPC_NONE:
		return SSH_E_FORMAT;
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) \
	case IPC_##name: get_##name(&r, &m->u.name); break;
#include "ipc/messages.def"
#undef MSG
	}
	return rd_done(&r);
}

int ipc_take_fd(struct ipc_msg *m, int i)
{
	int fd = -1;

	if (i >= 0 && i < m->nfds) {
		fd = m->fds[i];
		m->fds[i] = -1;
	}
	return fd;
}

void ipc_close_fds(struct ipc_msg *m)
{
	for (int i = 0; i < m->nfds; i++)
		if (m->fds[i] >= 0)
			close(m->fds[i]);
	m->nfds = 0;
}
