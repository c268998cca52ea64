#include "base/wire.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"

struct view view_str(const char *s)
{
	return view_of(s, s ? strlen(s) : 0);
}

int view_is(struct view v, const char *s)
{
	return view_same(v, view_str(s));
}

int view_same(struct view a, struct view b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

struct view rd_raw(struct rd *r, size_t n)
{
	struct view v = { NULL, 0 };

	if (r->bad || (size_t)(r->end - r->p) < n) {
		r->bad = 1;
		return v;
	}
	v = view_of(r->p, n);
	if (n > 0)
		r->p += n;
	return v;
}

uint8_t rd_u8(struct rd *r)
{
	struct view v = rd_raw(r, 1);

	return r->bad ? 0 : v.p[0];
}

int rd_bool(struct rd *r)
{
	return rd_u8(r) != 0;
}

uint16_t rd_u16(struct rd *r)
{
	struct view v = rd_raw(r, 2);

	return r->bad ? 0 : (uint16_t)((unsigned)v.p[0] << 8 | v.p[1]);
}

uint32_t rd_u32(struct rd *r)
{
	struct view v = rd_raw(r, 4);

	return r->bad ? 0 : get_u32(v.p);
}

uint64_t rd_u64(struct rd *r)
{
	uint64_t high = rd_u32(r);

	return high << 32 | rd_u32(r);
}

struct view rd_string(struct rd *r, size_t max)
{
	uint32_t n = rd_u32(r);

	if (n > max)
		r->bad = 1;
	return rd_raw(r, n);
}

struct view rd_rest(struct rd *r)
{
	return rd_raw(r, rd_left(r));
}

struct view rd_mpint(struct rd *r, size_t max)
{
	struct view v = rd_string(r, max + 1);

	if (r->bad || v.len == 0)
		return v;
	if (v.p[0] & 0x80)
		r->bad = 1;			/* negative */
	else if (v.p[0] == 0 && (v.len == 1 || !(v.p[1] & 0x80)))
		r->bad = 1;			/* a zero byte too many */
	else if (v.p[0] == 0)
		v.p++, v.len--;
	if (r->bad || v.len > max) {
		r->bad = 1;
		v = view_of(NULL, 0);
	}
	return v;
}

int rd_done(const struct rd *r)
{
	return r->bad || r->p != r->end ? SSH_E_FORMAT : SSH_OK;
}

void wr_raw(struct wr *w, const void *p, size_t n)
{
	if (w->error == 0)
		w->error = buf_append(w->b, p, n);
}

/* n more bytes at the tail, or NULL. Most numbers fit what is there: a connection's state has a hundred, some thousand times a second. */
static uint8_t *place(struct wr *w, size_t n)
{
	struct buf *b = w->b;
	uint8_t *p;

	if (w->error != 0)
		return NULL;
	if (n > b->size - b->tail || n > b->max - buf_len(b)) {
		w->error = n > b->max - buf_len(b) ? SSH_E_FULL : buf_reserve(b, n) == NULL ? SSH_E_NOMEM : SSH_OK;
		if (w->error != 0)
			return NULL;
	}
	p = b->v + b->tail;
	b->tail += n;
	return p;
}

void wr_u8(struct wr *w, uint8_t v)
{
	uint8_t *p = place(w, 1);

	if (p != NULL)
		*p = v;
}

void wr_bool(struct wr *w, int v)
{
	wr_u8(w, v != 0);
}

void wr_u16(struct wr *w, uint16_t v)
{
	uint8_t *p = place(w, 2);

	if (p != NULL)
		p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
}

void wr_u32(struct wr *w, uint32_t v)
{
	uint8_t *p = place(w, 4);

	if (p != NULL)
		put_u32(p, v);
}

void wr_u64(struct wr *w, uint64_t v)
{
	uint8_t *p = place(w, 8);

	if (p != NULL) {
		put_u32(p, (uint32_t)(v >> 32));
		put_u32(p + 4, (uint32_t)v);
	}
}

void wr_string(struct wr *w, const void *p, size_t n)
{
	if (n > UINT32_MAX) {
		w->error = SSH_E_FULL;
		return;
	}
	wr_u32(w, (uint32_t)n);
	wr_raw(w, p, n);
}

void wr_view(struct wr *w, struct view v)
{
	wr_string(w, v.p, v.len);
}

void wr_cstr(struct wr *w, const char *s)
{
	wr_view(w, view_str(s));
}

void wr_mpint(struct wr *w, const uint8_t *p, size_t n)
{
	while (n > 0 && *p == 0)
		p++, n--;
	if (n > 0 && (*p & 0x80)) {
		wr_u32(w, (uint32_t)n + 1);
		wr_u8(w, 0);
	} else {
		wr_u32(w, (uint32_t)n);
	}
	wr_raw(w, p, n);
}

size_t wr_string_begin(struct wr *w)
{
	wr_u32(w, 0);
	return buf_len(w->b);
}

void wr_string_end(struct wr *w, size_t mark)
{
	if (w->error == 0)
		put_u32(buf_head(w->b) + mark - 4, (uint32_t)(buf_len(w->b) - mark));
}

int wr_done(const struct wr *w)
{
	return w->error;
}
