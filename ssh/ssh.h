#ifndef SSH_SSH_H
#define SSH_SSH_H
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>	/* struct iovec, a plain pair; no call of that header is used here */

#include "base/wire.h"

/*
 * One SSH connection, either side, without sockets, clock or randomness.
 *
 *   bytes from the peer -> ssh_input()        ssh_output()   -> bytes for the peer
 *   answers from you    -> ssh_answer_*()     ssh_next()     -> what happened / what is needed
 *   the time            -> ssh_tick()         ssh_deadline() -> when to call again
 *
 * Never blocks, never calls back (except env->random and env->mem), may be fed one byte at a
 * time: cutting the input differently never changes the output or the events.
 * The first ssh_next() sends our KEXINIT, without waiting for the peer; call ssh_tick() once before it, so
 * that deadlines count from then.
 * Packets are taken one at a time by ssh_next(), so a view inside an event stays valid until the
 * next ssh_next() or ssh_input*() on this object. While an answer is outstanding that the
 * protocol must wait for (NEED_*, AUTH_*), ssh_next() gives nothing more and input is only kept.
 * After an error the output still holds the farewell (DISCONNECT); send it, then free.
 * Functions return SSH_OK or a negative SSH_E_*. One object, one thread.
 */

struct ssh;
struct buf;
struct mem;
struct moduli;

enum ssh_role { SSH_SERVER, SSH_CLIENT };

struct ssh_env {
	void (*random)(void *ctx, uint8_t *p, size_t n);
	/*
	 * Padding of the number-th packet we send, and from 2^63 on what else need not be secret (cookies); NULL: random. The same number
	 * gives the same bytes where packets must be made again.
	 */
	void (*padding)(void *ctx, uint64_t number, uint8_t *p, size_t n);
	void *ctx;
	const struct mem *mem;		/* NULL: heap */
};

/* Name lists are comma separated, first preferred. All strings are copied by ssh_new(). */
struct ssh_policy {
	const char *version;		/* our identification without CR LF: "SSH-2.0-Coppice_0.1" */
	const char *kex, *hostkey;	/* hostkey: signature algorithms, offered as far as keys for them exist */
	const char *ciphers[2], *macs[2], *comps[2];	/* [0] client to server, [1] server to client */
	const char *sig_algs;		/* server: server-sig-algs (RFC 8308 3.1); also what AUTH_KEY lets through */
	const struct moduli *moduli;	/* server: groups for diffie-hellman-group-exchange-*; borrowed; NULL: built-in ones */
	uint64_t rekey_bytes;		/* per direction; 0: by the cipher (RFC 4344 3.2) */
	uint64_t rekey_ms;		/* 0: never by time */
	uint32_t window, max_packet;	/* what we offer per channel; 0: CHAN_WINDOW, CHAN_PACKET */
	uint32_t window_max;		/* what a window may grow to, and all of a connection together by; 0: CHAN_WINDOW_MAX */
	unsigned max_auth_tries;	/* server: FAILUREs before disconnect, as MaxAuthTries; 0: 6 */
	unsigned max_channels;		/* 0: SSH_CHANNELS_MAX */
	uint64_t alive_ms;		/* keepalive@openssh.com after this much silence once OPEN; 0: never */
	unsigned alive_max;		/* unanswered ones before SSH_E_TIMEOUT */
};

/* Fills in the defaults of algs.def for every list. */
void ssh_policy_defaults(struct ssh_policy *);

int  ssh_new(struct ssh **, enum ssh_role, const struct ssh_env *, const struct ssh_policy *);
void ssh_free(struct ssh *);		/* wipes; NULL is fine */

/* Server, before the first ssh_next(): one of our host keys; index comes back in NEED_SIGN. */
int  ssh_add_hostkey(struct ssh *, unsigned index, struct view blob);

