#ifndef SSH_TRANSPORT_H
#define SSH_TRANSPORT_H
#include <stddef.h>
#include <stdint.h>

#include "ssh/session.h"

/* transport - what session.c, dispatch.c, message.c and state.c share of one connection; no other file looks here. */

#define INPUT_ROOM_MIN   (8u * 1024u)	/* first read of a connection; doubles while reads fill it */
#define INPUT_ROOM_MAX (256u * 1024u)
#define INPUT_KEPT_MAX  (64u * 1024u)	/* read ahead while an answer is outstanding */
#define IDLE_SHRINK_MS        2000u	/* after this much silence big buffers are given back */
#define SIG_ALGS_MAX          4096u	/* of the peer's server-sig-algs; real ones stay below 300 */

/* A copy that lives until the next packet; see event_keep(). */
struct keep { struct keep *next; size_t len; uint8_t v[]; };

struct session_more {
	int started;			/* our KEXINIT is out */
	int clock_known;		/* now is a real time */
	char *version;			/* our identification as sent, without CR LF */
	unsigned ident_lines;		/* lines before the server's identification */
	/* the message between msg_begin() and msg_end() */
	int msg_open, msg_to_held;
	size_t msg_mark;		/* buf_len() where it begins */
	/* the series between packet_fill_begin() and packet_fill_end() */
	int fill_open;
	size_t fill_head, fill_data;
	uint8_t *fill_from;		/* the next packet's plain text */
	struct keep *keeps;
	int room_again;			/* mux_room_again() is due */
	uint64_t preauth_bytes;		/* what the peer sent before login */
	uint64_t bytes_in, bytes_out, packets_in, packets_out;
	uint64_t chain;			/* ssh_get_mark() */
	unsigned once;			/* the same */
	struct view lent;		/* input behind s->in that lies elsewhere: ssh_input_lend() */
	size_t in_room;			/* what ssh_input_space() aims at */
	uint64_t shrink_at;		/* when big buffers go; UINT64_MAX: there are none */
	int ext_info_seen;
	char *peer_sig_algs;		/* client: the server's server-sig-algs (RFC 8308 3.1) */
};

/* session.c */
int  session_alloc(struct ssh **, enum ssh_role, const struct ssh_env *, const struct ssh_policy *);
void session_now(struct ssh *, uint64_t now_ms);
/* policy.c: deep copies; NULL lists become the defaults. SSH_E_NOMEM. */
int  policy_copy(struct ssh_policy *to, const struct ssh_policy *from, const struct mem *);
void policy_drop(struct ssh_policy *, const struct mem *);
/* message.c */
void events_clear(struct ssh *);
void keeps_drop(struct ssh *);
/* Payloads held during a key exchange, now that our NEWKEYS is out. */
int  held_flush(struct ssh *);
/* dispatch.c: takes and handles one line or packet. 1: done, 0: input is short, else an error. */
int  dispatch_one(struct ssh *);
/* Drops the packet handled last from the input, and the copies made for its events. */
void dispatch_forget(struct ssh *);

/* For userauth_client.c: the server's server-sig-algs, empty when it sent none. Borrowed. */
struct view session_peer_sig_algs(const struct ssh *);

#endif
