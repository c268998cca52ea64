#ifndef CONF_KEYWORD_H
#define CONF_KEYWORD_H
#include <stddef.h>

/* keyword - the table of schema.def as data: what a keyword is called, what it takes, who may read it. */

enum conf_key {
#define CONF(keyword, type, def, readers, effect, match, meaning) KEY_##keyword,
#include "conf/schema.def"
#undef CONF
	KEY_COUNT
};

enum conf_type {
	TYPE_BOOL, TYPE_INT, TYPE_TIME, TYPE_STRING, TYPE_LIST, TYPE_ALGS, TYPE_ROOT, TYPE_FAMILY, TYPE_LEVEL,
	TYPE_FACILITY, TYPE_STARTUPS, TYPE_FORMAT, TYPE_SUPERVISE, TYPE_PROXY, TYPE_COMPRESSION
};

/* When a changed value holds. */
enum conf_effect { EFFECT_NEXT_CONN, EFFECT_LIVE, EFFECT_RESTART, EFFECT_START };

/* What stands behind a keyword, and whether a second line adds to the first. */
enum conf_form {
	FORM_ONE,	/* one word, the first line wins */
	FORM_TEXT,	/* the rest of the line as it is (VersionAddendum) */
	FORM_REKEY,	/* one or two words (RekeyLimit) */
	FORM_EACH,	/* one word a line, lines append (Port) */
	FORM_WORDS,	/* several words, lines append (AllowUsers) */
	FORM_ONCE,	/* several words, the first line wins (AuthorizedKeysFile) */
	FORM_NAMED	/* a name and the rest of the line, lines append, first of a name wins (Subsystem) */
};

struct keyword {
	const char *name, *def, *meaning;
	enum conf_key key;
	enum conf_type type;
	unsigned readers;
	enum conf_effect effect;
	int match;		/* may stand in a Match block */
	size_t offset;		/* of its member in struct conf_values */
};

/* By name in any case, aliases of OpenSSH included; NULL: not ours. */
const struct keyword *keyword_find(const char *name);
/* NULL behind the last. */
const struct keyword *keyword_at(size_t i);
enum conf_form keyword_form(const struct keyword *);
/* 1 when a second line adds to the first. */
int keyword_appends(const struct keyword *);
/* 1 when the value names a file: relative to the working directory of who wrote it. */
int keyword_is_path(const struct keyword *);
/*
 * A keyword of OpenSSH that we do not implement (openssh.def): its official name, and in *accepted the
 * one value that changes nothing here ("*": any, NULL: none). NULL: no such keyword.
 */
const char *keyword_other(const char *name, const char **accepted);

#endif
