#ifndef SSH_SFTP_CODEC_H
#define SSH_SFTP_CODEC_H
#include <stdint.h>

#include "base/wire.h"

/*
 * sftp_codec - the messages of SFTP version 3, both ways (draft-ietf-secsh-filexfer-02 as OpenSSH
 * speaks it); no file system, no state. The fields of each message are in sftp_messages.def.
 */

struct buf;

#define SFTP_VERSION_3 3u

enum sftp_type {
#define SFTP(number, name, fields, section) SFTP_##name = (number),
#define SFTP_EXT(name, text, version, fields)
#include "ssh/sftp_messages.def"
#undef SFTP
#undef SFTP_EXT
};

enum sftp_ext {
	SFTP_EXT_UNKNOWN,
#define SFTP(number, name, fields, section)
#define SFTP_EXT(name, text, version, fields) SFTP_EXT_##name,
#include "ssh/sftp_messages.def"
#undef SFTP
#undef SFTP_EXT
	SFTP_EXT_COUNT
};

/* Section 7. */
enum sftp_status {
	SFTP_FX_OK, SFTP_FX_EOF, SFTP_FX_NO_SUCH_FILE, SFTP_FX_PERMISSION_DENIED, SFTP_FX_FAILURE,
	SFTP_FX_BAD_MESSAGE, SFTP_FX_NO_CONNECTION, SFTP_FX_CONNECTION_LOST, SFTP_FX_OP_UNSUPPORTED
};

/* Open flags, section 6.3. */
enum sftp_open {
	SFTP_READ_FLAG = 1, SFTP_WRITE_FLAG = 2, SFTP_APPEND = 4, SFTP_CREAT = 8, SFTP_TRUNC = 16, SFTP_EXCL = 32
};

/* Section 5. */
enum sftp_attr {
	SFTP_ATTR_SIZE = 1, SFTP_ATTR_UIDGID = 2, SFTP_ATTR_PERMISSIONS = 4, SFTP_ATTR_ACMODTIME = 8
};
#define SFTP_ATTR_EXTENDED 0x80000000u

struct sftp_attrs {
	uint32_t flags;		/* which of the others hold: enum sftp_attr */
	uint64_t size;		/* bytes */
	uint32_t uid, gid, perm;
	uint32_t atime, mtime;	/* seconds since 1970 */
};

/* Any message; which members hold is in sftp_messages.def. Views point into the packet. */
struct sftp_msg {
	uint8_t type;			/* enum sftp_type, or a number we do not know */
	enum sftp_ext ext;		/* EXTENDED: which; then also its fields hold */
	uint32_t id, version, flags, len, status, count;
	uint64_t offset;
	struct view path, path2, handle, data, name, text, lang, rest;
	struct sftp_attrs attrs;
};

/*
 * First whole packet of the queued bytes: 1 and its content without the length, or 0 when it is not
 * all there. SSH_E_TOO_BIG (over SFTP_PACKET_MAX), SSH_E_FORMAT (too short for type and id).
 */
int sftp_frame(struct view queued, struct view *packet) __attribute__((warn_unused_result));
/*
 * SSH_OK, or SSH_E_FORMAT when a field is short; type and id hold in either case when the packet
 * came from sftp_frame(). Bytes after the last field are left in rest, as OpenSSH ignores them.
 * Unknown numbers and extensions are SSH_OK: type, id and rest.
 */
int sftp_decode(struct sftp_msg *, struct view packet) __attribute__((warn_unused_result));
/* Appends length, type and fields. EXTENDED: ext chooses name and fields; UNKNOWN sends name and rest. SSH_E_FULL, SSH_E_NOMEM. */
int sftp_encode(struct buf *, const struct sftp_msg *) __attribute__((warn_unused_result));

/* Attributes alone; extended ones are read over. */
void sftp_get_attrs(struct rd *, struct sftp_attrs *);
void sftp_put_attrs(struct wr *, const struct sftp_attrs *);
/* One entry of NAME (count of them in rest). */
void sftp_get_name(struct rd *, struct view *name, struct view *longname, struct sftp_attrs *);
void sftp_put_name(struct wr *, const char *name, const char *longname, const struct sftp_attrs *);

/* "READ"; NULL for a number that is not in the table. */
const char *sftp_type_name(unsigned type);
/* "statvfs@openssh.com" and "2"; NULL out of range. */
const char *sftp_ext_name(enum sftp_ext);
const char *sftp_ext_version(enum sftp_ext);
/* "No such file", as OpenSSH words them. */
const char *sftp_status_text(uint32_t status);

#endif
