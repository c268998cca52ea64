/*
 * login: whole logins against auth's service in one process, with its real helpers. The account is our own;
 * what only root can do (other accounts, shadow) is the system tests' part.
 */
#include "guard/login.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "guard/authd.h"
#include "guard/proc.h"
#include "ipc/permits.h"
#include "ssh/crypto/crypto.h"
#include "ssh/keyfile.h"
#include "ssh/ssh.h"
#include "tests/unit/guard/rig.h"

static struct rig rig;
static struct authd authd;
static char base[] = "/tmp/coppice-login.XXXXXX", me[100], log_text[20000];
static struct privkey *key, *other;

static void on_log(void *ctx, enum log_level level, const char *line)
{
	size_t n = strlen(log_text);

	snprintf(log_text + n, sizeof log_text - n, "%s\n", line);
}

static void put(const char *name, const void *p, size_t n)
{
	char path[100];
	int fd;

	snprintf(path, sizeof path, "%s/%s", base, name);
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
	cr_assert_eq(write(fd, p, n), (ssize_t)n);
	close(fd);
}

static void authorise(const char *options, const struct privkey *k)
{
	struct buf line;

	buf_init(&line, 10000, NULL);
	cr_assert_eq(buf_append(&line, options, strlen(options)), SSH_OK);
	cr_assert_eq(keyfile_write_public(&line, privkey_blob(k), "c"), SSH_OK);
	put("keys", buf_head(&line), buf_len(&line));
	buf_drop(&line);
}

static void start(const char *conf)
{
	static char text[1000];

	snprintf(text, sizeof text, "StrictModes no\nAuthorizedKeysFile %s/keys\nBanner %s/banner\nLogLevel VERBOSE\n%s", base, base, conf);
	rig.self.conf = text;
	rig.self.conf_len = strlen(text);
	cr_assert_eq(authd_init(&authd, &rig.self), SSH_OK, "%s", log_text);
}

static void make(void)
{
	struct passwd *pw = getpwuid(geteuid());

	cr_assert_not_null(pw);
	snprintf(me, sizeof me, "%s", pw->pw_name);
	cr_assert_not_null(mkdtemp(base));
	log_to(on_log, NULL);
	cr_assert_eq(crypto_init(), SSH_OK);
	rig_make(&rig, ROLE_AUTH);
	rig.self.message = authd_message;
	rig.self.prepare = authd_prepare;
	rig.self.commit = authd_commit;
	rig.self.forget = authd_forget;
	rig.self.ctx = &authd;
	cr_assert_eq(proc_watch(rig.self.base), SSH_OK);
	cr_assert_eq(privkey_generate(&key, KEY_ED25519, 0), SSH_OK);
	cr_assert_eq(privkey_generate(&other, KEY_ED25519, 0), SSH_OK);
}

static void clean(void)
{
	char command[100];

	authd_drop(&authd);
	snprintf(command, sizeof command, "rm -rf %s", base);
	cr_assert_eq(system(command), 0);
}

TestSuite(login, .init = make, .fini = clean);

#define HOST "the host key that was shown"

static void say(int fd, enum ipc_type type, const void *body)
{
	cr_assert_eq(link_say(fd, ROLE_CONN, ROLE_AUTH, W_UP, type, body, NULL, 0), SSH_OK);
}

static const struct ipc_AUTH_VERDICT *verdict(int fd)
{
	cr_assert(rig_wait(&rig, fd, ROLE_CONN, ROLE_AUTH), "closed; log: %s", log_text);
	cr_assert_eq(rig.m.type, IPC_AUTH_VERDICT, "%d", rig.m.type);
	return &rig.m.u.AUTH_VERDICT;
}

static int closed(int fd)
{
	return rig_wait(&rig, fd, ROLE_CONN, ROLE_AUTH) == 0;
}

static void begin(int fd, const char *user)
{
	say(fd, IPC_AUTH_BEGIN, &(struct ipc_AUTH_BEGIN){ .req = 1, .user = view_str(user), .service = view_str("ssh-connection") });
}

static int begun(uint64_t conn, const char *user)
{
	int fd = rig_peer(&rig, ROLE_CONN, conn);

	begin(fd, user);
	cr_assert_eq(verdict(fd)->verdict, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 0);
	return fd;
}

