#include "ssh/crypto/crypto.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(random, .init = setup);

static int by_bytes(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

Test(random, values_do_not_repeat)
{
	enum { COUNT = 100000 };	/* 1.6 MB: past a reseed */
	uint8_t (*v)[16] = malloc(COUNT * sizeof *v);

	for (size_t i = 0; i < COUNT; i++)
		crypto_random(NULL, v[i], sizeof v[i]);
	qsort(v, COUNT, sizeof *v, by_bytes);
	for (size_t i = 1; i < COUNT; i++)
		cr_assert(memcmp(v[i - 1], v[i], sizeof *v) != 0);
	free(v);
}

Test(random, fills_every_length_exactly)
{
	uint8_t buf[2200];

	for (size_t n = 0; n < 2100; n += 7) {
		size_t zeros = 0;

		memset(buf, 0, sizeof buf);
		crypto_random(NULL, buf, n);
		for (size_t i = 0; i < n; i++)
			zeros += buf[i] == 0;
		cr_assert_leq(zeros, 8 + n / 32, "%zu zeros of %zu", zeros, n);
		for (size_t i = n; i < sizeof buf; i++)
			cr_assert_eq(buf[i], 0, "wrote behind the end");
	}
}

static void child_value(uint8_t out[32], int forget)
{
	int fds[2];
	pid_t pid;

	cr_assert_eq(pipe(fds), 0);
	if ((pid = fork()) == 0) {
		uint8_t v[32];

		if (forget)
			crypto_forked();
		crypto_random(NULL, v, sizeof v);
		_exit(write(fds[1], v, sizeof v) == sizeof v ? 0 : 1);
	}
	cr_assert_eq(read(fds[0], out, 32), 32);
	waitpid(pid, NULL, 0);
	close(fds[0]);
	close(fds[1]);
}

Test(random, forked_processes_share_nothing)
{
	uint8_t v[4][32];

	crypto_random(NULL, v[0], 32);	/* the pool is filled before the forks */
	for (int i = 0; i < 3; i++)
		child_value(v[i], 1);
	crypto_random(NULL, v[3], 32);
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < i; k++)
			cr_assert(memcmp(v[i], v[k], 32) != 0, "%d = %d", i, k);
}

Test(random, without_crypto_forked_they_would)
{
	uint8_t a[32], b[32];		/* shows that the test above can fail */

	crypto_random(NULL, a, 32);
	child_value(a, 0);
	child_value(b, 0);
	cr_assert(memcmp(a, b, 32) == 0);
}
