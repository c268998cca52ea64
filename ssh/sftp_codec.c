#include "ssh/sftp_codec.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"

struct message { const char *name, *fields; };

static const struct message messages[256] = {
#define SFTP(number, name, fields, section) [number] = { #name, fields },
#define SFTP_EXT(name, text, version, fields)
#include "ssh/sftp_messages.def"
#undef SFTP
#undef SFTP_EXT
};

static const struct { const char *name, *version, *fields; } extensions[SFTP_EXT_COUNT] = {
	[SFTP_EXT_UNKNOWN] = { NULL, NULL, "" },
#define SFTP(number, name, fields, section)
#define SFTP_EXT(name, text, version, fields) [SFTP_EXT_##name] = { text, version, fields },
#include "ssh/sftp_messages.def"
#undef SFTP
#undef SFTP_EXT
};

const char *sftp_type_name(unsigned type)
{
	return type < 256 ? messages[type].name : NULL;
}

const char *sftp_ext_name(enum sftp_ext e)
{
	return (unsigned)e < SFTP_EXT_COUNT ? extensions[e].name : NULL;
}

const char *sftp_ext_version(enum sftp_ext e)
{
	return (unsigned)e < SFTP_EXT_COUNT ? extensions[e].version : NULL;
}

const char *sftp_status_text(uint32_t status)
{
	static const char *const text[] = {
		"Success", "End of file", "No such file", "Permission denied", "Failure",
		"Bad message", "No connection", "Connection lost", "Operation unsupported"
	};

	return status < sizeof text / sizeof *text ? text[status] : "Unknown error";
}

int sftp_frame(struct view queued, struct view *packet)
{
	uint32_t n;

	if (queued.len < 4)
		return 0;
	n = get_u32(queued.p);
	if (n > SFTP_PACKET_MAX)
		return SSH_E_TOO_BIG;
	if (n < 5)
		return SSH_E_FORMAT;
	if (queued.len - 4 < n)
		return 0;
	*packet = view_of(queued.p + 4, n);
	return 1;
}

void sftp_get_attrs(struct rd *r, struct sftp_attrs *a)
{
	memset(a, 0, sizeof *a);
	a->flags = rd_u32(r);
	if (a->flags & SFTP_ATTR_SIZE)
		a->size = rd_u64(r);
	if (a->flags & SFTP_ATTR_UIDGID) {
		a->uid = rd_u32(r);
		a->gid = rd_u32(r);
	}
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		a->perm = rd_u32(r);
	if (a->flags & SFTP_ATTR_ACMODTIME) {
		a->atime = rd_u32(r);
		a->mtime = rd_u32(r);
	}
	if (a->flags & SFTP_ATTR_EXTENDED) {
		/* Whatever count says, the loop ends with the packet. */
		for (uint32_t i = rd_u32(r); i > 0 && !r->bad; i--) {
			rd_string(r, SFTP_PACKET_MAX);
			rd_string(r, SFTP_PACKET_MAX);
		}
	}
}

void sftp_put_attrs(struct wr *w, const struct sftp_attrs *a)
{
	wr_u32(w, a->flags & ~SFTP_ATTR_EXTENDED);
	if (a->flags & SFTP_ATTR_SIZE)
		wr_u64(w, a->size);
	if (a->flags & SFTP_ATTR_UIDGID) {
		wr_u32(w, a->uid);
		wr_u32(w, a->gid);
	}
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		wr_u32(w, a->perm);
	if (a->flags & SFTP_ATTR_ACMODTIME) {
		wr_u32(w, a->atime);
		wr_u32(w, a->mtime);
	}
}

void sftp_get_name(struct rd *r, struct view *name, struct view *longname, struct sftp_attrs *a)
{
	*name = rd_string(r, SFTP_PACKET_MAX);
	*longname = rd_string(r, SFTP_PACKET_MAX);
	sftp_get_attrs(r, a);
}

void sftp_put_name(struct wr *w, const char *name, const char *longname, const struct sftp_attrs *a)
{
	wr_cstr(w, name);
	wr_cstr(w, longname);
	sftp_put_attrs(w, a);
}

static enum sftp_ext extension(struct view name)
{
	for (int e = SFTP_EXT_UNKNOWN + 1; e < SFTP_EXT_COUNT; e++)
		if (view_is(name, extensions[e].name))
			return (enum sftp_ext)e;
	return SFTP_EXT_UNKNOWN;
}

