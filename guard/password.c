#include "guard/password.h"

#include <crypt.h>
#include <errno.h>
#include <event2/event.h>
#include <pwd.h>
#include <shadow.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/err.h"
#include "base/limits.h"
#include "base/list.h"
#include "base/secret.h"
#include "guard/proc.h"

#define FIELD_MAX   512u	/* CRYPT_OUTPUT_SIZE is 384 */
#define SHADOW_SCAN 1000u	/* lines looked at for a typical hash */
#define DAY         86400

struct password {
	struct list at;			/* in waiting, or alone */
	struct event_base *base;
	struct proc proc;
	struct event *readable;
	char *user;			/* NULL: nobody */
	char text[SSH_PASSWORD_MAX + 1];
	int impossible;			/* over-long or with a NUL: NO, after the same work */
	int permit_empty;
	password_done *done;
	void *ctx;
};

static struct list waiting = { &waiting, &waiting };
static unsigned running;

/* ---- the rules -------------------------------------------------------------------- */

enum password_hash password_classify(const char *f)
{
	static const char *const known[] = { "$y$", "$gy$", "$7$", "$2b$", "$2a$", "$2y$", "$6$", "$5$", "$1$" };

	if (f == NULL)
		return PASSWORD_HASH_UNUSABLE;
	if (f[0] == '\0')
		return PASSWORD_HASH_EMPTY;
	for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
		if (strncmp(f, known[i], strlen(known[i])) == 0 && strlen(f) < FIELD_MAX)
			return PASSWORD_HASH_CRYPT;
	return PASSWORD_HASH_UNUSABLE;
}

int password_matches(const char *field, const char *password, int permit_empty, const char *fake)
{
	enum password_hash kind = password_classify(field);
	struct crypt_data *data = calloc(1, sizeof *data);
	const char *hash;
	int yes = 0;

	if (data == NULL)
		return 0;
	hash = crypt_r(password, kind == PASSWORD_HASH_CRYPT ? field : fake, data);
	if (kind == PASSWORD_HASH_CRYPT && hash != NULL && hash[0] == '$' && strlen(hash) == strlen(field))
		yes = secret_equal(hash, field, strlen(field));
	if (kind == PASSWORD_HASH_EMPTY)
		yes = permit_empty && password[0] == '\0';
	if (password[0] == '\0' && !permit_empty)
		yes = 0;
	secret_wipe(data, sizeof *data);
	free(data);
	return yes;
}

int password_aged(long last_change, long max_days, long today)
{
	if (last_change == 0)
		return 1;	/* the administrator asked for a new one */
	return last_change > 0 && max_days >= 0 && today - last_change > max_days;
}

/* ---- the child --------------------------------------------------------------------- */

/* A hash as this system makes them: what a user nobody has is measured by. */
static void pick_fake(char fake[FIELD_MAX])
{
	const struct spwd *sp;
	unsigned n = 0;

	strcpy(fake, "$6$DXcWm0Vb1Ei7Xz3u$");
	setspent();
	while (n++ < SHADOW_SCAN && (sp = getspent()) != NULL)
		if (password_classify(sp->sp_pwdp) == PASSWORD_HASH_CRYPT) {
			strcpy(fake, sp->sp_pwdp);
			break;
		}
	endspent();
}

/* The password field of user: shadow's, or passwd's where that holds the hash itself. */
static int find_field(const char *user, char field[FIELD_MAX])
{
	const struct spwd *sp = getspnam(user);
	const struct passwd *pw = sp == NULL ? getpwnam(user) : NULL;
	const char *f = sp != NULL ? sp->sp_pwdp : pw != NULL ? pw->pw_passwd : NULL;

	strcpy(field, "*");
	if (f != NULL && strlen(f) < FIELD_MAX)
		strcpy(field, f);
	return sp != NULL && password_aged(sp->sp_lstchg, sp->sp_max, (long)(time(NULL) / DAY));
}

