#ifndef SUBSYSTEMS_SFTP_SERVER_H
#define SUBSYSTEMS_SFTP_SERVER_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/wire.h"
#include "ssh/sftp_codec.h"

/*
 * sftp_server - SFTP version 3 as a machine: request bytes in, reply bytes out, over an interface of
 * file operations. It reads and writes no descriptor; every wait is its caller's.
 */

struct mem;
struct sftp_server;

/* One open file or directory, as the file operations made it. */
struct sftp_file { int fd; void *dir; };

struct sftp_entry {
	const char *name, *longname;	/* the operations' own, until the next call */
	struct sftp_attrs attrs;
};

/* statvfs(3) in the order of the wire. */
enum { SFTP_SPACE_FIELDS = 11 };
struct sftp_space { uint64_t v[SFTP_SPACE_FIELDS]; };

/*
 * What the server needs of a file system. Every function returns 0 (or a count) or a negative errno,
 * and must not wait for another process. Offsets and sizes are at most INT64_MAX. Paths are at most
 * SFTP_PATH_MAX - 1 bytes and may be relative.
 */
struct sftp_fs_ops {
	/* flags: enum sftp_open. The file is the caller's, close() it. */
	int (*open)(void *fs, const char *path, uint32_t flags, const struct sftp_attrs *, struct sftp_file *);
	int (*close)(void *fs, struct sftp_file *);
	ssize_t (*read)(void *fs, struct sftp_file *, uint64_t offset, uint8_t *, size_t n);	/* 0: end of file */
	int (*write)(void *fs, struct sftp_file *, uint64_t offset, const uint8_t *, size_t n);	/* all of it */
	int (*stat)(void *fs, const char *path, int follow, struct sftp_attrs *);
	int (*fstat)(void *fs, struct sftp_file *, struct sftp_attrs *);
	int (*setstat)(void *fs, const char *path, int follow, const struct sftp_attrs *);
	int (*fsetstat)(void *fs, struct sftp_file *, const struct sftp_attrs *);
	int (*opendir)(void *fs, const char *path, struct sftp_file *);
	int (*readdir)(void *fs, struct sftp_file *, struct sftp_entry *);	/* 1: an entry; 0: the end */
	int (*closedir)(void *fs, struct sftp_file *);
	int (*remove)(void *fs, const char *path);
	int (*mkdir)(void *fs, const char *path, uint32_t mode);
	int (*rmdir)(void *fs, const char *path);
	int (*realpath)(void *fs, const char *path, char out[]);	/* out: SFTP_PATH_MAX bytes */
	int (*readlink)(void *fs, const char *path, char out[]);
	int (*rename)(void *fs, const char *from, const char *to, int replace);
	int (*symlink)(void *fs, const char *target, const char *path);
	int (*link)(void *fs, const char *from, const char *to);
	int (*statvfs)(void *fs, const char *path, struct sftp_space *);
	int (*fstatvfs)(void *fs, struct sftp_file *, struct sftp_space *);
	int (*fsync)(void *fs, struct sftp_file *);
	int (*home)(void *fs, const char *user, char out[]);	/* user "": the one we are */
};

#define SFTP_SERVER_READ_ONLY 1u

/* NULL: out of memory. ops and fs are borrowed until sftp_server_free(), which closes what is open. mem: NULL for the heap. */
struct sftp_server *sftp_server_new(const struct sftp_fs_ops *, void *fs, unsigned flags, const struct mem *mem);
void sftp_server_free(struct sftp_server *);

/* Where the next input goes: up to *n bytes at the place returned; NULL while enough is waiting (run, send) or without memory. */
uint8_t *sftp_server_room(struct sftp_server *, size_t *n);
void sftp_server_got(struct sftp_server *, size_t n);
/*
 * Answers whole requests until there are none or SFTP_OUTPUT_HIGH bytes of replies wait: back-pressure
 * is that what is left stays in the input. SSH_OK, or the error that ends the session (its replies so
 * far are still to be sent): SSH_E_TOO_BIG, SSH_E_FORMAT, SSH_E_PROTOCOL, SSH_E_NOMEM.
 */
int sftp_server_run(struct sftp_server *) __attribute__((warn_unused_result));
/* Replies to send; borrowed until the next call. */
struct view sftp_server_output(struct sftp_server *);
void sftp_server_sent(struct sftp_server *, size_t n);
/* Bytes of memory its queues hold, and the call that gives them back when both are empty. */
size_t sftp_server_held(const struct sftp_server *);
void sftp_server_idle(struct sftp_server *);
/* Open handles, files and directories. */
unsigned sftp_server_open(const struct sftp_server *);

#endif