/* ---- bytes -------------------------------------------------------------------- */
/* Takes all n or fails. now_ms: CLOCK_MONOTONIC milliseconds, never less than before. */
int  ssh_input(struct ssh *, const uint8_t *, size_t n, uint64_t now_ms);
/* The same without a copy: read(2) up to *len bytes to the place returned, then say how many came. */
uint8_t *ssh_input_space(struct ssh *, size_t *len);
int  ssh_input_done(struct ssh *, size_t n, uint64_t now_ms);
/*
 * Without a place: how many bytes to read; and so many lie at the place given, which stays as it is, readable, until
 * ssh_input_keep(), which copies what is not handled yet. Every other way of input and ssh_export() keep too. A packet is then
 * decrypted from there. Only when logged in.
 */
size_t ssh_input_room(struct ssh *);
int  ssh_input_lend(struct ssh *, const uint8_t *, size_t n, uint64_t now_ms);
int  ssh_input_keep(struct ssh *);
const uint8_t *ssh_output(struct ssh *, size_t *len);	/* borrowed until the next ssh_*() */
void ssh_sent(struct ssh *, size_t n);			/* that many left the output */
size_t ssh_output_len(const struct ssh *);
/* 0 while it waits for you, has a kept packet, or its input or output is full: do not read the socket. */
int  ssh_want_read(const struct ssh *);
uint64_t ssh_deadline(const struct ssh *);		/* ms; UINT64_MAX: none */
int  ssh_tick(struct ssh *, uint64_t now_ms);		/* at or after the deadline */
/* Keepalive as in the policy, once it is known who logged in; ms 0: never. max 0: ask, but never give up (sshd_config(5)). */
void ssh_set_alive(struct ssh *, uint64_t alive_ms, unsigned alive_max);
/* The limits of the policy, once it is known who logged in; they hold for the keys in use, too. */
void ssh_set_rekey(struct ssh *, uint64_t rekey_bytes, uint64_t rekey_ms);
/* The error that ended the connection, SSH_OK while it lives. */
int  ssh_error(const struct ssh *);
/* After SSH_E_NO_ALG "no matching cipher found" and the like, and the peer's list (borrowed; hostile bytes); else NULL. */
const char *ssh_mismatch(const struct ssh *, struct view *offer);
/* The peer's last words when it sent DISCONNECT: reason code and text (borrowed; hostile bytes). */
unsigned ssh_disconnect_reason(const struct ssh *, struct view *text);

/* ---- events --------------------------------------------------------------------- */
enum ssh_event_type {
	SSH_EV_NONE,
	SSH_EV_IDENT,		/* the peer's identification is known: text */
	SSH_EV_KEX_DONE,	/* new keys in use both ways; first: 1 the first time */
	/* needs: ssh_next() waits for the answer */
	SSH_EV_NEED_SIGN,	/* server: key (index), alg, data = exchange hash -> ssh_answer_sign() */
	SSH_EV_NEED_HOSTKEY_OK,	/* client: alg, data = key blob, data2 = signature, data3 = hash; already verified -> ssh_answer_hostkey() */
	/* server side of login; each but AUTH_SERVICE -> ssh_answer_auth() or ssh_answer_prompt() */
	SSH_EV_AUTH_SERVICE,	/* client asked for ssh-userauth, and has it; nothing to answer */
	SSH_EV_AUTH_NONE,	/* user, service */
	SSH_EV_AUTH_PASSWORD,	/* user, service, data = password; secret: it is wiped after the answer */
	SSH_EV_AUTH_KEY_QUERY,	/* user, service, alg, data = blob */
	SSH_EV_AUTH_KEY,	/* user, service, alg, data = blob, data2 = signature, data3 = our host key, if the signature covers it, else empty */
	SSH_EV_AUTH_INTERACTIVE,	/* user, service, data = submethods */
	SSH_EV_AUTH_REPLY,	/* user, service, count, data = count strings: read with rd_string(); secret */
	/* client side of login */
	SSH_EV_AUTH_READY,	/* the server speaks ssh-userauth: call ssh_auth_*() */
	SSH_EV_AUTH_FAILURE,	/* text = methods that can continue, partial */
	SSH_EV_AUTH_KEY_OK,	/* alg, data = blob: this key would do */
	SSH_EV_AUTH_CHANGE,	/* password must be changed: text = prompt */
	SSH_EV_AUTH_BANNER,	/* text */
	SSH_EV_AUTH_PROMPT,	/* text = name, data2 = instruction, count, data = count x (string prompt, bool echo) */
	SSH_EV_OPEN,		/* logged in, either role; channels may be opened */
	/* connection protocol; chan is our number of the channel */
	SSH_EV_CHAN_OPEN,	/* type, data = rest -> ssh_chan_accept() or ssh_chan_refuse(), now or later */
	SSH_EV_CHAN_OPENED,	/* ours was accepted; data = rest */
	SSH_EV_CHAN_REFUSED,	/* ours was refused; count = reason, text; the number is free again */
	SSH_EV_CHAN_DATA,	/* ext (0, or 1 = stderr), data, stays; say ssh_chan_consumed() when it is gone on */
	SSH_EV_CHAN_ROOM,	/* the peer's window opened from 0 */
	SSH_EV_CHAN_EOF,
	SSH_EV_CHAN_CLOSING,	/* the peer closed a channel of ssh_chan_linger(): nothing more comes; ssh_chan_close() is yours to say */
	SSH_EV_CHAN_CLOSE,	/* closed both ways; the number is free after this event */
	SSH_EV_CHAN_REQUEST,	/* req; want_reply -> ssh_chan_reply(), in order, now or later */
	SSH_EV_CHAN_REPLY,	/* to our oldest unanswered request on chan: ok */
	SSH_EV_GLOBAL_REQUEST,	/* type, data = rest, want_reply -> ssh_global_reply(), in order, now or later */
	SSH_EV_GLOBAL_REPLY,	/* to our oldest unanswered: ok, data = rest */
	SSH_EV_DEBUG,		/* RFC 4253 11.3: text, ok = always_display */
	SSH_EV_DISCONNECT	/* the peer said goodbye: count = reason, text; ssh_error() is CLOSED */
};

