/* proxy: whose PROXY header is believed. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "ipc/values.h"
#include "supervisor/proxy.h"

static struct conf_values *values(const char *text)
{
	struct conf_values *v = NULL;
	struct conf_error e = { "" };
	struct conf *c;

	cr_assert_eq(conf_parse(&c, view_str(text), "test", &e), SSH_OK, "%s", e.text);
	cr_assert_eq(conf_resolve(c, NULL, &v, &e), SSH_OK, "%s", e.text);
	conf_free(c);
	return v;
}

static int header(const char *text, const char *ip)
{
	struct conf_values *v = values(text);
	struct addr a = { .family = ADDR_UNIX };
	int r;

	if (ip != NULL)
		cr_assert_eq(addr_parse_ip(&a, ip), SSH_OK);
	r = proxy_header_of(v, &a);
	conf_values_free(v);
	return r;
}

Test(proxy, only_from_trusted_sources)
{
	static const char yes[] = "ProxyProtocol yes\nProxyProtocolFrom 192.0.2.0/24 2001:db8::1\n";
	static const char required[] = "ProxyProtocol required\nProxyProtocolFrom 192.0.2.7\nProxyProtocolFrom unix\n";

	cr_assert_eq(header(yes, "192.0.2.99"), HEADER_MAY);
	cr_assert_eq(header(yes, "::ffff:192.0.2.99"), HEADER_MAY);
	cr_assert_eq(header(yes, "192.0.3.1"), HEADER_NEVER);
	cr_assert_eq(header(yes, "2001:db8::1"), HEADER_MAY);
	cr_assert_eq(header(yes, "2001:db8::2"), HEADER_NEVER);
	cr_assert_eq(header(yes, NULL), HEADER_NEVER, "a Unix socket");
	cr_assert_eq(header(required, "192.0.2.7"), HEADER_MUST);
	cr_assert_eq(header(required, "192.0.2.8"), HEADER_NEVER);
	cr_assert_eq(header(required, NULL), HEADER_MUST);
	cr_assert_eq(header("ProxyProtocol no\nProxyProtocolFrom 0.0.0.0/0\n", "192.0.2.7"), HEADER_NEVER);
	cr_assert_eq(header("ProxyProtocolFrom 0.0.0.0/0\n", "192.0.2.7"), HEADER_NEVER, "the default is no");
}

Test(proxy, nobody_knows_where_two_pipes_come_from)
{
	struct conf_values *v = values("ProxyProtocol yes\nProxyProtocolFrom 0.0.0.0/0 ::/0 unix\n");
	struct addr a = { .family = ADDR_NONE };

	cr_assert_eq(proxy_header_of(v, &a), HEADER_NEVER);
	conf_values_free(v);
}

Test(proxy, complaints)
{
	struct conf_values *v = values("ProxyProtocol yes\n");

	cr_assert_not_null(proxy_complaint(v));
	conf_values_free(v);
	v = values("ProxyProtocol yes\nProxyProtocolFrom 192.0.2.7\n");
	cr_assert_null(proxy_complaint(v));
	conf_values_free(v);
}

Test(proxy, values_that_would_believe_nobody_are_refused)
{
	static const char *const bad[] = { "ProxyProtocolFrom balancer.example", "ProxyProtocolFrom 192.0.2.*", "ProxyProtocolFrom 192.0.2.0/33",
		"ProxyProtocolFrom !192.0.2.1", "ProxyProtocolFrom 192.0.2.1,192.0.2.2", "ProxyProtocolFrom 192.0.2.1/", "ProxyProtocol maybe",
		"HealthListen 127.0.0.1", "HealthListen unix:here", "HealthListen :22", "HealthListen 127.0.0.1:0" };

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct conf_error e = { "" };
		struct conf *c = NULL;

		cr_assert_eq(conf_parse(&c, view_str(bad[i]), "test", &e), SSH_E_CONFIG, "%s", bad[i]);
		cr_assert_not_null(strstr(e.text, "line 1"), "%s", e.text);
	}
	conf_values_free(values("HealthListen unix:/run/x\n"));
	conf_values_free(values("HealthListen [::1]:9\n"));
	conf_values_free(values("HealthListen none\n"));
}
