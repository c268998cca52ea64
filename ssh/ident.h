#ifndef SSH_IDENT_H
#define SSH_IDENT_H
#include "base/wire.h"
#include "ssh/ssh.h"

/* ident - the identification lines before the first packet (RFC 4253 4.2). */

enum ident_result { IDENT_SHORT, IDENT_FOUND, IDENT_OTHER_LINE };

/*
 * Looks at the line the input begins with. IDENT_FOUND: the peer's identification in *line, without
 * CR LF. IDENT_OTHER_LINE: a line a server may send before it (never for role SSH_SERVER). Both
 * set *used, the bytes of the line with its end. IDENT_SHORT: no line yet. SSH_E_IDENT, also
 * when a line is too long before its end has come, and for control characters. SSH_E_VERSION: neither 2.0 nor 1.99.
 */
int ident_parse(enum ssh_role, struct view input, struct view *line, size_t *used);
/* SSH_OK when our own string may be sent: begins "SSH-2.0-", printable, fits; else SSH_E_CONFIG. */
int ident_check_own(const char *version);
/*
 * 1: a client of this identification goes on with channel messages after its KEXINIT, which RFC 4253 7.1 forbids: asyncssh 2.14.1 and
 * 2.14.2, and 2.10.1 with Debian 12's security patches.
 */
int ident_talks_in_rekey(const char *version);
/* 1: a client of this identification ends when it hears hostkeys-00@openssh.com: Tera Term before 4.73, as in OpenSSH's compat.c. */
int ident_dies_of_hostkeys(const char *version);

#endif
