/* The journal must be readable whatever moment its writer dies in, and whatever bytes it is made of. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "supervisor/journal.h"

#define HALF ((size_t)16 << 12)

static const struct journal_origin origin = { .format = 3, .proto = 2, .pid = 77, .number = 9, .build = "1.2.3" };

static struct journal *fresh(size_t half)
{
	struct journal *j;

	cr_assert_eq(journal_new(&j, half, &origin), SSH_OK);
	return j;
}

static struct view text(const char *s)
{
	return view_str(s);
}

static void expect(const struct journal_image *im, unsigned kind, uint64_t id, const char *want)
{
	const struct journal_record *r = journal_find(im, kind, id);

	if (want == NULL) {
		cr_assert_null(r, "%u/%lu should be gone", kind, (unsigned long)id);
		return;
	}
	cr_assert_not_null(r, "%u/%lu is missing", kind, (unsigned long)id);
	cr_assert(view_is(r->value, want), "%u/%lu is %.*s", kind, (unsigned long)id, (int)r->value.len, (const char *)r->value.p);
}

Test(journal, last_value_of_each_key)
{
	struct journal *j = fresh(HALF);
	struct journal_image im;

	cr_assert_eq(journal_put(j, 1, 1, text("old")), SSH_OK);
	cr_assert_eq(journal_put(j, 2, 1, text("other kind")), SSH_OK);
	cr_assert_eq(journal_put(j, 1, 1, text("new")), SSH_OK);
	cr_assert_eq(journal_put(j, 1, 2, text("")), SSH_OK);
	cr_assert_eq(journal_put(j, 1, 3, text("goes")), SSH_OK);
	journal_del(j, 1, 3);
	journal_del(j, 1, 99);
	cr_assert_eq(journal_put(j, 1, 4, text("goes")), SSH_OK);
	journal_del(j, 1, 4);
	cr_assert_eq(journal_put(j, 1, 4, text("comes back")), SSH_OK);
	cr_assert_eq(journal_read(&im, journal_fd(j)), SSH_OK);
	cr_assert_eq(im.n, 4);
	expect(&im, 1, 1, "new");
	expect(&im, 2, 1, "other kind");
	expect(&im, 1, 2, "");
	expect(&im, 1, 3, NULL);
	expect(&im, 1, 4, "comes back");
	cr_assert_eq(journal_first(&im, 1)->id, 1);
	cr_assert_eq(journal_first(&im, 2)->id, 1);
	cr_assert_null(journal_first(&im, 3));
	cr_assert_eq(im.from.format, 3);
	cr_assert_eq(im.from.pid, 77);
	cr_assert_eq(im.from.number, 9);
	cr_assert_str_eq(im.from.build, "1.2.3");
	journal_image_drop(&im);
	journal_free(j);
}

Test(journal, what_is_too_large_is_refused)
{
	struct journal *j = fresh(HALF);
	uint8_t *big = calloc(1, JOURNAL_VALUE_MAX + 1);
	struct journal_image im;
	int full = 0;

	cr_assert_eq(journal_put(j, 1, 1, text("x")), SSH_OK);
	cr_assert_eq(journal_put(j, 1, 1, view_of(big, JOURNAL_VALUE_MAX + 1)), SSH_E_FULL);
	cr_assert_eq(journal_put(j, 0, 2, text("x")), SSH_E_FULL);
	cr_assert_eq(journal_put(j, 1, JOURNAL_ID_MAX, text("x")), SSH_E_FULL);
	for (uint64_t id = 10; id < 200 && !full; id++)
		full = journal_put(j, 1, id, view_of(big, 1000)) == SSH_E_FULL;
	cr_assert(full);
	cr_assert_eq(journal_read(&im, journal_fd(j)), SSH_OK);
	expect(&im, 1, 1, NULL);	/* rather unknown than wrong */
	cr_assert_gt(im.n, 50);
	journal_image_drop(&im);
	for (uint64_t id = 10; id < 200; id++)
		journal_del(j, 1, id);
	cr_assert_eq(journal_put(j, 1, 5, text("room again")), SSH_OK);
	cr_assert_eq(journal_read(&im, journal_fd(j)), SSH_OK);
	cr_assert_eq(im.n, 1);
	journal_image_drop(&im);
	journal_free(j);
	free(big);
}

/* ---- a model beside it, and death at every store ------------------------------------------ */

#define KEYS 24u

static struct model { char v[KEYS][40]; } before, after;
static uint8_t *copy;
static unsigned deaths;

static int is(const struct journal_image *im, const struct model *m)
{
	size_t n = 0;

	for (unsigned i = 0; i < KEYS; i++) {
		const struct journal_record *r = journal_find(im, 1 + i % 3, i);

		if ((r == NULL) != (m->v[i][0] == '\0') || (r != NULL && !view_is(r->value, m->v[i])))
			return 0;
		n += r != NULL;
	}
	return im->n == n;
}

