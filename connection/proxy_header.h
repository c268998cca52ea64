#ifndef CONNECTION_PROXY_HEADER_H
#define CONNECTION_PROXY_HEADER_H
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/*
 * proxy_header - the PROXY protocol, versions 1 and 2 (proxy-protocol.txt of HAProxy): who a client behind a proxy is.
 * Bytes in, a verdict out; whoever calls decides whether the sender may be believed.
 */

#define PROXY_V1_MAX 107u	/* proxy-protocol.txt 2.1, with CR LF */
#define PROXY_V2_MAX 536u	/* all of it fits the smallest segment, so it need not be cut (2.2) */
#define PROXY_HEADER_MAX PROXY_V2_MAX

enum proxy_verdict {
	PROXY_MORE,		/* so far it may be one; no verdict is later than PROXY_HEADER_MAX bytes */
	PROXY_ABSENT,		/* these bytes do not begin one */
	PROXY_BAD,		/* they do, and it is malformed: why says how */
	PROXY_TAKEN
};

struct proxy_header {
	size_t len;		/* TAKEN: bytes that belong to it */
	unsigned version;
	int own;		/* no client behind it: LOCAL, UNKNOWN, UNSPEC. The ends of the connection itself hold */
	struct addr peer, local;	/* when not own */
	const char *why;
};

/* p: all that came until now. Everything in *h is set on TAKEN, why on BAD. */
enum proxy_verdict proxy_header_parse(struct proxy_header *h, const uint8_t *p, size_t n);
/* CRC-32C of RFC 4960 appendix B; for those who make headers in tests. */
uint32_t proxy_header_crc(const uint8_t *p, size_t n, size_t hole);

#endif
