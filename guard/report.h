#ifndef GUARD_REPORT_H
#define GUARD_REPORT_H
#include <stddef.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/wire.h"
#include "guard/policy.h"

/*
 * report - the log sentences of logins, word for word as sshd writes them: fail2ban and people read them.
 * The *_text functions are pure; user names are escaped in them.
 */

#define REPORT_MAX 500u
#define REPORT_KEY_MAX 100u	/* AUTH_GRANTED.key */

struct report {
	const char *user;
	int valid;		/* 0: "invalid user" */
	struct addr peer;
	enum policy_method method;
	struct view alg, blob;	/* METHOD_KEY: what the line names */
};

/* "Accepted publickey for ada from 192.0.2.7 port 50122 ssh2: ED25519 SHA256:..." */
/* "ED25519 SHA256:...", "" for other methods than keys. */
const char *report_key_text(const struct report *, char text[REPORT_KEY_MAX]);
const char *report_result_text(const struct report *, int accepted, char text[REPORT_MAX]);
/* INFO, or VERBOSE for what sshd keeps quiet about; half: policy_tries_half(). */
enum log_level report_result_level(const struct report *, int accepted, int half);
/* "Invalid user ada from 192.0.2.7 port 50122" */
const char *report_invalid_text(const struct report *, char text[REPORT_MAX]);
/* "maximum authentication attempts exceeded for invalid user ada from 192.0.2.7 port 50122 ssh2 [preauth]" */
const char *report_tries_text(const struct report *, char text[REPORT_MAX]);
/* "ROOT LOGIN REFUSED FROM 192.0.2.7 port 50122" */
const char *report_root_text(const struct report *, char text[REPORT_MAX]);

#endif
