#include "tests/fuzz/ssh_fuzz.h"

/* A saved connection, damaged: SSH_E_STATE, or an object that can be used, saved again and freed. */
int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void use(struct fuzz_side *f)
{
	static const uint8_t junk[64];
	struct buf again;
	uint32_t chan;

	if (f->ssh->role == SSH_SERVER)
		fuzz_side_keys(f);
	fuzz_drain(f);
	buf_init(&again, 32 << 20, NULL);
	(void)ssh_export(f->ssh, &again);
	buf_drop(&again);
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
