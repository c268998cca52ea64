/*
 * keysign - holds the private host keys and signs exchange hashes
 *
 * SYNOPSIS    keysign                     started by coppiced, link on descriptor 3
 *             keysign --generate DIR      makes the host keys that are missing in DIR
 *             keysign --check [--algorithms LIST] [--agent SOCKET] [--certificate FILE]... FILE...
 *                                         exit 0 when at least one of the keys can be loaded; says what is wrong with the others
 * RUNS AS     coppice-key, empty root directory; a few system calls on descriptors it has, nothing else
 * HEARS       SIGN PROVE (connection); WELCOME CONFIG CONFIG_COMMIT PEER_LINK PEER_GONE PING LOGLEVEL (supervisor)
 * SAYS        SIGNED (connection); SESSION_ID (auth, supervisor); HOSTKEYS (nursery);
 *             HELLO CONFIG_OK READY PONG (supervisor); LOG (reporter)
 * TALKS TO    the SSH agent of HostKeyAgent, dialled before it locks itself in
 * NEVER       touches a network socket; opens a file after READY; holds a key that was encrypted on disk
 * IF IT DIES  the supervisor restarts it; connections repeat their open SIGN
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"
#include "conf/conf.h"
#include "guard/agent.h"
#include "guard/hostkeys.h"
#include "guard/keydir.h"
#include "guard/signer.h"
#include "ipc/child.h"
#include "ipc/sandbox.h"
#include "ssh/crypto/crypto.h"

static void to_stderr(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level;
	dprintf(2, "keysign: %s\n", line);
}

/* Dials the agent, if one is configured; without it what is in files still works. */
static void dial(struct agent *a, const char *path)
{
	char why[300];

	if (agent_dial(a, path, why, sizeof why) < 0)
		log_ev(LOGL_ERROR, "HostKeyAgent: %s", why);
}

static int check_files(char **words)
{
	static struct hostkeys keys;
	char *none[] = { NULL }, **certs = none;
	const struct agent *used = NULL;
	struct agent agent;
	int ok;

	agent_init(&agent);
	if (words[0] != NULL && strcmp(words[0], "--algorithms") == 0 && words[1] != NULL) {
		keys.algorithms = words[1];
		words += 2;
	}
	if (words[0] != NULL && strcmp(words[0], "--agent") == 0 && words[1] != NULL) {
		dial(&agent, words[1]);
		used = &agent;
		words += 2;
	}
	if (words[0] != NULL && strcmp(words[0], "--certificate") == 0)
		for (certs = words; words[0] != NULL && words[1] != NULL && strcmp(words[0], "--certificate") == 0; words += 2)
			;
	for (char **path = words; *path != NULL; path++)
		hostkeys_load(&keys, *path, used);
	ok = keys.n > 0;
	for (; certs[0] != NULL && certs < words; certs += 2)
		hostkeys_certify(&keys, certs[1]);
	hostkeys_drop(&keys);
	agent_drop(&agent);
	return ok ? 0 : 1;
}

static int tool(int argc, char **argv)
{
	log_to(to_stderr, NULL);
	if (crypto_init() < 0) {
		log_ev(LOGL_ERROR, "%s", err_text(SSH_E_CRYPTO));
		return 1;
	}
	if (argc == 3 && strcmp(argv[1], "--generate") == 0)
		return keydir_generate(argv[2]) == SSH_OK ? 0 : 1;
	if (argc >= 3 && strcmp(argv[1], "--check") == 0)
		return check_files(argv + 2);
	dprintf(2, "usage: keysign --generate DIR | --check [--algorithms LIST] [--agent SOCKET] [--certificate FILE]... FILE...\n");
	return 255;
}

/* The slice into its values; NULL with a sentence in e. */
static struct conf_values *values_of(struct view slice, struct conf_error *e)
{
	struct conf_values *v = NULL;
	struct conf *c;

	if (conf_parse(&c, slice, "keysign", e) < 0)
		return NULL;
	if (conf_resolve(c, NULL, &v, e) < 0)
		v = NULL;
	conf_free(c);
	return v;
}

static int load(struct signer *s, const struct child *self)
{
	struct conf_error e = { "" };
	struct conf_values *v = values_of(view_of(self->conf, self->conf_len), &e);

	if (crypto_init() < 0 || v == NULL) {
		log_ev(LOGL_ERROR, "keysign: %s", v == NULL ? e.text : err_text(SSH_E_CRYPTO));
		conf_values_free(v);
		return SSH_E_CONFIG;
	}
	log_set_level(v->LogLevel);
	if ((s->uses_agent = v->HostKeyAgent != NULL))
		dial(&s->agent, v->HostKeyAgent);
	s->keys.algorithms = v->HostKeyAlgorithms;
	for (size_t i = 0; i < v->HostKey.n; i++)
		hostkeys_load(&s->keys, v->HostKey.v[i], s->uses_agent ? &s->agent : NULL);
	for (size_t i = 0; i < v->HostCertificate.n; i++)
		hostkeys_certify(&s->keys, v->HostCertificate.v[i]);
	s->keys.algorithms = NULL;	/* it is v's */
	conf_values_free(v);
	if (s->keys.n == 0) {
		log_ev(LOGL_ERROR, "no hostkeys available -- exiting.");
		return SSH_E_KEYFILE;
	}
	if (agent_serve(&s->agent, self->base) < 0)
		log_ev(LOGL_ERROR, "HostKeyAgent: %s", err_text(SSH_E_NOMEM));
	/* On fault: only what is touched, and never a reason not to start. */
	if (mlockall(MCL_CURRENT | MCL_ONFAULT) != 0)
		log_ev(LOGL_DEBUG, "host keys are not locked into memory");
	return SSH_OK;
}

/* Other host keys need a new process (schema.def: RESTART), and get one; what else is in our slice can change here. */
static enum log_level next_level;

static int prepare(struct child *self, const char *slice, size_t len, char *why, size_t size)
{
	struct conf_error e = { "out of memory" };
	struct conf_values *v = values_of(view_of(slice, len), &e);

	(void)self;
	if (v == NULL) {
		snprintf(why, size, "%s", e.text);
		return SSH_E_CONFIG;
	}
	next_level = v->LogLevel;
	conf_values_free(v);
	return SSH_OK;
}

static void commit(struct child *self)
{
	(void)self;
	log_set_level(next_level);
}

static void forget(struct child *self)
{
	(void)self;
}

int main(int argc, char **argv)
{
	static struct child self;
	static struct signer signer;

	if (argc > 1)
		return tool(argc, argv);
	child_begin(&self, ROLE_KEY);
	signer_init(&signer, &self);
	self.message = signer_message;
	self.prepare = prepare;
	self.commit = commit;
	self.forget = forget;
	self.ctx = &signer;
	if (load(&signer, &self) < 0)
		return 1;
	child_lock(&self, sandbox_keysign);
	child_ready(&self);
	return child_run(&self);
}
