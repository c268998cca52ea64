#include "supervisor/journal.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/err.h"
#include "base/reserve.h"
#include "base/table.h"

/* ---- layout --------------------------------------------------------------------------- */

#define MAGIC   UINT64_C(0x314c4e4a50504f43)	/* "COPPJNL1" */
#define LAYOUT  1u				/* of this file; the values have a format of their own */
#define PAGE    4096u
#define ALIGN   8u
#define TIDY_AT ((size_t)64 << 10)		/* smaller journals are not worth compacting */

enum { OP_PUT = 1, OP_DEL = 2 };

struct head {
	uint64_t magic;
	uint32_t layout, format, proto;
	int32_t pid;
	char build[JOURNAL_BUILD];
	uint64_t half;				/* bytes of each half */
	_Atomic uint32_t active;		/* 0 or 1 */
	uint32_t number;			/* 0: of a program that did not number its journals */
	_Atomic uint64_t used[2];
};
_Static_assert(sizeof(struct head) <= PAGE, "the header has a page");

struct entry {
	uint32_t len;				/* of the value */
	uint32_t sum;				/* of everything behind it: kind, op, id, value */
	uint64_t id;
	uint8_t kind, op, pad[6];
};
_Static_assert(sizeof(struct entry) % ALIGN == 0, "entries are aligned");

struct journal {
	int fd;
	struct head *h;
	size_t half, size;
	struct table index;			/* key of kind and id: offset of the live entry, + 1 */
	size_t live;
	unsigned compactions;
};

void (*journal_before_store)(const struct journal *);

static size_t space(size_t len)
{
	return sizeof(struct entry) + ((len + ALIGN - 1) & ~(size_t)(ALIGN - 1));
}

static uint64_t key(unsigned kind, uint64_t id)
{
	return (uint64_t)kind << 56 | id;
}

/* FNV-1a, eight bytes at a time: it finds what is torn or overwritten; nobody forges what he could as well write. */
static uint32_t checksum(const struct entry *e, const uint8_t *p)
{
	uint64_t h = UINT64_C(0xcbf29ce484222325) ^ e->len, w;
	size_t i = 0;

	h = (h ^ e->id) * UINT64_C(0x100000001b3);
	h = (h ^ ((uint64_t)e->kind << 8 | e->op)) * UINT64_C(0x100000001b3);
	for (; i + 8 <= e->len; i += 8) {
		memcpy(&w, p + i, 8);
		h = (h ^ w) * UINT64_C(0x100000001b3);
		h ^= h >> 29;
	}
	for (; i < e->len; i++)
		h = (h ^ p[i]) * UINT64_C(0x100000001b3);
	return (uint32_t)(h ^ h >> 32);
}

/* ---- writing ------------------------------------------------------------------------------ */

static uint8_t *half_at(struct head *h, size_t half, unsigned which)
{
	return (uint8_t *)h + PAGE + half * which;
}

int journal_new(struct journal **res, size_t half, const struct journal_origin *o)
{
	struct journal *j = calloc(1, sizeof *j);

	*res = NULL;
	if (j == NULL)
		return SSH_E_NOMEM;
	table_init(&j->index);
	j->index.mem = &mem_reserve;
	j->half = half;
	j->size = PAGE + half * 2;
	j->h = MAP_FAILED;
	if ((j->fd = memfd_create("coppice-state", MFD_CLOEXEC | MFD_ALLOW_SEALING)) < 0 || ftruncate(j->fd, (off_t)j->size) < 0
	    || fcntl(j->fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0
	    || (j->h = mmap(NULL, j->size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, j->fd, 0)) == MAP_FAILED) {
		journal_free(j);
		return SSH_E_SYS;
	}
	j->h->layout = LAYOUT;
	j->h->format = o->format;
	j->h->proto = o->proto;
	j->h->pid = (int32_t)o->pid;
	j->h->number = o->number;
	memcpy(j->h->build, o->build, sizeof j->h->build);
	j->h->half = half;
	j->h->magic = MAGIC;
	*res = j;
	return SSH_OK;
}

void journal_free(struct journal *j)
{
	if (j == NULL)
		return;
	if (j->h != MAP_FAILED)
		munmap(j->h, j->size);
	if (j->fd >= 0)
		close(j->fd);
	table_drop(&j->index);
	free(j);
}

int journal_fd(const struct journal *j)
{
	return j->fd;
}

uint32_t journal_number(const struct journal *j)
{
	return j->h->number;
}

const void *journal_memory(const struct journal *j, size_t *size)
{
	*size = j->size;
	return j->h;
}

void journal_sizes(const struct journal *j, size_t *live, size_t *used)
{
	*live = j->live;
	*used = (size_t)atomic_load(&j->h->used[atomic_load(&j->h->active)]);
}

unsigned journal_compactions(const struct journal *j)
{
	return j->compactions;
}

static void about_to_store(const struct journal *j)
{
	if (journal_before_store != NULL)
		journal_before_store(j);
}

/* Copies the live entries into the other half; only then that one counts. */
static void compact(struct journal *j)
{
	unsigned from = atomic_load(&j->h->active), to = !from;
	const uint8_t *in = half_at(j->h, j->half, from);
	uint8_t *out = half_at(j->h, j->half, to);
	size_t used = (size_t)atomic_load(&j->h->used[from]), at = 0, end = 0;

	atomic_store_explicit(&j->h->used[to], 0, memory_order_release);
	while (at < used) {
		struct entry e;
		size_t n;

		memcpy(&e, in + at, sizeof e);
		n = space(e.len);
		if (e.op == OP_PUT && (uintptr_t)table_get(&j->index, key(e.kind, e.id)) == at + 1) {
			memcpy(out + end, in + at, n);
			table_put(&j->index, key(e.kind, e.id), (void *)(uintptr_t)(end + 1));	/* it is there: needs no memory */
			end += n;
		}
		at += n;
	}
	atomic_store_explicit(&j->h->used[to], end, memory_order_release);
	about_to_store(j);
	atomic_store_explicit(&j->h->active, to, memory_order_release);
	j->live = end;
	j->compactions++;
	fallocate(j->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)(PAGE + j->half * from), (off_t)j->half);
}

