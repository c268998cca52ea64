#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include "reporter/sink.h"

static struct record some(int trusted, enum log_level level)
{
	return (struct record){ .level = level, .role = ROLE_AUTH, .trusted = trusted, .pid = 42, .line = "Accepted password for ada" };
}

Test(sink, who_says_it_is_decided_by_the_socket)
{
	struct record r = some(1, LOGL_INFO);
	char out[64];

	cr_assert_str_eq(record_ident(out, sizeof out, &r), "coppiced[42]");
	r.trusted = 0;		/* a connection that says it is auth is still a connection */
	cr_assert_str_eq(record_ident(out, sizeof out, &r), "coppiced-connection[42]");
}

Test(sink, lines_of_a_file)
{
	struct record r = some(1, LOGL_INFO);
	char out[300];
	size_t n = record_file_line(out, sizeof out, &r, 1000000000, 123456);

	cr_assert_str_eq(out, "2001-09-09T01:46:40.123Z coppiced[42]: Accepted password for ada\n");
	cr_assert_eq(n, strlen(out));
	r.level = LOGL_ERROR;
	record_file_line(out, sizeof out, &r, 0, 0);
	cr_assert_str_eq(out, "1970-01-01T00:00:00.000Z coppiced[42]: error: Accepted password for ada\n");
	cr_assert_eq(record_file_line(out, 20, &r, 0, 0), 19, "cut, never over");
}

Test(sink, lines_of_syslog)
{
	struct record r = some(1, LOGL_WARN);
	char out[300];

	setenv("TZ", "UTC", 1);
	record_syslog_line(out, sizeof out, &r, LOG_AUTH, 1000000000);
	cr_assert_str_eq(out, "<36>Sep  9 01:46:40 coppiced[42]: Accepted password for ada");
}

Test(sink, a_sink_that_fails_is_counted_and_told)
{
	struct record r = some(1, LOGL_INFO);
	char got[1000] = "";
	struct sink s;
	int p[2];

	cr_assert_eq(pipe(p), 0);
	sink_open(&s, 1000000, LOG_FORMAT_AUTO, LOG_AUTH);	/* no such descriptor */
	sink_write(&s, &r);
	sink_write(&s, &r);
	cr_assert_eq(s.dropped, 2);
	s.fd = p[1];
	sink_write(&s, &r);
	cr_assert_gt(read(p[0], got, sizeof got - 1), 0);
	cr_assert_not_null(strstr(got, "ev=log dropped=2"));
	cr_assert_not_null(strstr(got, "Accepted password for ada"));
	cr_assert_eq(s.dropped, 0);
}