static void session_id(int keylink, uint64_t conn, const char *id)
{
	struct view host = view_str(HOST);
	uint8_t digest[SSH_HASH_MAX];
	struct ipc_SESSION_ID m = { .conn = conn, .hash = view_str(id), .hostkey = view_of(digest, SSH_HOST_DIGEST) };

	cr_assert_eq(hash_parts(HASH_SHA256, &host, 1, digest), SSH_OK);

	cr_assert_eq(link_say(keylink, ROLE_KEY, ROLE_AUTH, W_UP, IPC_SESSION_ID, &m, NULL, 0), SSH_OK);
}

static void offer(int fd, const struct privkey *k)
{
	say(fd, IPC_AUTH_KEY_OK, &(struct ipc_AUTH_KEY_OK){ .req = 2, .alg = view_str("ssh-ed25519"), .blob = privkey_blob(k) });
}

/* hostkey: what the signature covers, too; empty: "publickey". */
static void sign_bound(int fd, const struct privkey *k, const char *id, const char *hostkey)
{
	struct ipc_AUTH_KEY m = { .req = 3, .alg = view_str("ssh-ed25519"), .blob = privkey_blob(k), .hostkey = view_str(hostkey) };
	struct buf text, sig;
	struct wr w;

	buf_init(&text, 4000, NULL);
	buf_init(&sig, SSH_SIG_MAX, NULL);
	w = wr_to(&sig);
	cr_assert_eq(ssh_auth_key_text(&text, view_str(id), view_str(me), view_str("ssh-connection"), m.alg, m.blob, m.hostkey), SSH_OK);
	cr_assert_eq(privkey_sign(k, sig_alg_find(m.alg), view_of(buf_head(&text), buf_len(&text)), &w), SSH_OK);
	m.sig = view_of(buf_head(&sig), buf_len(&sig));
	say(fd, IPC_AUTH_KEY, &m);
	buf_drop(&text);
	buf_drop(&sig);
}

static void sign(int fd, const struct privkey *k, const char *id)
{
	sign_bound(fd, k, id, "");
}

/* It must be the key that keysign says it signed with, whatever the connection says. */
Test(login, bound_to_a_host_key)
{
	struct ipc_SESSION_ID old = { .conn = 2, .hash = view_str("id of 2") };
	int k, c;

	authorise("", key);
	start("");
	k = rig_peer(&rig, ROLE_KEY, 0);
	session_id(k, 1, "id");
	c = begun(1, me);
	sign_bound(c, key, "id", "another host's key");
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 1);
	cr_assert_not_null(strstr(log_text, "a signature over a host key that keysign did not sign with"), "%s", log_text);
	sign_bound(c, other, "id", HOST);
	cr_assert_eq(verdict(c)->verdict, 0);
	sign_bound(c, key, "id", HOST);
	cr_assert(rig_wait(&rig, c, ROLE_CONN, ROLE_AUTH));
	cr_assert_eq(rig.m.type, IPC_AUTH_POLICY);
	/* Nobody knows which key was shown: then none is right. */
	cr_assert_eq(link_say(k, ROLE_KEY, ROLE_AUTH, W_UP, IPC_SESSION_ID, &old, NULL, 0), SSH_OK);
	rig_turn(&rig, 20);
	c = begun(2, me);
	sign_bound(c, key, "id of 2", HOST);
	cr_assert_eq(verdict(c)->verdict, 0);
	sign(c, key, "id of 2");
	cr_assert(rig_wait(&rig, c, ROLE_CONN, ROLE_AUTH));
	cr_assert_eq(rig.m.type, IPC_AUTH_POLICY);
}

