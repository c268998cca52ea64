#include "tests/unit/ssh/talk.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"

#define SERVER_REKEY_AT 4000u	/* bytes received */
#define CLIENT_REKEY_AT 9000u
#define TALK_BYTES     20000u

static const uint8_t *text(void)
{
	static uint8_t v[TALK_BYTES];

	if (v[0] == 0 && v[1] == 0)
		pair_random(&(uint64_t){ 99 }, v, sizeof v);
	return v;
}

/* The server sends everything back; what a rekey keeps from being written goes when it is over. */
static void server_echo(struct pair *p)
{
	struct buf *got = &p->got[SSH_SERVER];
	int n;

	if (p->echoed == buf_len(got))
		return;
	n = ssh_chan_write(p->side[SSH_SERVER], p->chan[SSH_SERVER], 0, buf_head(got) + p->echoed, buf_len(got) - p->echoed);
	cr_assert_geq(n, 0, "%s", err_name(n));
	p->echoed += (size_t)n;
}

static void server_data(struct pair *p, struct ssh_event *e)
{
	size_t had = buf_len(&p->got[SSH_SERVER]);

	cr_assert_eq(buf_append(&p->got[SSH_SERVER], e->data.p, e->data.len), SSH_OK);
	ssh_chan_consumed(p->side[SSH_SERVER], e->chan, e->data.len);
	server_echo(p);
	if (had < SERVER_REKEY_AT && had + e->data.len >= SERVER_REKEY_AT)
		ssh_rekey(p->side[SSH_SERVER]);
}

/* The client says the next piece when the last one has come back. */
static void client_say(struct pair *p)
{
	struct ssh *s = p->side[SSH_CLIENT];
	size_t had = buf_len(&p->got[SSH_CLIENT]), some = 100 + had / 10;
	int n;

	if (had != p->said)
		return;
	if (had >= TALK_BYTES) {
		ssh_chan_request(s, p->chan[SSH_CLIENT], "done@test", 1, view_of(NULL, 0));
		return;
	}
	if (some > TALK_BYTES - had)
		some = TALK_BYTES - had;
	n = ssh_chan_write(s, p->chan[SSH_CLIENT], 0, text() + had, some);
	cr_assert_geq(n, 0, "%s", err_name(n));
	p->said += (size_t)n;
}

static void client_data(struct pair *p, struct ssh_event *e)
{
	struct ssh *s = p->side[SSH_CLIENT];
	size_t had = buf_len(&p->got[SSH_CLIENT]);

	cr_assert_eq(buf_append(&p->got[SSH_CLIENT], e->data.p, e->data.len), SSH_OK);
	ssh_chan_consumed(s, e->chan, e->data.len);
	if (had < CLIENT_REKEY_AT && had + e->data.len >= CLIENT_REKEY_AT)
		ssh_rekey(s);		/* and goes on when it is over */
	client_say(p);
}

static int hook(struct pair *p, enum ssh_role side, struct ssh_event *e)
{
	struct ssh *s = p->side[side];

	if (e->type == SSH_EV_CHAN_DATA) {
		if (side == SSH_SERVER)
			server_data(p, e);
		else
			client_data(p, e);
		return 1;
	}
	if (side == SSH_SERVER) {
		if (e->type == SSH_EV_KEX_DONE && !e->first)
			server_echo(p);
		return 0;
	}
	if (e->type == SSH_EV_OPEN) {
		p->open[side] = 1;
		cr_assert_eq(ssh_global_request(s, "hello@test", 1, view_of(NULL, 0)), SSH_OK);
		cr_assert_eq(ssh_chan_open(s, "session", view_of(NULL, 0), &p->chan[side]), SSH_OK);
	} else if (e->type == SSH_EV_KEX_DONE && !e->first) {
		p->kex_done[side]++;
		client_say(p);
	} else if (e->type == SSH_EV_CHAN_OPENED) {
		client_say(p);
	} else if (e->type == SSH_EV_CHAN_REPLY) {
		ssh_chan_close(s, e->chan);
	} else if (e->type == SSH_EV_CHAN_CLOSE) {
		ssh_disconnect(s, 11, "bye");
	} else {
		return 0;
	}
	return 1;
}

void talk_init(struct pair *p, const char *cipher)
{
	pair_init(p);
	for (int i = 0; i < 2; i++)		/* libgcrypt's ML-KEM brings its own randomness; this must repeat to the byte */
		p->policy[i].kex = "curve25519-sha256";
	p->hook = hook;
	for (int side = 0; side < 2; side++)
		for (int d = 0; d < 2 && cipher != NULL; d++)
			p->policy[side].ciphers[d] = cipher;
}

void talk_run(struct pair *p)
{
	cr_assert_eq(pair_start(p), SSH_OK);
	pair_run(p);
	cr_assert_eq(buf_len(&p->got[SSH_CLIENT]), TALK_BYTES, "only %zu came back", buf_len(&p->got[SSH_CLIENT]));
	cr_assert_arr_eq(buf_head(&p->got[SSH_CLIENT]), text(), TALK_BYTES);
	cr_assert_eq(p->kex_done[SSH_CLIENT], 3u);
	cr_assert_eq(ssh_error(p->side[SSH_CLIENT]), SSH_E_CLOSED);
	cr_assert_eq(ssh_error(p->side[SSH_SERVER]), SSH_E_CLOSED);
}
