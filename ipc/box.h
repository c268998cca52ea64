#ifndef IPC_BOX_H
#define IPC_BOX_H
#include <stddef.h>
#include <stdint.h>

#include "base/log.h"
#include "base/wire.h"

/*
 * box - what a process did last, in a page of shared memory that survives it: its last log lines, those below the log
 * level too, and the numbers and sizes of the messages it sent and got; never their content. A helper inherits a page
 * of its own; a connection gets one page of a slab the nursery has mapped, and unmaps the others before it reads its
 * first byte. The supervisor copies the page of a process that ended badly, and does not look into it; the reporter
 * reads it, and believes nothing in it.
 */

#define BOX_SIZE  4096u
#define BOX_LINES 22u
#define BOX_NOTES 64u
#define BOX_TEXT  119u
#define BOX_MAGIC 0x434f5031u		/* a page of another layout is not read */

struct box_line { uint32_t seq, ms; uint8_t level; char text[BOX_TEXT]; };
struct box_note { uint32_t seq, ms; uint8_t kind, number; uint16_t count; uint32_t bytes; };
struct box {
	uint32_t magic, seq;		/* of the last entry */
	uint64_t began_ms;		/* CLOCK_MONOTONIC; ms of entries count from here */
	uint8_t spare[48];
	struct box_line lines[BOX_LINES];
	struct box_note notes[BOX_NOTES];
};

/* Maps slots pages of fd, which stays open. NULL: no memory, or no such descriptor. */
void *box_map(int fd, size_t slots);
/* From now on lines and notes of this process go into the page of that slot (0 ...) of a mapping; the rest of it is unmapped. */
void box_enter(void *slab, size_t slots, size_t slot);
/* For a process that has no page: unmaps all, its parent's page too, and records nothing. slab may be NULL. */
void box_leave(void *slab, size_t slots);

/* One entry as a reader sees it. text is printable and points into the caller's event. */
struct box_event {
	uint32_t seq, ms;
	int is_line;
	enum log_level level;		/* of a line */
	char text[BOX_TEXT + 1];
	enum log_note kind;		/* of a note: count messages of that number in a row, bytes together */
	unsigned number, count;
	uint64_t bytes;
};

/* The last entries of a page (bytes of any origin), oldest first, at most max. Returns how many. */
size_t box_read(struct view page, struct box_event *, size_t max);

#endif
