#include <criterion/criterion.h>
#include <string.h>

#include "base/addr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/reserve.h"
#include "base/secret.h"
#include "base/table.h"
#include "base/wire.h"

Test(wire, round_trip_of_every_type)
{
	struct buf b;
	struct wr w;
	struct rd r;
	size_t mark;

	buf_init(&b, 1000, NULL);
	w = wr_to(&b);
	wr_u8(&w, 0xfe);
	wr_u16(&w, 0xfedc);
	wr_u32(&w, 0xfedcba98);
	wr_u64(&w, UINT64_C(0xfedcba9876543210));
	mark = wr_string_begin(&w);
	wr_cstr(&w, "inner");
	wr_string_end(&w, mark);
	wr_mpint(&w, (const uint8_t *)"\0\0\x80", 3);
	wr_mpint(&w, (const uint8_t *)"\0", 1);
	cr_assert_eq(wr_done(&w), SSH_OK);
	r = rd_of(buf_head(&b), buf_len(&b));
	cr_assert_eq(rd_u8(&r), 0xfe);
	cr_assert_eq(rd_u16(&r), 0xfedc);
	cr_assert_eq(rd_u32(&r), 0xfedcba98);
	cr_assert_eq(rd_u64(&r), UINT64_C(0xfedcba9876543210));
	cr_assert_eq(rd_string(&r, 9).len, 9);
	cr_assert(view_same(rd_mpint(&r, 4), view_of("\x80", 1)));
	cr_assert_eq(rd_mpint(&r, 4).len, 0);
	cr_assert_eq(rd_done(&r), SSH_OK);
	buf_drop(&b);
}

Test(wire, mpints_that_are_not_canonical_are_refused)
{
	static const char *const bad[] = { "\0\0\0\1\x80", "\0\0\0\1\0", "\0\0\0\2\0\1", "\0\0\0\3\0\0\x80" };
	static const size_t len[] = { 5, 5, 6, 7 };

	for (size_t i = 0; i < 4; i++) {
		struct rd r = rd_of(bad[i], len[i]);

		rd_mpint(&r, 100);
		cr_assert_eq(rd_done(&r), SSH_E_FORMAT, "%zu", i);
	}
}

Test(wire, a_length_larger_than_the_input_or_the_limit)
{
	struct rd r = rd_of("\xff\xff\xff\xff" "abc", 7);

	cr_assert_eq(rd_string(&r, SIZE_MAX).len, 0);
	cr_assert_eq(rd_u8(&r), 0);
	cr_assert_eq(rd_done(&r), SSH_E_FORMAT);
	r = rd_of("\0\0\0\3abc", 7);
	rd_string(&r, 2);
	cr_assert_eq(rd_done(&r), SSH_E_FORMAT);
	r = rd_of("\0\0\0\3abcd", 8);
	rd_string(&r, 3);
	cr_assert_eq(rd_done(&r), SSH_E_FORMAT, "one byte left over");
}

Test(buf, never_over_its_cap_and_keeps_the_order)
{
	struct buf b;
	uint8_t want = 0, next = 0;

	buf_init(&b, 1000, NULL);
	cr_assert_eq(buf_append(&b, "", 0), SSH_OK);
	cr_assert_null(buf_reserve(&b, 1001));
	for (int round = 0; round < 5000; round++) {
		size_t n = (size_t)(round * 7 % 90);

		for (size_t i = 0; i < n; i++, next++)
			if (buf_append(&b, &next, 1) == SSH_E_FULL)
				break;
		cr_assert_leq(buf_len(&b), 1000);
		for (size_t i = (size_t)(round * 5 % 95); i > 0 && buf_len(&b) > 0; i--, want++) {
			cr_assert_eq(*buf_head(&b), want);
			buf_consume(&b, 1);
		}
	}
	buf_drop(&b);
}

static void *counting(void *ctx, void *p, size_t n)
{
	*(int *)ctx += n > 0;
	return mem_resize(&mem_heap, p, n);
}