Test(login, by_key)
{
	int k, c;
	char want[200];

	put("banner", "welcome\n", 8);
	authorise("command=\"only this\",restrict,pty ", key);
	start("MaxSessions 3\nClientAliveInterval 7\nAcceptEnv LANG LC_*\nRekeyLimit 1M 1m\n");
	k = rig_peer(&rig, ROLE_KEY, 0);
	c = rig_peer(&rig, ROLE_CONN, 42);
	session_id(k, 42, "the id");
	begin(c, me);
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert(view_is(rig.m.u.AUTH_VERDICT.methods, "publickey"));
	cr_assert(view_is(rig.m.u.AUTH_VERDICT.banner, "welcome\n"));
	offer(c, other);
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 1);
	offer(c, key);
	cr_assert_eq(verdict(c)->verdict, 2);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.req, 2);
	cr_assert(rig_counted(&rig, COUNT_FAILED_KEY));
	cr_assert(rig_silent(&rig, rig.sup, 0), "nothing granted yet");
	sign(c, key, "the id");
	cr_assert(rig_wait(&rig, c, ROLE_CONN, ROLE_AUTH));
	cr_assert_eq(rig.m.type, IPC_AUTH_POLICY);
	cr_assert_eq(rig.m.u.AUTH_POLICY.max_sessions, 3);
	cr_assert_eq(rig.m.u.AUTH_POLICY.alive_ms, 7000);
	cr_assert_eq(rig.m.u.AUTH_POLICY.rekey_bytes, 1u << 20);
	cr_assert_eq(rig.m.u.AUTH_POLICY.rekey_ms, 60000);
	cr_assert_eq(rig.m.u.AUTH_POLICY.permits, PERMIT_PTY);
	cr_assert(view_is(rig.m.u.AUTH_POLICY.accept_env, "LANG LC_*"));
	/* The supervisor had its word first. */
	cr_assert_eq(link_wait(rig.sup, ROLE_SUP, ROLE_AUTH, W_UP, 5, &rig.m, rig.storage), SSH_OK);
	cr_assert_eq(rig.m.type, IPC_AUTH_GRANTED);
	cr_assert_eq(rig.m.u.AUTH_GRANTED.conn, 42);
	cr_assert(view_is(rig.m.u.AUTH_GRANTED.accept_env, "LANG LC_*"));
	cr_assert_eq(rig.m.u.AUTH_GRANTED.uid, geteuid());
	cr_assert(view_is(rig.m.u.AUTH_GRANTED.user, me));
	cr_assert(view_is(rig.m.u.AUTH_GRANTED.forced, "only this"));
	cr_assert_eq(rig.m.u.AUTH_GRANTED.permits, PERMIT_PTY);
	cr_assert(view_is(rig.m.u.AUTH_GRANTED.subsystems, "sftp internal-sftp\n"));
	cr_assert(view_is(rig.m.u.AUTH_GRANTED.method, "publickey"));
	cr_assert(rig.m.u.AUTH_GRANTED.key.len > 50 && memmem(rig.m.u.AUTH_GRANTED.key.p, rig.m.u.AUTH_GRANTED.key.len, " SHA256:", 8) != NULL);
	cr_assert_eq(verdict(c)->verdict, 3);
	snprintf(want, sizeof want, "Accepted publickey for %s from 192.0.2.7 port 50122 ssh2: ED25519 SHA256:", me);
	cr_assert_not_null(strstr(log_text, want), "%s", log_text);
	/* Once in, every further word is one too many. */
	begin(c, me);
	cr_assert(closed(c));
}

/* The youngest child of this test's process; an older one looks accounts up. */
static pid_t helper_pid(void)
{
	char path[64];
	int pid = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)gettid());
	f = fopen(path, "re");
	cr_assert_not_null(f);
	while (fscanf(f, "%d", &pid) == 1)
		;
	fclose(f);
	cr_assert_neq(pid, 0);
	return pid;
}

/* A helper that dies over a question is a failure of that question; the next one has a helper of its own. */
Test(login, the_helper_dies_while_it_works)
{
	pid_t helper;
	int c;

	authorise("", key);
	start("");
	c = rig_peer(&rig, ROLE_CONN, 7);
	begin(c, me);
	cr_assert_eq(verdict(c)->verdict, 0);
	offer(c, other);
	cr_assert_eq(verdict(c)->verdict, 0);
	helper = helper_pid();
	cr_assert_eq(kill(helper, SIGSTOP), 0);
	offer(c, key);
	cr_assert(rig_silent(&rig, c, 100), "it cannot have answered");
	cr_assert_eq(kill(helper, SIGKILL), 0);
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 1);
	cr_assert_not_null(strstr(log_text, "key helper of connection 7 failed"), "%s", log_text);
	offer(c, key);
	cr_assert_eq(verdict(c)->verdict, 2);
}

