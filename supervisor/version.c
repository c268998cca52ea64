#include "supervisor/version.h"

/* A test's program is the same but for these numbers. */
#ifndef PROGRAM_VERSION
#define PROGRAM_VERSION COPPICE_VERSION
#endif
#ifndef PROGRAM_FORMAT
#define PROGRAM_FORMAT 4
#endif
#ifndef PROGRAM_FORMAT_OLDEST
#define PROGRAM_FORMAT_OLDEST 1
#endif
#ifndef PROGRAM_FAILS
#define PROGRAM_FAILS 0
#endif

const struct program_version program_version = {
	.name = PROGRAM_VERSION, .format = PROGRAM_FORMAT, .oldest = PROGRAM_FORMAT_OLDEST, .fails = PROGRAM_FAILS,
};
