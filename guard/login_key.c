#include "guard/login_internal.h"

#include <event2/event.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "conf/conf.h"
#include "guard/authd.h"
#include "guard/helper.h"
#include "ipc/child.h"
#include "ipc/values.h"
#include "ssh/crypto/crypto.h"

/* login_key - publickey: the question goes to a helper that has become the user, the signature covers what keysign called the session id. */

#define ID_WAIT_MS 5000u	/* keysign's SESSION_ID and the connection's AUTH_KEY come over two sockets */

static void take_key_answer(void *ctx, int error, const struct helper_answer *a)
{
	struct login *l = ctx;
	char text[HELPER_LINE_MAX * 4 + 1], command[AUTHOPTS_TEXT_MAX + 1];

	if (error < 0) {
		helper_free(l->helper);
		l->helper = NULL;
		if (l->state != L_KEY)
			return;		/* idle: another is forked when it is needed */
		log_ev(LOGL_WARN, "key helper of connection %llu failed: %s", (unsigned long long)l->conn, err_text(error));
		login_fail(l);
		return;
	}
	for (unsigned i = 0; i < a->nlines; i++)
		log_ev(a->lines[i].level, "%s", log_escape(text, sizeof text, a->lines[i].text.p, a->lines[i].text.len));
	if (a->verdict != HELPER_YES || !login_way_in(l, a->has_command)) {
		login_fail(l);
	} else if (l->query) {
		l->counted = policy_tries_count(&l->tries, TRY_KEY_OK);
		login_finish(l, policy_tries_over(&l->tries) ? login_verdict(l, VERDICT_NO, NULL) : login_verdict(l, VERDICT_KEY_OK, NULL));
	} else {
		memcpy(command, a->command.p, a->command.len);
		command[a->command.len] = '\0';
		login_grant(l, a->permits, a->has_command ? command : NULL);
	}
}

static void on_key_answer(void *ctx, int error, const struct helper_answer *a)
{
	enum log_level was = login_speak(ctx);

	take_key_answer(ctx, error, a);
	login_spoke(was);
}

static int new_helper(struct login *l)
{
	const struct account *a = l->account;
	struct helper_person p = {
		.find = { .user = a->user, .home = a->home, .uid = a->uid,
			.files = (const char *const *)l->values->AuthorizedKeysFile.v, .nfiles = l->values->AuthorizedKeysFile.n,
			.strict = l->values->StrictModes },
		.become = l->authd->privileged, .uid = a->uid, .gid = a->gid, .groups = a->groups, .ngroups = a->ngroups,
	};

	return helper_new(&l->helper, l->authd->self->base, &p, on_key_answer, l);
}

/* The connection has looked, too, but it is keysign's word that counts. */
static int is_our_hostkey(const struct login *l)
{
	struct view key = login_bytes(&l->hostkey);
	uint8_t digest[SSH_HASH_MAX];

	return l->first.host_len == SSH_HOST_DIGEST && hash_parts(HASH_SHA256, &key, 1, digest) == SSH_OK &&
	    memcmp(digest, l->first.host, SSH_HOST_DIGEST) == 0;
}

static void ask_helper(struct login *l)
{
	struct helper_ask q = {
		.what = l->query ? HELPER_QUERY : HELPER_VERIFY, .peer = l->peer, .alg = view_str(l->alg), .blob = login_bytes(&l->blob),
		.sig = login_bytes(&l->sig), .session_id = view_of(l->first.id, l->first.id_len), .service = view_str(LOGIN_SERVICE),
		.hostkey = login_bytes(&l->hostkey),
	};
	int r;

	if (buf_len(&l->hostkey) > 0 && !is_our_hostkey(l)) {
		log_ev(LOGL_WARN, "ev=violation conn=%llu: a signature over a host key that keysign did not sign with", (unsigned long long)l->conn);
		login_fail(l);
		return;
	}
	r = l->helper == NULL ? new_helper(l) : SSH_OK;
	if (r == SSH_OK && (r = helper_ask(l->helper, &q)) == SSH_OK) {
		l->state = L_KEY;
		return;
	}
	log_ev(LOGL_ERROR, "no key helper for connection %llu: %s", (unsigned long long)l->conn, err_text(r));
	helper_free(l->helper);
	l->helper = NULL;
	login_fail(l);
}

static int alg_accepted(const struct login *l)
{
	const char *list = l->values->PubkeyAcceptedAlgorithms;

	if (list == NULL || list[0] == '\0')
		list = alg_defaults(ALG_SIG);
	return sig_alg_find(view_str(l->alg)) != NULL && policy_alg_listed(list, view_str(l->alg));
}

/* Keeps copies: the message is gone when the answer comes. */
static int take_key(struct login *l, struct view alg, struct view blob, struct view sig, struct view hostkey)
{
	int r;

	buf_consume(&l->blob, buf_len(&l->blob));
	buf_consume(&l->sig, buf_len(&l->sig));
	buf_consume(&l->hostkey, buf_len(&l->hostkey));
	memset(l->alg, 0, sizeof l->alg);
	if (alg.len > SSH_ALG_NAME_MAX)
		return SSH_E_FORMAT;
	if (alg.len > 0 && memchr(alg.p, '\0', alg.len) == NULL)
		memcpy(l->alg, alg.p, alg.len);
	TRY(buf_append(&l->blob, blob.p, blob.len));
	TRY(buf_append(&l->hostkey, hostkey.p, hostkey.len));
	return buf_append(&l->sig, sig.p, sig.len);
}

int login_key(struct login *l, struct view alg, struct view blob, struct view sig, struct view hostkey)
{
	int r;

	TRY(take_key(l, alg, blob, sig, hostkey));
	if (!(l->methods & METHOD_KEY) || !alg_accepted(l)) {
		login_fail(l);
	} else if (!l->query && l->first.id_len == 0) {
		l->state = L_WAIT_ID;
		login_timer(l, ID_WAIT_MS * UINT64_C(1000));
	} else {
		ask_helper(l);
	}
	return SSH_OK;
}

void login_session_id(struct login *l, const struct first_exchange *first)
{
	if (l->first.id_len > 0)
		return;		/* a rekey's hash is no session id */
	l->first = *first;
	if (l->state == L_WAIT_ID) {
		event_del(l->timer);
		ask_helper(l);
	}
}
