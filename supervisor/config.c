#include "supervisor/config.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/fnv.h"
#include "base/log.h"
#include "supervisor/activation.h"
#include "supervisor/broker.h"
#include "supervisor/detach.h"
#include "supervisor/proxy.h"
#include "supervisor/spawn.h"
#include "supervisor/supervise.h"

#define KEYSIGN_MS 60000	/* an RSA key on a slow machine */

static int complain(struct conf_error *e, const char *what, const char *why)
{
	snprintf(e->text, sizeof e->text, "%s: %s", what, why);
	return SSH_E_CONFIG;
}

/* Of a file that is missing: whoever opens it says so. */
static int absolute(const char *file, char path[PLACE_MAX])
{
	char cwd[PLACE_MAX];

	if (file[0] == '/')
		return snprintf(path, PLACE_MAX, "%s", file) < (int)PLACE_MAX ? SSH_OK : SSH_E_CONFIG;
	if (getcwd(cwd, sizeof cwd) == NULL)
		return SSH_E_SYS;
	return snprintf(path, PLACE_MAX, "%s/%s", cwd, file) < (int)PLACE_MAX ? SSH_OK : SSH_E_CONFIG;
}

int config_find(struct daemon *d, struct conf_error *e)
{
	static char path[PLACE_MAX];

	if (d->opt.conf != NULL && strcmp(d->opt.conf, "none") == 0)
		return SSH_OK;
	if (d->opt.conf != NULL) {
		if (realpath(d->opt.conf, path) == NULL && (errno != ENOENT || absolute(d->opt.conf, path) < 0))
			return complain(e, d->opt.conf, strerror(errno));
		d->opt.conf = path;
	} else if (access(d->places.conf, F_OK) == 0) {
		d->opt.conf = d->places.conf;
	} else {
		d->opt.conf = "none";	/* the defaults are a whole configuration */
	}
	return SSH_OK;
}

/* ---- host keys of our own --------------------------------------------------------------- */

static void generate_keys(struct daemon *d)
{
	char *argv[] = { (char *)(uintptr_t)"keysign", (char *)(uintptr_t)"--generate", d->places.keys, NULL };
	char inside[PLACE_MAX + 4];
	int status;

	snprintf(inside, sizeof inside, "%s/x", d->places.keys);
	detach_make_folder(inside, d->privileged ? 0755 : 0700);
	status = spawn_keysign(d, argv, KEYSIGN_MS);
	if (status != 0)
		log_ev(LOGL_ERROR, "host keys in %s: keysign --generate failed (%d)", d->places.keys, status);
}

static int add_own_keys(struct daemon *d)
{
	static const char *const types[] = { "ed25519", "ecdsa", "rsa" };
	char path[PLACE_MAX + 40];
	int n = 0;

	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++) {
		snprintf(path, sizeof path, "%s/coppice_host_%s_key", d->places.keys, types[i]);
		if (access(path, F_OK) == 0 && options_add(&d->opt, "HostKey", path) == SSH_OK)
			n++;
	}
	return n;
}

static int load_once(struct daemon *d, struct conf **c, struct conf_values **v, struct conf_error *e)
{
	const char *path = strcmp(d->opt.conf, "none") != 0 ? d->opt.conf : NULL;
	int r;

	*c = NULL;
	*v = NULL;
	TRY(conf_load(c, path, d->opt.keyword, d->opt.keywords, e));
	if ((r = conf_resolve(*c, NULL, v, e)) == SSH_OK && proxy_complaint(*v) != NULL) {
		r = complain(e, path != NULL ? path : "options", proxy_complaint(*v));
		conf_values_free(*v);
		*v = NULL;
	}
	if (r < 0) {
		conf_free(*c);
		*c = NULL;
	}
	return r;
}

static int load(struct daemon *d, int generate, struct conf **c, struct conf_values **v, struct conf_error *e)
{
	const size_t keywords = d->opt.keywords, owneds = d->opt.owneds;
	int r;

	TRY(load_once(d, c, v, e));
	if ((*v)->HostKey.n > 0)
		return SSH_OK;
	if (generate)
		generate_keys(d);
	if (add_own_keys(d) == 0)
		return SSH_OK;
	conf_values_free(*v);
	conf_free(*c);
	r = load_once(d, c, v, e);
	options_trim(&d->opt, keywords, owneds);	/* the next file may name others */
	return r;
}

