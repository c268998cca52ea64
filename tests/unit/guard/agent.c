/* hostkeys with an agent and with certificates, and the line to an agent: the stock ssh-agent, and one that misbehaves. */
#include "guard/agent.h"

#include <criterion/criterion.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "guard/hostkeys.h"
#include "ssh/cert.h"
#include "ssh/crypto/crypto.h"
#include "ssh/keyfile.h"

static char base[] = "/tmp/coppice-agent.XXXXXX";
static char lines[40][300];
static unsigned nlines;
static pid_t stock;

static void on_log(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level;
	if (nlines < 40)
		snprintf(lines[nlines++], sizeof lines[0], "%s", line);
}

static void shell(const char *command)
{
	cr_assert_eq(system(command), 0, "%s", command);
}

static void make(void)
{
	cr_assert_eq(crypto_init(), SSH_OK);
	cr_assert_not_null(mkdtemp(base));
	cr_assert_eq(chdir(base), 0);
	log_to(on_log, NULL);
	shell("ssh-keygen -q -t ed25519 -N '' -f a; ssh-keygen -q -t rsa -b 2048 -N '' -f b; ssh-keygen -q -t ecdsa -b 384 -N '' -f c; "
	    "ssh-keygen -q -t ed25519 -N '' -f ca; ssh-keygen -q -t ed25519 -a 1 -N secret -f locked; ssh-keygen -q -t rsa -m PEM -N secret -f pem");
}

static void start_agent(void)
{
	stock = fork();
	if (stock == 0) {
		execlp("ssh-agent", "ssh-agent", "-D", "-a", "sock", (char *)NULL);
		_exit(1);
	}
	shell("for i in $(seq 100); do [ -S sock ] && break; sleep 0.05; done; SSH_AUTH_SOCK=sock ssh-add -q a b c; "
	    "printf '#!/bin/sh\\necho secret\\n' >ask; chmod +x ask; DISPLAY=x SSH_ASKPASS_REQUIRE=force SSH_ASKPASS=./ask SSH_AUTH_SOCK=sock ssh-add -q locked pem </dev/null");
}

static void clean(void)
{
	if (stock > 0) {
		kill(stock, SIGKILL);
		waitpid(stock, NULL, 0);
	}
	cr_assert_eq(chdir("/"), 0);
	shell(strcat(strcpy((char[80]){ 0 }, "rm -rf "), base));
}

TestSuite(agent, .init = make, .fini = clean, .timeout = 60);

static int said(const char *words)
{
	for (unsigned i = 0; i < nlines; i++)
		if (strstr(lines[i], words) != NULL)
			return 1;
	return 0;
}

struct heard { int times; size_t len; uint8_t sig[SSH_SIG_MAX]; struct event_base *loop; };

static void on_sig(void *ctx, struct view sig)
{
	struct heard *h = ctx;

	h->times++;
	h->len = sig.len;
	if (sig.len > 0)
		memcpy(h->sig, sig.p, sig.len);
	event_base_loopbreak(h->loop);
}

static void signs(struct agent *a, struct event_base *loop, struct view blob, const char *alg, uint32_t flags)
{
	struct heard h = { .loop = loop };
	struct pubkey *pub;

	cr_assert_eq(pubkey_parse(&pub, blob, NULL), SSH_OK);
	cr_assert_eq(agent_sign(a, blob, view_str("a hash"), flags, on_sig, &h), SSH_OK);
	event_base_dispatch(loop);
	cr_assert_eq(h.times, 1);
	cr_assert_eq(pubkey_verify(pub, sig_alg_find(view_str(alg)), view_str("a hash"), view_of(h.sig, h.len)), VERIFY_ACCEPT, "%s", alg);
	pubkey_free(pub);
}

