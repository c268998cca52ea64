#include "guard/policy.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"

/* sshd's order, which clients show. */
static const struct { enum policy_method m; const char *name; } methods_known[] = {
	{ METHOD_KEY, "publickey" }, { METHOD_PASSWORD, "password" }, { METHOD_INTERACTIVE, "keyboard-interactive" },
};

const char *policy_method_name(enum policy_method m)
{
	for (size_t i = 0; i < sizeof methods_known / sizeof methods_known[0]; i++)
		if (methods_known[i].m == m)
			return methods_known[i].name;
	return "none";
}

/* ---- who ---------------------------------------------------------------------------- */

int policy_match_user(const char *pattern, const char *user, const struct addr *peer)
{
	const char *at = strrchr(pattern, '@');
	char name[SSH_USER_MAX + 1], ip[ADDR_TEXT_MAX];
	int by_addr, by_name;

	if (at == NULL)
		return conf_glob(user, pattern, 0);
	if ((size_t)(at - pattern) >= sizeof name)
		return -1;
	memcpy(name, pattern, (size_t)(at - pattern));
	name[at - pattern] = '\0';
	if (!conf_glob(user, name, 0))
		return 0;
	if ((by_addr = conf_address_list(peer, at + 1)) == -2)
		return -1;
	by_name = conf_pattern_list(addr_ip_text(peer, ip), at + 1, 1);
	return by_addr >= 0 && by_name >= 0 && (by_addr == 1 || by_name == 1);
}

/* 1 when one matches; a malformed one counts as `broken`. */
static int user_listed(const struct conf_list *l, const struct policy_user *u, int broken)
{
	for (size_t i = 0; i < l->n; i++) {
		int r = policy_match_user(l->v[i], u->name, &u->peer);

		if (r == 1 || (r < 0 && broken))
			return 1;
	}
	return 0;
}

static int group_listed(const struct conf_list *l, const struct policy_user *u)
{
	for (size_t i = 0; i < l->n; i++)
		for (size_t k = 0; k < u->ngroups; k++)
			if (conf_glob(u->groups[k], l->v[i], 0))
				return 1;
	return 0;
}

static const char *denial(const struct conf_values *v, const struct policy_user *u)
{
	if (user_listed(&v->DenyUsers, u, 1))
		return "listed in DenyUsers";
	if (v->AllowUsers.n > 0 && !user_listed(&v->AllowUsers, u, 0))
		return "not listed in AllowUsers";
	if ((v->DenyGroups.n > 0 || v->AllowGroups.n > 0) && u->ngroups == 0)
		return "not in any group";
	if (group_listed(&v->DenyGroups, u))
		return "a group is listed in DenyGroups";
	if (v->AllowGroups.n > 0 && !group_listed(&v->AllowGroups, u))
		return "none of user's groups are listed in AllowGroups";
	return NULL;
}

int policy_user_allowed(const struct conf_values *v, const struct policy_user *u, char *why, size_t size)
{
	const char *because = denial(v, u);
	char name[128], ip[ADDR_TEXT_MAX];

	if (because == NULL)
		return 1;
	/* sshd's two forms: "because listed in ...", "because a group is listed in ...", without a verb of their own */
	snprintf(why, size, "User %s from %s not allowed because %s", log_escape(name, sizeof name, u->name, strlen(u->name)),
	    addr_ip_text(&u->peer, ip), because);
	return 0;
}

int policy_own_user(const struct policy_user *u, uid_t daemon, char *why, size_t size)
{
	char name[128], ip[ADDR_TEXT_MAX];

	if (u->uid == daemon)
		return 1;
	snprintf(why, size, "User %s from %s not allowed because the daemon runs as another user and not as root",
	    log_escape(name, sizeof name, u->name, strlen(u->name)), addr_ip_text(&u->peer, ip));
	return 0;
}

/* ---- how ------------------------------------------------------------------------------ */

unsigned policy_methods(const struct conf_values *v, int privileged)
{
	unsigned m = 0;

	if (v->PubkeyAuthentication)
		m |= METHOD_KEY;
	if (privileged && v->PasswordAuthentication)
		m |= METHOD_PASSWORD;
	if (privileged && v->KbdInteractiveAuthentication)
		m |= METHOD_INTERACTIVE;
	return m;
}

const char *policy_methods_text(unsigned methods, char text[SSH_METHODS_MAX])
{
	size_t n = 0;

	text[0] = '\0';
	for (size_t i = 0; i < sizeof methods_known / sizeof methods_known[0]; i++)
		if (methods & methods_known[i].m)
			n += (size_t)snprintf(text + n, SSH_METHODS_MAX - n, "%s%s", n > 0 ? "," : "", methods_known[i].name);
	return text;
}

int policy_root_allowed(enum conf_root how, enum policy_method m, int forced)
{
	switch (how) {
	case ROOT_YES:
		return 1;
	case ROOT_PROHIBIT_PASSWORD:
		return m == METHOD_KEY;
	case ROOT_FORCED_COMMANDS_ONLY:
		return m == METHOD_KEY && forced;
	case ROOT_NO:
	default:
		return 0;
	}
}

int policy_alg_listed(const char *list, struct view alg)
{
	while (list != NULL && *list != '\0') {
		size_t n = strcspn(list, ",");

		if (n == alg.len && n > 0 && memcmp(list, alg.p, n) == 0)
			return 1;
		list += n + (list[n] == ',');
	}
	return 0;
}

/* ---- how often ----------------------------------------------------------------------------- */

void policy_tries_init(struct policy_tries *t, int64_t max)
{
	memset(t, 0, sizeof *t);
	t->max = max < 1 ? 1 : max > (int64_t)SSH_AUTH_REQUESTS ? SSH_AUTH_REQUESTS : (unsigned)max;
}

int policy_tries_count(struct policy_tries *t, enum policy_try what)
{
	t->requests++;
	if (what == TRY_NONE)
		return 0;
	if (what == TRY_KEY_OK && t->queries < POLICY_QUERIES_MAX) {
		t->queries++;
		return 0;
	}
	t->failures++;
	return 1;
}

int policy_tries_over(const struct policy_tries *t)
{
	return t->failures >= t->max || t->requests >= SSH_AUTH_REQUESTS;
}

int policy_tries_half(const struct policy_tries *t)
{
	return t->failures >= t->max / 2;
}