int config_load(struct daemon *d, int generate, struct conf **c, struct conf_values **v, struct conf_error *e)
{
	int r;

	TRY(load(d, generate, c, v, e));
	if ((r = activation_agrees(d, *c, *v, e)) < 0) {
		conf_values_free(*v);
		conf_free(*c);
	}
	return r;
}

/* ---- a whole one ------------------------------------------------------------------------ */

int config_same_list(const struct conf_list *a, const struct conf_list *b)
{
	if (a->n != b->n)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->v[i], b->v[i]) != 0)
			return 0;
	return 1;
}

static int same_places(const struct conf_values *a, const struct conf_values *b)
{
	return config_same_list(&a->Port, &b->Port) && config_same_list(&a->ListenAddress, &b->ListenAddress) && a->AddressFamily == b->AddressFamily;
}

/* What has not changed is not looked up again: names stay the addresses they were. */
static int find_places(struct daemon *d, struct config *c, struct conf_error *e)
{
	c->unresolved = d->up && !same_places(d->values, c->values) && conf_listens_by_name(c->values);
	if (c->unresolved)
		return SSH_OK;
	if (d->values == NULL || !same_places(d->values, c->values))
		return conf_listeners(c->values, &c->addr, &c->addrs, e);
	if ((c->addr = calloc(d->addrs + 1, sizeof *c->addr)) == NULL)
		return SSH_E_NOMEM;
	if (d->addrs > 0)
		memcpy(c->addr, d->addr, d->addrs * sizeof *c->addr);
	c->addrs = d->addrs;
	return SSH_OK;
}

int config_make(struct daemon *d, struct conf *conf, struct conf_values *v, struct config **res, struct conf_error *e)
{
	struct config *c = calloc(1, sizeof *c);
	int r = SSH_E_NOMEM;

	snprintf(e->text, sizeof e->text, "out of memory");
	if (c == NULL) {
		conf_values_free(v);
		conf_free(conf);
		return r;
	}
	c->conf = conf;
	c->values = v;
	if ((r = find_places(d, c, e)) == SSH_OK)
		r = broker_slices(conf, c->slice, c->slice_len);
	if (r < 0) {
		config_free(c);
		return r;
	}
	*res = c;
	return SSH_OK;
}

void config_free(struct config *c)
{
	if (c == NULL)
		return;
	conf_values_free(c->values);
	conf_free(c->conf);
	for (int role = 0; role < ROLE_COUNT; role++)
		free(c->slice[role]);
	free(c->addr);
	free(c);
}

static int slice_differs(const struct daemon *d, const struct config *c, int role)
{
	if (c->slice[role] == NULL)
		return 0;
	return d->slice[role] == NULL || d->slice_len[role] != c->slice_len[role]
	    || memcmp(d->slice[role], c->slice[role], c->slice_len[role]) != 0;
}

unsigned config_changed(const struct daemon *d, const struct config *c)
{
	unsigned changed = 0;

	for (int role = 0; role < ROLE_COUNT; role++)
		if (slice_differs(d, c, role))
			changed |= 1u << role;
	return changed;
}

uint64_t config_digest(const struct daemon *d, int role)
{
	return d->slice[role] != NULL ? fnv1a(d->slice[role], d->slice_len[role]) : 0;
}

void config_swap(struct daemon *d, struct config **c, uint64_t generation)
{
	struct config *now = *c, was = {
		.conf = d->conf, .values = d->values, .addr = d->addr, .addrs = d->addrs, .generation = d->generation,
	};

	for (int role = 0; role < ROLE_COUNT; role++) {
		if (slice_differs(d, now, role))
			d->slice_since[role] = generation;
		was.slice[role] = d->slice[role];
		was.slice_len[role] = d->slice_len[role];
		d->slice[role] = now->slice[role];
		d->slice_len[role] = now->slice_len[role];
	}
	d->conf = now->conf;
	d->values = now->values;
	d->addr = now->addr;
	d->addrs = now->addrs;
	d->generation = generation;
	supervise_apply(d);
	if (d->log_level < 0)	/* else coppicectl loglevel said otherwise */
		log_set_level(d->values->LogLevel);
	*now = was;
	if (was.conf == NULL) {
		free(now);
		*c = NULL;
	}
}

