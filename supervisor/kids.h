#ifndef SUPERVISOR_KIDS_H
#define SUPERVISOR_KIDS_H
#include "ipc/codec.h"
#include "supervisor/tree.h"

/* kids - children.def as data: the rows the process tree is made of. */

enum kid_id {
#define SUP(id, ...) KID_##id,
#define KID(id, ...) KID_##id,
#include "supervisor/children.def"
#undef SUP
#undef KID
	KID_COUNT, KID_NOBODY
};

/* Helper programs in libexec/coppice. */
enum program {
	PROG_REPORTER, PROG_KEEPER, PROG_KEYSIGN, PROG_AUTH, PROG_NURSERY, PROG_ACCEPTOR, PROG_CHANNEL, PROG_SFTP_SERVER, PROG_COUNT,
	PROG_NOBODY
};

enum kid_count { COUNT_ONE, COUNT_PER_LISTENER, COUNT_PER_CLIENT, COUNT_ON_DEMAND };

struct kid_row {
	enum kid_id id, parent;
	const char *name;
	enum ipc_role role;		/* workers */
	enum program program;
	const char *account;
	enum kid_count count;
	struct sup_spec spec;
};

const struct kid_row *kid_row(enum kid_id);

#endif
