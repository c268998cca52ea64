#include "subsystems/sftp_server.h"

#include <errno.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/mem.h"
#include "subsystems/sftp_internal.h"

/* One reply more than the high-water mark, and its length. */
#define OUTPUT_MAX (SFTP_OUTPUT_HIGH + SFTP_PACKET_MAX + 4)
/* A whole packet behind a part of another. */
#define INPUT_MAX  (2 * (SFTP_PACKET_MAX + 4))
#define INPUT_READ SFTP_PACKET_MAX

struct sftp_server *sftp_server_new(const struct sftp_fs_ops *ops, void *fs, unsigned flags, const struct mem *mem)
{
	struct sftp_server *s = mem_zalloc(mem, sizeof *s);

	if (s == NULL)
		return NULL;
	s->ops = ops;
	s->fs = fs;
	s->mem = mem;
	s->flags = flags;
	buf_init(&s->in, INPUT_MAX, mem);
	buf_init(&s->out, OUTPUT_MAX, mem);
	return s;
}

int sftp_close_handle(struct sftp_server *s, struct handle *h)
{
	int r = h->kind == HANDLE_DIR ? s->ops->closedir(s->fs, &h->file) : s->ops->close(s->fs, &h->file);

	if (h->kind == HANDLE_FILE)
		log_ev(LOGL_INFO, "close: bytes read %llu written %llu",
		    (unsigned long long)h->got, (unsigned long long)h->put);
	handles_drop(&s->handles, h);
	return r;
}

void sftp_server_free(struct sftp_server *s)
{
	if (s == NULL)
		return;
	for (unsigned i = 0; i < SFTP_HANDLES_MAX; i++)
		if (s->handles.slot[i].kind != HANDLE_NONE)
			sftp_close_handle(s, &s->handles.slot[i]);
	buf_drop(&s->in);
	buf_drop(&s->out);
	mem_free(s->mem, s);
}

/* ---- replies ---- */

/* A reply that cannot be queued ends the session: the client could never match the answers again. */
int sftp_answer(struct sftp_server *s, const struct sftp_msg *reply)
{
	int r = sftp_encode(&s->out, reply);

	if (r < 0)
		s->error = r;
	return ANSWERED;
}

int sftp_answer_status(struct sftp_server *s, uint32_t id, uint32_t status, const char *text)
{
	struct sftp_msg m = { .type = SFTP_STATUS, .id = id, .status = status };

	m.text = view_str(text != NULL ? text : sftp_status_text(status));
	return sftp_answer(s, &m);
}

/* As OpenSSH maps them; the text says what the number cannot. */
static uint32_t status_of(int error)
{
	switch (error) {
	case 0:
		return SFTP_FX_OK;
	case ENOENT: case ENOTDIR: case EBADF: case ELOOP:
		return SFTP_FX_NO_SUCH_FILE;
	case EPERM: case EACCES: case EFAULT:
		return SFTP_FX_PERMISSION_DENIED;
	case ENAMETOOLONG: case EINVAL:
		return SFTP_FX_BAD_MESSAGE;
	case ENOSYS:
		return SFTP_FX_OP_UNSUPPORTED;
	default:
		return SFTP_FX_FAILURE;
	}
}

static int answer_result(struct sftp_server *s, uint32_t id, int r)
{
	uint32_t status = status_of(-r);

	if (r == ANSWERED)
		return r;
	return sftp_answer_status(s, id, status, status == SFTP_FX_FAILURE ? strerror(-r) : NULL);
}

int sftp_answer_attrs(struct sftp_server *s, uint32_t id, const struct sftp_attrs *a)
{
	struct sftp_msg m = { .type = SFTP_ATTRS, .id = id, .attrs = *a };

	return sftp_answer(s, &m);
}

int sftp_answer_path(struct sftp_server *s, uint32_t id, const char *path)
{
	struct sftp_msg m = { .type = SFTP_NAME, .id = id, .count = 1 };
	struct sftp_attrs none = { 0 };
	struct buf b;
	struct wr w;

	buf_init(&b, SFTP_PACKET_MAX, s->mem);
	w = wr_to(&b);
	sftp_put_name(&w, path, path, &none);
	if ((s->error = wr_done(&w)) == SSH_OK) {
		m.rest = view_of(buf_head(&b), buf_len(&b));
		sftp_answer(s, &m);
	}
	buf_drop(&b);
	return ANSWERED;
}