Test(agent, the_stock_one_signs)
{
	static const struct { const char *file, *alg; uint32_t flags; } keys[] = {
		{ "a.pub", "ssh-ed25519", 0 }, { "b.pub", "rsa-sha2-256", 2 }, { "b.pub", "rsa-sha2-512", 4 }, { "c.pub", "ecdsa-sha2-nistp384", 0 },
		{ "locked", "ssh-ed25519", 0 }, { "pem", "rsa-sha2-512", 4 },
	};
	static struct hostkeys h;
	struct event_base *loop = event_base_new();
	struct agent a;
	char why[200];
	struct heard dead = { .loop = loop };

	start_agent();
	agent_init(&a);
	cr_assert_not(agent_here(&a));
	cr_assert_eq(agent_dial(&a, "sock", why, sizeof why), SSH_OK, "%s", why);
	cr_assert_eq(agent_serve(&a, loop), SSH_OK);
	for (unsigned i = 0; i < sizeof keys / sizeof keys[0]; i++) {
		cr_assert_eq(hostkeys_load(&h, keys[i].file, &a), SSH_OK, "%s: %s", keys[i].file, lines[0]);
		cr_assert_null(h.v[i].key);
		cr_assert_not_null(h.v[i].pub);
		cr_assert(agent_has(&a, hostkeys_shown(&h, i)));
		signs(&a, loop, hostkeys_shown(&h, i), keys[i].alg, keys[i].flags);
	}
	cr_assert_lt(hostkeys_load(&h, "ca.pub", &a), 0);
	cr_assert(said("the agent does not have it"));
	/* Somebody who left is not told; the others hear that the agent is gone. */
	kill(stock, SIGKILL);
	waitpid(stock, NULL, 0);
	stock = 0;
	if (agent_sign(&a, view_str("x"), view_str("y"), 0, on_sig, &dead) == SSH_OK)
		agent_forget(&a, &dead);
	while (agent_here(&a))
		event_base_loop(loop, EVLOOP_ONCE);
	cr_assert_eq(dead.times, 0);
	cr_assert(said("HostKeyAgent: the agent is gone"));
	cr_assert_eq(agent_sign(&a, view_str("x"), view_str("y"), 0, on_sig, &dead), SSH_E_GONE);
	/* Its keys are offered all the same: it may come back. */
	cr_assert_eq(hostkeys_load(&h, "ca.pub", &a), SSH_OK);
	hostkeys_drop(&h);
	agent_drop(&a);
	event_base_free(loop);
}

Test(agent, nobody_there)
{
	static struct hostkeys h;
	struct agent a;
	char why[300], path[200];

	agent_init(&a);
	cr_assert_eq(agent_dial(&a, "nothing", why, sizeof why), SSH_E_SYS);
	cr_assert_str_eq(why, "agent at nothing: No such file or directory");
	unsetenv("SSH_AUTH_SOCK");
	cr_assert_eq(agent_dial(&a, "SSH_AUTH_SOCK", why, sizeof why), SSH_E_SYS);
	memset(path, 'x', sizeof path);
	path[199] = '\0';
	cr_assert_eq(agent_dial(&a, path, why, sizeof why), SSH_E_TOO_BIG);
	cr_assert_not(agent_here(&a));
	/* without any agent configured, a public key or a passphrase says what it would need */
	cr_assert_lt(hostkeys_load(&h, "a.pub", NULL), 0);
	cr_assert(said("a public key; its private half would have to be in an agent (HostKeyAgent)"));
	cr_assert_eq(hostkeys_load(&h, "locked", NULL), SSH_E_PASSPHRASE);
	cr_assert_eq(hostkeys_load(&h, "pem", NULL), SSH_E_PASSPHRASE);
	cr_assert(said("it needs a passphrase, which only an agent can give (HostKeyAgent)"));
	/* what is neither a private nor a public key says where */
	shell("printf 'ssh-ed25519 AAAA\\n' >junk; printf -- '-----BEGIN PRIVATE KEY-----\\nMC4C\\nM.4C\\n-----END PRIVATE KEY-----\\n' >harmed; chmod 600 junk harmed");
	cr_assert_lt(hostkeys_load(&h, "junk", NULL), 0);
	cr_assert_lt(hostkeys_load(&h, "harmed", NULL), 0);
	cr_assert(said("Unable to load host key \"harmed\": line 3: not base64"));
	cr_assert_eq(h.n, 0u);
	agent_drop(&a);
}

