/* accept_env, signals, farewell, policy, hostkeys: what needs no process around it. */
#include <criterion/criterion.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "connection/accept_env.h"
#include "connection/farewell.h"
#include "connection/hostkeys.h"
#include "connection/policy.h"
#include "connection/signals.h"

Test(accept_env, limits)
{
	struct buf b;
	char name[16];
	static uint8_t big[CHAN_ENV_MAX];

	buf_init(&b, CHAN_ENV_MAX, NULL);
	for (unsigned i = 0; i < CHAN_ENV_COUNT; i++) {
		snprintf(name, sizeof name, "V%u", i);
		cr_assert_eq(accept_env_put(&b, view_str(name), view_str("x")), SSH_OK);
	}
	cr_assert_eq(accept_env_put(&b, view_str("ONE_MORE"), view_str("x")), SSH_E_FULL);
	cr_assert_eq(accept_env_put(&b, view_str("V3"), view_str("changed")), SSH_OK, "replacing is no more");
	cr_assert_not_null(memmem(buf_head(&b), buf_len(&b), "V3=changed", 11));
	cr_assert_null(memmem(buf_head(&b), buf_len(&b), "V3=x", 4));
	buf_drop(&b);
	memset(big, 'x', sizeof big);
	cr_assert_eq(accept_env_put(&b, view_str("A"), view_of(big, sizeof big)), SSH_E_FULL);
	cr_assert_eq(accept_env_put(&b, view_str("A"), view_of(big, sizeof big - 3)), SSH_OK);
	cr_assert_eq(accept_env_put(&b, view_str("B"), view_str("")), SSH_E_FULL);
	cr_assert_eq(accept_env_put(&b, view_str("A"), view_of("x\0y", 3)), SSH_E_FORMAT);
	buf_drop(&b);
}

Test(signals, names_of_rfc4254)
{
	static const struct { unsigned n; const char *name; } rows[] = {
		{ SIGABRT, "ABRT" }, { SIGALRM, "ALRM" }, { SIGFPE, "FPE" }, { SIGHUP, "HUP" }, { SIGILL, "ILL" },
		{ SIGINT, "INT" }, { SIGKILL, "KILL" }, { SIGPIPE, "PIPE" }, { SIGQUIT, "QUIT" }, { SIGSEGV, "SEGV" },
		{ SIGTERM, "TERM" }, { SIGUSR1, "USR1" }, { SIGUSR2, "USR2" },
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		cr_assert_str_eq(signal_name(rows[i].n), rows[i].name);
		cr_assert(signal_known(view_str(rows[i].name)));
	}
	cr_assert_str_eq(signal_name(SIGBUS), "SIG@openssh.com");
	cr_assert_not(signal_known(view_str("SIGTERM")));
	cr_assert_not(signal_known(view_str("STOP")));
	cr_assert_not(signal_known(view_str("")));
}

static void line(const struct farewell *f, unsigned i, const char *should)
{
	char out[1000];
	enum log_level level = farewell_line(f, i, out, sizeof out);

	cr_assert_eq(level != LOGL_QUIET, should != NULL);
	if (should != NULL)
		cr_assert_str_eq(out, should, "\"%s\" is not \"%s\"", out, should);
}

Test(farewell, sentences_of_sshd)
{
	struct farewell f = { .kind = BYE_CLOSED };

	addr_parse_ip(&f.peer, "192.0.2.7");
	f.peer.port = 50122;
	line(&f, 0, "Connection closed by 192.0.2.7 port 50122 [preauth]");
	line(&f, 1, NULL);
	f.user = view_str("ada\n");
	line(&f, 0, "Connection closed by authenticating user ada\\012 192.0.2.7 port 50122 [preauth]");
	f.kind = BYE_ERRNO, f.number = ECONNRESET;
	line(&f, 0, "Connection reset by authenticating user ada\\012 192.0.2.7 port 50122 [preauth]");
	f.user = view_str("ada");
	f.authed = 1;
	f.kind = BYE_RECEIVED, f.number = 11, f.text = view_str("disconnected by user");
	line(&f, 0, "Received disconnect from 192.0.2.7 port 50122:11: disconnected by user");
	line(&f, 1, "Disconnected from user ada 192.0.2.7 port 50122");
	line(&f, 2, NULL);
	f.kind = BYE_ERROR, f.number = SSH_E_TIMEOUT;
	line(&f, 0, "Timeout, client not responding from user ada 192.0.2.7 port 50122");
	f.number = SSH_E_MAC, f.text = view_of(NULL, 0);
	line(&f, 0, "Disconnecting user ada 192.0.2.7 port 50122: message failed authentication");
	f.authed = 0, f.user = view_of(NULL, 0);
	f.number = SSH_E_IDENT;
	line(&f, 0, "banner exchange: Connection from 192.0.2.7 port 50122: invalid format");
	f.number = SSH_E_NO_ALG;
	line(&f, 0, "Unable to negotiate with 192.0.2.7 port 50122: no algorithm in common [preauth]");
	f.text = view_str("no matching cipher found. Their offer: 3des-cbc");
	line(&f, 0, "Unable to negotiate with 192.0.2.7 port 50122: no matching cipher found. Their offer: 3des-cbc [preauth]");
	f.kind = BYE_PROXY, f.text = view_str("wrong checksum");
	line(&f, 0, "Bad PROXY header from 192.0.2.7 port 50122: wrong checksum [preauth]");
	f.kind = BYE_SENT, f.text = view_str("Too many authentication failures");
	line(&f, 0, "Disconnecting 192.0.2.7 port 50122: Too many authentication failures [preauth]");
}

