#ifndef SSH_KEX_H
#define SSH_KEX_H
#include <stddef.h>
#include <stdint.h>

#include "ssh/kexinit.h"
#include "ssh/session.h"

/* kex - the key exchange state machine (RFC 4253 7, 8; 4419; strict kex: OpenSSH PROTOCOL 1.9); kex_when.c: when to rekey. */

/* Named by what is waited for. */
enum kex_state {
	KEX_IDLE,
	KEX_WAIT_KEXINIT,
	KEX_WAIT_GEX_REQUEST,	/* server: how large a group is wished */
	KEX_WAIT_GEX_INIT,	/* server: the client's public value, in the group it was sent */
	KEX_WAIT_INIT,		/* server: the client's public value */
	KEX_WAIT_SIGN,		/* server: ssh_answer_sign() */
	KEX_WAIT_GEX_GROUP,	/* client: the group */
	KEX_WAIT_GEX_REPLY,	/* client: as KEX_WAIT_REPLY, under another number */
	KEX_WAIT_REPLY,		/* client: the server's value and signature */
	KEX_WAIT_HOSTKEY_OK,	/* client: ssh_answer_hostkey() */
	KEX_WAIT_NEWKEYS,
	KEX_MAX
};

#define KEX_HOSTKEYS_MAX SSH_HOSTKEYS_MAX

struct hostkey { unsigned index; size_t len; uint8_t *blob; };

/* What lives only while an exchange is open. */
struct kex_run {
	struct buf ours, theirs;	/* the two KEXINIT payloads */
	int skip_guess;			/* one packet on a wrong guess is to be dropped */
	uint8_t public[SSH_KEX_PUBLIC_MAX];	/* our half */
	size_t public_len;
	struct kem_secret secret;	/* client: its private half */
	struct kem_shared k;		/* K as it enters the hash */
	struct secret hash;		/* H */
	struct buf gex;			/* RFC 4419 3: min, n, max, p and g as they enter the hash */
	struct dh_group group;		/* in there */
	const struct hostkey *hostkey;
	struct buf shown;		/* its blob, when it was imported: kex_shown() */
	struct cipher *next_rx;		/* waits for the peer's NEWKEYS */
};

struct kex {
	enum kex_state state;
	int tx_closed;			/* between our KEXINIT and our NEWKEYS */
	int strict, peer_ext_info;	/* what the peer's first KEXINIT said */
	struct kex_choice now, next;	/* in use; agreed on by the open exchange */
	struct kex_run *run;
	struct hostkey hostkeys[KEX_HOSTKEYS_MAX];
	size_t hostkey_count;
	uint64_t started_at, done_at;	/* ms */
	uint64_t alive_at, moved;	/* the open exchange: when we last looked, and what had moved by then */
	uint32_t rekeys;		/* exchanges after the first */
};

int  kex_new(struct ssh *);
void kex_free(struct ssh *);
const char *kex_state_name(enum kex_state);
/* Bit set of the states that may follow; for enter() and for the test that draws them. */
unsigned kex_may_become(enum kex_state);

/* Sends our KEXINIT; state must be KEX_IDLE. */
int  kex_start(struct ssh *);
/* The exchange that begins has its memory: k->run. */
int  kex_run_new(struct ssh *);
/* The host key blob that goes into the hash and the reply. */
struct view kex_shown(const struct kex_run *);
/* Starts a rekey when bytes, packets or time say so and nothing forbids it. */
int  kex_check(struct ssh *);
/* 1 when ssh_rekey() may start one: logged in and none open. */
int  kex_possible(const struct ssh *);
/* When kex_tick() has something to do, ms; UINT64_MAX: never. */
uint64_t kex_deadline(const struct ssh *);
int  kex_tick(struct ssh *);
/* The open exchange counts from now: it begins, or the first real time is known. */
void kex_clock(struct ssh *);
/* 1 when a message of that number is the packet on a wrong guess: drop it unread. */
int  kex_drops_guess(struct ssh *, uint8_t type);
/* Our key for a signature algorithm, or NULL. */
const struct hostkey *kex_hostkey(const struct ssh *, const struct sig_alg *);

/* For kex_gex.c: what both kinds of exchange have in common. */
void kex_enter(struct kex *, enum kex_state);
/* Client: makes our public value and sends it under that number. group: of RFC 4419, else NULL. */
int  kex_send_init(struct ssh *, const struct dh_group *group, uint8_t number);
/* Server: the client's value came while we waited for it in that state. */
int  kex_got_init(struct ssh *, struct rd *, enum kex_state, const struct dh_group *group);
/* Client: the server's value and signature came while we waited for them in that state. */
int  kex_got_reply(struct ssh *, struct rd *, enum kex_state);
/* kex_gex.c: the client asks for a group (RFC 4419). */
int  kex_gex_start(struct ssh *);

/* kex_gex.c: the group that lies in run->gex, checked. SSH_OK or SSH_E_STATE. */
int  kex_gex_restore(struct kex_run *);

/* kex_state.c: 1 when the exchange, or that there is none, can be written down. */
int  kex_exportable(const struct ssh *);
int  kex_export(const struct ssh *, struct wr *);
/* s->phase, s->role and s->now are known; host keys are added later. SSH_OK, SSH_E_STATE, SSH_E_NOMEM. */
int  kex_import(struct ssh *, struct rd *);
void kex_choice_export(const struct kex_choice *, struct wr *);
int  kex_choice_import(struct kex_choice *, struct rd *);

/* kex_keys.c: H (RFC 4253 8, 8731 3.1) of the open exchange into run->hash. */
int  kex_hash(struct ssh *, struct view hostkey, struct view client_public, struct view server_public);
/* kex_keys.c: both directions' new ciphers (RFC 4253 7.2). */
int  kex_derive(struct ssh *, struct cipher **rx, struct cipher **tx);

#endif
