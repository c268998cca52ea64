#ifndef SSH_KEYFILE_INTERNAL_H
#define SSH_KEYFILE_INTERNAL_H
#include "base/buf.h"
#include "ssh/keyfile.h"

/* keyfile_internal - what keyfile*.c share. */

#define KEYFILE_MAX 65536u		/* RSA 16384 takes 13 KiB */

/* A line-wise reader of a text file. */
struct lines { struct view rest; unsigned number; };

/* One block of a file: its label ("RSA PRIVATE KEY"), headers of RFC 1421, contents. */
struct pem {
	struct view label;
	struct view dek;		/* value of DEK-Info, empty when there is none */
	unsigned line;			/* where it begins */
	struct buf body;		/* secret: buf_drop() wipes */
};

/* The next line without its end; 0 when there is none left. */
int lines_next(struct lines *, struct view *line);
/* Blanks at both ends taken off. */
struct view view_trim(struct view);
/* Does the line begin with these words? */
int view_begins(struct view, const char *);
/* Sets the fault unless one is known already, and gives error back. */
int keyfile_fail(struct keyfile_fault *, int error, unsigned line, const char *why);
/* The next block of a file in armour; body must be empty. SSH_OK or SSH_E_KEYFILE. */
int pem_next(struct lines *, struct pem *, struct keyfile_fault *);
/* A private key out of any block but OpenSSH's own. */
int pem_read_private(struct privkey **, const struct pem *, const struct keyfile_secret *, struct keyfile_fault *);

#endif
