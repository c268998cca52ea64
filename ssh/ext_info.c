#include <string.h>

#include "base/err.h"
#include "base/mem.h"
#include "ssh/transport.h"

/*
 * ext_info - SSH_MSG_EXT_INFO (RFC 8308), and the one extension of ours that has messages of its own: ping@openssh.com.
 *
 * We say server-sig-algs (3.1), publickey-hostbound@openssh.com and ping@openssh.com. Of what a peer says, a client keeps server-sig-algs; no-flow-control,
 * delay-compression and elevation (3.2 to 3.4) and whatever is unknown are ignored, as OpenSSH does: each of the three takes effect
 * only where we would have said it, too.
 */

/* RFC 8308 2.4: the next packet behind our first NEWKEYS. A second one would have nothing else to say. */
int ext_info_send(struct ssh *s)
{
	struct wr w;

	msg_begin(s, &w, SSH_MSG_EXT_INFO);
	wr_u32(&w, 3);
	wr_cstr(&w, "server-sig-algs");
	wr_cstr(&w, s->policy.sig_algs);
	wr_cstr(&w, "publickey-hostbound@openssh.com");
	wr_cstr(&w, "0");
	wr_cstr(&w, "ping@openssh.com");
	wr_cstr(&w, "0");
	return msg_end(s, &w);
}

/* What is no name list, by a NUL or by its length, says nothing. */
static int keep_sig_algs(struct ssh *s, struct view list)
{
	struct session_more *m = s->more;

	if (list.len > SIG_ALGS_MAX || (list.len > 0 && memchr(list.p, '\0', list.len) != NULL))
		return SSH_OK;
	mem_free(s->env.mem, m->peer_sig_algs);
	m->peer_sig_algs = mem_strndup(s->env.mem, (const char *)list.p, list.len);
	return m->peer_sig_algs != NULL ? SSH_OK : SSH_E_NOMEM;
}

/* 2.4: the second one replaces the first. */
static void forget(struct ssh *s)
{
	mem_free(s->env.mem, s->more->peer_sig_algs);
	s->more->peer_sig_algs = NULL;
}

/* 2.5: names we do not know are ignored, and values may be any bytes; as many as fit the packet. */
int ssh_on_ext_info(struct ssh *s, struct rd *in)
{
	uint32_t count = rd_u32(in);
	struct rd all;
	int r;

	/* 2.4: once behind NEWKEYS, and a server may once more before USERAUTH_SUCCESS. */
	if (++s->more->ext_info_seen > (s->role == SSH_CLIENT ? 2 : 1))
		return SSH_E_PROTOCOL;
	if (count > rd_left(in) / 8)
		return SSH_E_FORMAT;
	all = *in;
	for (uint32_t i = 0; i < 2 * count; i++)
		rd_string(in, SSH_PREAUTH_PACKET_MAX);
	TRY(rd_done(in));
	forget(s);
	for (uint32_t i = 0; i < count; i++) {
		struct view name = rd_string(&all, SSH_PREAUTH_PACKET_MAX), value = rd_string(&all, SSH_PREAUTH_PACKET_MAX);

		if (s->role == SSH_CLIENT && view_is(name, "server-sig-algs"))
			TRY(keep_sig_algs(s, value));
	}
	return SSH_OK;
}

struct view session_peer_sig_algs(const struct ssh *s)
{
	return view_str(s->more->peer_sig_algs);
}

/* ---- ping@openssh.com (OpenSSH PROTOCOL 1.10) ------------------------------------------------------- */

/*
 * Answered once logged in, by either role. An answer is as long as its question, and a peer that does not read ours is not heard
 * (session.c: step()); during a key exchange, where answers wait, those that would become many are left out. sshd leaves out all of them then.
 */
int ssh_on_ping(struct ssh *s, struct rd *in)
{
	struct view data = rd_string(in, SSH_PACKET_MAX);
	struct wr w;
	int r;

	TRY(rd_done(in));
	if (!s->authenticated || (msg_held(s) && buf_len(&s->held) + data.len > PING_HELD_MAX))
		return SSH_OK;
	msg_begin(s, &w, SSH_MSG_PONG);
	wr_view(&w, data);
	return msg_end(s, &w);
}

/* We ask nobody; what nobody asked for hurts nobody. */
int ssh_on_pong(struct ssh *s, struct rd *in)
{
	(void)s;
	rd_string(in, SSH_PACKET_MAX);
	return rd_done(in);
}
