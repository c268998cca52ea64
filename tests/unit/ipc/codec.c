/* Every row of messages.def: round trip, every truncation, every byte too many, every wrong pair of roles and state. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "ipc/codec.h"

static const char text[] = "some text";
static const struct addr some_addr = { .family = ADDR_IPV6, .ip = { 0x20, 1, 0xd, 0xb8, [15] = 7 }, .port = 4711, .scope = 3 };

/* One filled-in body for each message, from the table itself. */
#undef SECRET
#define U8(n)         .n = 0xa5,
#define U32(n)        .n = 0xdeadbeef,
#define U64(n)        .n = UINT64_C(0x0123456789abcdef),
#define I32(n)        .n = -42,
#define STR(n, x)     .n = { (const uint8_t *)text, (x) < 9 ? (x) : 9 },
#define BYTES(n, x)   .n = { (const uint8_t *)text, (x) < 9 ? (x) : 9 },
#define SECRET(n, x)  .n = { (const uint8_t *)text, (x) < 9 ? (x) : 9 },
#define ADDR(n)       .n = some_addr,
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) \
	static void fill_##name(void *body) { *(struct ipc_##name *)body = (struct ipc_##name){ fields_ }; }
#include "ipc/messages.def"
#undef MSG

static void fill(enum ipc_type type, struct ipc_msg *m)
{
	memset(m, 0, sizeof *m);
	switch (type) {
	case IPC_NONE:
		break;
#define MSG(no, name, from_, to_, fds_, when_, answer_, fields_, doc_) case IPC_##name: fill_##name(&m->u); break;
#include "ipc/messages.def"
#undef MSG
	}
}

static void encode(struct buf *b, const struct ipc_rule *rule)
{
	struct ipc_msg m;

	fill(rule->type, &m);
	buf_init(b, IPC_MESSAGE_MAX, NULL);
	cr_assert_eq(ipc_encode(b, rule->type, &m.u), SSH_OK, "%s", rule->name);
}

Test(codec, round_trip)
{
	const struct ipc_rule *rule;

	for (unsigned i = 0; (rule = ipc_rule_at(i)) != NULL; i++) {
		struct buf a, b;
		struct ipc_msg m = { 0 };

		encode(&a, rule);
		cr_assert_eq(ipc_decode(&m, buf_head(&a), buf_len(&a)), SSH_OK, "%s", rule->name);
		cr_assert_eq(m.type, rule->type);
		buf_init(&b, IPC_MESSAGE_MAX, NULL);
		cr_assert_eq(ipc_encode(&b, m.type, &m.u), SSH_OK);
		cr_assert(view_same(view_of(buf_head(&a), buf_len(&a)), view_of(buf_head(&b), buf_len(&b))), "%s", rule->name);
		buf_drop(&a);
		buf_drop(&b);
	}
}

Test(codec, every_truncation_and_one_byte_more)
{
	const struct ipc_rule *rule;
	struct ipc_msg m;

	for (unsigned i = 0; (rule = ipc_rule_at(i)) != NULL; i++) {
		struct buf b;

		encode(&b, rule);
		for (size_t n = 0; n < buf_len(&b); n++)
			cr_assert_eq(ipc_decode(&m, buf_head(&b), n), SSH_E_FORMAT, "%s at %zu", rule->name, n);
		cr_assert_eq(buf_append(&b, "", 1), SSH_OK);
		cr_assert_eq(ipc_decode(&m, buf_head(&b), buf_len(&b)), SSH_E_FORMAT, "%s", rule->name);
		buf_drop(&b);
	}
}

Test(codec, unknown_numbers)
{
	struct ipc_msg m;

	for (unsigned type = 0; type < 256; type++) {
		uint8_t byte = (uint8_t)type;

		if (ipc_rule(type) != NULL)
			continue;
		cr_assert_eq(ipc_decode(&m, &byte, 1), SSH_E_FORMAT);
		for (int from = 0; from < ROLE_COUNT; from++)
			cr_assert_eq(ipc_check(type, from, ROLE_SUP, W_UP, 0), SSH_E_RULE);
	}
}

