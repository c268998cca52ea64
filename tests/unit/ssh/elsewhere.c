/* What lies elsewhere, data that is sent from there and input that is lent, makes no difference to anybody. */
#include <criterion/criterion.h>
#include <string.h>
#include <sys/uio.h>

#include "base/err.h"
#include "ssh/mux.h"
#include "tests/unit/ssh/pair.h"
#include "tests/unit/ssh/talk.h"

static void each_suite(void (*test)(const char *cipher, const char *mac))
{
	const char *cipher, *mac;
	int on;

	for (size_t c = 0; (cipher = alg_name(ALG_CIPHER, c, &on)) != NULL; c++)
		for (size_t m = 0; (mac = alg_name(ALG_MAC, m, &on)) != NULL; m++)
			if (m == 0 || (cipher_alg_find(view_str(cipher))->tag_len == 0 && mac_alg_find(view_str(mac))->hash != HASH_NONE))
				test(cipher, mac);
}

static void begin(struct pair *p, const char *cipher, const char *mac)
{
	talk_init(p, cipher);
	for (int i = 0; i < 4; i++)
		p->policy[i / 2].macs[i % 2] = mac;
}

/* ---- data that is sent from elsewhere ---------------------------------------------------------- */

#define GUARD 64
static uint8_t elsewhere[9 * 40000 + GUARD], kept[sizeof elsewhere];

static void put(const struct iovec *iov, int n, size_t len, unsigned seed)
{
	for (int i = 0; i < n && len > 0; i++)
		for (size_t k = 0; k < iov[i].iov_len && len > 0; k++, len--)
			((uint8_t *)iov[i].iov_base)[k] = (uint8_t)(seed + len * 31);
}

static void data_stays(const struct iovec *iov, int n, size_t len)
{
	for (int i = 0; i < n && len > 0; i++) {
		size_t k = iov[i].iov_len < len ? iov[i].iov_len : len, at = (size_t)((uint8_t *)iov[i].iov_base - elsewhere);

		cr_assert_arr_eq(elsewhere + at, kept + at, k, "data was written to");
		len -= k;
	}
}

static void fill_both(struct pair *here, struct pair *there, size_t len, uint32_t ext)
{
	struct ssh *a = here->side[SSH_SERVER], *b = there->side[SSH_SERVER];
	struct iovec iov[CHAN_FILL_MAX];
	int n = ssh_chan_fill(a, here->chan[SSH_SERVER], ext, iov, 8);
	size_t extent, want;
	const uint8_t *p, *q;

	put(iov, n, len, 5);
	cr_assert_eq(ssh_chan_fill_done(a, len), SSH_OK);
	cr_assert_eq(ssh_chan_fill(b, there->chan[SSH_SERVER], ext, iov, 8), n);
	memset(elsewhere, 0xa5, sizeof elsewhere);
	cr_assert_eq(ssh_chan_fill_from(b, elsewhere, iov), SSH_OK);
	extent = ssh_chan_fill_extent(b, len);
	put(iov, n, len, 5);
	memcpy(kept, elsewhere, sizeof kept);
	cr_assert_eq(ssh_chan_fill_done(b, len), SSH_OK);
	data_stays(iov, n, len);
	for (size_t k = extent; k < sizeof elsewhere; k++)
		cr_assert_eq(elsewhere[k], 0xa5, "written beyond the extent of %zu bytes, at %zu of %zu", len, k, extent);
	p = ssh_output(a, &extent);
	q = ssh_output(b, &want);
	cr_assert_eq(extent, want);
	cr_assert(want == 0 || memcmp(p, q, want) == 0, "%zu bytes of data", len);
}

static void sent_from_elsewhere(const char *cipher, const char *mac)
{
	static const size_t sizes[] = { 1, 15, 16, 4096, 32768, 32769, 8 * 32768 - 1, 8 * 32768, 0 };
	struct pair here, there;

	begin(&here, cipher, mac);
	begin(&there, cipher, mac);
	here.hook = there.hook = NULL;
	pair_share_key(&there, &here);
	pair_login(&here);
	pair_login(&there);
	pair_channel(&here);
	pair_channel(&there);
	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		fill_both(&here, &there, sizes[i], i % 2);
		pair_run(&here);
		pair_run(&there);
	}
	cr_assert_eq(buf_len(&there.got[SSH_CLIENT]), buf_len(&here.got[SSH_CLIENT]));
	pair_free(&there);
	pair_free(&here);
}

