#include "tests/unit/ssh/chan_pair.h"

/* Sends one request and gives what the server made of it. */
static const struct ssh_req *ask(struct lp *p, uint32_t id[2], const char *type, struct body *x)
{
	const struct ssh_event *e;

	lp_forget(p);
	cr_assert_eq(ssh_chan_request(p->side[CLI], id[CLI], type, 1, view_of(buf_head(&x->b), buf_len(&x->b))), SSH_OK);
	buf_drop(&x->b);
	lp_run(p);
	e = TAKE(p, SRV, CHAN_REQUEST);
	cr_assert(e->want_reply && e->chan == id[SRV]);
	cr_assert_eq(ssh_chan_reply(p->side[SRV], id[SRV], 1), SSH_OK);
	return &e->req;
}

Test(chan_request, pty)
{
	const struct ssh_req *q;
	struct body x;
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	body_begin(&x);
	wr_cstr(&x.w, "xterm");
	wr_u32(&x.w, 80), wr_u32(&x.w, 24), wr_u32(&x.w, 640), wr_u32(&x.w, 480);
	wr_string(&x.w, "\1\0\0\0\3\0", 6);
	q = ask(&p, id, "pty-req", &x);
	cr_assert_eq(q->type, SSH_REQ_PTY);
	cr_assert(view_is(q->term, "xterm") && view_same(q->modes, view_of("\1\0\0\0\3\0", 6)));
	cr_assert(q->cols == 80 && q->rows == 24 && q->xpixel == 640 && q->ypixel == 480);
	lp_stop(&p);
}

Test(chan_request, all_the_others)
{
	const struct ssh_req *q;
	struct body x;
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	body_begin(&x), wr_cstr(&x.w, "LANG"), wr_cstr(&x.w, "C");
	q = ask(&p, id, "env", &x);
	cr_assert(q->type == SSH_REQ_ENV && view_is(q->name, "LANG") && view_is(q->value, "C"));
	body_begin(&x);
	cr_assert_eq(ask(&p, id, "shell", &x)->type, SSH_REQ_SHELL);
	body_begin(&x), wr_cstr(&x.w, "true");
	q = ask(&p, id, "exec", &x);
	cr_assert(q->type == SSH_REQ_EXEC && view_is(q->value, "true"));
	body_begin(&x), wr_cstr(&x.w, "sftp");
	q = ask(&p, id, "subsystem", &x);
	cr_assert(q->type == SSH_REQ_SUBSYSTEM && view_is(q->name, "sftp"));
	body_begin(&x), wr_u32(&x.w, 1), wr_u32(&x.w, 2), wr_u32(&x.w, 3), wr_u32(&x.w, 4);
	q = ask(&p, id, "window-change", &x);
	cr_assert(q->type == SSH_REQ_WINDOW && q->cols == 1 && q->rows == 2 && q->xpixel == 3 && q->ypixel == 4);
	body_begin(&x), wr_bool(&x.w, 1);
	q = ask(&p, id, "xon-xoff", &x);
	cr_assert(q->type == SSH_REQ_XON_XOFF && q->code == 1);
	body_begin(&x), wr_cstr(&x.w, "INT");
	q = ask(&p, id, "signal", &x);
	cr_assert(q->type == SSH_REQ_SIGNAL && view_is(q->name, "INT"));
	body_begin(&x), wr_u32(&x.w, 500);
	q = ask(&p, id, "break", &x);
	cr_assert(q->type == SSH_REQ_BREAK && q->code == 500);
	body_begin(&x);
	cr_assert_eq(ask(&p, id, "eow@openssh.com", &x)->type, SSH_REQ_EOW);
	body_begin(&x), wr_raw(&x.w, "any", 3);
	q = ask(&p, id, "x11-req", &x);
	cr_assert(q->type == SSH_REQ_OTHER && view_is(q->name, "x11-req") && view_is(q->value, "any"));
	lp_run(&p);
	LIVES(&p);
	lp_stop(&p);
}

Test(chan_request, how_a_program_ended)
{
	const struct ssh_event *e;
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	cr_assert_eq(ssh_chan_exit_status(p.side[SRV], id[SRV], 42), SSH_OK);
	cr_assert_eq(ssh_chan_exit_signal(p.side[SRV], id[SRV], "SEGV", 1, "ouch"), SSH_OK);
	lp_run(&p);
	e = TAKE(&p, CLI, CHAN_REQUEST);
	cr_assert(e->req.type == SSH_REQ_EXIT_STATUS && e->req.code == 42 && !e->want_reply);
	e = TAKE(&p, CLI, CHAN_REQUEST);
	cr_assert(e->req.type == SSH_REQ_EXIT_SIGNAL && view_is(e->req.name, "SEGV") && e->req.code == 1);
	cr_assert(view_is(e->req.value, "ouch"));
	LIVES(&p);
	lp_stop(&p);
}

/* Well formed but longer than we handle: handed on as unknown, so that it fails in its turn. */
Test(chan_request, long_ones_go_on_as_unknown)
{
	static const struct { const char *type; size_t len; } q[] = {
		{ "exec", CHAN_COMMAND_MAX + 1 }, { "subsystem", CHAN_NAME_MAX + 1 }, { "signal", CHAN_NAME_MAX + 1 },
	};
	char *big = calloc(1, CHAN_COMMAND_MAX + 2);
	const struct ssh_req *r;
	struct body x;
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	memset(big, 'c', CHAN_COMMAND_MAX + 1);
	for (size_t i = 0; i < sizeof q / sizeof *q; i++) {
		body_begin(&x), wr_string(&x.w, big, q[i].len);
		r = ask(&p, id, q[i].type, &x);
		cr_assert(r->type == SSH_REQ_OTHER && view_is(r->name, q[i].type) && r->value.len == q[i].len + 4);
		body_begin(&x), wr_string(&x.w, big, q[i].len - 1);
		cr_assert_neq(ask(&p, id, q[i].type, &x)->type, SSH_REQ_OTHER);
	}
	body_begin(&x), wr_string(&x.w, big, CHAN_TERM_MAX + 1);
	wr_raw(&x.w, "\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\0", 20);
	cr_assert_eq(ask(&p, id, "pty-req", &x)->type, SSH_REQ_OTHER);
	LIVES(&p);
	free(big);
	lp_stop(&p);
}

