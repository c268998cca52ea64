#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ssh/packet.h"
#include "tests/unit/ssh/pair.h"
#include "tests/unit/ssh/talk.h"

/* cut - however the input is cut, the output and the events are the same bytes. */

static size_t randomly(struct pair *p, size_t n)
{
	uint8_t b[2];
	size_t k;

	pair_random(&p->cut_seed, b, 2);
	k = 1 + (b[0] & 3 ? b[1] : b[1] * 40u) % 3000;
	return k < n ? k : n;
}

static void again(struct pair *p, const struct pair *first, pair_cut *cut, uint64_t seed)
{
	talk_init(p, first->policy[0].ciphers[0]);
	pair_share_key(p, first);
	p->cut = cut;
	p->cut_seed = seed;
	talk_run(p);
}

static void invariant(const char *cipher)
{
	struct pair all, cut;

	talk_init(&all, cipher);
	talk_run(&all);
	again(&cut, &all, NULL, 0);
	pair_same(&all, &cut);		/* golden: the same twice */
	pair_free(&cut);
	again(&cut, &all, pair_bytewise, 0);
	pair_same(&all, &cut);
	pair_free(&cut);
	for (uint64_t seed = 1; seed <= 10; seed++) {
		again(&cut, &all, randomly, seed);
		pair_same(&all, &cut);
		pair_free(&cut);
	}
	pair_free(&all);
}

Test(cut, every_cipher_is_invariant)
{
	const char *cipher;
	int on;

	for (size_t i = 0; (cipher = alg_name(ALG_CIPHER, i, &on)) != NULL; i++)
		invariant(cipher);
}

/* The other way to read: into the object itself. */
Test(cut, input_space_gives_the_same)
{
	struct pair all, one;
	struct ssh *s;
	size_t n, room, done = 0;
	uint8_t *to;

	talk_init(&all, NULL);
	talk_run(&all);
	talk_init(&one, NULL);
	pair_share_key(&one, &all);
	cr_assert_eq(pair_start(&one), SSH_OK);
	s = one.side[SSH_SERVER];
	n = buf_len(&all.wire[SSH_CLIENT]);
	while (done < n) {
		size_t some = n - done < 777 ? n - done : 777;

		cr_assert_not_null(to = ssh_input_space(s, &room));
		cr_assert_geq(room, 4096u);
		memcpy(to, buf_head(&all.wire[SSH_CLIENT]) + done, some);
		cr_assert_eq(ssh_input_done(s, some, 1), SSH_OK);
		done += some;
		pair_drain(&one, SSH_SERVER);
	}
	cr_assert_eq(ssh_error(s), SSH_E_CLOSED, "the client said goodbye at the end");
	cr_assert_eq(buf_len(&one.events[SSH_SERVER]), buf_len(&all.events[SSH_SERVER]));
	cr_assert_eq(ssh_output_len(s), buf_len(&all.wire[SSH_SERVER]));
	cr_assert_arr_eq(ssh_output(s, &room), buf_head(&all.wire[SSH_SERVER]), ssh_output_len(s));
	pair_free(&one);
	pair_free(&all);
}