/* The two sockets have no order: the id may come before the link, or after the signature. */
Test(login, session_id_early_or_late)
{
	int k, c;

	authorise("", key);
	start("");
	k = rig_peer(&rig, ROLE_KEY, 0);
	session_id(k, 1, "early");
	session_id(k, 1, "a rekey");
	rig_turn(&rig, 20);
	c = begun(1, me);
	session_id(k, 1, "another rekey");
	rig_turn(&rig, 20);
	sign(c, key, "early");
	cr_assert(rig_wait(&rig, c, ROLE_CONN, ROLE_AUTH));
	cr_assert_eq(rig.m.type, IPC_AUTH_POLICY);
	c = begun(2, me);
	sign(c, key, "late");
	cr_assert(rig_silent(&rig, c, 100));
	session_id(k, 2, "late");
	cr_assert(rig_wait(&rig, c, ROLE_CONN, ROLE_AUTH));
	cr_assert_eq(rig.m.type, IPC_AUTH_POLICY);
}

/* coppicectl loglevel SESSION: more about one client, and its lines say whose they are. */
Test(login, the_lines_of_one_client_alone_are_louder)
{
	struct ipc_msg m = { .type = IPC_LOGLEVEL };
	int one, two;

	authorise("", key);
	start("");
	log_set_level(LOGL_INFO);
	one = begun(1, me);
	two = begun(2, me);
	m.u.LOGLEVEL.conn = 1;
	m.u.LOGLEVEL.level = LOGL_VERBOSE;
	cr_assert_eq(rig.self.message(&rig.self, &m), SSH_OK);
	log_text[0] = '\0';
	offer(two, other);
	cr_assert_eq(verdict(two)->verdict, 0);
	cr_assert_str_eq(log_text, "");
	offer(one, other);
	cr_assert_eq(verdict(one)->verdict, 0);
	cr_assert_not_null(strstr(log_text, "conn=1 Failed publickey for "), "%s", log_text);
	cr_assert_eq(log_get_level(), LOGL_INFO);
	m.u.LOGLEVEL.level = UINT8_MAX;
	cr_assert_eq(rig.self.message(&rig.self, &m), SSH_OK);
	log_text[0] = '\0';
	offer(one, other);
	cr_assert_eq(verdict(one)->verdict, 0);
	cr_assert_str_eq(log_text, "");
}

Test(login, a_signature_for_another_session_is_refused)
{
	int k, c;

	authorise("", key);
	start("");
	k = rig_peer(&rig, ROLE_KEY, 0);
	session_id(k, 1, "mine");
	c = begun(1, me);
	sign(c, key, "stolen");
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 1);
	cr_assert(rig_counted(&rig, COUNT_FAILED_KEY));
	cr_assert(rig_silent(&rig, rig.sup, 0));
	/* the right query before it changes nothing (Go CVE-2024-45337) */
	offer(c, key);
	cr_assert_eq(verdict(c)->verdict, 2);
	sign(c, other, "mine");
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert(rig_counted(&rig, COUNT_FAILED_KEY));
	cr_assert(rig_silent(&rig, rig.sup, 0));
	sign(c, key, "mine");
	cr_assert(rig_wait(&rig, c, ROLE_CONN, ROLE_AUTH));
	cr_assert_eq(rig.m.type, IPC_AUTH_POLICY);
}

