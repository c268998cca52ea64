#include <string.h>

#include "base/err.h"
#include "ssh/kex.h"
#include "ssh/moduli.h"
#include "ssh/transport.h"

/*
 * kex_gex - diffie-hellman-group-exchange-* (RFC 4419, 8270): two messages more, in which client and server find a group. A server takes
 * the older request, too (4419 5): PuTTY had no other one until 2015.
 */

#define WISH_LEN 12u		/* min, n, max */
#define WISH_OLD_LEN 4u		/* n */

/* What our client asks for: as much as the 128 bits of the usual ciphers want, and never less than RFC 8270 allows. */
static const struct moduli_wish our_wish = { SSH_DH_BITS_MIN, 3072, SSH_DH_BITS_MAX };

static int keep_wish(struct kex_run *run, const struct moduli_wish *wish)
{
	struct wr w = wr_to(&run->gex);

	wr_u32(&w, wish->min);
	wr_u32(&w, wish->n);
	wr_u32(&w, wish->max);
	return wr_done(&w);
}

/* run->group lies in run->gex behind a wish of that length. SSH_OK or SSH_E_FORMAT. */
static int find_group(struct kex_run *run, size_t wish_len)
{
	struct rd in = rd_of(buf_head(&run->gex), buf_len(&run->gex));

	rd_raw(&in, wish_len);
	run->group.p = rd_mpint(&in, SSH_KEX_SHARED_MAX);
	run->group.g = rd_mpint(&in, SSH_KEX_SHARED_MAX);
	return rd_done(&in);
}

/* How long the wish is shows in what is behind it: only one of the two leaves whole numbers and nothing more. */
int kex_gex_restore(struct kex_run *run)
{
	if (buf_len(&run->gex) == 0 || (find_group(run, WISH_LEN) < 0 && find_group(run, WISH_OLD_LEN) < 0))
		return SSH_E_STATE;
	return dh_group_check(&run->group, SSH_DH_BITS_MIN, SSH_DH_BITS_MAX) < 0 ? SSH_E_STATE : SSH_OK;
}

static int keep_group(struct kex_run *run, const struct dh_group *group)
{
	size_t wish_len = buf_len(&run->gex);
	struct wr w = wr_to(&run->gex);
	int r;

	wr_mpint(&w, group->p.p, group->p.len);
	wr_mpint(&w, group->g.p, group->g.len);
	TRY(wr_done(&w));
	return find_group(run, wish_len) < 0 ? SSH_E_BUG : SSH_OK;
}

/* ---- the server's part ---------------------------------------------------------------------- */

/* run->gex is the wish so far, as it enters the hash. */
static int answer_wish(struct ssh *s, const struct moduli_wish *wish)
{
	struct kex *k = s->kex;
	const struct buf *gex = &k->run->gex;
	size_t wish_len = buf_len(gex);
	struct dh_group group;
	struct wr w;
	int r;

	if ((r = moduli_choose(s->policy.moduli, wish, s->env.random, s->env.ctx, &group)) < 0)
		return ssh_fail_text(s, r, "no matching DH grp found");
	s->more->once++;
	TRY(keep_group(k->run, &group));
	kex_enter(k, KEX_WAIT_GEX_INIT);
	msg_begin(s, &w, SSH_MSG_KEX_31);
	wr_raw(&w, buf_head(gex) + wish_len, buf_len(gex) - wish_len);
	return msg_end(s, &w);
}

int ssh_on_gex_request(struct ssh *s, struct rd *in)
{
	struct kex *k = s->kex;
	struct moduli_wish wish = { rd_u32(in), 0, 0 };
	int r;

	if (k->state != KEX_WAIT_GEX_REQUEST)
		return SSH_E_PROTOCOL;
	wish.n = rd_u32(in);
	wish.max = rd_u32(in);
	TRY(rd_done(in));
	TRY(moduli_wish_check(&wish));
	TRY(keep_wish(k->run, &wish));
	return answer_wish(s, &wish);
}

/* RFC 4419 5: n alone; least and most are ours. */
static int request_old(struct ssh *s, struct rd *in)
{
	struct moduli_wish wish = { SSH_DH_BITS_MIN, rd_u32(in), SSH_DH_BITS_MAX };
	struct wr w = wr_to(&s->kex->run->gex);
	int r;

	TRY(rd_done(in));
	wr_u32(&w, wish.n);
	TRY(wr_done(&w));
	wish.n = wish.n < wish.min ? wish.min : wish.n > wish.max ? wish.max : wish.n;
	return answer_wish(s, &wish);
}

/* One number, two meanings, as below. */
int ssh_on_kex_30(struct ssh *s, struct rd *in)
{
	if (s->kex->state == KEX_WAIT_GEX_REQUEST)
		return request_old(s, in);
	return kex_got_init(s, in, KEX_WAIT_INIT, NULL);
}

int ssh_on_gex_init(struct ssh *s, struct rd *in)
{
	return kex_got_init(s, in, KEX_WAIT_GEX_INIT, s->kex->run != NULL ? &s->kex->run->group : NULL);
}

/* ---- the client's part ------------------------------------------------------------------------ */

int kex_gex_start(struct ssh *s)
{
	struct kex_run *run = s->kex->run;
	struct wr w;
	int r;

	TRY(keep_wish(run, &our_wish));
	msg_begin(s, &w, SSH_MSG_KEX_DH_GEX_REQUEST);
	wr_raw(&w, buf_head(&run->gex), WISH_LEN);
	return msg_end(s, &w);
}

static int got_group(struct ssh *s, struct rd *in)
{
	struct kex *k = s->kex;
	struct dh_group group;
	int r;

	group.p = rd_mpint(in, SSH_DH_BITS_MAX / 8);
	group.g = rd_mpint(in, SSH_DH_BITS_MAX / 8);
	TRY(rd_done(in));
	TRY(dh_group_check(&group, our_wish.min, our_wish.max));
	TRY(keep_group(k->run, &group));
	kex_enter(k, KEX_WAIT_GEX_REPLY);
	return kex_send_init(s, &k->run->group, SSH_MSG_KEX_DH_GEX_INIT);
}

/* One number, two meanings: the group here, the end of the exchange elsewhere. */
int ssh_on_kex_31(struct ssh *s, struct rd *in)
{
	if (s->kex->state == KEX_WAIT_GEX_GROUP)
		return got_group(s, in);
	return kex_got_reply(s, in, KEX_WAIT_REPLY);
}

int ssh_on_gex_reply(struct ssh *s, struct rd *in)
{
	return kex_got_reply(s, in, KEX_WAIT_GEX_REPLY);
}