static int append(struct journal *j, unsigned op, unsigned kind, uint64_t id, struct view v, size_t *where)
{
	unsigned active = atomic_load(&j->h->active);
	size_t used = (size_t)atomic_load(&j->h->used[active]), n = space(v.len);
	struct entry e = { .len = (uint32_t)v.len, .id = id, .kind = (uint8_t)kind, .op = (uint8_t)op };
	uint8_t *p;

	if (used + n > j->half || (used > TIDY_AT && used - j->live > j->live)) {
		compact(j);
		active = atomic_load(&j->h->active);
		used = (size_t)atomic_load(&j->h->used[active]);
		if (used + n > j->half)
			return SSH_E_FULL;
	}
	p = half_at(j->h, j->half, active) + used;
	e.sum = checksum(&e, v.p);
	about_to_store(j);
	memcpy(p, &e, sizeof e);
	if (v.len > 0)
		memcpy(p + sizeof e, v.p, v.len);
	about_to_store(j);
	atomic_store_explicit(&j->h->used[active], used + n, memory_order_release);
	about_to_store(j);
	*where = used;
	return SSH_OK;
}

/* What is alive of a key is garbage now. */
static void bury(struct journal *j, unsigned kind, uint64_t id)
{
	uintptr_t at = (uintptr_t)table_get(&j->index, key(kind, id));
	struct entry e;

	if (at == 0)
		return;
	memcpy(&e, half_at(j->h, j->half, atomic_load(&j->h->active)) + at - 1, sizeof e);
	j->live -= space(e.len);
}

int journal_put(struct journal *j, unsigned kind, uint64_t id, struct view v)
{
	size_t at;
	int r = SSH_E_FULL;

	if (kind > 0 && kind < 256 && id < JOURNAL_ID_MAX && v.len <= JOURNAL_VALUE_MAX)
		r = append(j, OP_PUT, kind, id, v, &at);
	if (r < 0) {
		journal_del(j, kind, id);
		return r;
	}
	bury(j, kind, id);
	if (table_put(&j->index, key(kind, id), (void *)(uintptr_t)(at + 1)) < 0) {
		journal_del(j, kind, id);
		return SSH_E_NOMEM;
	}
	j->live += space(v.len);
	return SSH_OK;
}

