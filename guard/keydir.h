#ifndef GUARD_KEYDIR_H
#define GUARD_KEYDIR_H

/* keydir - host keys made at first start: one file pair for each kind, never over an existing one. */

/*
 * Makes what is missing of coppice_host_ed25519_key and coppice_host_rsa_key (3072 bits) in dir, each with its .pub; dir itself (0755) when it is missing. A key appears under
 * its name complete or not at all. One line to standard error for each key made.
 * SSH_OK, or the first SSH_E_* (with a sentence in the log).
 */
int keydir_generate(const char *dir);

#endif
