#include "supervisor/drain_order.h"

#include <stdio.h>
#include <string.h>

#include "base/err.h"
#include "conf/number.h"

static int complain(char *why, size_t size, const char *what, const char *word)
{
	snprintf(why, size, "%s%.100s", what, word);
	return SSH_E_FORMAT;
}

/* The next word of *text into out; 0 when there is none, or it is too long to be one of ours. */
static int next_word(struct view *text, char *out, size_t size)
{
	size_t skip = 0, n = 0;

	while (skip < text->len && text->p[skip] == ' ')
		skip++;
	while (skip + n < text->len && text->p[skip + n] != ' ')
		n++;
	if (n == 0 || n >= size)
		return 0;
	memcpy(out, text->p + skip, n);
	out[n] = '\0';
	*text = view_of(text->p + skip + n, text->len - skip - n);
	return 1;
}

static int take_time(struct view *text, uint32_t *seconds)
{
	char word[32];

	return next_word(text, word, sizeof word) && number_time(word, seconds) == SSH_OK;
}

static int take_message(struct drain_order *o, struct view text)
{
	while (text.len > 0 && *text.p == ' ')
		text = view_of(text.p + 1, text.len - 1);
	if (text.len == 0 || text.len >= sizeof o->message || memchr(text.p, '\0', text.len) != NULL)
		return 0;
	memcpy(o->message, text.p, text.len);
	o->message[text.len] = '\0';
	return 1;
}

int drain_order_parse(struct drain_order *o, struct view text, char *why, size_t size)
{
	char word[32];

	*o = (struct drain_order){ .grace = DRAIN_GRACE_S };
	while (text.len > 0 && next_word(&text, word, sizeof word)) {
		if (strcmp(word, "--exit") == 0) {
			o->exit = 1;
		} else if (strcmp(word, "--wait") == 0) {
			o->wait = 1;
		} else if (strcmp(word, "--grace") == 0) {
			if (!take_time(&text, &o->grace))
				return complain(why, size, "no time behind ", word);
		} else if (strcmp(word, "--timeout") == 0) {
			if (!take_time(&text, &o->timeout))
				return complain(why, size, "no time behind ", word);
			o->limited = 1;
		} else if (strcmp(word, "--message") == 0) {
			return take_message(o, text) ? SSH_OK : complain(why, size, "no text, or too much of it, behind ", word);
		} else {
			return complain(why, size, "drain: what is ", word);
		}
	}
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] != ' ')
			return complain(why, size, "drain: a word is too long", "");
	return SSH_OK;
}
