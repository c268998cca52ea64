#include "guard/account.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <shadow.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/err.h"
#include "base/log.h"
#include "base/secret.h"

#define RECORD_MAX  (1u << 20)	/* a group may list many members */
#define GROUPS_MAX  65536
#define DAY         86400

/* ---- one record, in a buffer that grows as long as the database asks for it --------------- */

struct record { char *v; size_t size; };

/* 1 to try again with more room. */
static int grow(struct record *b, int error)
{
	char *v;

	if (b->v != NULL && (error != ERANGE || b->size >= RECORD_MAX))
		return 0;
	if (b->v != NULL) {
		secret_wipe(b->v, b->size);
		free(b->v);
	}
	b->size = b->size == 0 ? 2048 : b->size * 4;
	v = malloc(b->size);
	b->v = v;
	return v != NULL;
}

static void drop(struct record *b)
{
	if (b->v != NULL)
		secret_wipe(b->v, b->size);
	free(b->v);
}

static char *copy(const char *s, const char *fallback)
{
	return strdup(s != NULL && s[0] != '\0' ? s : fallback);
}

static int take_passwd(struct account *a, const char *name)
{
	struct record b = { NULL, 0 };
	struct passwd pw, *found = NULL;
	int error = 0;

	while (grow(&b, error) && (error = getpwnam_r(name, &pw, b.v, b.size, &found)) == ERANGE)
		;
	if (found != NULL) {
		a->uid = pw.pw_uid;
		a->gid = pw.pw_gid;
		a->home = copy(pw.pw_dir, "/");
		a->shell = copy(pw.pw_shell, "/bin/sh");
		a->locked = pw.pw_passwd != NULL && pw.pw_passwd[0] == '!';
	}
	drop(&b);
	return found != NULL;
}

static int take_groups(struct account *a, const char *name)
{
	int n = 32, room;

	do {
		gid_t *more = realloc(a->groups, sizeof *more * (size_t)n);

		if (more == NULL)
			return SSH_E_NOMEM;
		a->groups = more;
		room = n;
	} while (getgrouplist(name, a->gid, a->groups, &n) < 0 && n > room && n <= GROUPS_MAX);
	a->ngroups = n > 0 && n <= room ? (size_t)n : (size_t)room;
	return SSH_OK;
}

static int take_group_names(struct account *a)
{
	if ((a->group_names = calloc(a->ngroups + 1, sizeof *a->group_names)) == NULL)
		return SSH_E_NOMEM;
	for (size_t i = 0; i < a->ngroups; i++) {
		struct record b = { NULL, 0 };
		struct group gr, *found = NULL;
		int error = 0;

		while (grow(&b, error) && (error = getgrgid_r(a->groups[i], &gr, b.v, b.size, &found)) == ERANGE)
			;
		if (found != NULL && (a->group_names[a->nnames] = strdup(gr.gr_name)) != NULL)
			a->nnames++;
		drop(&b);
	}
	return SSH_OK;
}

static void take_shadow(struct account *a, const char *name)
{
	struct record b = { NULL, 0 };
	struct spwd sp, *found = NULL;
	int error = 0;

	while (grow(&b, error) && (error = getspnam_r(name, &sp, b.v, b.size, &found)) == ERANGE)
		;
	if (found != NULL) {
		a->locked = sp.sp_pwdp != NULL && sp.sp_pwdp[0] == '!';
		a->expires = sp.sp_expire;
	}
	drop(&b);	/* wiped: it held a hash */
}

/* ---- the account ------------------------------------------------------------------- */

void account_disown(struct account *a, const struct account_nobody *nobody)
{
	a->exists = 0;
	a->uid = nobody->uid;
	a->gid = nobody->gid;
	a->ngroups = 0;
	a->locked = 0;
	a->expires = -1;
	free(a->home);
	a->home = strdup("/nonexistent");
}

int account_find(struct account **res, const char *user, int shadow, const struct account_nobody *nobody)
{
	struct account *a = calloc(1, sizeof *a);
	const char *stand_in = user;

	*res = NULL;
	if (a == NULL || (a->user = strdup(user)) == NULL)
		goto no_memory;
	a->expires = -1;
	a->exists = take_passwd(a, user);
	if (!a->exists) {
		stand_in = "root";	/* for the time it takes; nothing of it is kept */
		if (!take_passwd(a, stand_in) && ((a->home = strdup("/")) == NULL || (a->shell = strdup("/bin/sh")) == NULL))
			goto no_memory;
	}
	if (a->home == NULL || a->shell == NULL || take_groups(a, stand_in) < 0 || take_group_names(a) < 0)
		goto no_memory;
	if (shadow)
		take_shadow(a, stand_in);
	if (!a->exists) {
		account_disown(a, nobody);
		while (a->nnames > 0)
			free(a->group_names[--a->nnames]);
	}
	if (a->home == NULL)
		goto no_memory;
	*res = a;
	return SSH_OK;
no_memory:
	account_free(a);
	return SSH_E_NOMEM;
}

int account_unknown(struct account **res, const char *user, const struct account_nobody *nobody)
{
	struct account *a = calloc(1, sizeof *a);

	*res = NULL;
	if (a == NULL)
		return SSH_E_NOMEM;
	a->user = strdup(user);
	a->shell = strdup("/bin/sh");
	account_disown(a, nobody);
	if (a->user == NULL || a->shell == NULL || a->home == NULL) {
		account_free(a);
		return SSH_E_NOMEM;
	}
	*res = a;
	return SSH_OK;
}

void account_free(struct account *a)
{
	if (a == NULL)
		return;
	for (size_t i = 0; i < a->nnames; i++)
		free(a->group_names[i]);
	free(a->group_names);
	free(a->groups);
	free(a->user);
	free(a->home);
	free(a->shell);
	free(a);
}

/* ---- who may not come in --------------------------------------------------------------- */

int account_refused(const struct account *a, time_t now, const char *nologin, char *why, size_t size)
{
	char user[128], shell[128];
	struct stat st;

	log_escape(user, sizeof user, a->user, strlen(a->user));
	log_escape(shell, sizeof shell, a->shell, strlen(a->shell));
	if (a->expires >= 0 && now / DAY > a->expires)
		return snprintf(why, size, "Account %s has expired", user), 1;
	if (a->locked)
		return snprintf(why, size, "User %s not allowed because account is locked", user), 1;
	if (stat(a->shell, &st) != 0)
		return snprintf(why, size, "User %s not allowed because shell %s does not exist", user, shell), 1;
	if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0)
		return snprintf(why, size, "User %s not allowed because shell %s is not executable", user, shell), 1;
	if (a->uid != 0 && stat(nologin, &st) == 0)
		return snprintf(why, size, "User %s not allowed because %s exists", user, nologin), 1;
	return 0;
}