Test(codec, a_number_finds_its_row)
{
	const struct ipc_rule *rule;
	unsigned found = 0, rows = 0;

	for (unsigned i = 0; (rule = ipc_rule_at(i)) != NULL; i++, rows++)
		cr_assert_eq(ipc_rule(rule->type), rule, "%s", rule->name);
	for (unsigned type = 0; type < 1000; type++)
		found += ipc_rule(type) != NULL;
	cr_assert_eq(found, rows);
}

Test(codec, only_what_the_table_says)
{
	static const enum ipc_when whens[] = { W_NEW, W_UP, W_AUTHED, W_LOG };
	const struct ipc_rule *rule;
	unsigned refused = 0;

	for (unsigned i = 0; (rule = ipc_rule_at(i)) != NULL; i++)
		for (int from = 0; from < ROLE_COUNT; from++)
			for (int to = 0; to < ROLE_COUNT; to++)
				for (size_t w = 0; w < 4; w++) {
					int legal = (rule->from >> from & 1) && (rule->to >> to & 1) && (rule->when & whens[w]);
					int r = ipc_check(rule->type, from, to, whens[w], rule->fds_min);

					cr_assert_eq(r, legal ? SSH_OK : SSH_E_RULE, "%s %d->%d", rule->name, from, to);
					cr_assert_eq(ipc_check(rule->type, from, to, whens[w], rule->fds_max + 1), SSH_E_RULE);
					refused += !legal;
				}
	cr_assert_gt(refused, 5000);
}

Test(codec, answers_exist_and_run_the_other_way)
{
	const struct ipc_rule *rule;

	for (unsigned i = 0; (rule = ipc_rule_at(i)) != NULL; i++) {
		const struct ipc_rule *answer = ipc_rule(rule->answer);

		if (rule->answer == IPC_NONE)
			continue;
		cr_assert_not_null(answer, "%s", rule->name);
		cr_assert_neq(answer->from & rule->to, 0, "%s", rule->name);
		cr_assert_neq(answer->to & rule->from, 0, "%s", rule->name);
	}
}

Test(codec, only_auth_grants_and_only_granted_links_touch_workers)
{
	cr_assert_eq(ipc_rule(IPC_AUTH_GRANTED)->from, R_AUTH);
	cr_assert_eq(ipc_rule(IPC_WORKER_SIGNAL)->when, W_AUTHED);
	cr_assert_eq(ipc_check(IPC_CHAN_SHUT, ROLE_CONN, ROLE_SUP, W_UP, 0), SSH_E_RULE);
	cr_assert_eq(ipc_check(IPC_AUTH_GRANTED, ROLE_CONN, ROLE_SUP, W_UP, 0), SSH_E_RULE);
}

Test(codec, no_nul_in_text)
{
	struct ipc_AUTH_BEGIN begin = { .user = { (const uint8_t *)"a\0b", 3 } };
	struct ipc_msg m;
	struct buf b;

	buf_init(&b, IPC_MESSAGE_MAX, NULL);
	cr_assert_eq(ipc_encode(&b, IPC_AUTH_BEGIN, &begin), SSH_OK);
	cr_assert_eq(ipc_decode(&m, buf_head(&b), buf_len(&b)), SSH_E_FORMAT);
	buf_drop(&b);
}

Test(codec, over_long_field_is_not_sent)
{
	static uint8_t big[2000];
	struct ipc_AUTH_PASSWORD pw = { .password = { big, 1025 } };
	struct buf b;

	buf_init(&b, IPC_MESSAGE_MAX, NULL);
	cr_assert_eq(ipc_encode(&b, IPC_AUTH_PASSWORD, &pw), SSH_E_FULL);
	cr_assert_eq(ipc_rule(IPC_AUTH_PASSWORD)->secret, 1);
	cr_assert_eq(ipc_rule(IPC_SIGN)->secret, 0);
	buf_drop(&b);
}
