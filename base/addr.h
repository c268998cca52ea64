#ifndef BASE_ADDR_H
#define BASE_ADDR_H
#include <stddef.h>
#include <stdint.h>

/* addr - one end of a connection as text, bytes and prefix; no sockets here. */

enum addr_family { ADDR_NONE = 0, ADDR_IPV4 = 4, ADDR_IPV6 = 6, ADDR_UNIX = 1 };

struct addr {
	uint8_t  family;	/* enum addr_family; ADDR_NONE: not known, as on two pipes */
	uint8_t  ip[16];	/* network order; IPv4 in the first four */
	uint16_t port;
	uint32_t scope;		/* IPv6 zone index */
};

#define ADDR_TEXT_MAX 72

/* "192.0.2.7"; "UNKNOWN" for ADDR_NONE, as sshd prints it. An IPv4-mapped IPv6 address prints as IPv4. */
const char *addr_ip_text(const struct addr *, char text[ADDR_TEXT_MAX]);
/* "192.0.2.7:22", "[2001:db8::1]:22". */
const char *addr_text(const struct addr *, char text[ADDR_TEXT_MAX]);
/* Port, or 65535 for ADDR_NONE, as sshd gives it in SSH_CONNECTION. */
unsigned addr_port(const struct addr *);
/* Numeric text without port; SSH_OK or SSH_E_FORMAT. */
int addr_parse_ip(struct addr *, const char *text);
/* IPv4-mapped IPv6 becomes IPv4. */
void addr_unmap(struct addr *);
/* 1 when the first bits are equal (same family after unmapping). */
int addr_in_prefix(const struct addr *, const struct addr *net, unsigned bits);
int addr_same_ip(const struct addr *, const struct addr *);

#endif
