#include "channels/modes.h"

#include <stddef.h>
#include <sys/ttydefaults.h>
#include <unistd.h>

#define TTY_OP_END    0
#define TTY_OP_ISPEED 128
#define TTY_OP_OSPEED 129
#define TTY_OP_NO_ARG 160	/* from here on the argument's form is not defined */

/* RFC 4254 8. What Linux does not have (VDSUSP, VFLUSH, VSTATUS) is no row: skipped. */
static const struct { uint8_t op; uint8_t index; } chars[] = {
	{ 1, VINTR }, { 2, VQUIT }, { 3, VERASE }, { 4, VKILL }, { 5, VEOF }, { 6, VEOL }, { 7, VEOL2 }, { 8, VSTART },
	{ 9, VSTOP }, { 10, VSUSP }, { 12, VREPRINT }, { 13, VWERASE }, { 14, VLNEXT }, { 16, VSWTC }, { 18, VDISCARD },
};

#define IN(flag)    offsetof(struct termios, c_iflag), (flag), (flag)
#define OUT(flag)   offsetof(struct termios, c_oflag), (flag), (flag)
#define CTL(flag)   offsetof(struct termios, c_cflag), (flag), (flag)
#define LOCAL(flag) offsetof(struct termios, c_lflag), (flag), (flag)
#define SIZE(bits)  offsetof(struct termios, c_cflag), CSIZE, (bits)

static const struct { uint8_t op; size_t field; tcflag_t mask, set; } flags[] = {
	{ 30, IN(IGNPAR) }, { 31, IN(PARMRK) }, { 32, IN(INPCK) }, { 33, IN(ISTRIP) }, { 34, IN(INLCR) }, { 35, IN(IGNCR) },
	{ 36, IN(ICRNL) }, { 37, IN(IUCLC) }, { 38, IN(IXON) }, { 39, IN(IXANY) }, { 40, IN(IXOFF) }, { 41, IN(IMAXBEL) },
	{ 42, IN(IUTF8) },	/* RFC 8160 */
	{ 50, LOCAL(ISIG) }, { 51, LOCAL(ICANON) }, { 52, LOCAL(XCASE) }, { 53, LOCAL(ECHO) }, { 54, LOCAL(ECHOE) },
	{ 55, LOCAL(ECHOK) }, { 56, LOCAL(ECHONL) }, { 57, LOCAL(NOFLSH) }, { 58, LOCAL(TOSTOP) }, { 59, LOCAL(IEXTEN) },
	{ 60, LOCAL(ECHOCTL) }, { 61, LOCAL(ECHOKE) }, { 62, LOCAL(PENDIN) },
	{ 70, OUT(OPOST) }, { 71, OUT(OLCUC) }, { 72, OUT(ONLCR) }, { 73, OUT(OCRNL) }, { 74, OUT(ONOCR) }, { 75, OUT(ONLRET) },
	{ 90, SIZE(CS7) }, { 91, SIZE(CS8) }, { 92, CTL(PARENB) }, { 93, CTL(PARODD) },
};

/* No row for 0: it would hang the line up. */
static const struct { uint32_t baud; speed_t code; } speeds[] = {
	{ 50, B50 }, { 75, B75 }, { 110, B110 }, { 134, B134 }, { 150, B150 }, { 200, B200 }, { 300, B300 },
	{ 600, B600 }, { 1200, B1200 }, { 1800, B1800 }, { 2400, B2400 }, { 4800, B4800 }, { 9600, B9600 }, { 19200, B19200 },
	{ 38400, B38400 }, { 57600, B57600 }, { 115200, B115200 }, { 230400, B230400 }, { 460800, B460800 },
	{ 500000, B500000 }, { 576000, B576000 }, { 921600, B921600 }, { 1000000, B1000000 }, { 1152000, B1152000 },
	{ 1500000, B1500000 }, { 2000000, B2000000 }, { 2500000, B2500000 }, { 3000000, B3000000 },
	{ 3500000, B3500000 }, { 4000000, B4000000 },
};

static unsigned set_char(struct termios *t, uint8_t op, uint32_t arg)
{
	for (size_t i = 0; i < sizeof chars / sizeof chars[0]; i++)
		if (chars[i].op == op) {
			t->c_cc[chars[i].index] = arg > 254 ? _POSIX_VDISABLE : (cc_t)arg;	/* 255: no such character */
			return 1;
		}
	return 0;
}

static unsigned set_flag(struct termios *t, uint8_t op, uint32_t arg)
{
	for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
		if (flags[i].op == op) {
			tcflag_t *field = (tcflag_t *)(void *)((char *)t + flags[i].field);

			if (arg != 0)
				*field = (*field & ~flags[i].mask) | flags[i].set;
			else if (flags[i].mask != CSIZE)
				*field &= ~flags[i].mask;	/* a character size is only ever chosen, not taken away */
			return 1;
		}
	return 0;
}

static unsigned set_speed(struct termios *t, uint8_t op, uint32_t baud)
{
	for (size_t i = 0; i < sizeof speeds / sizeof speeds[0]; i++)
		if (speeds[i].baud == baud) {
			if (op == TTY_OP_ISPEED)
				cfsetispeed(t, speeds[i].code);
			else
				cfsetospeed(t, speeds[i].code);
			return 1;
		}
	return 0;
}

unsigned modes_apply(struct termios *t, struct view encoded)
{
	struct rd in = rd_view(encoded);
	unsigned applied = 0;

	while (rd_left(&in) >= 5) {
		uint8_t op = rd_u8(&in);
		uint32_t arg;

		if (op == TTY_OP_END || op >= TTY_OP_NO_ARG)
			break;
		arg = rd_u32(&in);
		if (op == TTY_OP_ISPEED || op == TTY_OP_OSPEED)
			applied += set_speed(t, op, arg);
		else
			applied += set_char(t, op, arg) || set_flag(t, op, arg);
	}
	return applied;
}
