#include "guard/policy.h"

#include <criterion/criterion.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define MAX 3

static struct conf_list list(const char *const v[MAX])
{
	struct conf_list l = { (char **)(uintptr_t)v, 0 };

	while (l.n < MAX && v[l.n] != NULL)
		l.n++;
	return l;
}
#define L(...) { __VA_ARGS__ }
#define N { NULL }

Test(policy, who_is_let_in)
{
	static const char *const staff[] = { "ada", "staff" };
	static const struct {
		const char *allow[MAX], *deny[MAX], *allow_groups[MAX], *deny_groups[MAX];
		int in_groups;
		const char *because;	/* NULL: let in */
	} rows[] = {
		{ N, N, N, N, 1, NULL },
		{ N, N, N, N, 0, NULL },
		{ L("ada"), N, N, N, 1, NULL },
		{ L("bob", "a*"), N, N, N, 1, NULL },
		{ L("ADA"), N, N, N, 1, "not listed in AllowUsers" },
		{ L("bob"), N, N, N, 1, "not listed in AllowUsers" },
		{ L("ada@10.0.0.0/8"), N, N, N, 1, NULL },
		{ L("ada@10.1.2.*"), N, N, N, 1, NULL },
		{ L("ada@!10.1.2.3,10.*"), N, N, N, 1, "not listed in AllowUsers" },
		{ L("ada@192.0.2.0/24"), N, N, N, 1, "not listed in AllowUsers" },
		{ L("ada@10.0.0.0/99"), N, N, N, 1, "not listed in AllowUsers" },
		{ N, L("ada"), N, N, 1, "listed in DenyUsers" },
		{ L("ada"), L("ada"), N, N, 1, "listed in DenyUsers" },
		{ N, L("?da@10.1.2.3"), N, N, 1, "listed in DenyUsers" },
		{ N, L("ada@192.0.2.1"), N, N, 1, NULL },
		{ N, L("ada@10.0.0.0/99"), N, N, 1, "listed in DenyUsers" },
		{ N, N, L("staff"), N, 1, NULL },
		{ N, N, L("st*"), N, 1, NULL },
		{ N, N, L("wheel"), N, 1, "none of user's groups are listed in AllowGroups" },
		{ N, N, L("wheel"), N, 0, "not in any group" },
		{ N, N, N, L("wheel"), 1, NULL },
		{ N, N, N, L("wheel"), 0, "not in any group" },
		{ N, N, L("staff"), L("ada"), 1, "a group is listed in DenyGroups" },
		{ L("ada"), N, L("wheel"), N, 1, "none of user's groups are listed in AllowGroups" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct conf_values v = { .AllowUsers = list(rows[i].allow), .DenyUsers = list(rows[i].deny),
			.AllowGroups = list(rows[i].allow_groups), .DenyGroups = list(rows[i].deny_groups) };
		struct policy_user u = { .name = "ada", .uid = 1000, .groups = staff, .ngroups = rows[i].in_groups ? 2 : 0 };
		char why[300] = "", want[300];

		addr_parse_ip(&u.peer, "10.1.2.3");
		cr_assert_eq(policy_user_allowed(&v, &u, why, sizeof why), rows[i].because == NULL, "row %zu: %s", i, why);
		snprintf(want, sizeof want, "User ada from 10.1.2.3 not allowed because %s", rows[i].because ? rows[i].because : "");
		cr_assert_str_eq(why, rows[i].because ? want : "", "row %zu", i);
	}
}

Test(policy, names_are_escaped)
{
	static const char *const all[MAX] = { "*" };
	struct conf_values v = { .DenyUsers = list(all) };
	struct policy_user u = { .name = "x\n\x1b[31mAccepted" };
	char why[300];

	cr_assert_not(policy_user_allowed(&v, &u, why, sizeof why));
	cr_assert_str_eq(why, "User x\\012\\033[31mAccepted from UNKNOWN not allowed because listed in DenyUsers");
}

Test(policy, an_ordinary_users_daemon_serves_that_user)
{
	struct policy_user u = { .name = "ada", .uid = 1000 };
	char why[300];

	cr_assert(policy_own_user(&u, 1000, why, sizeof why));
	cr_assert_not(policy_own_user(&u, 1001, why, sizeof why));
}

Test(policy, methods)
{
	struct conf_values v = { .PubkeyAuthentication = 1, .PasswordAuthentication = 1, .KbdInteractiveAuthentication = 1 };
	char text[SSH_METHODS_MAX];

	cr_assert_str_eq(policy_methods_text(policy_methods(&v, 1), text), "publickey,password,keyboard-interactive");
	cr_assert_str_eq(policy_methods_text(policy_methods(&v, 0), text), "publickey", "no shadow, no passwords");
	v.PasswordAuthentication = 0;
	cr_assert_str_eq(policy_methods_text(policy_methods(&v, 1), text), "publickey,keyboard-interactive");
	v.PubkeyAuthentication = v.KbdInteractiveAuthentication = 0;
	cr_assert_str_eq(policy_methods_text(policy_methods(&v, 1), text), "");
}

Test(policy, root)
{
	static const struct { enum conf_root how; enum policy_method m; int forced, in; } rows[] = {
		{ ROOT_YES, METHOD_PASSWORD, 0, 1 }, { ROOT_YES, METHOD_KEY, 0, 1 }, { ROOT_YES, METHOD_INTERACTIVE, 0, 1 },
		{ ROOT_PROHIBIT_PASSWORD, METHOD_PASSWORD, 0, 0 }, { ROOT_PROHIBIT_PASSWORD, METHOD_INTERACTIVE, 0, 0 },
		{ ROOT_PROHIBIT_PASSWORD, METHOD_KEY, 0, 1 }, { ROOT_PROHIBIT_PASSWORD, METHOD_KEY, 1, 1 },
		{ ROOT_FORCED_COMMANDS_ONLY, METHOD_KEY, 0, 0 }, { ROOT_FORCED_COMMANDS_ONLY, METHOD_KEY, 1, 1 },
		{ ROOT_FORCED_COMMANDS_ONLY, METHOD_PASSWORD, 1, 0 },
		{ ROOT_NO, METHOD_KEY, 1, 0 }, { ROOT_NO, METHOD_PASSWORD, 0, 0 }, { (enum conf_root)99, METHOD_KEY, 1, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		cr_assert_eq(policy_root_allowed(rows[i].how, rows[i].m, rows[i].forced), rows[i].in, "row %zu", i);
}

Test(policy, algorithm_lists)
{
	const char *list = "ssh-ed25519,rsa-sha2-512";

	cr_assert(policy_alg_listed(list, view_str("ssh-ed25519")));
	cr_assert(policy_alg_listed(list, view_str("rsa-sha2-512")));
	cr_assert_not(policy_alg_listed(list, view_str("rsa-sha2-51")));
	cr_assert_not(policy_alg_listed(list, view_str("rsa-sha2-5122")));
	cr_assert_not(policy_alg_listed(list, view_str("")));
	cr_assert_not(policy_alg_listed(list, view_str(list)));
	cr_assert_not(policy_alg_listed("", view_str("")));
	cr_assert_not(policy_alg_listed(NULL, view_str("x")));
}

Test(policy, tries)
{
	struct policy_tries t;

	policy_tries_init(&t, 3);
	cr_assert_eq(policy_tries_count(&t, TRY_NONE), 0);
	for (unsigned i = 0; i < POLICY_QUERIES_MAX; i++)
		cr_assert_eq(policy_tries_count(&t, TRY_KEY_OK), 0);
	cr_assert_eq(t.failures, 0);
	cr_assert_eq(policy_tries_count(&t, TRY_KEY_OK), 1, "queries are bounded");
	cr_assert(policy_tries_half(&t));
	cr_assert_not(policy_tries_over(&t));
	cr_assert_eq(policy_tries_count(&t, TRY_FAILED), 1);
	cr_assert_not(policy_tries_over(&t));
	cr_assert_eq(policy_tries_count(&t, TRY_FAILED), 1);
	cr_assert(policy_tries_over(&t));
}

Test(policy, tries_have_bounds_of_their_own)
{
	struct policy_tries t;

	policy_tries_init(&t, 0);
	cr_assert_eq(t.max, 1);
	policy_tries_init(&t, -5);
	cr_assert_eq(t.max, 1);
	policy_tries_init(&t, INT64_MAX);
	for (unsigned i = 0; i < SSH_AUTH_REQUESTS; i++)
		policy_tries_count(&t, TRY_NONE);
	cr_assert(policy_tries_over(&t), "requests of any kind");
}
