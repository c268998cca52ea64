#ifndef REPORTER_HTTP_H
#define REPORTER_HTTP_H
#include <stddef.h>

/* http - as much of HTTP/1.1 (RFC 9112) as a scrape needs: one GET or HEAD, no body, then the connection closes. */

#define HTTP_REQUEST_MAX 8192u		/* head; longer is 431 */

struct http_request {
	int head;			/* HEAD: no body in the answer */
	int found;			/* the target is /metrics */
	int openmetrics;		/* what Accept likes better than text/plain (RFC 9110 12.5.1) */
};

/*
 * n bytes as they came so far. 0: the head is not complete yet; 200: *q is filled; else the status of the answer that
 * ends it: 400, 404, 405, 431, 505.
 */
int http_parse(const char *p, size_t n, struct http_request *q);
const char *http_reason(int status);	/* "Not Found" */

#endif