/* Channel requests of sessions, parsed (RFC 4254 6). */
enum ssh_req_type {
	SSH_REQ_PTY,		/* term, cols, rows, xpixel, ypixel, modes (encoded, RFC 4254 8) */
	SSH_REQ_ENV,		/* name, value */
	SSH_REQ_SHELL,
	SSH_REQ_EXEC,		/* value = command */
	SSH_REQ_SUBSYSTEM,	/* name */
	SSH_REQ_WINDOW,		/* cols, rows, xpixel, ypixel */
	SSH_REQ_XON_XOFF,	/* code = client can do */
	SSH_REQ_SIGNAL,		/* name, without "SIG" */
	SSH_REQ_BREAK,		/* code = milliseconds (RFC 4335) */
	SSH_REQ_EXIT_STATUS,	/* code */
	SSH_REQ_EXIT_SIGNAL,	/* name, code = core dumped, value = message */
	SSH_REQ_EOW,		/* eow@openssh.com: the peer reads no more */
	SSH_REQ_OTHER		/* name = its type, value = rest */
};

struct ssh_req {
	enum ssh_req_type type;
	struct view name, value, term, modes;
	uint32_t cols, rows, xpixel, ypixel, code;
};

struct ssh_event {
	enum ssh_event_type type;
	uint32_t chan, ext, count;
	unsigned key;			/* NEED_SIGN: index given to ssh_add_hostkey() */
	int want_reply, ok, partial, first;
	int stays;			/* CHAN_DATA: data outlives this event, until the next input, ssh_tick() or ssh_export() */
	struct view user, service, alg, text, data, data2, data3;
	struct view ctype;		/* CHAN_OPEN, GLOBAL_REQUEST: the type's name */
	struct ssh_req req;
};

/* 1 and an event, or 0: nothing (more) until there is input, an answer or time. Errors: ssh_error(). */
int ssh_next(struct ssh *, struct ssh_event *);

/* ---- answers: key exchange -------------------------------------------------------- */
/* sig: signature blob. status < 0: could not sign; the connection ends with SSH_E_NO_SIGNER. */
int ssh_answer_sign(struct ssh *, int status, struct view sig);
/* The NEED_SIGN event again, for a signer that was replaced while it had the question; 0 when none is open. */
int ssh_repeat_need(struct ssh *, struct ssh_event *);
int ssh_answer_hostkey(struct ssh *, int accept);
/* Starts a rekey now, if one is possible; no event but KEX_DONE later. */
int ssh_rekey(struct ssh *);