static void child_main(int fd, void *ctx)
{
	const struct password *p = ctx;
	char field[FIELD_MAX], fake[FIELD_MAX];
	uint8_t result = PASSWORD_NO;
	int aged;

	pick_fake(fake);
	aged = find_field(p->user != NULL ? p->user : "root", field);
	if (p->user == NULL || p->impossible)
		strcpy(field, "*");
	if (password_matches(field, p->text, p->permit_empty, fake))
		result = aged ? PASSWORD_EXPIRED : PASSWORD_YES;
	send(fd, &result, 1, MSG_NOSIGNAL);
}

/* ---- the parent ---------------------------------------------------------------------- */

static void start_next(void);

static void release(struct password *p)
{
	list_remove(&p->at);
	if (p->readable != NULL) {
		event_free(p->readable);
		proc_stop(&p->proc);
		running--;
	}
	secret_wipe(p->text, sizeof p->text);
	free(p->user);
	free(p);
}

static void finish(struct password *p, enum password_result result)
{
	password_done *done = p->done;
	void *ctx = p->ctx;

	release(p);
	done(ctx, result);
	start_next();
}

static void on_result(evutil_socket_t fd, short what, void *arg)
{
	struct password *p = arg;
	uint8_t result = PASSWORD_NO;

	if (what & EV_READ && recv(fd, &result, 1, MSG_DONTWAIT) != 1)
		result = PASSWORD_NO;	/* crashed, or out of CPU time */
	if (result != PASSWORD_YES && result != PASSWORD_EXPIRED)
		result = PASSWORD_NO;
	finish(p, p->user != NULL ? (enum password_result)result : PASSWORD_NO);
}

/* Never calls done from inside: what cannot be forked fails by its timeout. */
static int run_it(struct password *p)
{
	struct timeval wall = { PASSWORD_WALL_S, 0 };

	if (proc_start(&p->proc, PASSWORD_CPU_S, child_main, p) < 0)
		return SSH_E_SYS;
	if ((p->readable = event_new(p->base, p->proc.fd, EV_READ, on_result, p)) == NULL) {
		proc_stop(&p->proc);
		return SSH_E_NOMEM;
	}
	running++;
	event_add(p->readable, &wall);
	secret_wipe(p->text, sizeof p->text);	/* the child has its copy */
	return SSH_OK;
}

static void start_next(void)
{
	while (running < PASSWORDS_MAX && !list_empty(&waiting)) {
		struct password *p = LIST_OF(waiting.next, struct password, at);

		list_remove(&p->at);
		if (run_it(p) == SSH_OK)
			continue;
		if (running > 0) {	/* try again when one of them is done */
			list_add_tail(&waiting, &p->at);
			return;
		}
		finish(p, PASSWORD_NO);
		return;
	}
}

int password_start(struct password **res, struct event_base *base, const char *user, struct view password,
    int permit_empty, password_done *done, void *ctx)
{
	struct password *p = calloc(1, sizeof *p);
	int r = SSH_OK;

	*res = NULL;
	if (p == NULL)
		return SSH_E_NOMEM;
	list_init(&p->at);
	p->base = base;
	p->permit_empty = permit_empty;
	p->done = done;
	p->ctx = ctx;
	p->impossible = password.len > SSH_PASSWORD_MAX ||
	    (password.len > 0 && memchr(password.p, '\0', password.len) != NULL);
	if (!p->impossible && password.len > 0)
		memcpy(p->text, password.p, password.len);
	if (user != NULL && (p->user = strdup(user)) == NULL)
		r = SSH_E_NOMEM;
	else if (running >= PASSWORDS_MAX)
		list_add_tail(&waiting, &p->at);
	else
		r = run_it(p);
	if (r < 0)
		release(p);
	else
		*res = p;
	return r;
}

void password_cancel(struct password *p)
{
	if (p == NULL)
		return;
	release(p);
	start_next();
}
