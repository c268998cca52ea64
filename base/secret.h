#ifndef BASE_SECRET_H
#define BASE_SECRET_H
#include <stddef.h>
#include <stdint.h>

/* secret - memory that erases itself, and comparison that does not tell where it differs. */

#define SECRET_MAX 64u

struct secret { size_t len; uint8_t v[SECRET_MAX]; };

/* Overwrites n bytes at p; never optimised away. */
void secret_wipe(void *p, size_t n);
/* 1 when equal, 0 when not; time depends on n only. */
int secret_equal(const void *a, const void *b, size_t n);

static inline void secret_drop(struct secret *s) { secret_wipe(s, sizeof *s); }
/* A secret of the enclosing block, gone on every path out of it. */
#define SECRET __attribute__((cleanup(secret_drop))) struct secret

#endif