Test(farewell, invalid_users_and_quiet_checks)
{
	struct farewell f = { .kind = BYE_CLOSED, .unknown = 1, .user = view_str("eve") };
	char out[1000];

	addr_parse_ip(&f.peer, "192.0.2.7");
	f.peer.port = 50122;
	line(&f, 0, "Connection closed by invalid user eve 192.0.2.7 port 50122 [preauth]");
	f.kind = BYE_RECEIVED, f.number = 11, f.text = view_str("bye");
	line(&f, 1, "Disconnected from invalid user eve 192.0.2.7 port 50122 [preauth]");
	f.quiet = 1;
	cr_assert_eq(farewell_line(&f, 1, out, sizeof out), LOGL_INFO, "who logs in from the proxy's machine is no check");
	f.user = view_of(NULL, 0);
	cr_assert_eq(farewell_line(&f, 1, out, sizeof out), LOGL_VERBOSE);
	f.kind = BYE_CLOSED;
	cr_assert_eq(farewell_line(&f, 0, out, sizeof out), LOGL_VERBOSE);
}

Test(policy, slice)
{
	static const char slice[] = "Ciphers aes128-ctr\nVersionAddendum Debian\n";
	struct policy p;
	char why[400];

	cr_assert_eq(conn_policy_read(&p, slice, sizeof slice - 1, why, sizeof why), SSH_OK, "%s", why);
	cr_assert_str_eq(p.ssh.ciphers[0], "aes128-ctr");
	cr_assert_str_eq(p.ssh.ciphers[1], "aes128-ctr");
	cr_assert_eq(strncmp(p.ssh.version, "SSH-2.0-Coppice_", 16), 0);
	cr_assert_not_null(strstr(p.ssh.version, " Debian"));
	cr_assert_not_null(strstr(p.ssh.kex, "curve25519-sha256"));
	conn_policy_drop(&p);
	cr_assert_eq(conn_policy_read(&p, "Ciphers nonsense\n", 17, why, sizeof why), SSH_E_CONFIG);
	cr_assert_neq(why[0], '\0');
}

Test(hostkeys, half_a_set_is_never_in_force)
{
	struct hostkeys now = { 0 }, coming = { 0 };
	struct ipc_HOSTKEYS m = { .index = 0, .count = 1, .blob = view_str("old") };

	cr_assert_eq(hostkeys_hear(&now, &coming, &m), SSH_OK);
	cr_assert(hostkeys_complete(&now) && now.v[0].len == 3);
	m = (struct ipc_HOSTKEYS){ .index = 0, .count = 2, .blob = view_str("first") };
	cr_assert_eq(hostkeys_hear(&now, &coming, &m), SSH_OK);
	cr_assert(hostkeys_complete(&now) && now.count == 1 && now.v[0].len == 3, "whoever is forked now has the old ones");
	cr_assert_eq(hostkeys_hear(&now, &coming, &m), SSH_OK, "another keysign begins anew");
	m.index = 1, m.blob = view_str("second");
	cr_assert_eq(hostkeys_hear(&now, &coming, &m), SSH_OK);
	cr_assert(hostkeys_complete(&now) && now.count == 2 && now.v[0].len == 5 && now.v[1].len == 6);
	cr_assert_eq(hostkeys_hear(&now, &coming, &m), SSH_E_RULE);
	cr_assert(hostkeys_complete(&now) && now.count == 2);
	hostkeys_drop(&now);
	hostkeys_drop(&coming);
}

Test(hostkeys, only_in_order)
{
	struct hostkeys h = { 0 };
	struct ipc_HOSTKEYS m = { .index = 0, .count = 2, .blob = view_str("one") };

	cr_assert_eq(hostkeys_put(&h, &m), SSH_OK);
	cr_assert_not(hostkeys_complete(&h));
	cr_assert_eq(hostkeys_put(&h, &(struct ipc_HOSTKEYS){ .index = 2, .count = 2 }), SSH_E_RULE);
	cr_assert_eq(hostkeys_put(&h, &(struct ipc_HOSTKEYS){ .index = 1, .count = 3 }), SSH_E_RULE);
	m.index = 1, m.blob = view_str("three");
	cr_assert_eq(hostkeys_put(&h, &m), SSH_OK);
	cr_assert(hostkeys_complete(&h));
	cr_assert_eq(h.v[1].len, 5);
	m.index = 0, m.count = 1;
	cr_assert_eq(hostkeys_put(&h, &m), SSH_OK, "a new set replaces the old one");
	cr_assert(hostkeys_complete(&h) && h.count == 1);
	cr_assert_eq(hostkeys_put(&h, &(struct ipc_HOSTKEYS){ .index = 0, .count = 200 }), SSH_E_RULE);
	hostkeys_drop(&h);
}
