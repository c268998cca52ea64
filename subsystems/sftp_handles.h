#ifndef SUBSYSTEMS_SFTP_HANDLES_H
#define SUBSYSTEMS_SFTP_HANDLES_H
#include <stdint.h>

#include "base/limits.h"
#include "subsystems/sftp_server.h"

/* sftp_handles - what a client may hold: an index and a generation, so that an old handle is never somebody else's file. */

enum handle_kind { HANDLE_NONE, HANDLE_FILE, HANDLE_DIR };

#define HANDLE_LEN 8u	/* bytes on the wire */

struct handle {
	enum handle_kind kind;
	uint32_t generation, flags;	/* flags: as opened, enum sftp_open */
	uint64_t got, put;		/* bytes, for the log */
	struct sftp_file file;
};

struct handles { struct handle slot[SFTP_HANDLES_MAX]; unsigned used; };

/* A free slot with its name on the wire; NULL when all are taken. It counts once its kind is set by handles_take(). */
struct handle *handles_free_slot(struct handles *);
void handles_take(struct handles *, struct handle *, enum handle_kind, const struct sftp_file *, uint32_t flags);
void handles_drop(struct handles *, struct handle *);
void handles_name(const struct handles *, const struct handle *, uint8_t name[HANDLE_LEN]);
/* NULL: no such handle, or not of that kind (HANDLE_NONE: any kind will do). */
struct handle *handles_find(struct handles *, struct view name, enum handle_kind);

#endif
