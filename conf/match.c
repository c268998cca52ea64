#include "conf/match.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"
#include "conf/number.h"

static const char *const crit_names[] = {
	[CRIT_USER] = "User", [CRIT_GROUP] = "Group", [CRIT_ADDRESS] = "Address",
	[CRIT_LOCALADDRESS] = "LocalAddress", [CRIT_LOCALPORT] = "LocalPort",
};
static const char *const other_names[] = { "Host", "RDomain", "Version", "Invalid-User" };

#define COUNT(a) (sizeof (a) / sizeof (a)[0])

static int find_crit(const char *name, size_t len, enum crit *crit)
{
	for (size_t i = 0; i < COUNT(crit_names); i++)
		if (strlen(crit_names[i]) == len && strncasecmp(crit_names[i], name, len) == 0) {
			*crit = (enum crit)i;
			return SSH_OK;
		}
	return SSH_E_FORMAT;
}

static int unknown_crit(const char *name, size_t len, struct conf_error *e, const struct where *at)
{
	for (size_t i = 0; i < COUNT(other_names); i++)
		if (strlen(other_names[i]) == len && strncasecmp(other_names[i], name, len) == 0)
			return parse_fail(e, at, "Match criterion %s of OpenSSH is not implemented here", other_names[i]);
	return parse_fail(e, at, "Unsupported Match attribute %.100s", name);
}

static int check_value(struct cond *c, const char *value, struct conf_error *e, const struct where *at)
{
	static const struct addr nobody;
	uint64_t port;

	if ((c->crit == CRIT_ADDRESS || c->crit == CRIT_LOCALADDRESS) && conf_address_list(&nobody, value) == -2)
		return parse_fail(e, at, "Invalid Match %s argument '%.100s'", crit_names[c->crit], value);
	if (c->crit == CRIT_LOCALPORT) {
		if (number_plain(value, 65535, &port) < 0 || port == 0)
			return parse_fail(e, at, "Invalid LocalPort '%.100s' on Match line", value);
		c->port = (unsigned)port;
	}
	return SSH_OK;
}

/* One criterion at w->v[*i], "User pattern" or "User=pattern"; *i moves behind it. */
static int parse_one(struct cond *c, const struct words *w, size_t *i, struct conf_error *e, const struct where *at)
{
	const char *name = w->v[*i], *value;
	size_t len = strcspn(name, "=");
	int r;

	if (find_crit(name, len, &c->crit) < 0)
		return unknown_crit(name, len, e, at);
	value = name[len] == '=' ? name + len + 1 : w->v[++*i];
	if (value == NULL || *value == '\0')
		return parse_fail(e, at, "Missing Match criteria for %s", crit_names[c->crit]);
	++*i;
	TRY(check_value(c, value, e, at));
	return (c->list = strdup(value)) != NULL ? SSH_OK : SSH_E_NOMEM;
}

int match_parse(struct block *b, const struct words *w, struct conf_error *e, const struct where *at)
{
	int r;

	if (w->n == 1 && strcasecmp(w->v[0], "all") == 0)
		return SSH_OK;
	if ((b->cond = calloc(w->n, sizeof *b->cond)) == NULL)
		return SSH_E_NOMEM;
	for (size_t i = 0; i < w->n; ) {
		if (strcasecmp(w->v[i], "all") == 0)
			return parse_fail(e, at, "'all' cannot be combined with other Match attributes");
		TRY(parse_one(&b->cond[b->n], w, &i, e, at));
		b->n++;
	}
	return SSH_OK;
}

void match_drop(struct block *b)
{
	for (size_t i = 0; i < b->n; i++)
		free(b->cond[i].list);
	free(b->cond);
	memset(b, 0, sizeof *b);
}

/* A negated pattern that matches any of the groups excludes. */
static int in_groups(const struct conf_client *c, const char *list)
{
	int found = 0;

	for (size_t i = 0; i < c->ngroups; i++) {
		int m = conf_pattern_list(c->groups[i], list, 0);

		if (m < 0)
			return 0;
		found |= m;
	}
	return found;
}

static int cond_holds(const struct cond *c, const struct conf_client *client)
{
	switch (c->crit) {
	case CRIT_USER:
		return client->user != NULL && conf_pattern_list(client->user, c->list, 0) == 1;
	case CRIT_GROUP:
		return client->user != NULL && in_groups(client, c->list);
	case CRIT_ADDRESS:
		return conf_address_list(&client->peer, c->list) == 1;
	case CRIT_LOCALADDRESS:
		return conf_address_list(&client->local, c->list) == 1;
	case CRIT_LOCALPORT:
		return client->local.family != ADDR_NONE && client->local.port == c->port;
	}
	return 0;
}

int match_holds(const struct block *b, const struct conf_client *client)
{
	if (client == NULL)
		return b->n == 0;
	for (size_t i = 0; i < b->n; i++)
		if (!cond_holds(&b->cond[i], client))
			return 0;
	return 1;
}

/* Parents first; there are at most CONF_INCLUDE_DEPTH of them. */
static int write_conds(const struct conf *c, size_t i, struct buf *out)
{
	const struct block *b = &c->block[i];
	int r;

	if (i == 0)
		return SSH_OK;
	TRY(write_conds(c, b->parent, out));
	for (size_t k = 0; k < b->n; k++) {
		TRY(buf_append(out, " ", 1));
		TRY(buf_append(out, crit_names[b->cond[k].crit], strlen(crit_names[b->cond[k].crit])));
		TRY(buf_append(out, " ", 1));
		TRY(words_quote(out, b->cond[k].list));
	}
	return SSH_OK;
}

int match_write(const struct conf *c, size_t i, struct buf *out)
{
	int r;

	TRY(buf_append(out, "Match", 5));
	if (c->block[i].all)
		TRY(buf_append(out, " all", 4));
	else
		TRY(write_conds(c, i, out));
	return buf_append(out, "\n", 1);
}
