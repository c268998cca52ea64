#include "base/buf.h"
#include "ssh/session.h"

/* OpenSSH PROTOCOL 2.5: what a host key signs for hostkeys-prove-00@openssh.com. Apart from the machines, for keysign. */
int ssh_prove_text(struct buf *b, struct view session_id, struct view blob)
{
	struct wr w = wr_to(b);

	wr_cstr(&w, "hostkeys-prove-00@openssh.com");
	wr_view(&w, session_id);
	wr_view(&w, blob);
	return wr_done(&w);
}
