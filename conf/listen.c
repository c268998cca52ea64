#include "conf/listen.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "conf/conf.h"
#include "conf/number.h"

#define HOST_MAX 256u	/* a DNS name is at most 253 */

struct listeners {
	const struct conf_values *v;
	struct conf_error *error;
	struct addr *a;
	size_t n, room;
};

static int port_of(const char *text, int *port)
{
	uint64_t value;
	int r;

	TRY(number_plain(text, 65535, &value));
	*port = (int)value;
	return SSH_OK;
}

int listen_split(const char *spec, char *host, size_t size, int *port)
{
	const char *end = spec + strlen(spec), *colon = strchr(spec, ':');

	*port = -1;
	if (*spec == '[') {
		if ((end = strchr(++spec, ']')) == NULL || (end[1] != '\0' && end[1] != ':'))
			return SSH_E_FORMAT;
		if (end[1] == ':' && port_of(end + 2, port) < 0)
			return SSH_E_FORMAT;
	} else if (colon != NULL && strchr(colon + 1, ':') == NULL) {	/* two colons: a bare IPv6 address */
		end = colon;
		if (port_of(colon + 1, port) < 0)
			return SSH_E_FORMAT;
	}
	if (end == spec || (size_t)(end - spec) >= size)
		return SSH_E_FORMAT;
	memcpy(host, spec, (size_t)(end - spec));
	host[end - spec] = '\0';
	return SSH_OK;
}

static int fail(struct listeners *l, const char *spec, const char *why)
{
	if (l->error != NULL)
		snprintf(l->error->text, sizeof l->error->text, "bad addr or host: %.100s (%.200s)", spec, why);
	return SSH_E_CONFIG;
}

static int same_place(const struct addr *a, const struct addr *b)
{
	return a->family == b->family && a->port == b->port && a->scope == b->scope &&
	    memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

static int add(struct listeners *l, const struct addr *a)
{
	for (size_t i = 0; i < l->n; i++)	/* a second bind to the same place could only fail */
		if (a->port != 0 && same_place(&l->a[i], a))
			return SSH_OK;
	if (l->n == l->room) {
		size_t room = l->room > 0 ? l->room * 2 : 8;
		struct addr *grown = realloc(l->a, room * sizeof *grown);

		if (grown == NULL)
			return SSH_E_NOMEM;
		l->a = grown;
		l->room = room;
	}
	l->a[l->n++] = *a;
	return SSH_OK;
}

static int wanted(const struct listeners *l, int family)
{
	enum conf_family f = l->v->AddressFamily;

	return f == FAMILY_ANY || (f == FAMILY_INET ? family == AF_INET : family == AF_INET6);
}

static int add_found(struct listeners *l, const struct addrinfo *ai, uint16_t port)
{
	struct addr a = { .port = port };

	if (ai->ai_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, ai->ai_addr, sizeof in);
		a.family = ADDR_IPV4;
		memcpy(a.ip, &in.sin_addr, 4);
	} else {
		struct sockaddr_in6 in6;

		memcpy(&in6, ai->ai_addr, sizeof in6);
		a.family = ADDR_IPV6;
		memcpy(a.ip, &in6.sin6_addr, 16);
		a.scope = in6.sin6_scope_id;
	}
	return add(l, &a);
}

/* host NULL: every address of the families wanted, IPv4 first. */
static int add_host(struct listeners *l, const char *spec, const char *host, uint16_t port)
{
	static const int both[] = { AF_INET, AF_INET6 };
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE }, *list = NULL;
	int r = SSH_OK, e = 0;

	if (host == NULL) {
		for (int i = 0; i < 2 && r == SSH_OK; i++) {
			struct addr a = { .family = both[i] == AF_INET ? ADDR_IPV4 : ADDR_IPV6, .port = port };

			if (wanted(l, both[i]))
				r = add(l, &a);
		}
		return r;
	}
	hints.ai_family = l->v->AddressFamily == FAMILY_INET ? AF_INET :
	    l->v->AddressFamily == FAMILY_INET6 ? AF_INET6 : AF_UNSPEC;
	if ((e = getaddrinfo(host, NULL, &hints, &list)) != 0)
		return fail(l, spec, gai_strerror(e));
	for (struct addrinfo *ai = list; ai != NULL && r == SSH_OK; ai = ai->ai_next)
		if ((ai->ai_family == AF_INET || ai->ai_family == AF_INET6) && wanted(l, ai->ai_family))
			r = add_found(l, ai, port);
	freeaddrinfo(list);
	return r;
}

/* An entry without a port stands for one with each Port. */
static int add_spec(struct listeners *l, const char *spec)
{
	char host[HOST_MAX];
	int port, r;

	if (listen_split(spec, host, sizeof host, &port) < 0)
		return fail(l, spec, "not an address");
	if (port >= 0)
		return add_host(l, spec, host, (uint16_t)port);
	for (size_t i = 0; i < l->v->Port.n; i++) {
		TRY(port_of(l->v->Port.v[i], &port));
		TRY(add_host(l, spec, host, (uint16_t)port));
	}
	return SSH_OK;
}

static int add_all(struct listeners *l)
{
	int port, r;

	for (size_t i = 0; i < l->v->ListenAddress.n; i++)
		TRY(add_spec(l, l->v->ListenAddress.v[i]));
	if (l->v->ListenAddress.n > 0)
		return SSH_OK;
	for (size_t i = 0; i < l->v->Port.n; i++) {
		TRY(port_of(l->v->Port.v[i], &port));
		TRY(add_host(l, "", NULL, (uint16_t)port));
	}
	return SSH_OK;
}

int conf_listens_by_name(const struct conf_values *v)
{
	for (size_t i = 0; i < v->ListenAddress.n; i++) {
		char host[HOST_MAX];
		struct addr a;
		int port;

		if (listen_split(v->ListenAddress.v[i], host, sizeof host, &port) == SSH_OK && addr_parse_ip(&a, host) < 0)
			return 1;
	}
	return 0;
}

int conf_listeners(const struct conf_values *v, struct addr **addrs, size_t *n, struct conf_error *error)
{
	struct listeners l = { .v = v, .error = error };
	int r = add_all(&l);

	if (r == SSH_E_NOMEM && error != NULL)
		snprintf(error->text, sizeof error->text, "out of memory");
	if (r < 0) {
		free(l.a);
		return r;
	}
	*addrs = l.a;
	*n = l.n;
	return SSH_OK;
}
