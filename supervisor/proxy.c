#include "supervisor/proxy.h"

#include <string.h>

#include "ipc/values.h"

static int trusted(const struct conf_list *from, const struct addr *a)
{
	for (size_t i = 0; i < from->n; i++) {
		if (a->family == ADDR_UNIX ? strcmp(from->v[i], "unix") == 0 : conf_address_list(a, from->v[i]) == 1)
			return 1;
	}
	return 0;
}

uint8_t proxy_header_of(const struct conf_values *v, const struct addr *from)
{
	if (v->ProxyProtocol == PROXY_NO || !trusted(&v->ProxyProtocolFrom, from))
		return HEADER_NEVER;
	return v->ProxyProtocol == PROXY_REQUIRED ? HEADER_MUST : HEADER_MAY;
}

const char *proxy_complaint(const struct conf_values *v)
{
	if (v->ProxyProtocol != PROXY_NO && v->ProxyProtocolFrom.n == 0)
		return "ProxyProtocol: no proxy is believed; say which ones with ProxyProtocolFrom";
	return NULL;
}