/* ---- answers: login, server ---------------------------------------------------------- */
enum ssh_auth_answer { SSH_AUTH_NO, SSH_AUTH_PARTIAL, SSH_AUTH_KEY_OK, SSH_AUTH_YES };
/* methods: what can continue, for NO and PARTIAL. counted: 1 when this NO counts against max_auth_tries. */
int ssh_answer_auth(struct ssh *, enum ssh_auth_answer, const char *methods, int counted);
struct ssh_prompt { const char *text; int echo; };
int ssh_answer_prompt(struct ssh *, const char *name, const char *instruction,
    const struct ssh_prompt *, unsigned count);
/* USERAUTH_BANNER (RFC 4252 5.4); only before success. */
int ssh_send_banner(struct ssh *, const char *text);

/* ---- login, client ------------------------------------------------------------------- */
int ssh_auth_none(struct ssh *, const char *user);
int ssh_auth_password(struct ssh *, const char *user, const char *password, const char *new_password);
int ssh_auth_key_query(struct ssh *, const char *user, const char *alg, struct view blob);
/* Appends what the private key must sign for this session (RFC 4252 7). */
int ssh_auth_key_data(struct ssh *, const char *user, const char *alg, struct view blob, struct buf *);
int ssh_auth_key(struct ssh *, const char *user, const char *alg, struct view blob, struct view sig);
int ssh_auth_interactive(struct ssh *, const char *user);
int ssh_auth_reply(struct ssh *, const struct view *answers, unsigned count);
#define SSH_METHOD_HOSTBOUND "publickey-hostbound-v00@openssh.com"
/*
 * The same text for a server that verifies elsewhere; session_id as from ssh_session_id(). hostkey: the blob that a signature of
 * SSH_METHOD_HOSTBOUND covers, too (OpenSSH PROTOCOL 3.1); empty for "publickey".
 */
int ssh_auth_key_text(struct buf *, struct view session_id, struct view user, struct view service,
    struct view alg, struct view blob, struct view hostkey);

/* ---- channels, both sides -------------------------------------------------------------- */
int  ssh_chan_open(struct ssh *, const char *type, struct view rest, uint32_t *chan);
int  ssh_chan_accept(struct ssh *, uint32_t chan);
/* reason: RFC 4254 5.1. */
int  ssh_chan_refuse(struct ssh *, uint32_t chan, unsigned reason, const char *text);
/* Bytes that may be written now: the peer's window, 0 while output is over its high-water mark or a rekey holds data back. */
size_t ssh_chan_room(const struct ssh *, uint32_t chan);
/* Sends at most room bytes of n as DATA (ext 0) or EXTENDED_DATA; returns how many, or an error. */
int  ssh_chan_write(struct ssh *, uint32_t chan, uint32_t ext, const uint8_t *, size_t n);
/*
 * The same without a copy: fills up to max iovecs with room inside the output, one per packet, for
 * readv(2); returns how many (0: no room). Follow with ssh_chan_fill_done(total bytes read), 0
 * included, before any other ssh_*() call on this object.
 */
int  ssh_chan_fill(struct ssh *, uint32_t chan, uint32_t ext, struct iovec *, int max);
int  ssh_chan_fill_done(struct ssh *, size_t n);
/*
 * Between the two: the data will lie at from, which iov (as it was filled) then points into, with gaps so that it lies there
 * as the packets' plain text; ssh_chan_fill_done() encrypts from there into the output in one pass. For n bytes of data
 * ssh_chan_fill_extent(n) bytes at from are borrowed until then; what is data there stays as it was, the gaps are written to.
 * SSH_OK, SSH_E_NOT_NOW.
 */
int  ssh_chan_fill_from(struct ssh *, uint8_t *from, struct iovec *iov);
size_t ssh_chan_fill_extent(const struct ssh *, size_t n);
/* n bytes of CHAN_DATA have gone on to the program: the peer may send as many again. */
int  ssh_chan_consumed(struct ssh *, uint32_t chan, size_t n);
int  ssh_chan_eof(struct ssh *, uint32_t chan);
int  ssh_chan_close(struct ssh *, uint32_t chan);
/*
 * The peer's CLOSE is not answered by itself any more: CHAN_CLOSING comes, and requests (an exit status that is
 * not known yet) may still be sent before ssh_chan_close(). RFC 4254 5.3 sets no time for the answer.
 */
