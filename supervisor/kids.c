#include "supervisor/kids.h"

#define SUP(id_, parent_, name_, strategy_, intensity_, period_s, restart_, auto_, count_) \
	[KID_##id_] = { \
		.id = KID_##id_, .parent = KID_##parent_, .name = name_, .program = PROG_NOBODY, .account = "", \
		.count = COUNT_##count_, \
		.spec = { .kind = SUP_SUPERVISOR, .restart = SUP_##restart_, .shutdown_ms = SUP_INFINITY, \
		    .strategy = SUP_##strategy_, .auto_shutdown = SUP_##auto_, .intensity = intensity_, \
		    .period_ms = (period_s) * 1000u }, \
	},
#define KID(id_, parent_, name_, role_, program_, account_, restart_, significant_, shutdown_, start_, count_) \
	[KID_##id_] = { \
		.id = KID_##id_, .parent = KID_##parent_, .name = name_, .role = ROLE_##role_, .program = PROG_##program_, \
		.account = account_, .count = COUNT_##count_, \
		.spec = { .kind = SUP_WORKER, .restart = SUP_##restart_, .significant = significant_, \
		    .shutdown_ms = shutdown_, .start_ms = start_ }, \
	},

static const struct kid_row rows[KID_COUNT] = {
#include "supervisor/children.def"
};

const struct kid_row *kid_row(enum kid_id id)
{
	return (unsigned)id < KID_COUNT ? &rows[id] : NULL;
}