Test(chan_request, replies_in_order)
{
	uint32_t a[2], b[2];
	struct lp p;

	cp_start(&p, a);
	cp_open(&p, b);
	for (int i = 0; i < 4; i++) {
		ssh_chan_request(p.side[CLI], a[CLI], "shell", 1, view_of(NULL, 0));
		ssh_chan_request(p.side[CLI], b[CLI], "shell", i & 1, view_of(NULL, 0));
	}
	lp_run(&p);
	for (int i = 0; i < 8; i++)
		TAKE(&p, SRV, CHAN_REQUEST);
	ssh_chan_reply(p.side[SRV], b[SRV], 1);
	for (int i = 0; i < 4; i++)
		cr_assert_eq(ssh_chan_reply(p.side[SRV], a[SRV], i & 1), SSH_OK);
	cr_assert_eq(ssh_chan_reply(p.side[SRV], a[SRV], 1), SSH_E_NOT_NOW);
	ssh_chan_reply(p.side[SRV], b[SRV], 0);
	cr_assert_eq(ssh_chan_reply(p.side[SRV], b[SRV], 0), SSH_E_NOT_NOW);
	lp_run(&p);
	cr_assert_eq(TAKE(&p, CLI, CHAN_REPLY)->chan, b[CLI]);
	for (int i = 0; i < 4; i++) {
		const struct ssh_event *e = TAKE(&p, CLI, CHAN_REPLY);

		cr_assert(e->chan == a[CLI] && e->ok == (i & 1));
	}
	cr_assert_eq(TAKE(&p, CLI, CHAN_REPLY)->ok, 0);
	NOTHING(&p);
	LIVES(&p);
	lp_stop(&p);
}

Test(chan_request, a_flood_of_questions_ends_it)
{
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	for (unsigned i = 0; i < CHAN_REQUESTS_MAX; i++)
		cr_assert_eq(ssh_chan_request(p.side[CLI], id[CLI], "shell", 1, view_of(NULL, 0)), SSH_OK);
	cr_assert_eq(ssh_chan_request(p.side[CLI], id[CLI], "shell", 1, view_of(NULL, 0)), SSH_E_NOT_NOW);
	lp_run(&p);
	LIVES(&p);
	cp_inject(&p, SSH_MSG_CHANNEL_REQUEST, id[SRV], "\0\0\0\5shell\1", 10);
	ENDED(&p, SRV, LIMIT);
	lp_stop(&p);
}

Test(chan_request, nothing_while_closing)
{
	uint32_t id[2];
	struct lp p;

	cp_start(&p, id);
	ssh_chan_request(p.side[SRV], id[SRV], "x", 1, view_of(NULL, 0));
	p.deaf[CLI] = 1;
	ssh_chan_close(p.side[SRV], id[SRV]);
	lp_run(&p);
	cp_inject(&p, SSH_MSG_CHANNEL_REQUEST, id[SRV], "\0\0\0\5shell\1", 10);
	cp_inject(&p, SSH_MSG_CHANNEL_SUCCESS, id[SRV], NULL, 0);
	cr_assert_eq(ssh_error(p.side[SRV]), SSH_OK);
	cr_assert(!lp_more(&p, SRV));
	cr_assert_eq(ssh_chan_reply(p.side[SRV], id[SRV], 1), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_exit_status(p.side[SRV], id[SRV], 1), SSH_E_NOT_NOW);
	cp_inject(&p, SSH_MSG_CHANNEL_SUCCESS, id[SRV], NULL, 0);
	ENDED(&p, SRV, PROTOCOL);	/* even now nobody answers what was not asked */
	lp_stop(&p);
}

#define CUT(body, fixed, open_end) \
	cp_truncate(cp_start, SSH_MSG_CHANNEL_REQUEST, (const uint8_t *)("\0\0\0\0" body), sizeof(body) + 3, \
	    4 + (fixed), open_end)

Test(chan_request, every_truncation)
{
	CUT("\0\0\0\7pty-req\1\0\0\0\2vt\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1\0x", 39, 0);
	CUT("\0\0\0\3env\1\0\0\0\1a\0\0\0\1bx", 18, 0);
	CUT("\0\0\0\5shell\1x", 10, 0);
	CUT("\0\0\0\4exec\1\0\0\0\2lsx", 15, 0);
	CUT("\0\0\0\011subsystem\0\0\0\0\2lsx", 20, 0);
	CUT("\0\0\0\015window-change\0\0\0\0\1\0\0\0\1\0\0\0\1\0\0\0\1x", 34, 0);
	CUT("\0\0\0\010xon-xoff\0\1x", 14, 0);
	CUT("\0\0\0\6signal\0\0\0\0\3INTx", 18, 0);
	CUT("\0\0\0\5break\1\0\0\0\0x", 14, 0);
	CUT("\0\0\0\013exit-status\0\0\0\0\0x", 20, 0);
	CUT("\0\0\0\013exit-signal\0\0\0\0\3HUP\0\0\0\0\1m\0\0\0\0x", 33, 0);
	CUT("\0\0\0\017eow@openssh.com\0x", 20, 0);
	CUT("\0\0\0\5other\1rest", 10, 1);
}
