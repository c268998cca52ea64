#include "supervisor/grant.h"

#include <criterion/criterion.h>
#include <string.h>

#include "ipc/permits.h"

static struct ipc_AUTH_GRANTED granted(void)
{
	static const uint8_t groups[] = { 0, 0, 3, 232, 0, 0, 0, 4 };

	return (struct ipc_AUTH_GRANTED){ .conn = 7, .user = view_str("ada"), .uid = 1000, .gid = 1000, .groups = view_of(groups, 8),
		.home = view_str("/home/ada"), .shell = view_str("/bin/sh"), .permits = PERMIT_ALL, .max_sessions = 10,
		.environment = view_of("A=1\0B=2", 8),
		.subsystems = view_str("sftp internal-sftp -R\nbackup /usr/bin/backup --all\nempty \n") };
}

static struct grant *g;
static struct plan p;

static void make(const struct ipc_AUTH_GRANTED *m)
{
	grant_free(g);
	cr_assert_eq(grant_new(&g, m), 0);
}

static int plan(unsigned kind, const char *command)
{
	struct ipc_SPAWN m = { .kind = (uint8_t)kind, .command = view_str(command) };

	return grant_plan(g, &m, &p);
}

Test(grant, keeps_what_was_granted)
{
	struct ipc_AUTH_GRANTED m = granted();

	make(&m);
	cr_assert_str_eq(g->user, "ada");
	cr_assert_str_eq(g->home, "/home/ada");
	cr_assert_str_eq(g->shell, "/bin/sh");
	cr_assert_str_eq(g->forced, "");
	cr_assert_eq(g->ngroups, 2);
	cr_assert_eq(g->groups[0], 1000);
	cr_assert_eq(g->groups[1], 4);
	cr_assert_eq(g->environment.len, 8);
	cr_assert_arr_eq(g->environment.p, "A=1\0B=2", 8);
	grant_free(g);
}

Test(grant, refuses_nonsense)
{
	struct ipc_AUTH_GRANTED m = granted();

	m.home = view_of("/home\0x", 7);
	cr_assert_lt(grant_new(&g, &m), 0);
	m = granted();
	m.groups.len = 7;
	cr_assert_lt(grant_new(&g, &m), 0);
	m = granted();
	m.environment = view_of("A=1", 3);	/* its NUL is missing */
	cr_assert_lt(grant_new(&g, &m), 0);
}

Test(grant, empty_parts)
{
	struct ipc_AUTH_GRANTED m = { .uid = 1 };

	make(&m);
	cr_assert_eq(g->ngroups, 0);
	cr_assert_str_eq(g->shell, "");
	cr_assert_eq(plan(WORK_SUBSYSTEM, "sftp"), SPAWNED_UNKNOWN);
	grant_free(g);
}

Test(grant, shell_and_exec)
{
	struct ipc_AUTH_GRANTED m = granted();

	make(&m);
	cr_assert_eq(plan(WORK_SHELL, ""), SPAWNED_OK);
	cr_assert_eq(p.kind, WORK_SHELL);
	cr_assert_str_eq(p.name, "shell");
	cr_assert_eq(plan(WORK_EXEC, "ls -l"), SPAWNED_OK);
	cr_assert_eq(p.kind, WORK_EXEC);
	cr_assert(view_is(p.command, "ls -l"));
	cr_assert_eq(p.original.len, 0);
	cr_assert_eq(plan(WORK_EXEC, "internal-sftp"), SPAWNED_OK);
	cr_assert_not(p.sftp, "only the configuration may name our server");
	cr_assert_eq(plan(3, "x"), SPAWNED_REFUSED);
	grant_free(g);
}

Test(grant, subsystems)
{
	struct ipc_AUTH_GRANTED m = granted();

	make(&m);
	cr_assert_eq(plan(WORK_SUBSYSTEM, "sftp"), SPAWNED_OK);
	cr_assert(p.sftp);
	cr_assert_str_eq(p.name, "sftp");
	cr_assert(view_is(p.command, "internal-sftp -R"));
	cr_assert_eq(plan(WORK_SUBSYSTEM, "backup"), SPAWNED_OK);
	cr_assert_not(p.sftp);
	cr_assert_eq(p.kind, WORK_EXEC);
	cr_assert(view_is(p.command, "/usr/bin/backup --all"));
	cr_assert_eq(plan(WORK_SUBSYSTEM, "sft"), SPAWNED_UNKNOWN);
	cr_assert_eq(plan(WORK_SUBSYSTEM, "sftp2"), SPAWNED_UNKNOWN);
	cr_assert_eq(plan(WORK_SUBSYSTEM, ""), SPAWNED_UNKNOWN);
	cr_assert_eq(plan(WORK_SUBSYSTEM, "backup /usr/bin/backup"), SPAWNED_UNKNOWN);
	grant_free(g);
}

