#include "connection/handover.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "connection/chan_session.h"
#include "connection/export.h"
#include "connection/import.h"
#include "ipc/values.h"
#include "world.h"

/*
 * handover - a conn moved between any two steps goes on as if nothing had been. (All tests of chan_session.c run that way
 * as well, by WORLD_MOVES=1.)
 */

static void expect(const char *what, const char *is, const char *should)
{
	cr_assert_str_eq(is, should, "%s heard \"%s\", not \"%s\"", what, is, should);
}

static uint32_t running(struct world *w, int ours[3])
{
	uint32_t chan;

	world_login(w);
	chan = world_session(w);
	world_exec(w, chan, "true");
	world_run(w);
	world_spawned(w, 5, ours);
	world_run(w);
	cr_assert_str_eq(w->heard, "opened ok ");
	world_forget(w);
	return chan;
}

static void close_all(int fds[3])
{
	for (int i = 0; i < 3; i++)
		close(fds[i]);
}

static void save_seed(const struct world *, const char *name);

static uint8_t byte_at(size_t i)
{
	return (uint8_t)(i * 7 + (i >> 9));
}

/* What the program can read now, checked. */
static size_t drink(int fd, size_t at, size_t most)
{
	uint8_t bytes[4096];
	ssize_t n = read(fd, bytes, most < sizeof bytes ? most : sizeof bytes);

	for (ssize_t i = 0; i < n; i++)
		cr_assert_eq(bytes[i], byte_at(at + (size_t)i), "byte %zu", at + (size_t)i);
	return n > 0 ? (size_t)n : 0;
}

/* ---- moving on ------------------------------------------------------------------------ */

Test(handover, moves_at_every_step)
{
	struct world w;
	int p[3];

	running(&w, p);
	w.always_moves = 1;
	cr_assert_eq(write(p[1], "one", 3), 3);
	world_run(&w);
	close_all(p);
	world_run(&w);
	world_exit(&w, 5, 0, 3, 0);
	world_run(&w);
	expect("client", w.heard, "out:one eof status:3 close ");
	cr_assert_gt(w.moved, 6u);
	cr_assert_eq(w.not_moved, 0u);
	world_drop(&w);
}

/* A program that reads slowly: windows of input wait in the connection and must arrive, once, in order. */
Test(handover, pending_input_moves_along)
{
	struct world w;
	int p[3];
	uint32_t chan = running(&w, p);
	static uint8_t bytes[3000000];
	size_t sent = 0, got = 0, most = 0;

	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = byte_at(i);
	while (got < sizeof bytes) {
		int n = ssh_chan_write(w.client, chan, 0, bytes + sent, sizeof bytes - sent);

		cr_assert_geq(n, 0);
		sent += (size_t)n;
		world_run(&w);
		if (sent < 2500000 && n > 0)
			continue;
		if (w.moved < 40) {
			cr_assert_eq(world_move(&w), HANDOFF_STILL);
			most = buf_len(&w.state) > most ? buf_len(&w.state) : most;
		}
		for (int i = 0; i < 16; i++)
			got += drink(p[0], got, sizeof bytes - got);
	}
	cr_assert_gt(most, 1000000u, "the state had %zu bytes: nothing was pending", most);
	cr_assert_eq(w.moved, 40u);
	close_all(p);
	world_drop(&w);
}

/* A client that reads slowly: what is encrypted for it leaves exactly once. */
Test(handover, full_output_moves_along)
{
	struct world w;
	int p[3];
	size_t put = 0;
	uint8_t bytes[4096] = { 1 };

	running(&w, p);
	for (int i = 0; i < 400; i++) {
		ssize_t n;

		while ((n = write(p[1], bytes, sizeof bytes)) > 0)
			put += (size_t)n;
		event_base_loop(w.base, EVLOOP_NONBLOCK);	/* the client sleeps */
		if (i % 50 == 49)
			cr_assert_eq(world_move(&w), HANDOFF_STILL);
	}
	cr_assert_gt(buf_len(&w.state), 200000u);
	for (int i = 0; i < 10000 && w.data_in < put; i++)
		world_run(&w);
	cr_assert_eq(w.data_in, put);
	close_all(p);
	world_run(&w);
	world_exit(&w, 5, 0, 0, 0);
	world_run(&w);
	expect("client", w.heard, "eof status:0 close ");
	world_drop(&w);
}

Test(handover, rekeys_afterwards)
{
	struct world w;
	int p[3];

	running(&w, p);
	cr_assert_eq(world_move(&w), HANDOFF_STILL);
	cr_assert_eq(ssh_rekey(w.client), SSH_OK);
	world_run(&w);
	cr_assert_eq(strcmp(w.key_heard, "SIGN "), 0, "keysign heard \"%s\"", w.key_heard);
	cr_assert_eq(world_move(&w), HANDOFF_STILL);
	cr_assert_eq(write(p[1], "still", 5), 5);
	world_run(&w);
	expect("client", w.heard, "out:still ");
	close_all(p);
	world_drop(&w);
}