static void get_fields(struct rd *r, struct sftp_msg *m, const char *fields);

static void get_field(struct rd *r, struct sftp_msg *m, char field)
{
	switch (field) {
	case 'i': m->id = rd_u32(r); break;
	case 'v': m->version = rd_u32(r); break;
	case 'f': m->flags = rd_u32(r); break;
	case 'l': m->len = rd_u32(r); break;
	case 's': m->status = rd_u32(r); break;
	case 'n': m->count = rd_u32(r); break;
	case 'o': m->offset = rd_u64(r); break;
	case 'p': m->path = rd_string(r, SFTP_PACKET_MAX); break;
	case 'q': m->path2 = rd_string(r, SFTP_PACKET_MAX); break;
	case 'h': m->handle = rd_string(r, SFTP_PACKET_MAX); break;
	case 'd': m->data = rd_string(r, SFTP_PACKET_MAX); break;
	case 'a': sftp_get_attrs(r, &m->attrs); break;
	case 'm':
		if (rd_left(r) == 0)
			break;		/* servers before version 3 send none */
		m->text = rd_string(r, SFTP_PACKET_MAX);
		if (rd_left(r) > 0)
			m->lang = rd_string(r, SFTP_PACKET_MAX);
		break;
	case 'e':
		m->name = rd_string(r, SFTP_PACKET_MAX);
		m->ext = extension(m->name);
		get_fields(r, m, extensions[m->ext].fields);
		break;
	default:
		break;			/* '*': what is left is the rest */
	}
}

static void get_fields(struct rd *r, struct sftp_msg *m, const char *fields)
{
	for (; *fields; fields++)
		get_field(r, m, *fields);
}

int sftp_decode(struct sftp_msg *m, struct view packet)
{
	struct rd r = rd_view(packet);
	const char *fields;

	memset(m, 0, sizeof *m);
	m->type = rd_u8(&r);
	if ((fields = messages[m->type].fields) == NULL)
		fields = "i*";
	get_fields(&r, m, fields);
	m->rest = rd_rest(&r);
	return rd_done(&r);
}

static void put_fields(struct wr *w, const struct sftp_msg *m, const char *fields);

static void put_field(struct wr *w, const struct sftp_msg *m, char field)
{
	switch (field) {
	case 'i': wr_u32(w, m->id); break;
	case 'v': wr_u32(w, m->version); break;
	case 'f': wr_u32(w, m->flags); break;
	case 'l': wr_u32(w, m->len); break;
	case 's': wr_u32(w, m->status); break;
	case 'n': wr_u32(w, m->count); break;
	case 'o': wr_u64(w, m->offset); break;
	case 'p': wr_view(w, m->path); break;
	case 'q': wr_view(w, m->path2); break;
	case 'h': wr_view(w, m->handle); break;
	case 'd': wr_view(w, m->data); break;
	case 'a': sftp_put_attrs(w, &m->attrs); break;
	case 'm':
		wr_view(w, m->text);
		wr_view(w, m->lang);
		break;
	case 'e':
		if (m->ext == SFTP_EXT_UNKNOWN)
			wr_view(w, m->name);
		else
			wr_cstr(w, extensions[m->ext].name);
		put_fields(w, m, extensions[m->ext].fields);
		break;
	default:
		wr_raw(w, m->rest.p, m->rest.len);
		break;
	}
}

static void put_fields(struct wr *w, const struct sftp_msg *m, const char *fields)
{
	for (; *fields; fields++)
		put_field(w, m, *fields);
}

int sftp_encode(struct buf *b, const struct sftp_msg *m)
{
	struct wr w = wr_to(b);
	size_t start = buf_len(b), mark = wr_string_begin(&w);
	const char *fields = messages[m->type].fields;

	wr_u8(&w, m->type);
	put_fields(&w, m, fields != NULL ? fields : "i*");
	wr_string_end(&w, mark);
	if (wr_done(&w) == SSH_OK && buf_len(b) - mark > SFTP_PACKET_MAX)
		w.error = SSH_E_FULL;
	if (w.error != SSH_OK)
		buf_truncate(b, start);
	return w.error;
}
