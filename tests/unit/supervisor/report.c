#include "supervisor/report.h"

#include <criterion/criterion.h>
#include <signal.h>

/* Wait statuses as Linux encodes them (wait(2)). */
#define EXITED(code)  ((code) << 8)
#define KILLED(sig)   (sig)
#define DUMPED(sig)   ((sig) | 0x80)

static char out[1000];

Test(report, how)
{
	cr_assert_str_eq(report_how(out, sizeof out, EXITED(0)), "exit:0");
	cr_assert_str_eq(report_how(out, sizeof out, EXITED(255)), "exit:255");
	cr_assert_str_eq(report_how(out, sizeof out, KILLED(SIGKILL)), "signal:KILL");
	cr_assert_str_eq(report_how(out, sizeof out, DUMPED(SIGSEGV)), "signal:SEGV,core");
	cr_assert_str_eq(report_how(out, sizeof out, KILLED(40)), "signal:40");
	cr_assert_str_eq(report_how(out, sizeof out, -1), "not-started");
}

Test(report, last_exit)
{
	cr_assert_str_eq(report_last_exit(out, sizeof out, KILLED(SIGSEGV)), "signal 11 (SEGV)");
	cr_assert_str_eq(report_last_exit(out, sizeof out, EXITED(3)), "exit status 3");
	cr_assert_str_eq(report_last_exit(out, sizeof out, -1), "could not be started");
}

Test(report, durations)
{
	cr_assert_str_eq(report_time(out, sizeof out, 0), "0ms");
	cr_assert_str_eq(report_time(out, sizeof out, 999), "999ms");
	cr_assert_str_eq(report_time(out, sizeof out, 59999), "59s");
	cr_assert_str_eq(report_time(out, sizeof out, 61000), "1m1s");
	cr_assert_str_eq(report_time(out, sizeof out, 7380000), "2h3m");
	cr_assert_str_eq(report_time(out, sizeof out, 12 * 86400000ull + 3 * 3600000ull), "12d3h");
}

Test(report, line)
{
	struct report r = { .node = "guards/keysign", .role = "keysign", .pid = 812, .wstatus = KILLED(SIGSEGV), .lived_ms = 7380000,
		.restarts = 1, .intensity = 5, .period_ms = 60000, .did = SUP_DID_RESTART };

	cr_assert_str_eq(report_line(out, sizeof out, &r),
	    "ev=exit node=guards/keysign role=keysign pid=812 how=signal:SEGV lived=2h3m restarts=1/5 in=60s do=restart");
	r.role = "supervisor", r.pid = 0, r.wstatus = -1, r.node = "guards", r.did = SUP_DID_GIVE_UP;
	cr_assert_str_eq(report_line(out, sizeof out, &r),
	    "ev=exit node=guards role=supervisor how=shutdown lived=2h3m restarts=1/5 in=60s do=give-up");
}

Test(report, levels)
{
	struct report r = { .role = "keysign", .wstatus = KILLED(SIGSEGV), .did = SUP_DID_RESTART };

	cr_assert_eq(report_level(&r), LOGL_WARN);
	r.did = SUP_DID_GIVE_UP;
	cr_assert_eq(report_level(&r), LOGL_ERROR);
	r.did = SUP_DID_FAIL_START;
	cr_assert_eq(report_level(&r), LOGL_ERROR);
	r.did = SUP_DID_STOP;
	cr_assert_eq(report_level(&r), LOGL_DEBUG);
	r.did = SUP_DID_AUTO_SHUTDOWN, r.role = "connection";
	cr_assert_eq(report_level(&r), LOGL_WARN, "a crashed connection");
	r.by_us = 1;
	cr_assert_eq(report_level(&r), LOGL_DEBUG);
	r.by_us = 0, r.role = "worker", r.did = SUP_DID_REMOVE;
	cr_assert_eq(report_level(&r), LOGL_DEBUG, "a user's program");
}

Test(report, what_an_end_means)
{
	cr_assert_eq(report_reason(EXITED(0)), SUP_NORMAL);
	cr_assert_eq(report_reason(EXITED(1)), SUP_ABNORMAL);
	cr_assert_eq(report_reason(KILLED(SIGTERM)), SUP_SHUTDOWN);
	cr_assert_eq(report_reason(KILLED(SIGKILL)), SUP_ABNORMAL);
	cr_assert_eq(report_reason(-1), SUP_ABNORMAL);
	cr_assert(report_crashed(KILLED(SIGSYS)));
	cr_assert(report_crashed(DUMPED(SIGABRT)));
	cr_assert_not(report_crashed(KILLED(SIGTERM)));
	cr_assert_not(report_crashed(EXITED(1)));
	cr_assert_not(report_crashed(-1));
}
