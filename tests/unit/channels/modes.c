#include "channels/modes.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/wire.h"

static size_t op(uint8_t *p, uint8_t code, uint32_t arg)
{
	p[0] = code;
	put_u32(p + 1, arg);
	return 5;
}

static struct termios with(uint8_t code, uint32_t arg, struct termios t)
{
	uint8_t enc[6];
	size_t n = op(enc, code, arg);

	enc[n++] = 0;
	modes_apply(&t, view_of(enc, n));
	return t;
}

static struct termios zero(void)
{
	struct termios t;

	memset(&t, 0, sizeof t);
	return t;
}

static struct termios full(void)
{
	struct termios t;

	memset(&t, 0, sizeof t);
	t.c_iflag = t.c_oflag = t.c_lflag = t.c_cflag = ~(tcflag_t)0;
	return t;
}

/* RFC 4254 8, RFC 8160: every flag both ways. */
Test(modes, every_flag)
{
	static const struct { uint8_t op; char field; tcflag_t flag; } rows[] = {
		{ 30, 'i', IGNPAR }, { 31, 'i', PARMRK }, { 32, 'i', INPCK }, { 33, 'i', ISTRIP }, { 34, 'i', INLCR },
		{ 35, 'i', IGNCR }, { 36, 'i', ICRNL }, { 37, 'i', IUCLC }, { 38, 'i', IXON }, { 39, 'i', IXANY },
		{ 40, 'i', IXOFF }, { 41, 'i', IMAXBEL }, { 42, 'i', IUTF8 }, { 50, 'l', ISIG }, { 51, 'l', ICANON },
		{ 52, 'l', XCASE }, { 53, 'l', ECHO }, { 54, 'l', ECHOE }, { 55, 'l', ECHOK }, { 56, 'l', ECHONL },
		{ 57, 'l', NOFLSH }, { 58, 'l', TOSTOP }, { 59, 'l', IEXTEN }, { 60, 'l', ECHOCTL }, { 61, 'l', ECHOKE },
		{ 62, 'l', PENDIN }, { 70, 'o', OPOST }, { 71, 'o', OLCUC }, { 72, 'o', ONLCR }, { 73, 'o', OCRNL },
		{ 74, 'o', ONOCR }, { 75, 'o', ONLRET }, { 92, 'c', PARENB }, { 93, 'c', PARODD },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct termios on = with(rows[i].op, 1, zero()), off = with(rows[i].op, 0, full());
		tcflag_t a = rows[i].field == 'i' ? on.c_iflag : rows[i].field == 'o' ? on.c_oflag :
		    rows[i].field == 'l' ? on.c_lflag : on.c_cflag;
		tcflag_t b = rows[i].field == 'i' ? off.c_iflag : rows[i].field == 'o' ? off.c_oflag :
		    rows[i].field == 'l' ? off.c_lflag : off.c_cflag;

		cr_assert_eq(a, rows[i].flag, "opcode %d on", rows[i].op);
		cr_assert_eq(b, (tcflag_t)~rows[i].flag, "opcode %d off", rows[i].op);
	}
}

Test(modes, every_character)
{
	static const struct { uint8_t op, index; } rows[] = {
		{ 1, VINTR }, { 2, VQUIT }, { 3, VERASE }, { 4, VKILL }, { 5, VEOF }, { 6, VEOL }, { 7, VEOL2 }, { 8, VSTART },
		{ 9, VSTOP }, { 10, VSUSP }, { 12, VREPRINT }, { 13, VWERASE }, { 14, VLNEXT }, { 16, VSWTC }, { 18, VDISCARD },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct termios t = with(rows[i].op, 'x', zero());

		for (size_t k = 0; k < NCCS; k++)
			cr_assert_eq(t.c_cc[k], k == rows[i].index ? 'x' : 0, "opcode %d, c_cc[%zu]", rows[i].op, k);
		t = with(rows[i].op, 255, full());
		cr_assert_eq(t.c_cc[rows[i].index], _POSIX_VDISABLE);
	}
}

Test(modes, character_size_is_chosen)
{
	cr_assert_eq(with(90, 1, full()).c_cflag & CSIZE, CS7);
	cr_assert_eq(with(91, 1, zero()).c_cflag & CSIZE, CS8);
	cr_assert_eq(with(90, 0, full()).c_cflag & CSIZE, CS8, "saying no to CS7 leaves CS8");
	cr_assert_eq(with(91, 0, full()).c_cflag, full().c_cflag);
}

Test(modes, speeds)
{
	struct termios t = with(128, 38400, zero());

	cr_assert_eq(cfgetispeed(&t), B38400);
	t = with(129, 115200, zero());
	cr_assert_eq(cfgetospeed(&t), B115200);
	t = with(129, 12345, with(129, 9600, zero()));
	cr_assert_eq(cfgetospeed(&t), B9600, "an unknown speed changes nothing");
	t = with(129, 0, with(129, 9600, zero()));
	cr_assert_eq(cfgetospeed(&t), B9600, "0 does not hang up");
}

Test(modes, unknown_opcodes_below_160_are_skipped)
{
	struct termios t = zero();
	uint8_t enc[64];
	size_t n = 0;

	n += op(enc + n, 159, 77);
	n += op(enc + n, 11, 1);	/* VDSUSP: not on Linux */
	n += op(enc + n, 53, 1);
	cr_assert_eq(modes_apply(&t, view_of(enc, n)), 1, "no END is needed");
	cr_assert_eq(t.c_lflag, ECHO);
}

Test(modes, opcode_of_160_and_end_stop)
{
	static const uint8_t stops[] = { 0, 160, 255 };

	for (size_t i = 0; i < sizeof stops; i++) {
		struct termios t = zero();
		uint8_t enc[64];
		size_t n = op(enc, 51, 1);

		n += op(enc + n, stops[i], 1);
		n += op(enc + n, 53, 1);
		cr_assert_eq(modes_apply(&t, view_of(enc, n)), 1);
		cr_assert_eq(t.c_lflag, ICANON);
	}
}

/* Every truncation of a list with every opcode: the whole ones before the cut are applied, no byte behind it is read. */
Test(modes, every_truncation)
{
	uint8_t enc[160 * 5];
	size_t n = 0;

	for (unsigned code = 1; code < 160; code++)
		n += op(enc + n, (uint8_t)code, 1);
	for (size_t cut = 0; cut <= n; cut++) {
		struct termios a = zero(), b = zero();
		uint8_t *exact = malloc(cut ? cut : 1);

		memcpy(exact, enc, cut);
		modes_apply(&a, view_of(exact, cut));
		modes_apply(&b, view_of(enc, cut - cut % 5));
		cr_assert_eq(memcmp(&a, &b, sizeof a), 0, "cut at %zu", cut);
		free(exact);
	}
}
