#include "guard/strict.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"

static char base[] = "/tmp/coppice-strict.XXXXXX";
static char home[100], dir[120], file[160], why[500];

static void put(const char *path, const char *text, mode_t mode)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	cr_assert_eq(chmod(path, mode), 0);
}

/* base (0777) / home / .ssh / authorized_keys */
static void make(void)
{
	cr_assert_not_null(mkdtemp(base));
	cr_assert_eq(chmod(base, 0777), 0);
	snprintf(home, sizeof home, "%s/home", base);
	snprintf(dir, sizeof dir, "%s/.ssh", home);
	snprintf(file, sizeof file, "%s/authorized_keys", dir);
	cr_assert_eq(mkdir(home, 0755) + mkdir(dir, 0700), 0);
	put(file, "x", 0600);
}

static void clean(void)
{
	char command[300];

	snprintf(command, sizeof command, "rm -rf %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(strict, .init = make, .fini = clean);

static int opens_as(const char *path, uid_t uid, int check)
{
	struct strict_owner o = { .uid = uid, .home = home, .check = check };
	int fd = strict_open(path, &o, why, sizeof why);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static int opens(const char *path)
{
	return opens_as(path, geteuid(), 1);
}

Test(strict, good)
{
	cr_assert(opens(file), "%s", why);
	cr_assert_str_eq(why, "");
}

Test(strict, nothing_there_is_nothing_to_say)
{
	char path[300];

	snprintf(path, sizeof path, "%s/nothing", dir);
	cr_assert_not(opens(path));
	cr_assert_str_eq(why, "");
}

Test(strict, modes)
{
	static const struct { const char *what; mode_t bad; const char *word; } rows[] = {
		{ file, 0620, "file" }, { file, 0602, "file" }, { file, 0666, "file" },
		{ dir, 0770, "directory" }, { dir, 0707, "directory" },
		{ home, 0775, "directory" }, { home, 0757, "directory" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		const char *what = rows[i].what;
		char want[600];
		struct stat st;

		cr_assert_eq(stat(what, &st), 0);
		cr_assert_eq(chmod(what, rows[i].bad), 0);
		cr_assert_not(opens(file), "%s %o", what, (unsigned)rows[i].bad);
		snprintf(want, sizeof want, "Authentication refused: bad ownership or modes for %s %s", rows[i].word, what);
		cr_assert_str_eq(why, want);
		cr_assert(opens_as(file, geteuid(), 0), "StrictModes no");
		cr_assert_eq(chmod(what, st.st_mode & 07777), 0);
		cr_assert(opens(file));
	}
}

Test(strict, owner)
{
	cr_assert_eq(chmod(home, 0755), 0);
	if (geteuid() == 0) {
		cr_assert(opens_as(file, 12345, 1), "root may own it");
		cr_assert_eq(chown(file, 12345, 12345), 0);
		cr_assert(opens_as(file, 12345, 1), "the user may");
		cr_assert_not(opens_as(file, 54321, 1), "another may not");
		cr_assert_not_null(strstr(why, "bad ownership or modes for file"));
		cr_assert_eq(chown(file, 0, 0) + chown(dir, 54321, 0), 0);
		cr_assert_not(opens_as(file, 12345, 1));
		cr_assert_not_null(strstr(why, "bad ownership or modes for directory"));
	} else {
		cr_assert_not(opens_as(file, geteuid() + 1, 1), "not the user's and not root's");
	}
}

/* Outside the home every directory up to the root counts: base is open to all. */
Test(strict, outside_the_home)
{
	char other[100], keys[200];

	snprintf(other, sizeof other, "%s/homestead", base);	/* no prefix of strings: /home is not above it */
	snprintf(keys, sizeof keys, "%s/keys", other);
	cr_assert_eq(mkdir(other, 0755), 0);
	put(keys, "x", 0644);
	cr_assert_not(opens(keys));
	cr_assert_not_null(strstr(why, "bad ownership or modes for directory /tmp"), "%s", why);
	cr_assert(opens_as(keys, geteuid(), 0));
}

Test(strict, symbolic_links_are_judged_where_they_lead)
{
	char link[300], elsewhere[300];

	snprintf(link, sizeof link, "%s/link", dir);
	cr_assert_eq(symlink("authorized_keys", link), 0);
	cr_assert(opens(link), "%s", why);
	unlink(link);
	snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", base);
	put(elsewhere, "x", 0600);
	cr_assert_eq(symlink(elsewhere, link), 0);
	cr_assert_not(opens(link), "it lies in a directory open to all");
	unlink(link);
	cr_assert_eq(symlink("link", link), 0);
	cr_assert_not(opens(link), "a loop");
}

static void run(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void run(const char *fmt, ...)
{
	char command[1000];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(command, sizeof command, fmt, ap);
	va_end(ap);
	cr_assert_eq(system(command), 0, "%s", command);
}

/*
 * A path without links is walked at once, any other one resolved first: whichever way it takes, the judgement is one. "/./" makes it go the
 * long way.
 */
Test(strict, both_ways_judge_alike)
{
	static const struct { const char *what, *make; int ok, ok_unchecked; } rows[] = {
		{ "as it should be", "true", 1, 1 },
		{ "the file for all to write", "chmod 666 home/.ssh/authorized_keys", 0, 1 },
		{ ".ssh for its group to write", "chmod 770 home/.ssh", 0, 1 },
		{ "the home for its group to write", "chmod 775 home", 0, 1 },
		{ "a link in the middle, inside the home", "mv home/.ssh home/dot && ln -s dot home/.ssh", 1, 1 },
		{ "a link in the middle, out of the home", "mv home/.ssh out && ln -s ../out home/.ssh", 0, 1 },
		{ "the same, and a home that is nobody's business then", "mv home/.ssh out && ln -s ../out home/.ssh && chmod 777 home", 0, 1 },
		{ "a link in the middle to a directory for its group to write", "mv home/.ssh home/dot && chmod 770 home/dot && ln -s dot home/.ssh", 0, 1 },
		{ "the file is a link inside the home", "mv home/.ssh/authorized_keys home/keys && ln -s ../keys home/.ssh/authorized_keys", 1, 1 },
		{ "the file is a link out of the home", "mv home/.ssh/authorized_keys keys && ln -s ../../keys home/.ssh/authorized_keys", 0, 1 },
		{ "the home is a link", "mv home far && ln -s far home", 1, 1 },
		{ "the home is a link to one for all to write", "mv home far && chmod 757 far && ln -s far home", 0, 1 },
		{ "a directory for the file", "rm home/.ssh/authorized_keys && mkdir home/.ssh/authorized_keys", 0, 0 },
		{ "a file for the directory", "rm -r home/.ssh && touch home/.ssh", 0, 0 },
		{ "no file", "rm home/.ssh/authorized_keys", 0, 0 },
		{ "no directory", "rm -r home/.ssh", 0, 0 },
		{ "no home", "rm -r home", 0, 0 },
		{ "a link to nothing", "ln -sf nothing home/.ssh/authorized_keys", 0, 0 },
		{ "a link to itself", "ln -sf authorized_keys home/.ssh/authorized_keys", 0, 0 },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char longer[200], said[sizeof why];

		run("cd %s && rm -rf ./* && mkdir -m 755 home && mkdir -m 700 home/.ssh && echo x >home/.ssh/authorized_keys && "
		    "chmod 600 home/.ssh/authorized_keys && %s", base, rows[i].make);
		snprintf(longer, sizeof longer, "%s/./.ssh/authorized_keys", home);
		for (int check = 0; check < 2; check++) {
			int ok = check ? rows[i].ok : rows[i].ok_unchecked;

			cr_assert_eq(opens_as(longer, geteuid(), check), ok, "%s: %s", rows[i].what, why);
			memcpy(said, why, sizeof said);
			cr_assert_eq(opens_as(file, geteuid(), check), ok, "%s: %s", rows[i].what, why);
			if (strstr(said, "/./") == NULL)
				cr_assert_str_eq(why, said, "%s", rows[i].what);
		}
	}
}

/* Replaced while it is looked at, again and again: what was opened was a good file each time, never the one of somebody else. */
Test(strict, replaced_in_between)
{
	char link[200];
	struct strict_owner o = { .uid = geteuid(), .home = home, .check = 1 };
	pid_t swapper;
	unsigned opened = 0;

	run("echo stolen >%s/keys && chmod 644 %s/keys", base, base);	/* base is open to all */
	snprintf(link, sizeof link, "%s/link", dir);
	run("ln -s ../../keys %s", link);
	if ((swapper = fork()) == 0)
		for (;;)
			if (renameat2(AT_FDCWD, link, AT_FDCWD, file, RENAME_EXCHANGE) != 0)
				_exit(1);
	for (int i = 0; i < 20000 || opened == 0; i++) {
		char first = 0;
		int fd = strict_open(file, &o, why, sizeof why);

		if (fd < 0)
			continue;
		opened++;
		cr_assert_eq(read(fd, &first, 1), 1);
		cr_assert_eq(first, 'x');
		close(fd);
	}
	cr_assert_eq(kill(swapper, SIGKILL), 0);
	cr_assert_eq(waitpid(swapper, NULL, 0), swapper);
}

Test(strict, only_regular_files)
{
	char path[300];

	snprintf(path, sizeof path, "%s/fifo", dir);
	cr_assert_eq(mkfifo(path, 0600), 0);
	cr_assert_not(opens(path), "and it did not block");
	cr_assert_not_null(strstr(why, "is not a regular file"));
	cr_assert_not(opens(dir));
	cr_assert_not(opens_as("/dev/zero", geteuid(), 0));
	cr_assert_not(opens_as("/dev/zero", geteuid(), 1));
}

Test(strict, size)
{
	cr_assert_eq(truncate(file, STRICT_FILE_MAX), 0);
	cr_assert(opens(file));
	cr_assert_eq(truncate(file, STRICT_FILE_MAX + 1), 0);
	cr_assert_not(opens(file));
}

Test(strict, expand)
{
	static const struct { const char *pattern, *want; } rows[] = {
		{ ".ssh/authorized_keys", "/home/ada/.ssh/authorized_keys" },
		{ "/etc/keys/%u", "/etc/keys/ada" }, { "/etc/keys/%U/%%x", "/etc/keys/1000/%x" }, { "%h/keys", "/home/ada/keys" },
		{ "%u.keys", "/home/ada/ada.keys" },
	};
	char out[100];

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_eq(strict_expand(out, sizeof out, rows[i].pattern, "ada", "/home/ada", 1000), SSH_OK);
		cr_assert_str_eq(out, rows[i].want);
	}
	cr_assert_lt(strict_expand(out, sizeof out, "/x/%q", "ada", "/", 0), 0);
	cr_assert_lt(strict_expand(out, sizeof out, "/x/%", "ada", "/", 0), 0);
	cr_assert_lt(strict_expand(out, 10, "/etc/keys/%u", "ada", "/", 0), 0);
	cr_assert_lt(strict_expand(out, sizeof out, "x", "ada", "home", 0), 0, "a home that is no path");
}
