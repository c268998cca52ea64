#include "channels/argv.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ipc/values.h"

static struct ipc_WORK work(uint8_t kind, const char *shell, const char *command)
{
	struct ipc_WORK w;

	memset(&w, 0, sizeof w);
	w.kind = kind;
	w.shell = view_str(shell);
	w.command = view_str(command);
	return w;
}

Test(argv, login_shell_has_a_dash)
{
	struct ipc_WORK w = work(WORK_SHELL, "/usr/bin/zsh", "");
	struct argv a;

	cr_assert_eq(argv_build(&a, &w), SSH_OK);
	cr_assert_str_eq(a.path, "/usr/bin/zsh");
	cr_assert_str_eq(a.v[0], "-zsh");
	cr_assert_null(a.v[1]);
	argv_drop(&a);
}

Test(argv, exec_and_subsystem_go_through_the_shell)
{
	for (uint8_t kind = WORK_EXEC; kind <= WORK_SUBSYSTEM; kind++) {
		struct ipc_WORK w = work(kind, "/bin/bash", "echo $HOME; exit 3");
		struct argv a;

		cr_assert_eq(argv_build(&a, &w), SSH_OK);
		cr_assert_str_eq(a.path, "/bin/bash");
		cr_assert_str_eq(a.v[0], "bash");
		cr_assert_str_eq(a.v[1], "-c");
		cr_assert_str_eq(a.v[2], "echo $HOME; exit 3");
		cr_assert_null(a.v[3]);
		argv_drop(&a);
	}
}

Test(argv, no_shell_is_bin_sh)
{
	struct ipc_WORK w = work(WORK_SHELL, "", "");
	struct argv a;

	cr_assert_eq(argv_build(&a, &w), SSH_OK);
	cr_assert_str_eq(a.path, "/bin/sh");
	cr_assert_str_eq(a.v[0], "-sh");
	argv_drop(&a);
}

Test(argv, shell_without_a_directory)
{
	struct ipc_WORK w = work(WORK_EXEC, "sh", "");
	struct argv a;

	cr_assert_eq(argv_build(&a, &w), SSH_OK);
	cr_assert_str_eq(a.v[0], "sh");
	cr_assert_str_eq(a.v[2], "");
	argv_drop(&a);
}

Test(argv, text_ends_at_a_nul)
{
	char *t = argv_text(view_of("ab\0cd", 5));

	cr_assert_str_eq(t, "ab");
	free(t);
}
