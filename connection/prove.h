#ifndef CONNECTION_PROVE_H
#define CONNECTION_PROVE_H
#include <stdint.h>

#include "base/buf.h"
#include "base/limits.h"
#include "ipc/codec.h"
#include "ipc/memory.h"
#include "ssh/ssh.h"

/*
 * prove - the client asks for proofs that we have the host keys it was shown (OpenSSH PROTOCOL 2.5), and keysign signs one after the
 * other. Nothing waits for it but the answers to later global requests, because answers have no number. It goes on over a new keysign,
 * a move and a crash: what is still to be signed is part of the state, and each signature is written into the books.
 */

struct conn;
struct rd;
struct wr;

#define PROVES_MAX 4u		/* requests of one connection; OpenSSH's client makes one */

struct prove {
	int open;			/* a request whose answer is due */
	int want_reply;
	struct buf keys;		/* strings: those whose signatures are missing */
	struct buf sigs;		/* strings: the answer so far */
	uint32_t req, serial;		/* req: what keysign was asked, 0: nothing; numbers of our own, so that no other request's depends on them */
	unsigned requests;
	uint8_t later[SSH_GLOBAL_REQUESTS_MAX];	/* answers to what came behind it: ok or not */
	unsigned later_count;
};

void prove_init(struct prove *);
void prove_drop(struct prove *);
/* A hostkeys-prove-00@openssh.com. What is wrong with it, and more than PROVES_MAX, is answered with a failure. */
void prove_request(struct conn *, const struct ssh_event *);
/* Answers any other global request, when its turn has come. */
void prove_answer_other(struct conn *, int ok);
/* Says PROVE, if a proof is missing and keysign can hear it: there is a link, and the link's one question is not a key exchange's. */
void prove_ask(struct conn *);
/* That link is gone, or new. */
void prove_link_lost(struct conn *);
/* Is this the answer to our PROVE? Then prove_signed() takes it. */
int  prove_hears(const struct conn *, const struct ipc_msg *);
void prove_signed(struct conn *, const struct ipc_SIGNED *);
/* BOOK_SIGNED; SSH_E_STATE: there is nothing it could be for. */
int  prove_replay(struct conn *, const struct memory_entry *);

void prove_export(const struct prove *, struct wr *);
/* SSH_OK, SSH_E_STATE, SSH_E_NOMEM. */
int  prove_import(struct prove *, struct rd *);

#endif