/* SPAWN was said by the one, the answer and the replies that wait behind it come from the other. */
Test(handover, a_spawn_under_way_is_answered_to_the_successor)
{
	struct world w;
	uint32_t chan;
	int p[3];

	world_login(&w);
	chan = world_session(&w);
	world_exec(&w, chan, "true");
	cr_assert_eq(ssh_chan_request(w.client, chan, "signal", 1, view_of("\0\0\0\4TERM", 8)), SSH_OK);
	world_run(&w);
	cr_assert_eq(world_move(&w), HANDOFF_STILL);
	world_spawned(&w, 9, p);
	world_run(&w);
	expect("client", w.heard, "opened ok fail ");
	close_all(p);
	save_seed(&w, "spawning");
	world_drop(&w);
}

/* ---- not now ------------------------------------------------------------------------------- */

Test(handover, not_before_the_login)
{
	struct world w;
	int fds[3];

	world_init(&w);
	w.verdicts = 0;
	world_run(&w);
	cr_assert_eq(world_stop(&w, fds), HANDOFF_LOGIN);
	close_all(fds);
	world_verdict(&w, VERDICT_NO, 0, 0, "password", "");
	world_run(&w);
	cr_assert_eq(world_stop(&w, fds), HANDOFF_LOGIN);
	close_all(fds);
	world_verdict(&w, VERDICT_YES, 0, 0, "", "");
	world_run(&w);
	cr_assert_eq(world_move(&w), HANDOFF_STILL);
	world_drop(&w);
}

Test(handover, not_in_a_key_exchange)
{
	struct world w;
	int p[3], fds[3];

	running(&w, p);
	w.sign = 0;
	cr_assert_eq(ssh_rekey(w.client), SSH_OK);
	world_run(&w);
	cr_assert_eq(world_stop(&w, fds), HANDOFF_KEX);
	close_all(fds);
	w.sign = 1;
	world_new_key(&w);		/* asks again */
	world_run(&w);
	cr_assert_eq(world_move(&w), HANDOFF_STILL);
	cr_assert_eq(write(p[1], "on", 2), 2);
	world_run(&w);
	expect("client", w.heard, "out:on ");
	close_all(p);
	world_drop(&w);
}

/* No byte is read or written while it stands still; told to serve, the predecessor goes on. */
Test(handover, the_predecessor_goes_on)
{
	struct world w;
	int p[3], fds[3];
	uint32_t chan = running(&w, p);
	char c[8];

	cr_assert_eq(world_stop(&w, fds), HANDOFF_STILL);
	close_all(fds);
	cr_assert_eq(write(p[1], "out", 3), 3);
	ssh_chan_write(w.client, chan, 0, (const uint8_t *)"in", 2);
	world_run(&w);
	expect("client", w.heard, "");
	cr_assert_eq(read(p[0], c, sizeof c), -1, "nothing reaches the program");
	world_new_key(&w);
	world_new_auth(&w);
	world_run(&w);
	save_seed(&w, "running");
	world_serve(&w);
	world_run(&w);
	expect("client", w.heard, "out:out ");
	cr_assert_eq(read(p[0], c, sizeof c), 2);
	close_all(p);
	world_drop(&w);
}

/* Not even the supervisor may have it do something then. */
Test(handover, nothing_happens_to_one_that_stands_still)
{
	struct world w;
	int p[3], fds[3];

	running(&w, p);
	cr_assert_eq(world_stop(&w, fds), HANDOFF_STILL);
	close_all(fds);
	world_exit(&w, 5, 0, 0, 0);
	world_run(&w);
	cr_assert(w.conn.over);
	expect("client", w.heard, "");
	close_all(p);
	world_drop(&w);
}

Test(handover, the_successor_waits_for_the_word)
{
	struct world w;
	int p[3], fds[3];
	uint32_t chan = running(&w, p);
	char c[8];

	cr_assert_eq(world_stop(&w, fds), HANDOFF_STILL);
	cr_assert_eq(world_adopt(&w, fds), ADOPT_OK);
	cr_assert_eq(write(p[1], "out", 3), 3);
	ssh_chan_write(w.client, chan, 0, (const uint8_t *)"in", 2);
	world_run(&w);
	expect("client", w.heard, "");
	cr_assert_eq(read(p[0], c, sizeof c), -1);
	world_serve(&w);
	world_run(&w);
	expect("client", w.heard, "out:out ");
	cr_assert_eq(read(p[0], c, sizeof c), 2);
	close_all(p);
	world_drop(&w);
}

/* ---- a state that is not what it should be --------------------------------------------------- */

struct carrier { int asked; };

static int give_null(void *ctx, uint32_t chan, unsigned ends, int fds[3])
{
	struct carrier *k = ctx;
	int n = 0;

	(void)chan;
	for (unsigned bit = 1; bit <= CARRY_ERR; bit <<= 1)
		if (ends & bit)
			cr_assert_geq(fds[n++] = open("/dev/null", O_RDWR | O_CLOEXEC), 0);
	k->asked++;
	return SSH_OK;
}

