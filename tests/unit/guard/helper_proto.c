#include "guard/helper_proto.h"

#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ipc/permits.h"

static struct view all(const struct buf *b)
{
	return view_of(buf_head(b), buf_len(b));
}

Test(helper_proto, questions_round_trip_and_truncations)
{
	struct helper_ask a = { .what = HELPER_VERIFY, .alg = view_str("alg"), .blob = view_str("blob"), .sig = view_str("sig"),
		.session_id = view_str("id"), .service = view_str("svc"), .hostkey = view_str("host") }, b;
	struct buf buf;

	cr_assert_eq(addr_parse_ip(&a.peer, "192.0.2.7"), SSH_OK);
	buf_init(&buf, HELPER_MESSAGE_MAX, NULL);
	cr_assert_eq(helper_ask_encode(&buf, &a), SSH_OK);
	cr_assert_eq(helper_ask_decode(&b, all(&buf)), SSH_OK);
	cr_assert_eq(b.what, HELPER_VERIFY);
	cr_assert(addr_same_ip(&b.peer, &a.peer));
	cr_assert(view_is(b.alg, "alg") && view_is(b.blob, "blob") && view_is(b.sig, "sig") && view_is(b.session_id, "id") &&
	    view_is(b.service, "svc") && view_is(b.hostkey, "host"));
	for (size_t n = 0; n < buf_len(&buf); n++)
		cr_assert_lt(helper_ask_decode(&b, view_of(buf_head(&buf), n)), 0, "%zu", n);
	cr_assert_eq(buf_append(&buf, "x", 1), SSH_OK);
	cr_assert_lt(helper_ask_decode(&b, all(&buf)), 0, "a byte left over");
	buf_drop(&buf);
}

Test(helper_proto, answers_round_trip_and_truncations)
{
	struct helper_answer a = { .verdict = HELPER_YES, .permits = PERMIT_PTY, .has_command = 1, .command = view_str("ls"), .nlines = 2,
		.lines = { { LOGL_INFO, view_str("one") }, { LOGL_DEBUG, view_str("two") } } }, b;
	struct buf buf;

	buf_init(&buf, HELPER_MESSAGE_MAX, NULL);
	cr_assert_eq(helper_answer_encode(&buf, &a), SSH_OK);
	cr_assert_eq(helper_answer_decode(&b, all(&buf)), SSH_OK);
	cr_assert_eq(b.verdict, HELPER_YES);
	cr_assert_eq(b.permits, PERMIT_PTY);
	cr_assert(b.has_command && view_is(b.command, "ls"));
	cr_assert_eq(b.nlines, 2);
	cr_assert(view_is(b.lines[1].text, "two") && b.lines[1].level == LOGL_DEBUG);
	for (size_t n = 0; n < buf_len(&buf); n++) {
		cr_assert_lt(helper_answer_decode(&b, view_of(buf_head(&buf), n)), 0, "%zu", n);
		cr_assert_eq(b.verdict, HELPER_NO, "a broken answer never says yes");
	}
	buf_drop(&buf);
}

/* The helper may be the user's: what it says is a peer's word. */
Test(helper_proto, lying_answers)
{
	uint8_t raw[] = { HELPER_YES, 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 1, LOGL_ERROR, 0, 0, 0, 1, 'x' };
	struct helper_answer b;
	struct helper_answer nul = { .verdict = HELPER_YES, .has_command = 1, .command = view_of("a\0b", 3) };
	struct buf buf;

	cr_assert_eq(helper_answer_decode(&b, view_of(raw, sizeof raw)), SSH_OK);
	cr_assert_eq(b.permits, PERMIT_ALL, "no bits but those that exist");
	cr_assert_eq(b.lines[0].level, LOGL_INFO, "not an operator's error");
	raw[0] = 2;
	cr_assert_lt(helper_answer_decode(&b, view_of(raw, sizeof raw)), 0);
	raw[0] = HELPER_YES, raw[10] = HELPER_LINES + 1;
	cr_assert_lt(helper_answer_decode(&b, view_of(raw, sizeof raw)), 0);
	buf_init(&buf, HELPER_MESSAGE_MAX, NULL);
	cr_assert_eq(helper_answer_encode(&buf, &nul), SSH_OK);
	cr_assert_lt(helper_answer_decode(&b, all(&buf)), 0, "NUL in a command");
	buf_drop(&buf);
}
