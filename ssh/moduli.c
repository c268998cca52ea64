#include "ssh/moduli.h"

#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"

#define NUMBER_MAX (SSH_DH_BITS_MAX / 8)
#define GROUPS_MAX 4096u		/* Debian's file has 430 */

/* Where the numbers of a group lie in bytes. */
struct entry { uint32_t bits; size_t p, p_len, g, g_len; };

struct moduli {
	const struct mem *mem;
	struct entry *entries;
	size_t count;
	struct buf bytes;
};

/* ---- the file ------------------------------------------------------------------------------ */

/* Up to the next blank; empty at the end of the line. */
static struct view field(struct view *line)
{
	size_t n = 0;
	struct view f;

	while (line->len > 0 && (*line->p == ' ' || *line->p == '\t'))
		*line = view_of(line->p + 1, line->len - 1);
	while (n < line->len && line->p[n] != ' ' && line->p[n] != '\t' && line->p[n] != '\r')
		n++;
	f = view_of(line->p, n);
	*line = view_of(line->p + n, line->len - n);
	return f;
}

static int decimal(struct view f, uint32_t *to)
{
	*to = 0;
	if (f.len == 0 || f.len > 6)
		return SSH_E_FORMAT;
	for (size_t i = 0; i < f.len; i++) {
		if (f.p[i] < '0' || f.p[i] > '9')
			return SSH_E_FORMAT;
		*to = *to * 10 + (uint32_t)(f.p[i] - '0');
	}
	return SSH_OK;
}

