/* hostkeys and keydir together: what is made can be loaded, what must not be used is not. */
#include "guard/hostkeys.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "guard/keydir.h"
#include "ssh/crypto/crypto.h"

static char base[] = "/tmp/coppice-keys.XXXXXX", dir[80], path[160];
static char lines[20][300];
static unsigned nlines;

static void on_log(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level;
	if (nlines < 20)
		snprintf(lines[nlines++], sizeof lines[0], "%s", line);
}

static void make(void)
{
	cr_assert_eq(crypto_init(), SSH_OK);
	cr_assert_not_null(mkdtemp(base));
	snprintf(dir, sizeof dir, "%s/keys", base);
	log_to(on_log, NULL);
}

static void clean(void)
{
	char command[100];

	snprintf(command, sizeof command, "rm -rf %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(hostkeys, .init = make, .fini = clean);

static const char *named(const char *name)
{
	snprintf(path, sizeof path, "%s/%s", dir, name);
	return path;
}

static mode_t mode_of(const char *name)
{
	struct stat st;

	cr_assert_eq(stat(named(name), &st), 0, "%s", name);
	return st.st_mode & 07777;
}

Test(hostkeys, generate_then_load)
{
	static const struct { const char *name; enum key_kind kind; } kinds[] = {
		{ "coppice_host_ed25519_key", KEY_ED25519 }, { "coppice_host_rsa_key", KEY_RSA },
	};
	struct hostkeys keys = { .n = 0 };
	struct stat before, after;
	char pub[80];

	cr_assert_eq(keydir_generate(dir), SSH_OK);
	cr_assert_eq(stat(dir, &before), 0);
	cr_assert_eq(before.st_mode & 07777, 0755);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(mode_of(kinds[i].name), 0600);
		snprintf(pub, sizeof pub, "%s.pub", kinds[i].name);
		cr_assert_eq(mode_of(pub), 0644);
		cr_assert_eq(hostkeys_load(&keys, named(kinds[i].name), NULL), SSH_OK);
		cr_assert_eq(privkey_kind(keys.v[i].key), kinds[i].kind);
	}
	cr_assert_eq(keys.n, 2);
	cr_assert_neq(access(named("coppice_host_ecdsa_key"), F_OK), 0);
	/* A second start changes nothing; a missing one is made again. */
	cr_assert_eq(stat(named("coppice_host_ed25519_key"), &before), 0);
	cr_assert_eq(unlink(named("coppice_host_rsa_key")), 0);
	cr_assert_eq(keydir_generate(dir), SSH_OK);
	cr_assert_eq(stat(named("coppice_host_ed25519_key"), &after), 0);
	cr_assert_eq(before.st_ino, after.st_ino);
	cr_assert_eq(mode_of("coppice_host_rsa_key"), 0600);
	hostkeys_drop(&keys);
	cr_assert_eq(keys.n, 0);
}

/* A name that is taken, by whatever, is never written over or through. */
Test(hostkeys, generate_respects_what_is_there)
{
	struct stat st;

	cr_assert_eq(mkdir(dir, 0755), 0);
	cr_assert_eq(symlink("elsewhere", named("coppice_host_rsa_key")), 0);
	cr_assert_eq(symlink("elsewhere", named("coppice_host_ed25519_key")), 0);
	cr_assert_eq(keydir_generate(dir), SSH_OK);
	cr_assert_neq(stat(named("elsewhere"), &st), 0);
	cr_assert_lt(keydir_generate("/dev/null/keys"), 0);
}

static void put(const char *name, const void *text, size_t n, mode_t mode)
{
	int fd = open(named(name), O_WRONLY | O_CREAT | O_TRUNC, 0600);

	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, n), (ssize_t)n);
	close(fd);
	cr_assert_eq(chmod(path, mode), 0);
}

static void skipped(struct hostkeys *keys, const char *file, const char *why)
{
	char want[400];

	nlines = 0;
	cr_assert_lt(hostkeys_load(keys, file, NULL), 0);
	snprintf(want, sizeof want, "Unable to load host key \"%s\": %s", file, why);
	cr_assert_str_eq(lines[0], want);
}

Test(hostkeys, what_is_skipped)
{
	struct hostkeys keys = { .n = 0 };
	char want[300], *big = calloc(1, HOSTKEYS_FILE_MAX + 1);
	struct stat st;
	int fd;

	cr_assert_eq(keydir_generate(dir), SSH_OK);
	for (unsigned bit = 0; bit < 6; bit++) {
		mode_t bad = 0600 | 1u << bit;

		cr_assert_eq(chmod(named("coppice_host_ed25519_key"), bad), 0);
		nlines = 0;
		cr_assert_lt(hostkeys_load(&keys, path, NULL), 0);
		snprintf(want, sizeof want, "Permissions 0%o for '%s' are too open.", (unsigned)bad, path);
		cr_assert_str_eq(lines[0], want);
	}
	put("junk", "junk", 4, 0600);
	cr_assert_eq(hostkeys_load(&keys, named("junk"), NULL), SSH_E_KEYFILE);
	put("empty", "", 0, 0600);
	skipped(&keys, named("empty"), "the file is empty");
	put("big", big, HOSTKEYS_FILE_MAX + 1, 0600);
	skipped(&keys, named("big"), "too long for a key");
	cr_assert_eq(mkfifo(named("fifo"), 0600), 0);
	skipped(&keys, path, "not a regular file");
	skipped(&keys, "/dev/zero", "not a regular file");
	skipped(&keys, named("nothing"), "No such file or directory");
	skipped(&keys, dir, "it is a directory");
	/* every truncation of a good file */
	fd = open(named("coppice_host_ed25519_key"), O_RDONLY);
	cr_assert_eq(fstat(fd, &st), 0);
	cr_assert_eq(read(fd, big, (size_t)st.st_size), st.st_size);
	close(fd);
	for (size_t n = 0; n < (size_t)st.st_size - 40; n += 13) {
		put("cut", big, n, 0600);
		cr_assert_lt(hostkeys_load(&keys, named("cut"), NULL), 0, "%zu", n);
	}
	cr_assert_eq(keys.n, 0);
	free(big);
}
