#ifndef BENCH_FLOOR_H
#define BENCH_FLOOR_H
#include <stddef.h>
#include <stdint.h>

/* floor - parts of the floor program; whatever fails ends it with a sentence. */

enum { BLOCK = 256 * 1024, LENGTH = 4, TAG = 16 };

struct cost { double cpu, wall; };	/* seconds */

/* CPU of this process, of the children it waited for too when asked, and the clock. */
struct cost spent(int children);
struct cost less(struct cost a, struct cost b);
/* One line: what, CPU seconds, wall seconds. */
void report(const char *what, struct cost c);

/* One direction of a cipher by its SSH name; a packet is 4 bytes of length, then the tag behind what was encrypted. */
struct floor_cipher;
struct floor_cipher *floor_cipher_new(const char *name);
void floor_cipher_free(struct floor_cipher *c);
/* Encrypts n bytes to out, which takes LENGTH + n + TAG. */
void floor_seal(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t n);
/* Decrypts the packet that begins at in, of which at most size bytes are there, to out; the bytes of its payload. */
size_t floor_open(struct floor_cipher *c, uint8_t *out, const uint8_t *in, size_t size);

/* The commands: floor_bulk.c, floor_login.c. */
void floor_bulk(int sending, const char *cipher, size_t bytes, size_t packet);
void floor_login(size_t count, const char *kex);
void floor_separated(size_t count, const char *kex, unsigned uid, const char *file);

#endif
