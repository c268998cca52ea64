/* What one supervisor wrote, the next one reads; nothing else passes. */
#include "supervisor/state_codec.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"

static struct saved session(void)
{
	struct saved s = { .kind = STATE_SESSION, .id = 12, .u.SESSION = { .connection = 13, .acceptor = 7, .slot = 3, .fate_told = 1,
	    .tries = 1, .id = view_of("0123456789abcdef", 16), .phase = 2, .deadline_ms = 987654321, .last_worker = 5 } };

	addr_parse_ip(&s.u.SESSION.peer, "192.0.2.7");
	addr_parse_ip(&s.u.SESSION.local, "2001:db8::1");
	s.u.SESSION.peer.port = 50122;
	return s;
}

static struct saved grant(void)
{
	return (struct saved){ .kind = STATE_GRANT, .id = 12, .u.GRANT = { .uid = 2001, .gid = 2001, .permits = 0x7f, .max_sessions = 10,
	    .groups = view_of("\0\0\0\1", 4), .user = view_str("ada"), .home = view_str("/home/ada"), .shell = view_str("/bin/sh"),
	    .forced = view_str(""), .subsystems = view_str("sftp internal-sftp\n"), .environment = view_of("A=1\0B=2", 8) } };
}

static struct buf bytes;

static struct view encoded(const struct saved *s, unsigned format)
{
	buf_drop(&bytes);
	buf_init(&bytes, 1 << 20, NULL);
	cr_assert_eq(state_encode(&bytes, format, s), SSH_OK);
	return view_of(buf_head(&bytes), buf_len(&bytes));
}

Test(state_codec, what_goes_in_comes_out)
{
	struct saved in = session(), out = { .kind = STATE_SESSION };
	struct view v = encoded(&in, program_version.format);

	cr_assert_eq(state_decode(&out, program_version.format, v), SSH_OK);
	cr_assert_eq(out.u.SESSION.connection, 13);
	cr_assert_eq(out.u.SESSION.slot, 3);
	cr_assert(addr_same_ip(&out.u.SESSION.peer, &in.u.SESSION.peer));
	cr_assert_eq(out.u.SESSION.peer.port, 50122);
	cr_assert(view_same(out.u.SESSION.id, in.u.SESSION.id));
	cr_assert_eq(out.u.SESSION.deadline_ms, 987654321);
	in = grant();
	out.kind = STATE_GRANT;
	v = encoded(&in, program_version.format);
	cr_assert_eq(state_decode(&out, program_version.format, v), SSH_OK);
	cr_assert(view_is(out.u.GRANT.user, "ada"));
	cr_assert(view_same(out.u.GRANT.environment, in.u.GRANT.environment));
}

Test(state_codec, the_format_before_is_read_and_written)
{
	struct saved in = session(), out = { .kind = STATE_SESSION };
	size_t shorter, longer;

	in.u.SESSION.header = 2;
	longer = encoded(&in, 2).len;
	shorter = encoded(&in, 1).len;
	cr_assert_lt(shorter, longer);
	out.u.SESSION.header = 77;
	cr_assert_eq(state_decode(&out, 1, view_of(buf_head(&bytes), buf_len(&bytes))), SSH_OK);
	cr_assert_eq(out.u.SESSION.slot, 3);
	cr_assert_eq(out.u.SESSION.header, 0, "not there, so nothing");
	cr_assert_eq(state_decode(&out, 2, view_of(buf_head(&bytes), buf_len(&bytes))), SSH_E_FORMAT);
	cr_assert_eq(state_decode(&out, 2, encoded(&in, 2)), SSH_OK);
	cr_assert_eq(out.u.SESSION.header, 2);
	cr_assert(state_knows(STATE_CLIENT, 1) && !state_knows(STATE_DRAIN, 1) && state_knows(STATE_DRAIN, 2));
	out.kind = STATE_DRAIN;
	cr_assert_eq(state_decode(&out, 1, view_of(NULL, 0)), SSH_E_FORMAT);
}

Test(state_codec, short_long_and_foreign_values_are_refused)
{
	struct saved kinds[] = { session(), grant() }, out;

	for (size_t k = 0; k < sizeof kinds / sizeof kinds[0]; k++) {
		struct view v = encoded(&kinds[k], program_version.format);
		uint8_t *copy = malloc(v.len + 1);

		out.kind = kinds[k].kind;
		for (size_t n = 0; n < v.len; n++) {
			uint8_t *cut = malloc(n + 1);

			memcpy(cut, v.p, n);
			cr_assert_eq(state_decode(&out, program_version.format, view_of(cut, n)), SSH_E_FORMAT);
			free(cut);
		}
		memcpy(copy, v.p, v.len);
		copy[v.len] = 0;
		cr_assert_eq(state_decode(&out, program_version.format, view_of(copy, v.len + 1)), SSH_E_FORMAT);
		free(copy);
		cr_assert_eq(state_decode(&out, program_version.format + 1, v), SSH_E_FORMAT);
		cr_assert_eq(state_decode(&out, 0, v), SSH_E_FORMAT);
		out.kind = (enum state_kind)200;
		cr_assert_eq(state_decode(&out, program_version.format, v), SSH_E_FORMAT);
	}
}

Test(state_codec, a_user_name_with_a_NUL_is_no_text)
{
	struct saved in = grant(), out = { .kind = STATE_GRANT };

	in.u.GRANT.user = view_of("a\0b", 3);
	cr_assert_eq(state_decode(&out, program_version.format, encoded(&in, program_version.format)), SSH_E_FORMAT);
}

Test(state_codec, too_long_a_field_is_not_written)
{
	static uint8_t id[65];
	struct saved in = session();
	struct buf b;

	buf_init(&b, 1 << 20, NULL);
	in.u.SESSION.id = view_of(id, sizeof id);
	cr_assert_eq(state_encode(&b, program_version.format, &in), SSH_E_FULL);
	cr_assert_eq(state_encode(&b, program_version.format + 1, &in), SSH_E_RULE);
	buf_drop(&b);
}

Test(state_codec, the_newest_format_both_know)
{
	cr_assert_eq(state_format_for(1, 1), 1);
	cr_assert_eq(state_format_for(program_version.format, program_version.format + 3), program_version.format);
	cr_assert_eq(state_format_for(program_version.format + 1, program_version.format + 3), 0);
	cr_assert_eq(state_format_for(0, 0), 0);
}
