#include "supervisor/places.h"

#include <criterion/criterion.h>
#include <string.h>

static const char *none(const char *name)
{
	(void)name;
	return NULL;
}

static const char *home_only(const char *name)
{
	return strcmp(name, "HOME") == 0 ? "/home/ada" : NULL;
}

static const char *all(const char *name)
{
	if (strcmp(name, "XDG_CONFIG_HOME") == 0)
		return "/c";
	if (strcmp(name, "XDG_STATE_HOME") == 0)
		return "/s";
	if (strcmp(name, "XDG_RUNTIME_DIR") == 0)
		return "/run/user/1000";
	return "/home/ada";
}

static const char *relative(const char *name)
{
	return strcmp(name, "HOME") == 0 ? "/home/ada" : "not/absolute";
}

static struct places p;

Test(places, root_in_usr_uses_etc)
{
	cr_assert_eq(places_find(&p, "/usr/sbin/coppiced", 0, none), 0);
	cr_assert_str_eq(p.conf, "/etc/coppice/coppiced.conf");
	cr_assert_str_eq(p.keys, "/etc/coppice");
	cr_assert_str_eq(p.libexec, "/usr/libexec/coppice");
	cr_assert_str_eq(p.pid_file, "/run/coppiced.pid");
	cr_assert_str_eq(p.control, "/run/coppice/control");
}

Test(places, an_installed_tree_runs_from_where_it_is)
{
	cr_assert_eq(places_find(&p, "/opt/x y/sbin/coppiced", 0, none), 0);
	cr_assert_str_eq(p.conf, "/opt/x y/etc/coppice/coppiced.conf");
	cr_assert_str_eq(p.libexec, "/opt/x y/libexec/coppice");
}

Test(places, user_with_only_a_home)
{
	cr_assert_eq(places_find(&p, "/usr/sbin/coppiced", 1000, home_only), 0);
	cr_assert_str_eq(p.conf, "/home/ada/.config/coppice/coppiced.conf");
	cr_assert_str_eq(p.keys, "/home/ada/.local/state/coppice");
	cr_assert_str_eq(p.pid_file, "/tmp/coppice-1000/coppiced.pid");
	cr_assert_str_eq(p.control, "/tmp/coppice-1000/control");
}

Test(places, user_with_xdg)
{
	cr_assert_eq(places_find(&p, "/usr/sbin/coppiced", 1000, all), 0);
	cr_assert_str_eq(p.conf, "/c/coppice/coppiced.conf");
	cr_assert_str_eq(p.keys, "/s/coppice");
	cr_assert_str_eq(p.control, "/run/user/1000/coppice/control");
}

Test(places, relative_xdg_paths_do_not_count)
{
	cr_assert_eq(places_find(&p, "/usr/sbin/coppiced", 1000, relative), 0);
	cr_assert_str_eq(p.keys, "/home/ada/.local/state/coppice");
	cr_assert_str_eq(p.control, "/tmp/coppice-1000/control");
}

Test(places, user_without_a_home)
{
	cr_assert_lt(places_find(&p, "/usr/sbin/coppiced", 1000, none), 0);
}

Test(places, a_path_that_is_too_long)
{
	static char exe[PLACE_MAX + 100];

	memset(exe, 'x', sizeof exe - 1);
	exe[0] = '/';
	cr_assert_lt(places_find(&p, exe, 0, none), 0);
}

static const char *managed(const char *name)
{
	return strcmp(name, "STATE_DIRECTORY") == 0 ? "/var/lib/here:/second" : home_only(name);
}

Test(places, state_outlives_the_daemon)
{
	static const struct { const char *exe; unsigned uid; const char *(*env)(const char *); const char *state; } rows[] = {
		{ "/usr/sbin/coppiced", 0, none, "/var/lib/coppice" },
		{ "/opt/c/sbin/coppiced", 0, none, "/opt/c/var/lib/coppice" },
		{ "/usr/sbin/coppiced", 0, managed, "/var/lib/here" },
		{ "/usr/sbin/coppiced", 1000, home_only, "/home/ada/.local/state/coppice" },
		{ "/usr/sbin/coppiced", 1000, managed, "/var/lib/here" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_eq(places_find(&p, rows[i].exe, rows[i].uid, rows[i].env), 0);
		cr_assert_str_eq(p.state, rows[i].state, "row %zu: %s", i, p.state);
	}
}
