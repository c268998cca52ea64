#ifndef SSH_DER_H
#define SSH_DER_H
#include "base/wire.h"

/*
 * der - reading DER (X.690) as key files need it: definite lengths in their shortest form, one byte of tag. Errors stick in the
 * reader as those of base/wire.h do: read straight on, ask rd_done() at the end.
 */

#define DER_INTEGER   0x02
#define DER_BITS      0x03
#define DER_OCTETS    0x04
#define DER_NULL      0x05
#define DER_OID       0x06
#define DER_SEQUENCE  0x30
#define DER_CONTEXT(n)     (0x80 | (n))		/* [n], implicit, primitive */
#define DER_CONTEXT_OF(n)  (0xa0 | (n))		/* [n], constructed */

/* The tag that comes next; -1 at the end. */
int der_peek(const struct rd *);
/* The contents of the element that comes next, which must have that tag. */
struct view der_get(struct rd *, uint8_t tag);
/* The same as a reader of its own; after an error an empty one that is bad. */
struct rd der_open(struct rd *, uint8_t tag);
/* A number that is not negative, big-endian without zeros in front, at most max bytes. */
struct view der_number(struct rd *, size_t max);
/* The same as a value, at most 2^63. */
uint64_t der_small(struct rd *);
/* A BIT STRING of whole bytes. */
struct view der_bits(struct rd *);

#endif
