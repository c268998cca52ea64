#ifndef CTL_SCREEN_H
#define CTL_SCREEN_H
#include <stddef.h>

#include "ctl/view.h"

/* screen - the terminal of top, over ncurses: it knows every terminal there is a description of. */

enum screen_key {
	KEY_NOTHING = 0,	/* others: a character */
	KEY_GO_UP = 0x10000, KEY_GO_DOWN, KEY_PAGE_UP, KEY_PAGE_DOWN, KEY_FIRST, KEY_LAST, KEY_RUB, KEY_OTHER
};

/* NULL, or why this terminal cannot show it (a sentence). Nothing was changed then. */
const char *screen_open(void);
/* The terminal is as it was before. Safe at any time, also twice. */
void screen_close(void);
void screen_leave(void);		/* for a while: as it was before, ... */
void screen_return(void);	/* ... and ours again */
void screen_resize(void);	/* asks the terminal how large it is now */
size_t screen_width(void);
size_t screen_height(void);
void screen_begin(void);	/* an empty page, ... */
void screen_put(void *ctx, size_t y, enum view_look, const char *text);	/* for view_draw() */
void screen_cursor(size_t y, size_t x);		/* where the user types; none without this */
void screen_end(void);		/* ... and it is shown */
/* The next key that was pressed, KEY_NOTHING when there is none. Never waits. */
int  screen_key(void);

#endif
