#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "reporter/http.h"

static int parse(const char *text, struct http_request *q)
{
	return http_parse(text, strlen(text), q);
}

Test(http, what_a_scraper_says)
{
	struct http_request q;

	cr_assert_eq(parse("GET /metrics HTTP/1.1\r\nHost: localhost:9122\r\nUser-Agent: Prometheus/2.42.0\r\n\r\n", &q), 200);
	cr_assert(q.found && !q.head && !q.openmetrics);
	cr_assert_eq(parse("HEAD /metrics?x=1 HTTP/1.1\nhost:a\n\n", &q), 200, "bare line ends (RFC 9112 2.2)");
	cr_assert(q.head);
	cr_assert_eq(parse("GET /metrics HTTP/1.0\r\n\r\n", &q), 200, "HTTP/1.0 needs no Host");
}

Test(http, not_yet_and_never)
{
	static const struct { const char *text; int status; } cases[] = {
		{ "", 0 }, { "GET", 0 }, { "GET /metrics HTTP/1.1\r\n", 0 }, { "GET /metrics HTTP/1.1\r\nHost: x\r\n", 0 },
		{ "GET / HTTP/1.1\r\nHost: x\r\n\r\n", 404 }, { "GET /metricss HTTP/1.1\r\nHost: x\r\n\r\n", 404 },
		{ "POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n", 405 }, { "GET /metrics HTTP/2.0\r\n\r\n", 505 },
		{ "GET /metrics HTTP/1.1\r\n\r\n", 400 }, { "GET /metrics HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400 },
		{ "GET /metrics HTTP/1.1\r\n folded: x\r\n\r\n", 400 }, { "GET /metrics HTTP/1.1\r\nno colon\r\n\r\n", 400 },
		{ "GET /metrics HTTP/1.1\r\nA : b\r\n\r\n", 400 }, { "GET  /metrics HTTP/1.1\r\n\r\n", 400 }, { "GET metrics HTTP/1.1\r\n\r\n", 400 },
		{ "\r\n\r\n", 400 }, { "GET /metrics\r\n\r\n", 400 }, { "\x16\x03\x01\n", 400 }, { "GET /metrics HTTP/1.1\r\nHost: \x01\r\n\r\n", 400 },
	};
	struct http_request q;

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		cr_expect_eq(parse(cases[i].text, &q), cases[i].status, "case %zu: %d", i, parse(cases[i].text, &q));
}

Test(http, a_head_without_an_end)
{
	static char text[HTTP_REQUEST_MAX + 100];
	struct http_request q;

	memset(text, 'a', sizeof text);
	cr_assert_eq(http_parse(text, HTTP_REQUEST_MAX - 1, &q), 0);
	cr_assert_eq(http_parse(text, HTTP_REQUEST_MAX, &q), 431);
	memcpy(text, "GET /metrics HTTP/1.1\r\n", 23);
	for (size_t i = 23; i + 6 < sizeof text; i += 6)
		memcpy(text + i, "A: b\r\n", 6);
	cr_assert_eq(http_parse(text, HTTP_REQUEST_MAX, &q), 431);
}

Test(http, what_accept_prefers)
{
	static const struct { const char *accept; int open; } cases[] = {
		{ "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", 1 },
		{ "text/plain, application/openmetrics-text;q=0.9", 0 }, { "application/openmetrics-text;q=0", 0 }, { "*/*", 0 },
		{ "application/openmetrics-text", 1 }, { "APPLICATION/OpenMetrics-Text ; q=1.000", 1 }, { "text/*;q=0.2,application/openmetrics-text;q=0.20001", 1 },
		{ ";;;,,,q=", 0 }, { "application/openmetrics-text;q=banana", 1 },
	};
	struct http_request q;
	char text[300];

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		snprintf(text, sizeof text, "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: %s\r\n\r\n", cases[i].accept);
		cr_assert_eq(parse(text, &q), 200);
		cr_expect_eq(q.openmetrics, cases[i].open, "%s", cases[i].accept);
	}
}

Test(http, every_cut_of_a_request_waits)
{
	static const char text[] = "GET /metrics HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n";
	struct http_request q;

	for (size_t n = 0; n < sizeof text - 1; n++) {
		char *exact = malloc(n + 1);	/* a byte too far is a sanitizer's */

		memcpy(exact, text, n);
		cr_assert_eq(http_parse(exact, n, &q), n < sizeof text - 1 ? 0 : 200, "%zu bytes", n);
		free(exact);
	}
}
