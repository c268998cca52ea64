#ifndef GUARD_AGAIN_H
#define GUARD_AGAIN_H
#include <stdint.h>

/* again - a client that a guard has no memory or descriptors for is not forgotten: the supervisor introduces it once more. */

struct child;

/* conn's link could not be made, or ends, because of error: if the fault is our own shortage, the supervisor hears PEER_AGAIN. */
void again(const struct child *, uint64_t conn, int error);

#endif
