#include "conf/listen.h"

#include "tests/unit/conf/help.h"

/* "addr addr ..." */
static void listens(const char *text, const char *expected)
{
	struct conf_values *v = values(text);
	struct conf_error e = { "" };
	struct addr *a = NULL;
	char got[1024] = "", one[ADDR_TEXT_MAX];
	size_t n = 0;

	cr_assert_eq(conf_listeners(v, &a, &n, &e), SSH_OK, "%s", e.text);
	for (size_t i = 0; i < n; i++) {
		strcat(got, i > 0 ? " " : "");
		strcat(got, addr_text(&a[i], one));
	}
	cr_assert_str_eq(got, expected);
	free(a);
	conf_values_free(v);
}

Test(conf_listen, ports_times_addresses_times_families)
{
	listens("", "0.0.0.0:22 [::]:22");
	listens("Port 1\nPort 2\n", "0.0.0.0:1 [::]:1 0.0.0.0:2 [::]:2");
	listens("AddressFamily inet\n", "0.0.0.0:22");
	listens("AddressFamily inet6\nPort 2200\n", "[::]:2200");
	listens("ListenAddress 127.0.0.1\nPort 1\nPort 2\n", "127.0.0.1:1 127.0.0.1:2");
	listens("ListenAddress 127.0.0.1:5\nPort 1\n", "127.0.0.1:5");
	listens("ListenAddress ::1\n", "[::1]:22");
	listens("ListenAddress [::1]:7\nListenAddress [::1]\n", "[::1]:7 [::1]:22");
	listens("ListenAddress 0.0.0.0:0\n", "0.0.0.0:0");
	listens("ListenAddress 127.0.0.1:5\nListenAddress 127.0.0.1:5\n", "127.0.0.1:5");
	listens("Port 0\nPort 0\nAddressFamily inet\n", "0.0.0.0:0 0.0.0.0:0");
	listens("Port 22\nPort 22\nAddressFamily inet\n", "0.0.0.0:22");
}

Test(conf_listen, wrong_family_and_bad_names)
{
	struct conf_values *v = values("AddressFamily inet6\nListenAddress 127.0.0.1\n");
	struct conf_error e = { "" };
	struct addr *a = NULL;
	size_t n = 0;

	cr_assert_eq(conf_listeners(v, &a, &n, &e), SSH_E_CONFIG);
	cr_assert(strncmp(e.text, "bad addr or host: 127.0.0.1 (", 29) == 0, "%s", e.text);
	cr_assert_null(a);
	conf_values_free(v);
}

Test(conf_listen, split)
{
	char host[16];
	int port;

	cr_assert_eq(listen_split("a:5", host, sizeof host, &port), SSH_OK);
	cr_assert(strcmp(host, "a") == 0 && port == 5);
	cr_assert_eq(listen_split("a", host, sizeof host, &port), SSH_OK);
	cr_assert_eq(port, -1);
	cr_assert_eq(listen_split("::1", host, sizeof host, &port), SSH_OK);
	cr_assert(strcmp(host, "::1") == 0 && port == -1);
	static const char *const wrong[] = { "", ":5", "[]", "[::1", "[::1]x", "[::1]:", "a:", "a:b", "a:65536", "a:-1",
		"0123456789abcdef" };
	for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
		cr_assert_eq(listen_split(wrong[i], host, sizeof host, &port), SSH_E_FORMAT, "%s", wrong[i]);
}
