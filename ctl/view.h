#ifndef CTL_VIEW_H
#define CTL_VIEW_H
#include <stddef.h>

#include "ctl/model.h"

/*
 * view - what of the model is on the screen, as lines of text: for the terminal, for --once and for the tests.
 * Nothing here knows how a terminal is written to.
 */

enum view_sort { SORT_SESSION, SORT_USER, SORT_IDLE, SORT_IN, SORT_OUT, SORT_RTT, SORT_MEMORY, SORT_CPU, SORT_COUNT };
enum view_look { LOOK_PLAIN, LOOK_TITLE, LOOK_SELECTED, LOOK_ALERT };

struct topview {
	int nodes;			/* the tree instead of the sessions */
	int help;			/* the keys instead of either */
	enum view_sort sort;
	int reverse;
	int utf8, paused;
	uint64_t selected;		/* session or node; 0: none yet */
	size_t first;			/* row at the top */
	char note[200];			/* the third line: an answer, a question; "" : nothing */
	int alert;			/* note is one that went wrong */
	size_t *order;			/* indices of the model as shown */
	size_t n;
};

void view_init(struct topview *, int utf8);
void view_drop(struct topview *);
/* After the model or what is shown of it changed: sorts, and keeps the selection on something that is there. SSH_OK or SSH_E_NOMEM. */
int  view_arrange(struct topview *, const struct model *);
/* The selection goes down (up) by so many rows, and the rows scroll with it; rows: how many the screen shows. */
void view_move(struct topview *, const struct model *, long by, size_t rows);
size_t view_rows(size_t height);	/* how many rows fit */
/*
 * All lines from the top, each at most width places. height 0: as many as there are, nothing selected, no keys. What of a line
 * is not given is blank.
 */
void view_draw(const struct topview *, const struct model *, size_t width, size_t height,
    void (*put)(void *ctx, size_t y, enum view_look, const char *text), void *ctx);
const char *view_sort_name(enum view_sort);

#endif