int sftp_answer_numbers(struct sftp_server *s, uint32_t id, const uint64_t *v, unsigned n)
{
	struct sftp_msg m = { .type = SFTP_EXTENDED_REPLY, .id = id };
	uint8_t body[8 * SFTP_SPACE_FIELDS];

	for (unsigned i = 0; i < n; i++) {
		put_u32(body + 8 * i, (uint32_t)(v[i] >> 32));
		put_u32(body + 8 * i + 4, (uint32_t)v[i]);
	}
	m.rest = view_of(body, 8 * n);
	return sftp_answer(s, &m);
}

int sftp_answer_handle(struct sftp_server *s, uint32_t id, const struct handle *h)
{
	struct sftp_msg m = { .type = SFTP_HANDLE, .id = id };
	uint8_t name[HANDLE_LEN];

	handles_name(&s->handles, h, name);
	m.handle = view_of(name, sizeof name);
	return sftp_answer(s, &m);
}

/* ---- dispatch ---- */

static int dispatch(struct sftp_server *s, struct view packet)
{
	struct sftp_msg m;
	const struct sftp_row *row;
	int bad = sftp_decode(&m, packet);

	if (s->started != (m.type != SFTP_INIT))
		return SSH_E_PROTOCOL;		/* INIT comes first, and once */
	if (m.type == SFTP_INIT) {
		if (bad < 0)
			return bad;
		sftp_on_init(s, &m);
		return s->error;
	}
	row = m.type == SFTP_EXTENDED ? &sftp_extended[m.ext] : &sftp_requests[m.type];
	if (bad < 0)
		sftp_answer_status(s, m.id, SFTP_FX_BAD_MESSAGE, NULL);
	else if (row->run == NULL)
		sftp_answer_status(s, m.id, SFTP_FX_OP_UNSUPPORTED, NULL);
	else if (row->changes && (s->flags & SFTP_SERVER_READ_ONLY))
		sftp_answer_status(s, m.id, SFTP_FX_PERMISSION_DENIED, NULL);
	else
		answer_result(s, m.id, row->run(s, &m));
	return s->error;
}

/* An empty buf may have no storage to point into. */
static struct view queued(const struct buf *b)
{
	return view_of(b->v != NULL ? buf_head(b) : NULL, buf_len(b));
}

int sftp_server_run(struct sftp_server *s)
{
	struct view packet;
	int r = 0;

	while (s->error == SSH_OK && buf_len(&s->out) < SFTP_OUTPUT_HIGH &&
	    (r = sftp_frame(queued(&s->in), &packet)) > 0) {
		s->error = dispatch(s, packet);
		buf_consume(&s->in, packet.len + 4);
	}
	if (s->error == SSH_OK && r < 0)
		s->error = r;
	return s->error;
}

/* ---- bytes in and out ---- */

uint8_t *sftp_server_room(struct sftp_server *s, size_t *n)
{
	size_t len = buf_len(&s->in);

	if (s->error < 0 || len >= SFTP_PACKET_MAX + 4)
		return NULL;		/* a whole request waits already */
	*n = INPUT_READ;
	return buf_reserve(&s->in, INPUT_READ);
}

void sftp_server_got(struct sftp_server *s, size_t n)
{
	buf_commit(&s->in, n);
}

struct view sftp_server_output(struct sftp_server *s)
{
	return queued(&s->out);
}

void sftp_server_sent(struct sftp_server *s, size_t n)
{
	buf_consume(&s->out, n);
}

size_t sftp_server_held(const struct sftp_server *s)
{
	return s->in.size + s->out.size;
}

void sftp_server_idle(struct sftp_server *s)
{
	buf_shrink(&s->in);
	buf_shrink(&s->out);
}

unsigned sftp_server_open(const struct sftp_server *s)
{
	return s->handles.used;
}
