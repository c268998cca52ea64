#ifndef SSH_KEXINIT_H
#define SSH_KEXINIT_H
#include "ssh/session.h"

/* kexinit - SSH_MSG_KEXINIT: what is offered, and what two offers agree on (RFC 4253 7.1). */

enum kexinit_list {
	LIST_KEX, LIST_HOSTKEY, LIST_CIPHER_CS, LIST_CIPHER_SC, LIST_MAC_CS, LIST_MAC_SC,
	LIST_COMP_CS, LIST_COMP_SC, LIST_LANG_CS, LIST_LANG_SC, LIST_MAX
};

struct kexinit {
	struct view list[LIST_MAX];
	int follows;			/* first_kex_packet_follows */
};

/* Directions: [0] client to server, [1] server to client; mac is NULL with an AEAD cipher. */
struct kex_choice {
	const struct kex_alg *kex;
	const struct sig_alg *sig;
	const struct cipher_alg *cipher[2];
	const struct mac_alg *mac[2];
	const struct comp_alg *comp[2];
	enum kexinit_list failed;	/* after SSH_E_NO_ALG: where the two have nothing in common */
};

/* Writes a whole payload, type byte first. first: with the markers that only the first one carries. */
int kexinit_write(struct ssh *, struct wr *, int first);
/* payload with its type byte; the views point into it. SSH_E_FORMAT, SSH_E_TOO_BIG. */
int kexinit_parse(struct kexinit *, struct view payload);
/* SSH_E_NO_ALG and the sentence for the peer in *why. */
int kexinit_choose(struct kex_choice *, const struct kexinit *client, const struct kexinit *server, const char **why);
/* 1 when peer sent a packet on a guess that the other's KEXINIT proves wrong. */
int kexinit_guess_wrong(const struct kexinit *peer, const struct kexinit *ours);
/* Is name one of the comma separated list? For the markers as well. */
int kexinit_has(struct view list, const char *name);

/* The markers a peer of that role sends. */
const char *kexinit_strict_marker(enum ssh_role);	/* OpenSSH PROTOCOL 1.9 */
const char *kexinit_ext_marker(enum ssh_role);		/* RFC 8308 2.1 */

#endif