/* For tests/fuzz/corpus/conn_state: CONN_STATE_SEEDS=folder. */
static void save_seed(const struct world *w, const char *name)
{
	const char *dir = getenv("CONN_STATE_SEEDS");
	char path[512];
	FILE *f;

	if (dir == NULL)
		return;
	snprintf(path, sizeof path, "%s/%s", dir, name);
	cr_assert_not_null(f = fopen(path, "wb"));
	fwrite(buf_head(&w->state), 1, buf_len(&w->state), f);
	fclose(f);
}

static int try_import(struct world *w, struct view state)
{
	struct carrier k = { 0 };
	struct conn c;
	int pair[2], r;

	cr_assert_eq(link_pair(pair), SSH_OK);
	cr_assert_eq(conn_init(&c, w->base, pair[0], 7, &w->policy, &w->keys), SSH_OK);
	r = conn_import(&c, state, give_null, &k);
	conn_drop(&c);
	close(pair[1]);
	return r;
}

/* A world with a state that has something of everything. */
static void rich_state(struct world *w, int p[3])
{
	uint32_t chan = running(w, p);
	static const uint8_t bytes[100];

	cr_assert_geq(chan, 0u);
	chan = world_session(w);
	world_pty(w, chan);
	world_run(w);
	ssh_chan_write(w->client, chan, 0, bytes, sizeof bytes);
	world_run(w);
	chan = world_session(w);
	world_exec(w, chan, "false");
	world_run(w);
	buf_truncate(&w->state, 0);
	cr_assert_eq(conn_export(&w->conn, &w->state), SSH_OK);
	cr_assert_eq(try_import(w, view_of(buf_head(&w->state), buf_len(&w->state))), SSH_OK);
}

Test(handover, every_truncation_is_refused)
{
	struct world w;
	int p[3];

	rich_state(&w, p);
	save_seed(&w, "rich");
	for (size_t n = 0; n < buf_len(&w.state); n++)
		cr_assert_eq(try_import(&w, view_of(buf_head(&w.state), n)), SSH_E_STATE, "cut to %zu", n);
	cr_assert_eq(buf_append(&w.state, "x", 1), SSH_OK);
	cr_assert_eq(try_import(&w, view_of(buf_head(&w.state), buf_len(&w.state))), SSH_E_STATE);
	close_all(p);
	world_drop(&w);
}

Test(handover, every_changed_byte_is_survived)
{
	struct world w;
	unsigned refused = 0;
	int p[3];

	rich_state(&w, p);
	for (size_t n = 0; n < buf_len(&w.state); n++)
		for (int bit = 0; bit < 8; bit += 7) {
			int r;

			buf_head(&w.state)[n] ^= (uint8_t)(1 << bit);
			r = try_import(&w, view_of(buf_head(&w.state), buf_len(&w.state)));
			cr_assert(r == SSH_OK || r == SSH_E_STATE, "byte %zu: %s", n, err_name(r));
			refused += r == SSH_E_STATE;
			buf_head(&w.state)[n] ^= (uint8_t)(1 << bit);
		}
	cr_assert_gt(refused, 200u);
	close_all(p);
	world_drop(&w);
}

Test(handover, an_algorithm_this_build_has_not)
{
	struct ssh_info info;
	struct world w;
	uint8_t *at;
	int p[3];

	rich_state(&w, p);
	ssh_get_info(w.conn.ssh, &info);
	at = memmem(buf_head(&w.state), buf_len(&w.state), info.cipher[0], strlen(info.cipher[0]));
	cr_assert_not_null(at);
	at[0] = 'x';
	cr_assert_eq(try_import(&w, view_of(buf_head(&w.state), buf_len(&w.state))), SSH_E_STATE);
	close_all(p);
	world_drop(&w);
}

/* Descriptors that do not fit the state, or are missing: told, and the process ends without a byte to the client. */
Test(handover, other_descriptors_than_told)
{
	struct world w;
	int p[3], fds[3], pair[2];

	running(&w, p);
	cr_assert_eq(world_stop(&w, fds), HANDOFF_STILL);
	close(fds[1]);
	cr_assert_eq(link_pair(pair), SSH_OK);
	cr_assert_eq(link_say(pair[1], ROLE_CONN, ROLE_CONN, W_UP, IPC_CARRY_ENDS,
	    &(struct ipc_CARRY_ENDS){ .chan = 0, .ends = CARRY_IN | CARRY_OUT }, p, 2), SSH_OK);
	close(pair[1]);
	fds[1] = pair[0];
	cr_assert_eq(world_adopt(&w, fds), ADOPT_STATE);
	cr_assert(w.conn.over);
	expect("client", w.heard, "");
	close_all(p);
	world_drop(&w);
}
