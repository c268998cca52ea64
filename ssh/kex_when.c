#include "base/err.h"
#include "base/log.h"
#include "ssh/kex.h"
#include "ssh/packet.h"
#include "ssh/transport.h"

/* kex_when - when keys are exchanged again, and how long that may take. */

/* ---- the limits (RFC 4253 9, RFC 4344 3) ------------------------------------------------------ */

int kex_possible(const struct ssh *s)
{
	return !s->error && s->authenticated && s->phase == P_OPEN && s->kex->state == KEX_IDLE &&
	    s->wait == WAIT_NOTHING && !s->more->fill_open && !s->more->msg_open;
}

static int used_up(const struct packet_dir *d)
{
	return d->bytes >= d->bytes_max || d->packets >= SSH_REKEY_PACKETS;
}

int kex_check(struct ssh *s)
{
	uint64_t ms = s->policy.rekey_ms;

	if (!kex_possible(s))
		return SSH_OK;
	if (!used_up(s->rx) && !used_up(s->tx) && (ms == 0 || s->now - s->kex->done_at < ms))
		return SSH_OK;
	return kex_start(s);
}

int ssh_rekey(struct ssh *s)
{
	int r;

	if (s->error)
		return s->error;
	if (!kex_possible(s))
		return SSH_E_NOT_NOW;
	return (r = kex_start(s)) < 0 ? ssh_fail(s, r) : SSH_OK;
}

void ssh_set_rekey(struct ssh *s, uint64_t rekey_bytes, uint64_t rekey_ms)
{
	int in = s->role == SSH_SERVER ? 0 : 1;
	const struct kex *k = s->kex;
	const struct cipher_alg *rx = k->now.cipher[in], *tx = k->state == KEX_WAIT_NEWKEYS ? k->next.cipher[!in] : k->now.cipher[!in];

	s->policy.rekey_bytes = rekey_bytes;
	s->policy.rekey_ms = rekey_ms;
	if (rx != NULL)
		s->rx->bytes_max = packet_bytes_max(rx, rekey_bytes);
	if (tx != NULL)
		s->tx->bytes_max = packet_bytes_max(tx, rekey_bytes);
}

/* ---- how long one may take ---------------------------------------------------------------------- */

/* All that came and left. */
static uint64_t moved(const struct ssh *s)
{
	return s->more->bytes_in + s->more->bytes_out - buf_len(&s->out);
}

void kex_clock(struct ssh *s)
{
	struct kex *k = s->kex;

	k->started_at = k->alive_at = s->now;
	k->moved = moved(s);
}

/*
 * In a rekey what either side had sent before may be on its way for long, on a slow line: while something moves it has time, but not
 * for ever. Nobody has anything to say before the first exchange.
 */
static uint64_t out_of_time_at(const struct ssh *s)
{
	const struct kex *k = s->kex;
	uint64_t last = k->started_at + SSH_KEX_LONGEST_MS, next = k->alive_at + SSH_KEX_DEADLINE_MS;

	return next < last ? next : last;
}

static int in_time(struct ssh *s)
{
	struct kex *k = s->kex;
	uint64_t m = moved(s);

	if (s->authenticated && m != k->moved && s->now < k->started_at + SSH_KEX_LONGEST_MS) {
		k->alive_at = s->now;
		k->moved = m;
		return SSH_OK;
	}
	return SSH_E_KEX_TIME;
}

uint64_t kex_deadline(const struct ssh *s)
{
	const struct kex *k = s->kex;

	if (k->state != KEX_IDLE)
		return s->more->clock_known ? out_of_time_at(s) : UINT64_MAX;
	if (kex_possible(s) && s->policy.rekey_ms != 0)
		return k->done_at + s->policy.rekey_ms;
	return UINT64_MAX;
}

int kex_tick(struct ssh *s)
{
	if (s->kex->state != KEX_IDLE && s->now >= kex_deadline(s))
		return in_time(s);
	return kex_check(s);
}
