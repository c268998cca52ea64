#include "connection/signals.h"

#include <signal.h>
#include <stddef.h>

static const struct { unsigned number; const char *name; } names[] = {
	{ SIGABRT, "ABRT" }, { SIGALRM, "ALRM" }, { SIGFPE, "FPE" }, { SIGHUP, "HUP" }, { SIGILL, "ILL" },
	{ SIGINT, "INT" }, { SIGKILL, "KILL" }, { SIGPIPE, "PIPE" }, { SIGQUIT, "QUIT" }, { SIGSEGV, "SEGV" },
	{ SIGTERM, "TERM" }, { SIGUSR1, "USR1" }, { SIGUSR2, "USR2" },
};

const char *signal_name(unsigned number)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (names[i].number == number)
			return names[i].name;
	return "SIG@openssh.com";
}

int signal_known(struct view name)
{
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (view_is(name, names[i].name))
			return 1;
	return 0;
}