static uint64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* Unknown, denied and known users: the same verdicts to the same questions; failures never before their time. */
Test(login, answers_tell_nothing_about_the_account)
{
	const char *users[3] = { me, "no such user", me };
	char methods[3][SSH_METHODS_MAX];

	put("banner", "b", 1);
	start("");
	for (uint64_t i = 0; i < 3; i++) {
		int c;

		if (i == 2) {
			char conf[400];

			snprintf(conf, sizeof conf, "DenyUsers %s\nStrictModes no\nAuthorizedKeysFile %s/keys\nBanner %s/banner\nLogLevel VERBOSE\n", me, base, base);
			cr_assert_eq(authd_prepare(&rig.self, conf, strlen(conf), log_text, 100), SSH_OK);
			authd_commit(&rig.self);
			authorise("", key);
		}
		c = rig_peer(&rig, ROLE_CONN, i);
		begin(c, users[i]);
		cr_assert_eq(verdict(c)->verdict, 0);
		snprintf(methods[i], sizeof methods[i], "%.*s", (int)rig.m.u.AUTH_VERDICT.methods.len, (const char *)rig.m.u.AUTH_VERDICT.methods.p);
		cr_assert(view_is(rig.m.u.AUTH_VERDICT.banner, "b"));
		for (int n = 1; n <= 6; n++) {
			uint64_t t = now_us();

			offer(c, key);
			cr_assert_eq(verdict(c)->verdict, 0);
			cr_assert_geq(now_us() - t, DELAY_MIN_US);
			cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 1);
			cr_assert_eq(rig.m.u.AUTH_VERDICT.last, n == 6);
		}
		offer(c, key);
		cr_assert(closed(c), "no seventh try");
	}
	cr_assert_str_eq(methods[0], methods[1]);
	cr_assert_str_eq(methods[0], methods[2]);
	cr_assert_not_null(strstr(log_text, "Invalid user no such user from 192.0.2.7 port 50122\n"));
	cr_assert_not_null(strstr(log_text, "Failed publickey for invalid user no such user from 192.0.2.7 port 50122 ssh2: ED25519 SHA256:"));
	cr_assert_not_null(strstr(log_text, "maximum authentication attempts exceeded for invalid user no such user from 192.0.2.7"));
	cr_assert_not_null(strstr(log_text, "not allowed because listed in DenyUsers"));
}

Test(login, words_out_of_turn_end_the_link)
{
	int c;

	authorise("", key);
	start("");
	c = rig_peer(&rig, ROLE_CONN, 1);
	offer(c, key);
	cr_assert(closed(c), "a key before a name");
	c = begun(2, me);
	begin(c, "somebody else");
	cr_assert(closed(c), "another name (RFC 4252 5)");
	c = begun(3, me);
	offer(c, key);
	offer(c, key);
	cr_assert(closed(c) || (rig.m.u.AUTH_VERDICT.verdict == 2 && closed(c)), "two questions at once");
	c = begun(4, me);
	begin(c, me);
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 1, "a second none counts");
	c = rig_peer(&rig, ROLE_CONN, 5);
	close(c);
	rig_turn(&rig, 20);
	cr_assert_null(table_get(&authd.logins, 5));
}

Test(login, methods_that_are_off)
{
	int c;

	authorise("", key);
	start("PubkeyAuthentication no\n");
	c = begun(1, me);
	offer(c, key);
	cr_assert_eq(verdict(c)->verdict, 0);
	say(c, IPC_AUTH_PASSWORD, &(struct ipc_AUTH_PASSWORD){ .req = 4, .password = view_str("x") });
	cr_assert_eq(verdict(c)->verdict, 0);
	say(c, IPC_AUTH_INTERACT, &(struct ipc_AUTH_INTERACT){ .req = 5 });
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.methods.len, 0);
	cr_assert_eq(rig.m.u.AUTH_VERDICT.req, 5);
}

/* With the methods on (as for root), against an account nobody has. */
Test(login, password_and_prompt_for_nobody)
{
	int c;

	start("");
	authd.privileged = 1;
	c = begun(1, "no such user");
	cr_assert(view_is(rig.m.u.AUTH_VERDICT.methods, "publickey,password,keyboard-interactive"));
	say(c, IPC_AUTH_PASSWORD, &(struct ipc_AUTH_PASSWORD){ .req = 4, .password = view_str("secret words") });
	cr_assert_eq(verdict(c)->verdict, 0);
	for (uint32_t count = 0; count < 3; count++) {
		say(c, IPC_AUTH_INTERACT, &(struct ipc_AUTH_INTERACT){ .req = 5 });
		cr_assert(rig_wait(&rig, c, ROLE_CONN, ROLE_AUTH));
		cr_assert_eq(rig.m.type, IPC_AUTH_PROMPT);
		cr_assert_eq(rig.m.u.AUTH_PROMPT.echo, 0);
		cr_assert(view_is(rig.m.u.AUTH_PROMPT.text, "Password: "));
		say(c, IPC_AUTH_REPLY, &(struct ipc_AUTH_REPLY){ .req = 6, .count = count, .answer = view_str("secret words") });
		cr_assert_eq(verdict(c)->verdict, 0);
		cr_assert_eq(rig.m.u.AUTH_VERDICT.counted, 1);
	}
	/* An abandoned prompt is no try, and no password reaches the log. */
	say(c, IPC_AUTH_INTERACT, &(struct ipc_AUTH_INTERACT){ .req = 5 });
	cr_assert(rig_wait(&rig, c, ROLE_CONN, ROLE_AUTH));
	offer(c, key);
	cr_assert_eq(verdict(c)->last, 0);
	cr_assert_not_null(strstr(log_text, "Failed password for invalid user no such user from 192.0.2.7 port 50122 ssh2\n"));
	cr_assert_not_null(strstr(log_text, "Failed keyboard-interactive for invalid user no such user"));
	cr_assert_null(strstr(log_text, "secret"));
	close(c);
	rig_turn(&rig, 50);
}

