#ifndef SSH_SESSION_H
#define SSH_SESSION_H
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/secret.h"
#include "base/wire.h"
#include "ssh/crypto/crypto.h"
#include "ssh/ssh.h"

/*
 * session - the object behind ssh.h, for the files of ssh/ only.
 *
 *   session.c  owns everything; input, output, events, dispatch, deadlines
 *   ident.c packet.c kexinit.c kex.c   the transport (RFC 4253)
 *   userauth_server.c userauth_client.c (RFC 4252, 4256)
 *   mux.c chan.c chan_request.c        the connection protocol (RFC 4254)
 *   state.c                            export and import
 */

/* What the whole connection may hear now, per receiving direction; see messages.def. */
enum ssh_phase {
	P_IDENT   = 1 << 0,	/* no packets yet */
	P_KEX0    = 1 << 1,
	P_KEX0S   = 1 << 2,
	P_REKEY   = 1 << 3,
	P_SERVICE = 1 << 4,
	P_AUTH    = 1 << 5,
	P_OPEN    = 1 << 6,
	P_ANYKEX  = P_KEX0 | P_KEX0S | P_REKEY,
	P_ALL     = P_ANYKEX | P_SERVICE | P_AUTH | P_OPEN
};

/* What ssh_next() waits for before it takes another packet. */
enum ssh_wait { WAIT_NOTHING, WAIT_SIGN, WAIT_HOSTKEY, WAIT_AUTH };

enum ssh_msg {
#define SSH(number, name, server, client, handler, rfc) SSH_MSG_##name = (number),
#include "ssh/messages.def"
#undef SSH
};

struct kex;		/* kex.c */
struct packet_dir;	/* packet.c: keys, sequence number, counters of one direction */
struct userauth;	/* userauth_server.c or userauth_client.c, by role */
struct mux;		/* mux.c */

#define SSH_EVENTS_MAX 8	/* one packet causes at most a few */

struct ssh {
	enum ssh_role role;
	struct ssh_env env;
	struct ssh_policy policy;	/* strings are ours */
	uint64_t now;
	int error;			/* first SSH_E_* that ended it */
	enum ssh_phase phase;		/* what we may hear */
	enum ssh_wait wait;
	struct buf in, out;		/* bytes from and for the peer */
	struct buf held;		/* payloads (uint32 length each) that wait for the end of a key exchange */
	size_t in_packet;		/* bytes of the packet being handled; dropped at the next ssh_next() */
	struct packet_dir *rx, *tx;
	struct kex *kex;
	struct userauth *auth;
	struct mux *mux;
	struct secret session_id;
	char *peer_version;		/* without CR LF */
	int authenticated;
	struct ssh_event events[SSH_EVENTS_MAX];
	unsigned event_first, event_count;
	/* after SSH_E_NO_ALG: what, and what the peer offered of it */
	const char *mismatch;
	struct view mismatch_offer;
	/* farewell of the peer */
	unsigned bye_reason;
	char bye_text[256];
	size_t bye_len;
	struct session_more *more;	/* session.c's own */
};

/* ---- session.c and packet.c, for the machines above the transport ---- */

/*
 * Writes one message: begin, append fields to the wr, end. The payload goes out encrypted at
 * once, or is held while a key exchange is open (only 1..4, 20..49 pass then, RFC 4253 7.1).
 *   struct wr w; msg_begin(s, &w, SSH_MSG_CHANNEL_EOF); wr_u32(&w, id); return msg_end(s, &w);
 */
void msg_begin(struct ssh *, struct wr *, uint8_t type);
int  msg_end(struct ssh *, struct wr *) __attribute__((warn_unused_result));
/* 1 while a key exchange keeps messages of the upper layers back. */
int  msg_held(const struct ssh *);

/* Bytes we may send before our key's limit wants another: whole packets, the last may go beyond it. */
uint64_t packet_key_room(const struct ssh *);

