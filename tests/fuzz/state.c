#include "ssh/kex.h"
#include "tests/fuzz/ssh_fuzz.h"

/* A saved connection, damaged: SSH_E_STATE, or an object that can be used, saved again, goes on in an open exchange, and is freed. */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* What a client with the same lists says next in the exchange that the state stands in, past the cipher, whose keys nobody here has. */
static int next_message(struct ssh *s)
{
	static const uint8_t point[36] = { 0, 0, 0, 32, 9 }, two[] = { 0, 0, 0, 1, 2 }, wish[12] = { 0, 0, 8, 0, 0, 0, 12, 0, 0, 0, 32 };
	struct rd in = rd_of(NULL, 0);
	struct buf offer;
	int r;

	switch (s->kex->state) {
	case KEX_WAIT_KEXINIT:
		buf_init(&offer, 1 << 20, NULL);
		FUZZ_MUST(buf_append(&offer, buf_head(&s->kex->run->ours), buf_len(&s->kex->run->ours)) == SSH_OK);
		in = rd_of(buf_head(&offer) + 1, buf_len(&offer) - 1);
		r = ssh_on_kexinit(s, &in);
		buf_drop(&offer);
		return r;
	case KEX_WAIT_INIT:
		in = strncmp(s->kex->next.kex->name, "diffie", 6) == 0 ? rd_of(two, sizeof two) : rd_of(point, sizeof point);
		return ssh_on_kex_30(s, &in);
	case KEX_WAIT_GEX_REQUEST:
		in = rd_of(wish, sizeof wish);
		return ssh_on_gex_request(s, &in);
	case KEX_WAIT_GEX_INIT:
		in = rd_of(two, sizeof two);
		return ssh_on_gex_init(s, &in);
	case KEX_WAIT_NEWKEYS:
		return ssh_on_newkeys(s, &in);
	default:
		return SSH_E_PROTOCOL;
	}
}

static void save_again(struct fuzz_side *f)
{
	struct buf again;

	buf_init(&again, 32 << 20, NULL);
	(void)ssh_export(f->ssh, &again);
	buf_drop(&again);
}

static void go_on(struct fuzz_side *f)
{
	struct ssh_event e;

	for (int i = 0; i < 6 && ssh_error(f->ssh) == SSH_OK && f->ssh->kex->state != KEX_IDLE; i++) {
		if (f->ssh->kex->state == KEX_WAIT_SIGN && ssh_repeat_need(f->ssh, &e))
			fuzz_sign(f, &e);
		else if (next_message(f->ssh) < 0)
			return;
		fuzz_drain(f);
		save_again(f);
	}
}

static void use(struct fuzz_side *f)
{
	static const uint8_t junk[64];
	uint32_t chan;

	if (f->ssh->role == SSH_SERVER)
		fuzz_side_keys(f);
	fuzz_drain(f);
	save_again(f);
	if (f->ssh->role == SSH_SERVER)
		go_on(f);
	(void)ssh_chan_open(f->ssh, "session", view_of(NULL, 0), &chan);
	for (uint32_t i = 0; i < 4; i++) {
		(void)ssh_chan_write(f->ssh, i, 0, junk, sizeof junk);
		(void)ssh_chan_consumed(f->ssh, i, 1);
		(void)ssh_chan_close(f->ssh, i);
	}
	(void)ssh_rekey(f->ssh);
	(void)ssh_input(f->ssh, junk, sizeof junk, 2);
	fuzz_drain(f);
	(void)ssh_tick(f->ssh, 100000);
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	struct fuzz_side f;
	int r;

	fuzz_side_init(&f, SSH_SERVER);
	r = ssh_import(&f.ssh, &f.env, &f.policy, view_of(d, n), 1);
	FUZZ_MUST(r == SSH_OK || r == SSH_E_STATE);
	FUZZ_MUST((r == SSH_OK) == (f.ssh != NULL));
	if (f.ssh != NULL)
		use(&f);
	fuzz_side_free(&f);
	return 0;
}
