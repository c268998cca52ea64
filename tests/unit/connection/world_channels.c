/* What the played client asks of its channels. */
#include <criterion/criterion.h>

#include "base/err.h"
#include "world.h"

uint32_t world_session(struct world *w)
{
	cr_assert_eq(ssh_chan_open(w->client, "session", view_of(NULL, 0), &w->chan), SSH_OK);
	world_run(w);
	return w->chan;
}

void world_request(struct world *w, uint32_t chan, const char *type, struct view rest)
{
	cr_assert_eq(ssh_chan_request(w->client, chan, type, 1, rest), SSH_OK);
}

static void request_strings(struct world *w, uint32_t chan, const char *type, const char *a, const char *b)
{
	struct buf buf;
	struct wr wr = wr_to(&buf);

	buf_init(&buf, 100000, NULL);
	wr_cstr(&wr, a);
	if (b != NULL)
		wr_cstr(&wr, b);
	world_request(w, chan, type, view_of(buf_head(&buf), buf_len(&buf)));
	buf_drop(&buf);
}

void world_exec(struct world *w, uint32_t chan, const char *command)
{
	request_strings(w, chan, "exec", command, NULL);
}

void world_pty(struct world *w, uint32_t chan)
{
	struct buf buf;
	struct wr wr = wr_to(&buf);

	buf_init(&buf, 1000, NULL);
	wr_cstr(&wr, "xterm");
	wr_u32(&wr, 80);
	wr_u32(&wr, 24);
	wr_u32(&wr, 640);
	wr_u32(&wr, 480);
	wr_string(&wr, "\0", 1);
	world_request(w, chan, "pty-req", view_of(buf_head(&buf), buf_len(&buf)));
	buf_drop(&buf);
}

