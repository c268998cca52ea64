/* Files: Include, its order, its depth, its errors; options before the file. */
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/limits.h"
#include "tests/unit/conf/help.h"

static char dir[64];

static void setup(void)
{
	strcpy(dir, "/tmp/conf-XXXXXX");
	cr_assert_not_null(mkdtemp(dir));
	cr_assert_eq(chdir(dir), 0);
	cr_assert_eq(mkdir("d", 0700), 0);
}

static void teardown(void)
{
	char command[128];

	snprintf(command, sizeof command, "rm -rf '%s'", dir);
	cr_assert_eq(system(command), 0);
}

TestSuite(conf_load, .init = setup, .fini = teardown);

static void put(const char *name, const char *text)
{
	int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static const char *path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static struct conf *loaded(const char *path, const char *const *options, size_t n)
{
	struct conf_error e = { "" };
	struct conf *c = NULL;

	cr_assert_eq(conf_load(&c, path, options, n, &e), SSH_OK, "%s", e.text);
	return c;
}

static void load_refused(const char *path, const char *const *options, size_t n, const char *sentence)
{
	struct conf_error e = { "" };
	struct conf *c = NULL;

	cr_assert_eq(conf_load(&c, path, options, n, &e), SSH_E_CONFIG);
	cr_assert_str_eq(e.text, sentence);
}

Test(conf_load, missing_file)
{
	load_refused("no-such-file", NULL, 0, "no-such-file: No such file or directory");
	load_refused("d", NULL, 0, "d: Is a directory");
	conf_free(loaded("/dev/null", NULL, 0));
	conf_free(loaded(NULL, NULL, 0));
}

Test(conf_load, includes_are_relative_to_the_main_file)
{
	struct conf *c;
	struct conf_values *v;

	put("main", "Include d/*.conf none-such*.conf\nMaxSessions 1\nMaxAuthTries 1\n");
	put("d/10.conf", "AcceptEnv ten\nInclude d/sub\n");	/* from the main file's directory, too */
	put("d/20.conf", "AcceptEnv twenty\nMaxSessions 20\n");
	put("d/sub", "AcceptEnv sub\n");
	put("d/README", "no configuration\n");
	cr_assert_eq(chdir("/"), 0);
	c = loaded(path_of("main"), NULL, 0);
	v = resolved(c, NULL);
	list_is(&v->AcceptEnv, "ten|sub|twenty");
	cr_assert_eq(v->MaxSessions, 20);
	cr_assert_eq(v->MaxAuthTries, 1);
	conf_values_free(v);
	conf_free(c);
}

Test(conf_load, include_inside_match)
{
	struct conf_client bob = client("bob", "10.0.0.1", NULL, 0), ann = client("ann", "10.0.0.1", NULL, 0);
	struct conf *c;
	struct conf_values *v;
	char *slice;

	put("main", "Match User bob\nInclude part\nMaxAuthTries 3\n");
	put("part", "AcceptEnv X\nMatch Address 10.0.0.0/8\nMaxSessions 7\nMatch all\nBanner /b\n");
	c = loaded("main", NULL, 0);
	for (int again = 0; again < 2; again++) {
		v = resolved(c, &bob);
		cr_assert(v->MaxSessions == 7 && v->MaxAuthTries == 3 && v->AcceptEnv.n == 1);
		cr_assert_str_eq(v->Banner, "/b");
		conf_values_free(v);
		v = resolved(c, &ann);	/* nothing of the included file is for her */
		cr_assert(v->MaxSessions == 10 && v->MaxAuthTries == 6 && v->AcceptEnv.n == 0 && v->Banner == NULL);
		conf_values_free(v);
		slice = sliced(c, CONF_AUTH);
		conf_free(c);
		c = parsed(slice);	/* and the slice says the same */
		free(slice);
	}
	conf_free(c);
}

Test(conf_load, a_match_ends_with_its_file)
{
	struct conf *c;
	struct conf_values *v;

	put("main", "Include part\nPort 5\nMaxSessions 4\n");
	put("part", "Match User bob\nMaxSessions 1\n");
	c = loaded("main", NULL, 0);
	v = resolved(c, NULL);
	list_is(&v->Port, "5");
	cr_assert_eq(v->MaxSessions, 4);
	conf_values_free(v);
	conf_free(c);
	put("main", "Match User bob\nInclude part\n");
	put("part", "Port 5\n");
	load_refused("main", NULL, 0, "./part line 1: Directive 'Port' is not allowed within a Match block");
}

Test(conf_load, include_errors)
{
	put("main", "# one\nInclude main\n");
	load_refused("main", NULL, 0, "./main line 2: Too many recursive configuration includes");
	put("main", "Include part\n");
	put("part", "\n\nNonsense 1\n");
	load_refused("main", NULL, 0, "./part line 3: Bad configuration option: Nonsense");
	put("main", "Include d\n");
	load_refused("main", NULL, 0, "./d: Is a directory");
	put("main", "Include\n");
	load_refused("main", NULL, 0, "main line 1: no argument after keyword \"Include\"");
}

Test(conf_load, options_come_first)
{
	static const char *const options[] = { "MaxSessions=3", "Port 7", "AcceptEnv a" };
	static const char *const wrong[] = { "Foo=1" }, *const match[] = { "Match all" }, *const inc[] = { "Include x" };
	struct conf *c;
	struct conf_values *v;

	put("main", "MaxSessions 5\nPort 8\nPort 9\nAcceptEnv b\n");
	c = loaded("main", options, 3);
	v = resolved(c, NULL);
	cr_assert_eq(v->MaxSessions, 3);
	list_is(&v->Port, "7");	/* ports of the command line stand instead */
	list_is(&v->AcceptEnv, "a|b");
	conf_values_free(v);
	conf_free(c);
	load_refused("main", wrong, 1, "command-line line 1: Bad configuration option: Foo");
	load_refused("main", match, 1, "command-line line 1: Match directive not supported as a command-line option");
	load_refused("main", inc, 1, "command-line line 1: Include directive not supported as a command-line option");
}

Test(conf_load, relative_files_become_absolute)
{
	struct conf *c;
	struct conf_values *v;
	char expected[128];

	put("main", "HostKey keys/k\nPidFile none\nBanner /b\nAuthorizedKeysFile .ssh/k\n");
	c = loaded("main", NULL, 0);
	v = resolved(c, NULL);
	snprintf(expected, sizeof expected, "%s/keys/k", dir);
	list_is(&v->HostKey, expected);
	cr_assert_null(v->PidFile);
	cr_assert_str_eq(v->Banner, "/b");
	list_is(&v->AuthorizedKeysFile, ".ssh/k");	/* of the user's home */
	conf_values_free(v);
	conf_free(c);
}

Test(conf_load, size_limit)
{
	int fd = open("big", O_WRONLY | O_CREAT, 0600);
	struct conf *c;

	cr_assert(fd >= 0);
	cr_assert_eq(write(fd, "#", 1), 1);
	cr_assert_eq(ftruncate(fd, (off_t)CONF_FILE_MAX + 1), 0);
	load_refused("big", NULL, 0, "big: longer than 16777216 bytes");
	cr_assert_eq(ftruncate(fd, 3), 0);
	load_refused("big", NULL, 0, "big line 1: NUL byte");
	close(fd);
	char *text = malloc(CONF_FILE_MAX + 1);
	memset(text, '#', CONF_FILE_MAX);
	text[CONF_FILE_MAX] = '\0';
	put("big", text);
	free(text);
	c = loaded("big", NULL, 0);	/* exactly the limit */
	conf_free(c);
}
