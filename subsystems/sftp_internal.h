#ifndef SUBSYSTEMS_SFTP_INTERNAL_H
#define SUBSYSTEMS_SFTP_INTERNAL_H
#include "base/buf.h"
#include "base/limits.h"
#include "subsystems/sftp_handles.h"
#include "subsystems/sftp_server.h"

/* sftp_internal - what sftp_server.c (bytes, replies) and sftp_requests.c (one function per request) share. */

struct sftp_server {
	const struct sftp_fs_ops *ops;
	void *fs;
	const struct mem *mem;
	unsigned flags;
	int started;		/* INIT was seen */
	int error;		/* first SSH_E_*: ends the session */
	struct buf in, out;
	struct handles handles;
};

/* What a request's function returns: 0 answers STATUS OK, a negative errno its STATUS; or the reply is written already. */
enum { ANSWERED = 1 };
typedef int sftp_handler(struct sftp_server *, const struct sftp_msg *);

/* changes: refused when read-only. */
struct sftp_row { sftp_handler *run; int changes; };
extern const struct sftp_row sftp_requests[256];
extern const struct sftp_row sftp_extended[SFTP_EXT_COUNT];
sftp_handler sftp_on_init;

/* Replies; all return ANSWERED, and end the session when there is no memory for one. */
int sftp_answer(struct sftp_server *, const struct sftp_msg *);
int sftp_answer_status(struct sftp_server *, uint32_t id, uint32_t status, const char *text);	/* text NULL: the usual one */
int sftp_answer_attrs(struct sftp_server *, uint32_t id, const struct sftp_attrs *);
int sftp_answer_path(struct sftp_server *, uint32_t id, const char *path);
int sftp_answer_numbers(struct sftp_server *, uint32_t id, const uint64_t *, unsigned n);
int sftp_answer_handle(struct sftp_server *, uint32_t id, const struct handle *);

/* 0 or a negative errno; the slot is free in either case. */
int sftp_close_handle(struct sftp_server *, struct handle *);

#endif
