#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

static const uint8_t mapped[12] = { 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff };

void addr_unmap(struct addr *a)
{
	if (a->family == ADDR_IPV6 && memcmp(a->ip, mapped, sizeof mapped) == 0) {
		memmove(a->ip, a->ip + 12, 4);
		memset(a->ip + 4, 0, 12);
		a->family = ADDR_IPV4;
		a->scope = 0;
	}
}

const char *addr_ip_text(const struct addr *from, char text[ADDR_TEXT_MAX])
{
	struct addr a = *from;
	size_t len;

	addr_unmap(&a);
	if (a.family == ADDR_IPV4) {
		inet_ntop(AF_INET, a.ip, text, ADDR_TEXT_MAX);
	} else if (a.family == ADDR_IPV6) {
		inet_ntop(AF_INET6, a.ip, text, ADDR_TEXT_MAX);
		len = strlen(text);
		if (a.scope != 0)
			snprintf(text + len, ADDR_TEXT_MAX - len, "%%%u", a.scope);
	} else {
		snprintf(text, ADDR_TEXT_MAX, "UNKNOWN");
	}
	return text;
}

const char *addr_text(const struct addr *a, char text[ADDR_TEXT_MAX])
{
	char ip[ADDR_TEXT_MAX];

	addr_ip_text(a, ip);
	if (strchr(ip, ':') != NULL)
		snprintf(text, ADDR_TEXT_MAX, "[%.60s]:%u", ip, addr_port(a));
	else
		snprintf(text, ADDR_TEXT_MAX, "%.60s:%u", ip, addr_port(a));
	return text;
}

unsigned addr_port(const struct addr *a)
{
	return a->family == ADDR_NONE ? 65535 : a->port;
}

int addr_parse_ip(struct addr *a, const char *text)
{
	memset(a, 0, sizeof *a);
	if (inet_pton(AF_INET, text, a->ip) == 1)
		a->family = ADDR_IPV4;
	else if (inet_pton(AF_INET6, text, a->ip) == 1)
		a->family = ADDR_IPV6;
	else
		return SSH_E_FORMAT;
	return SSH_OK;
}

int addr_in_prefix(const struct addr *a0, const struct addr *net0, unsigned bits)
{
	struct addr a = *a0, net = *net0;
	unsigned whole = bits / 8, rest = bits % 8;

	addr_unmap(&a);
	addr_unmap(&net);
	if (a.family != net.family || a.family == ADDR_NONE)
		return 0;
	if (bits > (a.family == ADDR_IPV4 ? 32u : 128u))
		return 0;
	if (memcmp(a.ip, net.ip, whole) != 0)
		return 0;
	return rest == 0 || ((a.ip[whole] ^ net.ip[whole]) >> (8 - rest)) == 0;
}

int addr_same_ip(const struct addr *a, const struct addr *b)
{
	return addr_in_prefix(a, b, a->family == ADDR_IPV4 || b->family == ADDR_IPV4 ? 32 : 128);
}
