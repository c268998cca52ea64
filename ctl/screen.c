#include "ctl/screen.h"

#include <curses.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <term.h>
#include <unistd.h>

static SCREEN *screen;
static int coloured, cursor;

/* What we cannot do without: to clear, and to go to a place (terminfo(5)). */
static const char *capable(void)
{
	int error;

	if (setupterm(NULL, STDOUT_FILENO, &error) != OK)
		return "this terminal has no description (TERM)";
	if (tigetstr("cup") == NULL || tigetstr("cup") == (char *)-1 || tigetstr("clear") == NULL || tigetstr("clear") == (char *)-1)
		return "this terminal cannot move its cursor";
	return NULL;
}

const char *screen_open(void)
{
	const char *why, *no = getenv("NO_COLOR");

	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
		return "not a terminal";
	if ((why = capable()) != NULL)
		return why;
	if ((screen = newterm(NULL, stdout, stdin)) == NULL)
		return "this terminal cannot be used";
	cbreak();
	noecho();
	nonl();
	intrflush(stdscr, FALSE);
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	set_escdelay(50);
	coloured = has_colors() && (no == NULL || *no == '\0') && start_color() == OK && use_default_colors() == OK;
	if (coloured)
		init_pair(1, COLOR_RED, -1);
	return NULL;
}

void screen_close(void)
{
	if (screen == NULL)
		return;
	endwin();
	delscreen(screen);
	screen = NULL;
}

void screen_leave(void)
{
	endwin();
}

void screen_return(void)
{
	screen_resize();
	refresh();
}

void screen_resize(void)
{
	struct winsize w;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0 && w.ws_row > 0 && w.ws_col > 0)
		resizeterm(w.ws_row, w.ws_col);
	clearok(stdscr, TRUE);
}

size_t screen_width(void)
{
	return (size_t)getmaxx(stdscr);
}

size_t screen_height(void)
{
	return (size_t)getmaxy(stdscr);
}

void screen_begin(void)
{
	erase();
	cursor = 0;
}

void screen_put(void *ctx, size_t y, enum view_look look, const char *text)
{
	int how = (int)( look == LOOK_TITLE || look == LOOK_SELECTED ? A_REVERSE : look == LOOK_ALERT ? A_BOLD : A_NORMAL);
	int width = getmaxx(stdscr);

	(void)ctx;
	if (y >= screen_height())
		return;
	/* Without reverse video the row is marked by a sign in front. */
	attrset(how);
	if (look == LOOK_ALERT && coloured)
		attron(COLOR_PAIR(1));
	if (look == LOOK_SELECTED && !(termattrs() & A_REVERSE))
		mvaddnstr((int)y, 0, ">", 1);
	mvaddstr((int)y, look == LOOK_SELECTED && !(termattrs() & A_REVERSE) ? 1 : 0, text);
	/* The bar goes to the edge, but not into the last place of the screen, where some terminals scroll. */
	if (how == (int)A_REVERSE)
		for (int x = getcurx(stdscr); x < width - (y + 1 == screen_height()) && getcury(stdscr) == (int)y; x++)
			mvaddch((int)y, x, ' ');
	attrset(A_NORMAL);
}

void screen_cursor(size_t y, size_t x)
{
	cursor = 1;
	move((int)y, (int)(x < screen_width() ? x : screen_width() - 1));
}

void screen_end(void)
{
	curs_set(cursor);
	if (!cursor)
		move(0, 0);
	refresh();
}

int screen_key(void)
{
	int c = getch();

	switch (c) {
	case ERR:           return KEY_NOTHING;
	case KEY_UP:        return KEY_GO_UP;
	case KEY_DOWN:      return KEY_GO_DOWN;
	case KEY_PPAGE:     return KEY_PAGE_UP;
	case KEY_NPAGE:     return KEY_PAGE_DOWN;
	case KEY_HOME:      return KEY_FIRST;
	case KEY_END:       return KEY_LAST;
	case KEY_BACKSPACE: case 127: case 8: return KEY_RUB;
	case KEY_ENTER:     return '\r';
	}
	return c < 256 ? c : KEY_OTHER;
}