int config_keys_work(struct daemon *d, const struct conf_values *v)
{
	char **argv = calloc(v->HostKey.n + 2 * v->HostCertificate.n + 7, sizeof *argv);
	size_t n = 0;
	int ok;

	if (argv == NULL || v->HostKey.n == 0) {
		free(argv);
		return 0;
	}
	argv[n++] = (char *)(uintptr_t)"keysign";
	argv[n++] = (char *)(uintptr_t)"--check";
	argv[n++] = (char *)(uintptr_t)"--algorithms";
	argv[n++] = v->HostKeyAlgorithms;
	if (v->HostKeyAgent != NULL) {
		argv[n++] = (char *)(uintptr_t)"--agent";
		argv[n++] = v->HostKeyAgent;
	}
	for (size_t i = 0; i < v->HostCertificate.n; i++) {
		argv[n++] = (char *)(uintptr_t)"--certificate";
		argv[n++] = v->HostCertificate.v[i];
	}
	for (size_t i = 0; i < v->HostKey.n; i++)
		argv[n++] = v->HostKey.v[i];
	ok = spawn_keysign(d, argv, KEYSIGN_MS) == 0;
	free(argv);
	return ok;
}

/* ---- -T -C ---------------------------------------------------------------------------------- */

struct spec {
	char user[256], addr[80], laddr[80], lport[16];
	char *groups[64];
	size_t ngroups;
};

static int one_word(struct spec *s, const char *word, struct conf_error *e)
{
	static const char *const ignored[] = { "host=", "rdomain=", NULL };

	if (sscanf(word, "user=%255s", s->user) == 1 || sscanf(word, "addr=%79s", s->addr) == 1
	    || sscanf(word, "laddr=%79s", s->laddr) == 1 || sscanf(word, "lport=%15s", s->lport) == 1)
		return SSH_OK;
	for (int i = 0; ignored[i] != NULL; i++)
		if (strncmp(word, ignored[i], strlen(ignored[i])) == 0)
			return SSH_OK;
	return complain(e, "Invalid test mode specification", word);
}

static void find_groups(struct spec *s)
{
	const struct passwd *pw = getpwnam(s->user);
	gid_t ids[64];
	int n = 64;

	if (pw == NULL || getgrouplist(s->user, pw->pw_gid, ids, &n) < 0)
		return;
	for (int i = 0; i < n; i++) {
		const struct group *g = getgrgid(ids[i]);

		if (g != NULL && (s->groups[s->ngroups] = strdup(g->gr_name)) != NULL)
			s->ngroups++;
	}
}

static int parse_client(const char *text, struct spec *s, struct conf_client *c, struct conf_error *e)
{
	char *copy = strdup(text), *save = NULL;
	int r = copy != NULL ? SSH_OK : SSH_E_NOMEM;

	for (char *word = copy ? strtok_r(copy, ",", &save) : NULL; word != NULL && r == SSH_OK; word = strtok_r(NULL, ",", &save))
		r = one_word(s, word, e);
	free(copy);
	if (r == SSH_OK && s->addr[0] != '\0' && addr_parse_ip(&c->peer, s->addr) < 0)
		r = complain(e, "Invalid address", s->addr);
	if (r == SSH_OK && s->laddr[0] != '\0' && addr_parse_ip(&c->local, s->laddr) < 0)
		r = complain(e, "Invalid address", s->laddr);
	if (r < 0)
		return r;
	c->local.port = (uint16_t)strtoul(s->lport, NULL, 10);
	if (s->user[0] != '\0') {
		find_groups(s);
		c->user = s->user;
		c->groups = (const char *const *)s->groups;
		c->ngroups = s->ngroups;
	}
	return SSH_OK;
}

static int print(const struct conf_values *v)
{
	struct buf b;
	int r;

	buf_init(&b, CONF_FILE_MAX, NULL);
	if ((r = conf_dump(v, &b)) == SSH_OK && fwrite(buf_head(&b), 1, buf_len(&b), stdout) != buf_len(&b))
		r = SSH_E_SYS;
	buf_drop(&b);
	return fflush(stdout) == 0 && r == SSH_OK ? 0 : 1;
}

int config_dump(struct daemon *d, const struct conf *c)
{
	struct conf_client client = { 0 };
	struct conf_values *v = NULL;
	struct spec spec = { .ngroups = 0 };
	struct conf_error e;
	int status = 255;

	if (d->opt.client != NULL && parse_client(d->opt.client, &spec, &client, &e) < 0)
		fprintf(stderr, "%s\n", e.text);
	else if (conf_resolve(c, d->opt.client != NULL ? &client : NULL, &v, &e) < 0)
		fprintf(stderr, "%s\n", e.text);
	else
		status = print(v);
	conf_values_free(v);
	for (size_t i = 0; i < spec.ngroups; i++)
		free(spec.groups[i]);
	return status;
}