static int digit(uint8_t c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Returns how many bytes, 0 when it is no number or too long. */
static size_t hexadecimal(struct view f, uint8_t out[NUMBER_MAX])
{
	size_t n = (f.len + 1) / 2;

	if (n > NUMBER_MAX)
		return 0;
	memset(out, 0, n);
	for (size_t i = 0; i < f.len; i++) {
		int d = digit(f.p[f.len - 1 - i]);

		if (d < 0)
			return 0;
		out[n - 1 - i / 2] |= (uint8_t)(d << (i % 2 * 4));
	}
	return n;
}

/* moduli(5): time, type, tests, tries, size, generator, modulus */
static int parse_line(struct view line, uint8_t p[NUMBER_MAX], uint8_t g[NUMBER_MAX], struct entry *e)
{
	enum { SAFE = 2, COMPOSITE = 1 };
	uint32_t type, tests, tries;
	struct dh_group group;

	field(&line);
	if (decimal(field(&line), &type) < 0 || decimal(field(&line), &tests) < 0 || decimal(field(&line), &tries) < 0 ||
	    decimal(field(&line), &e->bits) < 0 || type != SAFE || (tests & COMPOSITE) || !(tests & ~(uint32_t)COMPOSITE) ||
	    tries == 0)
		return SSH_E_FORMAT;
	e->bits++;		/* the file counts from the second one */
	e->g_len = hexadecimal(field(&line), g);
	e->p_len = hexadecimal(field(&line), p);
	if (field(&line).len > 0)
		return SSH_E_FORMAT;
	group = (struct dh_group){ view_of(p, e->p_len), view_of(g, e->g_len) };
	return dh_group_check(&group, e->bits, e->bits);
}

static int add_line(struct moduli *m, struct view line)
{
	uint8_t p[NUMBER_MAX], g[NUMBER_MAX];
	struct entry e = { .bits = 0 };
	int r;

	if (m->count == GROUPS_MAX)
		return SSH_E_FULL;
	TRY(parse_line(line, p, g, &e));
	e.p = buf_len(&m->bytes);
	TRY(buf_append(&m->bytes, p, e.p_len));
	e.g = buf_len(&m->bytes);
	TRY(buf_append(&m->bytes, g, e.g_len));
	m->entries[m->count++] = e;
	return SSH_OK;
}

static int add_lines(struct moduli *m, struct view text, size_t *ignored)
{
	while (text.len > 0) {
		const uint8_t *end = memchr(text.p, '\n', text.len);
		struct view line = view_of(text.p, end != NULL ? (size_t)(end - text.p) : text.len), rest = line;
		int r = field(&rest).len == 0 || *line.p == '#' ? SSH_OK : add_line(m, line);

		if (r == SSH_E_NOMEM)
			return r;
		*ignored += r < 0;
		text = view_of(text.p + line.len + (end != NULL), text.len - line.len - (end != NULL));
	}
	return SSH_OK;
}

int moduli_parse(struct moduli **res, struct view text, const struct mem *mem, size_t *ignored)
{
	struct moduli *m = mem_zalloc(mem, sizeof *m);
	int r = SSH_E_NOMEM;

	*res = NULL;
	*ignored = 0;
	if (m == NULL)
		return r;
	m->mem = mem;
	buf_init(&m->bytes, GROUPS_MAX * 2 * NUMBER_MAX, mem);
	if ((m->entries = mem_resize(mem, NULL, GROUPS_MAX * sizeof *m->entries)) == NULL ||
	    (r = add_lines(m, text, ignored)) < 0) {
		moduli_free(m);
		return r;
	}
	*res = m;
	return SSH_OK;
}

void moduli_free(struct moduli *m)
{
	if (m == NULL)
		return;
	buf_drop(&m->bytes);
	mem_free(m->mem, m->entries);
	mem_free(m->mem, m);
}

size_t moduli_count(const struct moduli *m)
{
	return m->count;
}

/* ---- the choice ------------------------------------------------------------------------------ */

int moduli_wish_check(const struct moduli_wish *w)
{
	return w->min <= w->n && w->n <= w->max && w->max >= SSH_DH_BITS_MIN && w->min <= SSH_DH_BITS_MAX ? SSH_OK : SSH_E_BAD_VALUE;
}

/* Is a group of a bits better than one of b (0: none)? */
static int better(uint32_t a, uint32_t b, const struct moduli_wish *w)
{
	if (a < w->min || a > w->max || a == b)
		return 0;
	if (b == 0 || (a >= w->n && b < w->n))
		return 1;
	return a >= w->n ? a < b : b < w->n && a > b;
}

static int choose_own(const struct moduli_wish *w, struct dh_group *to)
{
	static const struct { enum kem_id kem; uint32_t bits; } own[] = { { KEM_DH14, 2048 }, { KEM_DH16, 4096 }, { KEM_DH18, 8192 } };
	uint32_t best = 0;

	for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
		if (better(own[i].bits, best, w)) {
			best = own[i].bits;
			*to = *dh_group_of(own[i].kem);
		}
	return best != 0 ? SSH_OK : SSH_E_NO_ALG;
}

int moduli_choose(const struct moduli *m, const struct moduli_wish *w, random_fn *random, void *ctx, struct dh_group *to)
{
	uint32_t best = 0, same = 0;
	uint64_t pick;

	for (size_t i = 0; m != NULL && i < m->count; i++) {
		if (better(m->entries[i].bits, best, w)) {
			best = m->entries[i].bits;
			same = 0;
		}
		same += m->entries[i].bits == best;
	}
	if (m == NULL || m->count == 0)
		return choose_own(w, to);
	if (best == 0)
		return SSH_E_NO_ALG;
	random(ctx, (uint8_t *)&pick, sizeof pick);
	pick %= same;		/* of 2^64: nobody can see that some are likelier */
	for (size_t i = 0; i < m->count; i++)
		if (m->entries[i].bits == best && pick-- == 0) {
			const struct entry *e = &m->entries[i];
			const uint8_t *bytes = buf_head(&m->bytes);

			*to = (struct dh_group){ view_of(bytes + e->p, e->p_len), view_of(bytes + e->g, e->g_len) };
			return SSH_OK;
		}
	return SSH_E_BUG;
}