/* Full as it may be, or nearly empty: what comes in and what goes out need no new storage. */
Test(buf, a_queue_that_is_as_long_as_ever_allocates_nothing)
{
	static const size_t lengths[] = { 1, 100, 511, 512, 513, 700, 1000, 1023 };

	for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
		int asked = 0;
		struct mem mem = { counting, &asked };
		uint8_t next = 0, want = 0;
		struct buf b;

		buf_init(&b, 1024, &mem);
		cr_assert_not_null(buf_reserve(&b, 1024));
		for (size_t k = 0; k < lengths[i]; k++, next++)
			cr_assert_eq(buf_append(&b, &next, 1), SSH_OK);
		cr_assert_eq(asked, 1);
		for (int k = 0; k < 5000; k++, next++, want++) {
			cr_assert_eq(buf_append(&b, &next, 1), SSH_OK);
			cr_assert_eq(*buf_head(&b), want);
			buf_consume(&b, 1);
		}
		cr_assert_eq(asked, 1, "%d for a queue of %zu", asked, lengths[i]);
		buf_drop(&b);
	}
}

Test(table, thousands_of_keys_come_and_go)
{
	static int values[5000];
	struct table t;
	size_t at = 0, seen = 0;

	table_init(&t);
	for (size_t i = 0; i < 5000; i++)
		cr_assert_eq(table_put(&t, i * i, &values[i]), SSH_OK);
	for (size_t i = 0; i < 5000; i += 2)
		cr_assert_eq(table_remove(&t, i * i), &values[i]);
	for (size_t i = 0; i < 5000; i++)
		cr_assert_eq(table_get(&t, i * i), i % 2 ? &values[i] : NULL, "%zu", i);
	while (table_next(&t, &at) != NULL)
		seen++;
	cr_assert_eq(seen, 2500);
	cr_assert_eq(t.used, 2500);
	cr_assert_null(table_remove(&t, 0));
	table_drop(&t);
}

Test(secret, equality)
{
	cr_assert_eq(secret_equal("abc", "abc", 3), 1);
	cr_assert_eq(secret_equal("abc", "abd", 3), 0);
	cr_assert_eq(secret_equal("a", "b", 0), 1);
	for (int i = 0; i < 256; i++) {
		uint8_t a = (uint8_t)i, z = 0;

		cr_assert_eq(secret_equal(&a, &z, 1), i == 0);
	}
}

Test(addr, text_and_prefixes)
{
	char text[ADDR_TEXT_MAX];
	struct addr a, net;

	cr_assert_eq(addr_parse_ip(&a, "::ffff:192.0.2.7"), SSH_OK);
	a.port = 22;
	cr_assert_str_eq(addr_text(&a, text), "192.0.2.7:22");
	cr_assert_eq(addr_parse_ip(&net, "192.0.2.0"), SSH_OK);
	cr_assert_eq(addr_in_prefix(&a, &net, 24), 1);
	cr_assert_eq(addr_in_prefix(&a, &net, 30), 0);
	cr_assert_eq(addr_in_prefix(&a, &net, 33), 0);
	cr_assert_eq(addr_in_prefix(&a, &net, 0), 1);
	cr_assert_eq(addr_parse_ip(&a, "2001:db8::1"), SSH_OK);
	a.port = 2222;
	cr_assert_str_eq(addr_text(&a, text), "[2001:db8::1]:2222");
	cr_assert_eq(addr_in_prefix(&a, &net, 0), 0);
	cr_assert_eq(addr_parse_ip(&a, "192.0.2"), SSH_E_FORMAT);
	memset(&a, 0, sizeof a);
	cr_assert_str_eq(addr_ip_text(&a, text), "UNKNOWN");
	cr_assert_eq(addr_port(&a), 65535);
}

static char last[LOG_LINE_MAX + 1];

static void keep(void *ctx, enum log_level l, const char *line)
{
	(void)ctx, (void)l;
	strcpy(last, line);
}

Test(log, hostile_names_stay_on_one_line)
{
	static char big[70000];
	char name[64];

	log_to(keep, NULL);
	log_ev(LOGL_INFO, "user %s", log_escape(name, sizeof name, "a\n\x1b[31m\\%n\xff", 11));
	cr_assert_str_eq(last, "user a\\012\\033[31m\\\\%n\\377");
	log_ev(LOGL_INFO, "raw \r\n");
	cr_assert_str_eq(last, "raw \\015\\012");
	memset(big, 'x', sizeof big - 1);
	log_ev(LOGL_ERROR, "%s", big);
	cr_assert_eq(strlen(last), LOG_LINE_MAX);
	log_ev(LOGL_DEBUG, "below the level");
	cr_assert_eq(strlen(last), LOG_LINE_MAX);
}