Test(elsewhere, packets_sealed_from_there_are_the_same)
{
	each_suite(sent_from_elsewhere);
}

Test(elsewhere, only_within_a_series)
{
	struct iovec iov[CHAN_FILL_MAX];
	struct pair p;

	pair_init(&p);
	pair_login(&p);
	pair_channel(&p);
	cr_assert_eq(ssh_chan_fill_from(p.side[SSH_SERVER], elsewhere, iov), SSH_E_NOT_NOW);
	cr_assert_eq(ssh_chan_fill_extent(p.side[SSH_SERVER], 1), 0);
	pair_free(&p);
}

/* ---- input that is lent ------------------------------------------------------------------------- */

static size_t in_crumbs(struct pair *p, size_t n)
{
	static const size_t sizes[] = { 1, 3, 4, 5, 33, 200, 1000, 40000 };
	size_t k = sizes[p->cut_seed++ % (sizeof sizes / sizeof *sizes)];

	return n < k ? n : k;
}

static void talk_lent(const char *cipher, const char *mac, pair_cut *cut)
{
	struct pair own, lent;

	begin(&own, cipher, mac);
	talk_run(&own);
	begin(&lent, cipher, mac);
	pair_share_key(&lent, &own);
	lent.lend = 1;
	lent.cut = cut;
	talk_run(&lent);
	pair_same(&own, &lent);
	pair_free(&lent);
	pair_free(&own);
}

static void received_from_elsewhere(const char *cipher, const char *mac)
{
	talk_lent(cipher, mac, NULL);
	talk_lent(cipher, mac, in_crumbs);
}

Test(elsewhere, a_conversation_that_is_lent_is_the_same)
{
	each_suite(received_from_elsewhere);
}

Test(elsewhere, what_is_lent_is_kept_by_export)
{
	static const uint8_t ignore[] = { SSH_MSG_IGNORE, 0, 0, 0, 0 };
	struct pair p;
	struct buf first, again;
	const uint8_t *out;
	uint8_t bytes[512];
	size_t n;

	pair_init(&p);
	pair_login(&p);
	for (int i = 0; i < 3; i++)
		pair_inject(&p, SSH_CLIENT, ignore, sizeof ignore);
	out = ssh_output(p.side[SSH_CLIENT], &n);
	cr_assert_leq(n, sizeof bytes);
	memcpy(bytes, out, n);
	cr_assert_eq(ssh_input_lend(p.side[SSH_SERVER], bytes, n, p.now), SSH_OK);
	buf_init(&first, 1 << 20, NULL);
	buf_init(&again, 1 << 20, NULL);
	cr_assert_eq(ssh_export(p.side[SSH_SERVER], &first), SSH_OK);
	memset(bytes, 0, sizeof bytes);
	cr_assert_eq(ssh_export(p.side[SSH_SERVER], &again), SSH_OK);
	pair_same_bytes(&first, &again);
	pair_drain(&p, SSH_SERVER);
	cr_assert_eq(ssh_error(p.side[SSH_SERVER]), SSH_OK, "%s", err_name(ssh_error(p.side[SSH_SERVER])));
	buf_drop(&first);
	buf_drop(&again);
	pair_free(&p);
}

Test(elsewhere, not_before_login_and_not_twice)
{
	static const uint8_t bytes[64];
	struct pair p;

	pair_init(&p);
	cr_assert_eq(pair_start(&p), SSH_OK);
	cr_assert_eq(ssh_input_lend(p.side[SSH_SERVER], bytes, sizeof bytes, p.now), SSH_E_BUG);
	pair_free(&p);
	pair_init(&p);
	pair_login(&p);
	cr_assert_eq(ssh_input_lend(p.side[SSH_SERVER], bytes, sizeof bytes, p.now), SSH_OK);
	cr_assert_eq(ssh_input_lend(p.side[SSH_SERVER], bytes, sizeof bytes, p.now), SSH_E_BUG);
	pair_free(&p);
}