/* SIGKILL here: the memory is all there is. */
static void die(const struct journal *j)
{
	struct journal_image im;
	const void *memory;
	size_t size;

	memory = journal_memory(j, &size);
	memcpy(copy, memory, size);
	cr_assert_eq(journal_read_memory(&im, copy, size), SSH_OK);
	cr_assert(is(&im, &before) || is(&im, &after), "neither before nor after");
	journal_image_drop(&im);
	deaths++;
}

Test(journal, death_at_every_store)
{
	struct journal *j = fresh((size_t)1 << 12);
	size_t live, used;

	copy = malloc(4096 + ((size_t)2 << 12));
	memset(&before, 0, sizeof before);
	after = before;
	journal_before_store = die;
	srand(1);
	for (int i = 0; i < 3000; i++) {
		unsigned k = (unsigned)rand() % KEYS;

		before = after;
		if (rand() % 4 == 0) {
			after.v[k][0] = '\0';
			journal_del(j, 1 + k % 3, k);
		} else {
			snprintf(after.v[k], sizeof after.v[k], "%d-%.*s", i, rand() % 20, "abcdefghijklmnopqrst");
			cr_assert_eq(journal_put(j, 1 + k % 3, k, text(after.v[k])), SSH_OK);
		}
		before = after;
		die(j);
	}
	journal_before_store = NULL;
	cr_assert_gt(deaths, 9000);
	cr_assert_gt(journal_compactions(j), 20);
	journal_sizes(j, &live, &used);
	cr_assert_leq(live, used);
	journal_free(j);
	free(copy);
}

Test(journal, garbage_is_bounded)
{
	struct journal *j = fresh((size_t)1 << 20);
	char v[500];
	size_t live, used;

	memset(v, 'v', sizeof v);
	for (int i = 0; i < 20000; i++) {
		cr_assert_eq(journal_put(j, 1, (uint64_t)i % 10, view_of(v, sizeof v)), SSH_OK);
		journal_sizes(j, &live, &used);
		cr_assert_leq(used, (size_t)80 << 10);
	}
	journal_free(j);
}

/* ---- hostile bytes ------------------------------------------------------------------------------ */

static size_t sample(uint8_t **out)
{
	struct journal *j = fresh((size_t)1 << 12);
	const void *memory;
	size_t size;

	journal_put(j, 1, 1, text("first"));
	journal_put(j, 2, 2, text("second value"));
	journal_put(j, 1, 1, text("third"));
	journal_del(j, 2, 2);
	journal_put(j, 3, 7, text("fourth"));
	memory = journal_memory(j, &size);
	*out = malloc(size);
	memcpy(*out, memory, size);
	journal_free(j);
	return size;
}

Test(journal, every_truncation_is_refused)
{
	uint8_t *bytes;
	size_t size = sample(&bytes);
	struct journal_image im;

	for (size_t n = 0; n < size; n++) {
		uint8_t *cut = malloc(n + 1);	/* the sanitizer sees who reads behind it */

		memcpy(cut, bytes, n);
		cr_assert_eq(journal_read_memory(&im, cut, n), SSH_E_FORMAT, "%zu of %zu bytes", n, size);
		free(cut);
	}
	free(bytes);
}

/* Every single bit of what is used: refused, or the same journal (padding and the half that does not count). */
Test(journal, every_flipped_bit_is_seen)
{
	uint8_t *bytes, *bad;
	size_t size = sample(&bytes);
	unsigned refused = 0;
	struct journal_image im;

	bad = malloc(size);
	for (size_t bit = 0; bit < (4096 + 400) * 8; bit++) {
		if (bit / 8 >= 128 && bit / 8 < 4096)
			continue;
		memcpy(bad, bytes, size);
		bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
		if (journal_read_memory(&im, bad, size) < 0) {
			refused++;
			continue;
		}
		for (size_t i = 0; i < im.n; i++)
			cr_assert(view_is(im.v[i].value, "third") || view_is(im.v[i].value, "fourth") || view_is(im.v[i].value, "second value")
			    || view_is(im.v[i].value, "first"), "bit %zu", bit);
		journal_image_drop(&im);
	}
	cr_assert_gt(refused, 1000);
	free(bad);
	free(bytes);
}

Test(journal, a_descriptor_that_may_shrink_is_refused)
{
	FILE *f = tmpfile();
	uint8_t *bytes;
	size_t size = sample(&bytes);
	struct journal_image im;

	cr_assert_eq(fwrite(bytes, 1, size, f), size);
	fflush(f);
	cr_assert_eq(journal_read(&im, fileno(f)), SSH_E_FORMAT);
	fclose(f);
	free(bytes);
}
