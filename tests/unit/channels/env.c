#include "channels/env.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

#define LIST(s) view_of(s, sizeof s - 1)

static struct ipc_WORK work(void)
{
	struct ipc_WORK w;

	memset(&w, 0, sizeof w);
	w.user = view_str("ada");
	w.home = view_str("/home/ada");
	w.shell = view_str("/bin/bash");
	addr_parse_ip(&w.peer, "192.0.2.7");
	addr_parse_ip(&w.local, "2001:db8::1");
	w.peer.port = 50122;
	w.local.port = 22;
	return w;
}

static void expect(const struct env *e, const char *name, const char *value)
{
	const char *have = env_get(e, name);

	if (value == NULL)
		cr_assert_null(have, "%s is %s", name, have);
	else
		cr_assert_str_eq(have != NULL ? have : "(none)", value, "%s is %s", name, have);
}

Test(env, basics)
{
	struct ipc_WORK w = work();
	struct env e;

	cr_assert_eq(env_build(&e, &w, 0, NULL), SSH_OK);
	expect(&e, "USER", "ada");
	expect(&e, "LOGNAME", "ada");
	expect(&e, "HOME", "/home/ada");
	expect(&e, "SHELL", "/bin/bash");
	expect(&e, "MAIL", "/var/mail/ada");
	expect(&e, "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/games");
	expect(&e, "SSH_CLIENT", "192.0.2.7 50122 22");
	expect(&e, "SSH_CONNECTION", "192.0.2.7 50122 2001:db8::1 22");
	expect(&e, "SSH_TTY", NULL);
	expect(&e, "TERM", NULL);
	expect(&e, "TZ", NULL);
	cr_assert_null(e.v[e.n]);
	env_drop(&e);
}

Test(env, root_pty_and_zone)
{
	struct ipc_WORK w = work();
	struct env e;

	w.pty = 1;
	w.tty = view_str("/dev/pts/3");
	w.term = view_str("xterm");
	w.shell = view_str("");
	cr_assert_eq(env_build(&e, &w, 1, "Europe/Berlin"), SSH_OK);
	expect(&e, "PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
	expect(&e, "SSH_TTY", "/dev/pts/3");
	expect(&e, "TERM", "xterm");
	expect(&e, "TZ", "Europe/Berlin");
	expect(&e, "SHELL", "/bin/sh");
	env_drop(&e);
}

Test(env, two_pipes_have_no_address)
{
	struct ipc_WORK w = work();
	struct env e;

	memset(&w.peer, 0, sizeof w.peer);
	memset(&w.local, 0, sizeof w.local);
	cr_assert_eq(env_build(&e, &w, 0, NULL), SSH_OK);
	expect(&e, "SSH_CONNECTION", "UNKNOWN 65535 UNKNOWN 65535");
	expect(&e, "SSH_CLIENT", "UNKNOWN 65535 65535");
	env_drop(&e);
}

/* As in sshd: what the client sends is there, but says nothing about who it is. */
Test(env, client_cannot_overrule)
{
	struct ipc_WORK w = work();
	struct env e;

	w.env = LIST("LANG=de_DE.UTF-8\0USER=root\0SSH_CONNECTION=x\0PATH=/tmp\0");
	cr_assert_eq(env_build(&e, &w, 0, NULL), SSH_OK);
	expect(&e, "LANG", "de_DE.UTF-8");
	expect(&e, "USER", "ada");
	expect(&e, "PATH", "/usr/local/bin:/usr/bin:/bin:/usr/games");
	expect(&e, "SSH_CONNECTION", "192.0.2.7 50122 2001:db8::1 22");
	env_drop(&e);
}

Test(env, grant_overrules_basics)
{
	struct ipc_WORK w = work();
	struct env e;

	w.environment = LIST("PATH=/opt/bin\0SSH_ORIGINAL_COMMAND=ls -l\0");
	cr_assert_eq(env_build(&e, &w, 0, NULL), SSH_OK);
	expect(&e, "PATH", "/opt/bin");
	expect(&e, "SSH_ORIGINAL_COMMAND", "ls -l");
	env_drop(&e);
}

Test(env, odd_entries)
{
	struct ipc_WORK w = work();
	struct env e;

	w.env = LIST("\0=x\0NAME\0A=1\0A=2\0EMPTY=\0LAST=unterminated");
	cr_assert_eq(env_build(&e, &w, 0, NULL), SSH_OK);
	expect(&e, "NAME", NULL);
	expect(&e, "A", "2");
	expect(&e, "EMPTY", "");
	expect(&e, "LAST", NULL);
	for (size_t i = 0; i < e.n; i++)
		cr_assert(strchr(e.v[i], '=') > e.v[i]);
	env_drop(&e);
}

Test(env, many)
{
	struct env e = { 0 };
	char name[16];

	for (int i = 0; i < 500; i++) {
		snprintf(name, sizeof name, "V%d", i);
		cr_assert_eq(env_set(&e, name, name), SSH_OK);
	}
	cr_assert_eq(e.n, 500);
	cr_assert_null(e.v[500]);
	expect(&e, "V499", "V499");
	env_drop(&e);
}

/* Whoever logs in may choose it, but not its name. */
Test(env, the_command_that_was_overruled)
{
	static char longest[32769];
	struct ipc_WORK w = work();
	struct env e;

	memset(longest, 'c', 32768);
	w.env = LIST("SSH_ORIGINAL_COMMAND=mine\0");
	w.environment = LIST("SSH_ORIGINAL_COMMAND=the key's\0");
	w.original = view_str(longest);
	cr_assert_eq(env_build(&e, &w, 0, NULL), SSH_OK);
	expect(&e, "SSH_ORIGINAL_COMMAND", longest);
	env_drop(&e);
}
