#include "ipc/box.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "ipc/clock.h"

_Static_assert(sizeof(struct box) <= BOX_SIZE, "a box is one page");

static struct box *own;
static unsigned lines, notes;		/* written so far; our own count, whatever the page says */
static uint32_t seq;

static uint32_t since(void)
{
	return (uint32_t)(clock_ms() - own->began_ms);
}

static void on_line(enum log_level level, const char *line)
{
	struct box_line *l = &own->lines[lines++ % BOX_LINES];

	l->ms = since();
	l->level = (uint8_t)level;
	strncpy(l->text, line, BOX_TEXT);
	l->seq = own->seq = ++seq;
}

/* Data comes in long runs of one number: a run is one entry. */
static void on_note(enum log_note kind, unsigned number, size_t bytes)
{
	struct box_note *n = &own->notes[(notes - 1) % BOX_NOTES];

	if (notes > 0 && n->kind == kind && n->number == number && n->seq == seq && n->count < UINT16_MAX && n->bytes < UINT32_MAX / 2) {
		n->count++;
		n->bytes += (uint32_t)bytes;
		return;
	}
	n = &own->notes[notes++ % BOX_NOTES];
	*n = (struct box_note){ ++seq, since(), (uint8_t)kind, (uint8_t)number, 1, (uint32_t)bytes };
	own->seq = seq;
}

void *box_map(int fd, size_t slots)
{
	void *p = mmap(NULL, slots * BOX_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	return p == MAP_FAILED ? NULL : p;
}

/* After a fork: the page of the parent. */
static void let_go(void)
{
	log_tap(NULL, NULL);
	if (own != NULL)
		munmap(own, BOX_SIZE);
	own = NULL;
}

void box_leave(void *slab, size_t slots)
{
	let_go();
	if (slab != NULL)
		munmap(slab, slots * BOX_SIZE);
}

void box_enter(void *slab, size_t slots, size_t slot)
{
	char *p = slab;

	let_go();
	if (p == NULL || slot >= slots) {
		box_leave(slab, slots);
		return;
	}
	if (slot > 0)
		munmap(p, slot * BOX_SIZE);
	if (slot + 1 < slots)
		munmap(p + (slot + 1) * BOX_SIZE, (slots - slot - 1) * BOX_SIZE);
	own = (struct box *)(void *)(p + slot * BOX_SIZE);
	memset(own, 0, sizeof *own);		/* of whoever had it before */
	own->magic = BOX_MAGIC;
	own->began_ms = clock_ms();
	lines = notes = seq = 0;
	log_tap(on_line, on_note);
}

/* ---- reading ------------------------------------------------------------------------- */

static int later(const void *a, const void *b)
{
	const struct box_event *x = a, *y = b;

	return (x->seq > y->seq) - (x->seq < y->seq);
}

size_t box_read(struct view page, struct box_event *out, size_t max)
{
	struct box_event all[BOX_LINES + BOX_NOTES];
	struct box b;
	size_t n = 0, skip;

	if (page.len < sizeof b)
		return 0;
	memcpy(&b, page.p, sizeof b);
	if (b.magic != BOX_MAGIC)
		return 0;
	memset(all, 0, sizeof all);
	for (size_t i = 0; i < BOX_LINES; i++) {
		const struct box_line *l = &b.lines[i];

		if (l->seq == 0)
			continue;
		all[n] = (struct box_event){ .seq = l->seq, .ms = l->ms, .is_line = 1,
			.level = l->level >= LOGL_ERROR && l->level <= LOGL_TRACE ? (enum log_level)l->level : LOGL_DEBUG };
		log_clean(all[n].text, sizeof all[n].text, l->text, strnlen(l->text, BOX_TEXT));
		n++;
	}
	for (size_t i = 0; i < BOX_NOTES; i++) {
		const struct box_note *o = &b.notes[i];

		if (o->seq == 0 || o->kind < NOTE_LINK_IN || o->kind > NOTE_SSH_OUT)
			continue;
		all[n++] = (struct box_event){ .seq = o->seq, .ms = o->ms, .kind = (enum log_note)o->kind, .number = o->number,
			.count = o->count, .bytes = o->bytes };
	}
	qsort(all, n, sizeof all[0], later);
	skip = n > max ? n - max : 0;
	memcpy(out, all + skip, (n - skip) * sizeof all[0]);
	return n - skip;
}