/* Keys whose algorithms are off are nobody's. */
Test(agent, algorithms_that_are_off)
{
	static struct hostkeys h;

	h.algorithms = "ssh-ed25519,rsa-sha2-512-cert-v01@openssh.com";
	cr_assert_eq(hostkeys_load(&h, "a", NULL), SSH_OK);
	cr_assert_eq(hostkeys_load(&h, "b", NULL), SSH_OK, "its certificate may be shown");
	cr_assert_lt(hostkeys_load(&h, "c", NULL), 0);
	cr_assert(said("none of its algorithms is in HostKeyAlgorithms"));
	cr_assert_eq(h.n, 2u);
	hostkeys_drop(&h);
}

Test(agent, certificates)
{
	static struct hostkeys h;
	struct buf blob;
	struct cert c;
	FILE *f;
	char text[4096];
	size_t n;

	shell("ssh-keygen -q -s ca -I one -h -n host -z 77 -V -1h:+1h a.pub; ssh-keygen -q -s ca -I two -n ada b.pub; ssh-keygen -q -s ca -I three -h -V 20200101:20200102 c.pub; "
	    "cp locked.pub other.pub; ssh-keygen -q -s ca -I four -h other.pub");
	cr_assert_eq(hostkeys_load(&h, "a", NULL), SSH_OK);
	cr_assert_eq(hostkeys_load(&h, "b", NULL), SSH_OK);
	cr_assert_eq(hostkeys_load(&h, "c", NULL), SSH_OK);
	cr_assert_eq(hostkeys_certify(&h, "c-cert.pub"), SSH_OK);
	cr_assert(said("it has expired"));
	cr_assert_eq(hostkeys_certify(&h, "a-cert.pub"), SSH_OK);
	cr_assert_eq(hostkeys_signer(&h, 3), 2u);
	cr_assert_eq(hostkeys_signer(&h, 4), 0u);
	cr_assert_eq(hostkeys_signer(&h, 1), 1u);
	cr_assert_lt(hostkeys_certify(&h, "b-cert.pub"), 0);
	cr_assert(said("it is a user's certificate, not a host's"));
	cr_assert_lt(hostkeys_certify(&h, "other-cert.pub"), 0);
	cr_assert(said("no HostKey is the key it is about"));
	cr_assert_lt(hostkeys_certify(&h, "a.pub"), 0);
	cr_assert(said("it is no certificate of a type that we have"));
	cr_assert_lt(hostkeys_certify(&h, "a"), 0);
	cr_assert_lt(hostkeys_certify(&h, "nothing"), 0);
	cr_assert_eq(h.n, 5u);
	/* every changed bit of it is seen: format, another key, or the signature */
	f = fopen("a-cert.pub", "r");
	n = fread(text, 1, sizeof text, f);
	fclose(f);
	buf_init(&blob, SSH_BLOB_MAX, NULL);
	cr_assert_eq(keyfile_read_public(&blob, view_of(text, n), NULL, NULL), SSH_OK);
	cr_assert_eq(cert_parse(&c, view_of(buf_head(&blob), buf_len(&blob))), SSH_OK);
	cr_assert_eq(c.serial, 77u);
	cr_assert(view_is(c.id, "one"));
	cr_assert_eq(cert_verify(&c), SSH_OK);
	for (size_t i = 0; i < buf_len(&blob); i++) {
		buf_head(&blob)[i] ^= 1;
		if (cert_parse(&c, view_of(buf_head(&blob), buf_len(&blob))) == SSH_OK)
			cr_assert_lt(cert_verify(&c), 0, "byte %zu", i);
		buf_head(&blob)[i] ^= 1;
		cr_assert_lt(cert_parse(&c, view_of(buf_head(&blob), i)), 0, "cut to %zu", i);
	}
	buf_drop(&blob);
	hostkeys_drop(&h);
}