/*
 * One DATA packet's room without a copy, for mux.c: a place of up to want payload bytes behind head
 * bytes of message header, at the end of the output. packet_fill_* are in packet.c.
 *   packet_room()   the place for the payload's data part of the i-th packet being prepared
 */
size_t packet_overhead(const struct ssh *, size_t payload_len);	/* bytes a payload of that length adds to the output, itself included */
/*
 * Reserves count packets, each with head_len header bytes and data_len data bytes, at the end of
 * the output; data[i] points to the i-th data part. Nothing is sent yet.
 */
int  packet_fill_begin(struct ssh *, int count, size_t head_len, size_t data_len, uint8_t **data);
/*
 * The data of the series just begun will lie at from, as it would in the output: data[] as above, packet_fill_extent(n)
 * bytes for n of data. They are borrowed until packet_fill_end(), and only written to between the data.
 */
void packet_fill_from(struct ssh *, int count, uint8_t *from, uint8_t **data);
size_t packet_fill_extent(const struct ssh *, size_t n);
/*
 * Finishes the i-th packet, in order: head (head_len bytes, the message's own header with its data
 * length) and n data bytes already in place; encrypts. A shorter n than reserved ends the series.
 */
int  packet_fill_packet(struct ssh *, const uint8_t *head, size_t n);
void packet_fill_end(struct ssh *);

/* A slot in the event queue, zeroed but for its type; NULL (and s->error BUG) when full. */
struct ssh_event *ssh_event_new(struct ssh *, enum ssh_event_type);
/* Copies of peer data that must outlive the packet, or data made by us, for an event. Valid until the next packet. */
struct view event_keep(struct ssh *, const void *, size_t n);

/* Ends the connection: remembers the first error, queues DISCONNECT; returns error. */
int ssh_fail(struct ssh *, int error);
int ssh_fail_text(struct ssh *, int error, const char *text);
/* Answers UNIMPLEMENTED for the packet being handled. */
int ssh_unimplemented(struct ssh *);
/* The phase changes through this one door, which traces it. */
void ssh_enter(struct ssh *, enum ssh_phase);

/* ---- what the other machines offer session.c ---- */

/*
 * session.c calls the *_new() below in ssh_new() and before *_import(), the *_free() in ssh_free(); s->auth and
 * s->mux are there in between. userauth_* enters P_AUTH, and P_OPEN with s->authenticated = 1 (both roles).
 */

/* Handlers of messages.def: in is what follows the type byte; parse all of in, change one machine, return SSH_OK or an error (which ends the connection). */
#define SSH(number, name, server, client, handler, rfc) int ssh_on_##handler(struct ssh *, struct rd *in);
#include "ssh/messages.def"
#undef SSH

/* userauth_server.c; s->role is SSH_SERVER */
int  userauth_server_new(struct ssh *);
void userauth_server_free(struct ssh *);
int  userauth_server_export(const struct ssh *, struct wr *);
int  userauth_server_import(struct ssh *, struct rd *);
int  userauth_server_service(struct ssh *, struct view name);	/* SERVICE_REQUEST came, already legal */
/* userauth_client.c; s->role is SSH_CLIENT */
int  userauth_client_new(struct ssh *);
void userauth_client_free(struct ssh *);
int  userauth_client_export(const struct ssh *, struct wr *);
int  userauth_client_import(struct ssh *, struct rd *);
int  userauth_client_start(struct ssh *);	/* first key exchange is over: ask for ssh-userauth */

/* mux.c */
int      mux_new(struct ssh *);
void     mux_free(struct ssh *);
int      mux_export(const struct ssh *, struct wr *);
int      mux_import(struct ssh *, struct rd *);
uint64_t mux_deadline(const struct ssh *);		/* keepalive */
void mux_mark(struct ssh *);				/* its silence begins now, as after mux_import() */
int      mux_tick(struct ssh *);
void     mux_heard(struct ssh *);			/* a packet came: the peer lives */
/* After output was sent or a key exchange ended: channels that had no room because of it get CHAN_ROOM. */
void     mux_room_again(struct ssh *);
uint32_t mux_count(const struct ssh *);

#endif
