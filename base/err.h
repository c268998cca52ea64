#ifndef BASE_ERR_H
#define BASE_ERR_H

/* err - error numbers, whom to blame, and their sentences; the list is err.def. */

enum ssh_error {
	SSH_OK = 0,
#define E(name, value, blame, disconnect, text) SSH_E_##name = (value),
#include "base/err.def"
#undef E
};

enum err_blame { ERR_US, ERR_PEER };

/* "malformed message"; a fixed sentence for numbers that are not in the table. */
const char *err_text(int error);
/* "FORMAT"; for logs and tests. */
const char *err_name(int error);
enum err_blame err_blame(int error);
/* Reason code for SSH_MSG_DISCONNECT (RFC 4253 11.1); 0: do not send one. */
unsigned err_disconnect(int error);

/* The only control-flow macro in the tree: pass an error on. The function needs an int r. */
#define TRY(x) do { if ((r = (x)) < 0) return r; } while (0)

#endif