Test(err, every_number_has_a_text_and_a_blame)
{
	cr_assert_str_eq(err_text(SSH_E_MAC), "message failed authentication");
	cr_assert_str_eq(err_name(SSH_E_MAC), "MAC");
	cr_assert_eq(err_blame(SSH_E_MAC), ERR_PEER);
	cr_assert_eq(err_disconnect(SSH_E_MAC), 5);
	cr_assert_eq(err_blame(SSH_E_NOMEM), ERR_US);
	cr_assert_str_eq(err_text(-999), "unknown error");
}

struct moody { unsigned left; };	/* so many requests are granted */

static void *moody(void *ctx, void *p, size_t n)
{
	struct moody *m = ctx;

	if (n > 0 && m->left == 0)
		return NULL;
	m->left -= n > 0;
	return mem_heap.fn(NULL, p, n);
}

/* What is half done needs its place more than the table its speed. */
Test(table, takes_more_than_it_likes_when_it_cannot_grow)
{
	static int values[64];
	struct moody m = { 1 };
	const struct mem mem = { moody, &m };
	struct table t = { .mem = &mem };
	uint64_t n = 0;

	while (table_put(&t, n * 7, &values[n]) == SSH_OK)
		n++;
	cr_assert_eq(n, t.size - 1, "%zu", (size_t)n);
	for (uint64_t i = 0; i < n; i++)
		cr_assert_eq(table_get(&t, i * 7), &values[i]);
	cr_assert_null(table_get(&t, n * 7), "a search ends");
	cr_assert_eq(table_put(&t, 0, &values[60]), SSH_OK, "one that is there needs no room");
	m.left = 1;
	cr_assert_eq(table_put(&t, n * 7, &values[n]), SSH_OK);
	cr_assert_eq(table_get(&t, 0), &values[60]);
	table_drop(&t);
}

/* ---- reserve ---- */

static uint8_t arena[4096 + 3];

static int is_in_arena(const void *p)
{
	return (const uint8_t *)p >= arena && (const uint8_t *)p < arena + sizeof arena;
}

Test(reserve, is_the_heap_while_there_is_one)
{
	char *p;

	reserve_open(arena + 3, 4096, NULL);
	p = reserve_resize(NULL, 100);
	cr_assert(p != NULL && !is_in_arena(p));
	p = reserve_resize(p, 5000);
	cr_assert(p != NULL && !is_in_arena(p));
	cr_assert_eq(reserve_used(), 0);
	reserve_free(p);
	reserve_free(NULL);
	reserve_open(NULL, 0, NULL);
}

Test(reserve, helps_out_and_is_whole_again)
{
	struct moody m = { 1 };
	const struct mem mem = { moody, &m };
	char *heap, *p[64] = { NULL };
	int n = 0;

	reserve_open(arena + 3, 4096, &mem);
	heap = reserve_resize(NULL, 8);
	memcpy(heap, "1234567", 8);
	cr_assert(!is_in_arena(heap));
	heap = reserve_resize(heap, 40);
	cr_assert(is_in_arena(heap));
	cr_assert_str_eq(heap, "1234567");
	while (n < 64 && (p[n] = reserve_zalloc(100)) != NULL) {
		cr_assert(is_in_arena(p[n]) && (uintptr_t)p[n] % 16 == 0);
		for (int i = 0; i < 100; i++)
			cr_assert_eq(p[n][i], 0);
		memset(p[n++], 0xee, 100);
	}
	cr_assert(n > 20 && n < 41, "%d", n);
	for (int i = 0; i < n; i += 2)
		reserve_free(p[i]);
	cr_assert_null(reserve_resize(NULL, 300), "in pieces");
	for (int i = 1; i < n; i += 2)
		reserve_free(p[i]);
	cr_assert_str_eq(heap, "1234567");
	m.left = 1;
	heap = reserve_resize(heap, 3000);
	cr_assert(!is_in_arena(heap), "back to where it belongs");
	cr_assert_str_eq(heap, "1234567");
	reserve_free(heap);
	cr_assert_eq(reserve_used(), 0);
	p[0] = reserve_resize(NULL, 3900);
	cr_assert_not_null(p[0], "one piece again");
	reserve_free(p[0]);
	cr_assert_null(reserve_resize(NULL, SIZE_MAX / 2));
	reserve_open(NULL, 0, NULL);
}
