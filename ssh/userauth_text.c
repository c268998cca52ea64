#include "base/buf.h"
#include "ssh/session.h"

/* RFC 4252 7, OpenSSH PROTOCOL 3.1: what the private key signs. Apart from the machines, so that a verifier need not link them. */
int ssh_auth_key_text(struct buf *b, struct view session_id, struct view user, struct view service,
    struct view alg, struct view blob, struct view hostkey)
{
	struct wr w = wr_to(b);

	wr_view(&w, session_id);
	wr_u8(&w, SSH_MSG_USERAUTH_REQUEST);
	wr_view(&w, user);
	wr_view(&w, service);
	wr_cstr(&w, hostkey.len > 0 ? SSH_METHOD_HOSTBOUND : "publickey");
	wr_bool(&w, 1);
	wr_view(&w, alg);
	wr_view(&w, blob);
	if (hostkey.len > 0)
		wr_view(&w, hostkey);
	return wr_done(&w);
}