Test(login, hostile_names)
{
	int c;

	start("");
	c = begun(2, "");
	offer(c, key);
	cr_assert_eq(verdict(c)->verdict, 0);
	c = begun(3, "a\n\x1b[31mAccepted");
	offer(c, key);
	cr_assert_eq(verdict(c)->verdict, 0);
	cr_assert_not_null(strstr(log_text, "Invalid user a\\012\\033[31mAccepted from 192.0.2.7"));
}

/* A helper that dies costs one try; the next question gets a new one. */
Test(login, many_at_once)
{
	enum { N = 40 };
	int c[N], k;
	char id[20];

	authorise("", key);
	start("");
	k = rig_peer(&rig, ROLE_KEY, 0);
	for (uint64_t i = 0; i < N; i++) {
		snprintf(id, sizeof id, "id %d", (int)i);
		session_id(k, i, id);
		c[i] = begun(i, me);
	}
	for (int i = 0; i < N; i++) {
		snprintf(id, sizeof id, "id %d", i % 2 ? i : i + 1);	/* every other one with its neighbour's */
		sign(c[i], key, id);
	}
	for (int i = 0; i < N; i++) {
		cr_assert(rig_wait(&rig, c[i], ROLE_CONN, ROLE_AUTH));
		cr_assert_eq(rig.m.type, i % 2 ? IPC_AUTH_POLICY : IPC_AUTH_VERDICT, "%d", i);
	}
}

/* No memory for a client: the supervisor hears it and introduces him again. One that leaves, or breaks the rules, is not missed. */
Test(login, no_memory_for_a_client)
{
	int c;

	authorise("", key);
	start("");
	rig_starves = 1;
	c = rig_peer(&rig, ROLE_CONN, 7);
	rig_starves = 0;
	cr_assert(closed(c));
	cr_assert(rig_wait(&rig, rig.sup, ROLE_SUP, ROLE_AUTH));
	cr_assert_eq(rig.m.type, IPC_PEER_AGAIN);
	cr_assert_eq(rig.m.u.PEER_AGAIN.conn, 7);
	close(c);
	c = begun(7, me);
	offer(c, key);
	cr_assert_eq(verdict(c)->verdict, 2);
	close(c);
	cr_assert(rig_silent(&rig, rig.sup, 50));
	c = rig_peer(&rig, ROLE_CONN, 8);
	offer(c, key);
	cr_assert(closed(c), "a question before a name");
	cr_assert(rig_silent(&rig, rig.sup, 50));
}

/* Values that hold for everybody are resolved once; a Match is asked for each client. */
Test(login, a_match_decides_for_each_client)
{
	char conf[300];
	int c;

	authorise("", key);
	snprintf(conf, sizeof conf, "PubkeyAuthentication no\nMatch User %s\nPubkeyAuthentication yes\n", me);
	start(conf);
	c = begun(7, "somebody-else");
	cr_assert(view_is(rig.m.u.AUTH_VERDICT.methods, ""), "%.*s", (int)rig.m.u.AUTH_VERDICT.methods.len, (const char *)rig.m.u.AUTH_VERDICT.methods.p);
	close(c);
	c = begun(8, me);
	cr_assert(view_is(rig.m.u.AUTH_VERDICT.methods, "publickey"));
	offer(c, key);
	cr_assert_eq(verdict(c)->verdict, 2);
}