int  ssh_chan_linger(struct ssh *, uint32_t chan);
/* rest: the type-specific part, already encoded. */
int  ssh_chan_request(struct ssh *, uint32_t chan, const char *type, int want_reply, struct view rest);
int  ssh_chan_reply(struct ssh *, uint32_t chan, int ok);
int  ssh_chan_exit_status(struct ssh *, uint32_t chan, uint32_t status);
/* name without "SIG" (RFC 4254 6.10). */
int  ssh_chan_exit_signal(struct ssh *, uint32_t chan, const char *name, int core, const char *message);
int  ssh_global_request(struct ssh *, const char *type, int want_reply, struct view rest);
int  ssh_global_reply(struct ssh *, int ok, struct view rest);

/* ---- host keys, server side (OpenSSH PROTOCOL 2.5) ------------------------------------------ */
/* Once logged in: hostkeys-00@openssh.com with every key of ssh_add_hostkey() that is no certificate. SSH_E_NOT_NOW before login. */
int  ssh_announce_hostkeys(struct ssh *);
/*
 * How many keys a hostkeys-prove-00@openssh.com asks for, rest as in GLOBAL_REQUEST: strings, each a key of ours, each once. SSH_E_FORMAT,
 * SSH_E_UNKNOWN_KEY: answer with a failure.
 */
int  ssh_prove_check(const struct ssh *, struct view rest);
/* One of them: its index, and the signature algorithm (static) this client wants of it. SSH_E_UNKNOWN_KEY; SSH_E_NO_ALG: only ssh-rsa, which is off. */
int  ssh_prove_key(const struct ssh *, struct view blob, unsigned *index, const char **alg);
/* Appends what that key must sign; session_id as from ssh_session_id(). */
int  ssh_prove_text(struct buf *, struct view session_id, struct view blob);

/* ---- the end, and looking ----------------------------------------------------------------- */
/* DISCONNECT with reason (RFC 4253 11.1); then only ssh_output() and ssh_free() make sense. */
int  ssh_disconnect(struct ssh *, unsigned reason, const char *text);
struct view ssh_session_id(const struct ssh *);
struct ssh_info {
	struct view peer_version;
	const char *kex, *hostkey, *cipher[2], *mac[2], *comp[2];	/* [0] client to server */
	int strict, open;
	uint64_t bytes_in, bytes_out, packets_in, packets_out;
	uint32_t rekeys, channels;
};
void ssh_get_info(const struct ssh *, struct ssh_info *);
/* window_in: the peer may still send; window_out: we may still send; unread: handed to us, not yet consumed. */
struct ssh_chan_info { uint64_t window_in, window_out, unread; };
int  ssh_chan_get_info(const struct ssh *, uint32_t chan, struct ssh_chan_info *);	/* SSH_OK or SSH_E_NOT_NOW: no such channel */

/* What tells two histories of a connection apart. */
struct ssh_mark {
	uint64_t chain;			/* over the tags of all packets sent since ssh_mark_start() */
	uint64_t packets_in, now_ms;
	unsigned once;			/* since ssh_mark_start() so many things happened that would come out otherwise a second time: secrets, signatures */
	int signing;			/* a key exchange waits for ssh_answer_sign() */
};
void ssh_get_mark(const struct ssh *, struct ssh_mark *);
/* From here on the chain is counted, silence too, and compression knows nothing of what was said before: as after an import of what an export says now. */
void ssh_mark_start(struct ssh *);

/*
 * Moves a live connection: everything as bytes, between two packets, no answer open but that to NEED_SIGN in a rekey
 * (ssh_repeat_need() then), of a client no key exchange; SSH_E_NOT_NOW otherwise. The object stays usable. env and policy are handed in
 * anew by the importer; host keys must be added again.
 */
int  ssh_export(struct ssh *, struct buf *);
int  ssh_import(struct ssh **, const struct ssh_env *, const struct ssh_policy *, struct view state, uint64_t now_ms);

#endif
