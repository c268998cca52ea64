#include "supervisor/store_name.h"

#include <criterion/criterion.h>
#include <inttypes.h>
#include <string.h>

#include "base/err.h"
#include "supervisor/journal.h"

static const struct { enum store_what what; uint64_t number; const char *name; } good[] = {
	{ STORE_STATE, 1, "coppice-state-1" }, { STORE_STATE, UINT32_MAX, "coppice-state-ffffffff" },
	{ STORE_LOG, 0, "coppice-log-0" }, { STORE_LOG, 3, "coppice-log-3" },
	{ STORE_METRICS, 0, "coppice-metrics" }, { STORE_HEALTH, 0, "coppice-health" },
	{ STORE_PROC, 0, "coppice-proc-0" }, { STORE_PROC, 0x1a2b, "coppice-proc-1a2b" },
	{ STORE_PROC, JOURNAL_ID_MAX - 1, "coppice-proc-ffffffffffffff" },
};

Test(store_name, to_and_fro)
{
	for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
		char name[STORE_NAME_MAX];
		enum store_what what;
		uint64_t number;

		cr_expect_str_eq(store_name(good[i].what, good[i].number, name), good[i].name);
		cr_assert_eq(store_name_parse(good[i].name, &what, &number), SSH_OK, "%s", good[i].name);
		cr_expect_eq(what, good[i].what, "%s", good[i].name);
		cr_expect_eq(number, good[i].number, "%s: %" PRIu64, good[i].name, number);
	}
}

/* Each number has one name. */
Test(store_name, refused)
{
	static const char *const bad[] = {
		"", "coppice", "coppice-", "coppice-state", "coppice-state-", "coppice-state-g", "coppice-state-1 ", "coppice-state-01", "coppice-state--1",
		"coppice-state-+1", "coppice-state-0x1", "coppice-state-A", "coppice-state-100000000", "coppice-stat-1", "coppice-log-4", "coppice-log-00",
		"coppice-metrics-0", "coppice-metricsx", "coppice-healthy", "coppice-proc-100000000000000", "coppice-proc-ffffffffffffffff",
		"coppice-proc-11111111111111111", "coppice-listen-127.0.0.1_22", "stored", "coppice-process-1",
	};
	enum store_what what;
	uint64_t number;

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_expect_eq(store_name_parse(bad[i], &what, &number), SSH_E_FORMAT, "%s", bad[i]);
}

/* All of a full store are one string of an environment, and names in it are told apart by colons. */
Test(store_name, fits_the_environment)
{
	char name[STORE_NAME_MAX];

	store_name(STORE_PROC, JOURNAL_ID_MAX - 1, name);
	cr_assert_leq((strlen(name) + 1) * 4096, 131072 - sizeof "LISTEN_FDNAMES=");
	cr_assert_null(strchr(name, ':'));
}
