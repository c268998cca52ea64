#ifndef TESTS_UNIT_SUBSYSTEMS_PEER_H
#define TESTS_UNIT_SUBSYSTEMS_PEER_H
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "subsystems/sftp_server.h"

/* peer - a client of sftp_server in memory: one request, one reply. */

struct peer {
	struct sftp_server *s;
	struct buf reply;	/* the last reply's packet; views of m point into it */
	struct sftp_msg m;
	uint32_t id;
};

static inline void peer_feed(struct peer *p, const uint8_t *v, size_t n)
{
	while (n > 0) {
		size_t room = 0, k;
		uint8_t *to = sftp_server_room(p->s, &room);

		cr_assert_not_null(to);
		k = n < room ? n : room;
		memcpy(to, v, k);
		sftp_server_got(p->s, k);
		v += k, n -= k;
	}
}

/* Takes the first waiting reply into p->m; 0 when there is none. */
static inline int peer_take(struct peer *p)
{
	struct view out = sftp_server_output(p->s), packet;

	if (sftp_frame(out, &packet) != 1)
		return 0;
	buf_truncate(&p->reply, 0);
	cr_assert_eq(buf_append(&p->reply, packet.p, packet.len), SSH_OK);
	sftp_server_sent(p->s, packet.len + 4);
	cr_assert_eq(sftp_decode(&p->m, view_of(buf_head(&p->reply), buf_len(&p->reply))), SSH_OK);
	return 1;
}

static inline void peer_send(struct peer *p, const struct sftp_msg *m)
{
	struct buf b;

	buf_init(&b, SFTP_PACKET_MAX + 4, NULL);
	cr_assert_eq(sftp_encode(&b, m), SSH_OK);
	peer_feed(p, buf_head(&b), buf_len(&b));
	buf_drop(&b);
}

/* Sends a request with the next id, and expects exactly one reply to it of the type given. */
static inline struct sftp_msg *peer_ask(struct peer *p, struct sftp_msg m, uint8_t type)
{
	m.id = ++p->id;
	peer_send(p, &m);
	cr_assert_eq(sftp_server_run(p->s), SSH_OK);
	cr_assert(peer_take(p), "no reply");
	cr_assert_eq(p->m.id, m.id);
	cr_assert_eq(p->m.type, type, "reply %u (status %u %.*s)", p->m.type, p->m.status, (int)p->m.text.len, (const char *)p->m.text.p);
	cr_assert_eq(sftp_server_output(p->s).len, 0, "more than one reply");
	return &p->m;
}

static inline void peer_status(struct peer *p, struct sftp_msg m, uint32_t status)
{
	peer_ask(p, m, SFTP_STATUS);
	cr_assert_eq(p->m.status, status, "status %u, not %u (%.*s)", p->m.status, status, (int)p->m.text.len, (const char *)p->m.text.p);
}

static inline void peer_begin(struct peer *p, const struct sftp_fs_ops *ops, void *fs, unsigned flags)
{
	memset(p, 0, sizeof *p);
	buf_init(&p->reply, SFTP_PACKET_MAX, NULL);
	p->s = sftp_server_new(ops, fs, flags, NULL);
	peer_send(p, &(struct sftp_msg){ .type = SFTP_INIT, .version = 3 });
	cr_assert_eq(sftp_server_run(p->s), SSH_OK);
	cr_assert(peer_take(p));
	cr_assert_eq(p->m.type, SFTP_VERSION);
	cr_assert_eq(p->m.version, 3);
}

static inline void peer_end(struct peer *p)
{
	sftp_server_free(p->s);
	buf_drop(&p->reply);
}

/* The last reply's handle, kept. */
struct kept { uint8_t v[16]; size_t len; };

static inline struct view kept_view(const struct kept *k)
{
	return view_of(k->v, k->len);
}

static inline struct kept peer_open(struct peer *p, const char *path, uint32_t flags)
{
	struct kept k;
	struct sftp_msg *m = peer_ask(p, (struct sftp_msg){ .type = SFTP_OPEN, .path = view_str(path), .flags = flags }, SFTP_HANDLE);

	cr_assert_leq(m->handle.len, sizeof k.v);
	memcpy(k.v, m->handle.p, m->handle.len);
	k.len = m->handle.len;
	return k;
}

static inline struct kept peer_opendir(struct peer *p, const char *path)
{
	struct kept k;
	struct sftp_msg *m = peer_ask(p, (struct sftp_msg){ .type = SFTP_OPENDIR, .path = view_str(path) }, SFTP_HANDLE);

	memcpy(k.v, m->handle.p, m->handle.len);
	k.len = m->handle.len;
	return k;
}

static inline struct sftp_msg on_path(uint8_t type, const char *path)
{
	return (struct sftp_msg){ .type = type, .path = view_str(path) };
}

static inline struct sftp_msg on_paths(uint8_t type, const char *a, const char *b)
{
	return (struct sftp_msg){ .type = type, .path = view_str(a), .path2 = view_str(b) };
}

static inline struct sftp_msg on_handle(uint8_t type, const struct kept *k)
{
	return (struct sftp_msg){ .type = type, .handle = kept_view(k) };
}

static inline struct sftp_msg on_ext(enum sftp_ext ext, struct sftp_msg m)
{
	m.type = SFTP_EXTENDED;
	m.ext = ext;
	return m;
}

/* READ of n bytes; the data, or the status in p->m. */
static inline struct sftp_msg *peer_read(struct peer *p, const struct kept *k, uint64_t offset, uint32_t n, uint8_t type)
{
	return peer_ask(p, (struct sftp_msg){ .type = SFTP_READ, .handle = kept_view(k), .offset = offset, .len = n }, type);
}

static inline struct sftp_msg to_write(const struct kept *k, uint64_t offset, const void *v, size_t n)
{
	return (struct sftp_msg){ .type = SFTP_WRITE, .handle = kept_view(k), .offset = offset, .data = view_of(v, n) };
}

/* The one name of a NAME reply is this one. */
static inline int reply_names(const struct sftp_msg *m, const char *name)
{
	struct rd r = rd_view(m->rest);
	struct view a, b;
	struct sftp_attrs at;

	sftp_get_name(&r, &a, &b, &at);
	return m->count == 1 && rd_done(&r) == SSH_OK && view_is(a, name);
}

#endif