Test(grant, forced_command_goes_before_all)
{
	struct ipc_AUTH_GRANTED m = granted();

	m.forced = view_str("/usr/bin/only-this");
	make(&m);
	cr_assert_eq(plan(WORK_SHELL, ""), SPAWNED_OK);
	cr_assert_eq(p.kind, WORK_EXEC);
	cr_assert(view_is(p.command, "/usr/bin/only-this"));
	cr_assert_eq(p.original.len, 0);
	cr_assert_eq(plan(WORK_EXEC, "rm -rf /"), SPAWNED_OK);
	cr_assert(view_is(p.command, "/usr/bin/only-this"));
	cr_assert(view_is(p.original, "rm -rf /"));
	cr_assert_eq(plan(WORK_SUBSYSTEM, "sftp"), SPAWNED_OK);
	cr_assert_not(p.sftp);
	cr_assert(view_is(p.original, "internal-sftp -R"));
	cr_assert_eq(plan(WORK_SUBSYSTEM, "nothing"), SPAWNED_OK);
	cr_assert(view_is(p.command, "/usr/bin/only-this"));
	m.forced = view_str("internal-sftp");
	make(&m);
	cr_assert_eq(plan(WORK_SHELL, ""), SPAWNED_OK);
	cr_assert(p.sftp);
	grant_free(g);
}

Test(grant, no_pty_without_permission)
{
	struct ipc_AUTH_GRANTED m = granted();
	struct ipc_SPAWN s = { .kind = WORK_SHELL, .pty = 1 };

	make(&m);
	cr_assert_eq(grant_plan(g, &s, &p), SPAWNED_OK);
	m.permits &= ~PERMIT_PTY;
	make(&m);
	cr_assert_eq(grant_plan(g, &s, &p), SPAWNED_REFUSED);
	grant_free(g);
}

Test(grant, command_with_a_nul)
{
	struct ipc_AUTH_GRANTED m = granted();
	struct ipc_SPAWN s = { .kind = WORK_EXEC, .command = view_of("ls\0rm", 5) };

	make(&m);
	cr_assert_eq(grant_plan(g, &s, &p), SPAWNED_REFUSED);
	grant_free(g);
}

Test(grant, only_variables_that_were_granted)
{
	struct ipc_AUTH_GRANTED m = granted();

	m.accept_env = view_str("LANG LC_*");
	make(&m);
	cr_assert(grant_allows_env(g, view_of("", 0)));
	cr_assert(grant_allows_env(g, view_of("LANG=C\0LC_ALL=a=b\0LC_X=\0", 24)));
	cr_assert_not(grant_allows_env(g, view_of("LANG=C\0LD_PRELOAD=/tmp/x\0", 25)));
	cr_assert_not(grant_allows_env(g, view_of("LANG\0", 5)), "no value");
	cr_assert_not(grant_allows_env(g, view_of("LANG=C", 6)), "no end");
	cr_assert_not(grant_allows_env(g, view_of("\0", 1)));
	cr_assert_not(grant_allows_env(g, view_of("=x\0", 3)));
	m.accept_env = view_of(NULL, 0);
	make(&m);
	cr_assert_not(grant_allows_env(g, view_of("LANG=C\0", 7)));
	grant_free(g);
	cr_assert_eq(grant_restore(&g, &(struct saved_GRANT){ .accept_env = view_str(" ") }), 0);
	cr_assert_not(grant_allows_env(g, view_of("LANG=C\0", 7)));
	grant_free(g);
	cr_assert_eq(grant_restore(&g, &(struct saved_GRANT){ .uid = 0 }), 0);
	cr_assert(grant_allows_env(g, view_of("LANG=C\0", 7)), "a journal from before");
	grant_free(g);
}
