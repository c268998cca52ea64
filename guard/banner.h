#ifndef GUARD_BANNER_H
#define GUARD_BANNER_H
#include <stddef.h>

/* banner - the text sent before login, read anew for each client so that an edit shows at once. */

#define BANNER_MAX 16384u	/* AUTH_VERDICT.banner */

/* Reads a regular file of at most BANNER_MAX bytes into out, NUL-terminated; its length, 0 when there is none to send. */
size_t banner_read(const char *path, char out[BANNER_MAX + 1]);

#endif