void journal_del(struct journal *j, unsigned kind, uint64_t id)
{
	size_t at;

	if (id >= JOURNAL_ID_MAX || table_get(&j->index, key(kind, id)) == NULL)
		return;
	/* A full half takes no tombstone: compacting without the entry says the same. */
	bury(j, kind, id);
	table_remove(&j->index, key(kind, id));
	if (append(j, OP_DEL, kind, id, view_of(NULL, 0), &at) < 0)
		compact(j);
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* By kind and id; of equal ones the later entry first. */
static int by_key(const void *pa, const void *pb)
{
	const struct journal_record *a = pa, *b = pb;

	if (a->kind != b->kind)
		return a->kind < b->kind ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->value.p > b->value.p ? -1 : a->value.p < b->value.p;
}

static int check_head(const struct head *h, size_t size)
{
	uint32_t active = atomic_load(&((struct head *)(uintptr_t)h)->active);

	if (size < PAGE || h->magic != MAGIC || h->layout != LAYOUT || active > 1)
		return SSH_E_FORMAT;
	if (h->half % PAGE != 0 || h->half > JOURNAL_HALF_MAX || size != PAGE + (size_t)h->half * 2)
		return SSH_E_FORMAT;
	return memchr(h->build, '\0', sizeof h->build) != NULL ? SSH_OK : SSH_E_FORMAT;
}

/* One entry at p, of at most left bytes; *n: what it takes. */
static int check_entry(const uint8_t *p, size_t left, struct entry *e, size_t *n)
{
	if (left < sizeof *e)
		return SSH_E_FORMAT;
	memcpy(e, p, sizeof *e);
	*n = space(e->len);
	if (e->len > JOURNAL_VALUE_MAX || *n > left || e->id >= JOURNAL_ID_MAX || e->kind == 0)
		return SSH_E_FORMAT;
	if (e->op != OP_PUT && (e->op != OP_DEL || e->len != 0))
		return SSH_E_FORMAT;
	return e->sum == checksum(e, p + sizeof *e) ? SSH_OK : SSH_E_FORMAT;
}

/* Fills im->v with every entry; only counts them when it is NULL. */
static int scan(struct journal_image *im, const uint8_t *p, size_t used)
{
	size_t at = 0, n;
	struct entry e;
	int r;

	for (im->n = 0; at < used; at += n, im->n++) {
		TRY(check_entry(p + at, used - at, &e, &n));
		if (im->v != NULL)
			im->v[im->n] = (struct journal_record){ e.kind, e.op == OP_DEL, e.id, view_of(p + at + sizeof e, e.len) };
	}
	return SSH_OK;
}

/* Of each key the last entry, unless that is its deletion. */
static void keep_last(struct journal_image *im)
{
	unsigned kind = 0;
	uint64_t id = 0;
	size_t kept = 0;

	qsort(im->v, im->n, sizeof *im->v, by_key);
	for (size_t i = 0; i < im->n; i++) {
		struct journal_record r = im->v[i];

		if ((r.kind != kind || r.id != id) && !r.deleted)
			im->v[kept++] = r;
		kind = r.kind;
		id = r.id;
	}
	im->n = kept;
}

int journal_read_memory(struct journal_image *im, void *map, size_t size)
{
	struct head *h = map;
	const uint8_t *p;
	size_t used;
	uint32_t active;
	int r;

	memset(im, 0, sizeof *im);
	if (size < PAGE)
		return SSH_E_FORMAT;
	TRY(check_head(h, size));
	active = atomic_load(&h->active);
	used = (size_t)atomic_load(&h->used[active]);
	if (used > h->half)
		return SSH_E_FORMAT;
	im->from = (struct journal_origin){ .format = h->format, .proto = h->proto, .pid = (pid_t)h->pid, .number = h->number };
	memcpy(im->from.build, h->build, sizeof im->from.build);
	p = half_at(h, (size_t)h->half, active);
	TRY(scan(im, p, used));
	if ((im->v = calloc(im->n + 1, sizeof *im->v)) == NULL)
		return SSH_E_NOMEM;
	if ((r = scan(im, p, used)) == SSH_OK)
		keep_last(im);
	else
		journal_image_drop(im);
	return r;
}

int journal_read(struct journal_image *im, int fd)
{
	int seals = fcntl(fd, F_GET_SEALS), r;
	struct stat st;
	void *map;

	memset(im, 0, sizeof *im);
	if (seals < 0 || (seals & (F_SEAL_SHRINK | F_SEAL_GROW)) != (F_SEAL_SHRINK | F_SEAL_GROW))
		return SSH_E_FORMAT;
	if (fstat(fd, &st) < 0 || st.st_size < (off_t)PAGE || (size_t)st.st_size > PAGE + JOURNAL_HALF_MAX * 2)
		return SSH_E_FORMAT;
	if ((map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0)) == MAP_FAILED)
		return SSH_E_SYS;
	if ((r = journal_read_memory(im, map, (size_t)st.st_size)) < 0) {
		munmap(map, (size_t)st.st_size);
		return r;
	}
	im->map = map;
	im->size = (size_t)st.st_size;
	return SSH_OK;
}

void journal_image_drop(struct journal_image *im)
{
	free(im->v);
	if (im->map != NULL)
		munmap(im->map, im->size);
	memset(im, 0, sizeof *im);
}

const struct journal_record *journal_first(const struct journal_image *im, unsigned kind)
{
	for (size_t i = 0; i < im->n; i++)
		if (im->v[i].kind == kind)
			return &im->v[i];
	return NULL;
}

const struct journal_record *journal_find(const struct journal_image *im, unsigned kind, uint64_t id)
{
	size_t low = 0, high = im->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;
		const struct journal_record *r = &im->v[mid];

		if (r->kind == kind && r->id == id)
			return r;
		if (r->kind < kind || (r->kind == kind && r->id < id))
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}
