#ifndef SUPERVISOR_VERSION_H
#define SUPERVISOR_VERSION_H

/* version - which program this is, and which journals it reads. Tests link others of it to upgrade to and fro. */

struct program_version {
	const char *name;		/* "0.1.0" */
	unsigned format, oldest;	/* of state.def: what it writes, and the oldest it reads */
	int fails;			/* tests only: it never gets through taking over */
};
extern const struct program_version program_version;

#endif
