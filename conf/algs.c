#include "conf/algs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"

enum kind { KIND_KEX, KIND_SIG, KIND_CIPHER, KIND_MAC };

/* why: it is off by default; NULL: it is not. */
static const struct alg { enum kind kind; const char *name, *why; } algs[] = {
#define DEFAULT NULL
#define OFF(why) why
#define KEX(id, name, state, ...) { KIND_KEX, name, state },
#define SIG(id, name, state, ...) { KIND_SIG, name, state },
#define CIPHER(id, name, state, ...) { KIND_CIPHER, name, state },
#define MAC(id, name, state, ...) { KIND_MAC, name, state },
#include "ssh/crypto/algs.def"
};
#define ALGS (sizeof algs / sizeof algs[0])

/* Rows in the order of the list; taken keeps it free of repetitions. */
struct picked { size_t row[ALGS]; size_t n; unsigned char taken[ALGS]; };

static enum kind kind_of(enum conf_key key)
{
	return key == KEY_Ciphers ? KIND_CIPHER : key == KEY_MACs ? KIND_MAC :
	    key == KEY_KexAlgorithms ? KIND_KEX : KIND_SIG;
}

static int fail(enum conf_key key, const char *item, char *why, size_t size)
{
	const char *what = key == KEY_Ciphers ? "SSH2 cipher spec" : key == KEY_MACs ? "SSH2 mac spec" :
	    key == KEY_KexAlgorithms ? "SSH2 KexAlgorithms" : "key types";

	snprintf(why, size, "Bad %s '%.120s'.", what, item);
	return SSH_E_CONFIG;
}

static void take(struct picked *p, size_t row)
{
	if (!p->taken[row]) {
		p->taken[row] = 1;
		p->row[p->n++] = row;
	}
}

static void take_defaults(struct picked *p, enum kind kind)
{
	for (size_t i = 0; i < ALGS; i++)
		if (algs[i].kind == kind && algs[i].why == NULL)
			take(p, i);
}

/* Every row that one item of the list names; 0 when there is none. */
static size_t take_item(struct picked *p, enum kind kind, const char *item)
{
	size_t found = 0;

	for (size_t i = 0; i < ALGS; i++)
		if (algs[i].kind == kind && conf_glob(algs[i].name, item, 0)) {
			take(p, i);
			found++;
		}
	return found;
}

/* Calls take_item for each item of a comma list. An item that names nothing is an error unless lax. */
static int take_list(struct picked *p, enum conf_key key, const char *list, int lax, char *why, size_t size)
{
	char item[SSH_ALG_NAME_MAX + 1];

	for (;;) {
		size_t n = strcspn(list, ",");

		if (n == 0 || n >= sizeof item)
			return fail(key, list, why, size);
		memcpy(item, list, n);
		item[n] = '\0';
		if (take_item(p, kind_of(key), item) == 0 && !lax)
			return fail(key, item, why, size);
		if (list[n] == '\0')
			return SSH_OK;
		list += n + 1;
	}
}

static int edit_list(struct picked *p, enum conf_key key, const char *edit, char *why, size_t size)
{
	struct picked drop = { .n = 0 }, def = { .n = 0 };
	int r;

	switch (*edit) {
	case '\0':
		take_defaults(p, kind_of(key));
		return SSH_OK;
	case '+':
		take_defaults(p, kind_of(key));
		return take_list(p, key, edit + 1, 0, why, size);
	case '^':
		TRY(take_list(p, key, edit + 1, 0, why, size));
		take_defaults(p, kind_of(key));
		return SSH_OK;
	case '-':
		TRY(take_list(&drop, key, edit + 1, 1, why, size));
		take_defaults(&def, kind_of(key));
		for (size_t i = 0; i < def.n; i++)
			if (!drop.taken[def.row[i]])
				take(p, def.row[i]);
		return SSH_OK;
	default:
		return take_list(p, key, edit, 0, why, size);
	}
}

int algs_expand(enum conf_key key, const char *edit, char **list, char *why, size_t size)
{
	struct picked p = { .n = 0 };
	size_t len = 0;
	int r;

	TRY(edit_list(&p, key, edit, why, size));
	if (p.n == 0) {
		snprintf(why, size, "'%.120s' leaves no algorithm", edit);
		return SSH_E_CONFIG;
	}
	for (size_t i = 0; i < p.n; i++)
		len += strlen(algs[p.row[i]].name) + 1;
	if ((*list = malloc(len)) == NULL)
		return SSH_E_NOMEM;
	**list = '\0';
	for (size_t i = 0; i < p.n; i++) {
		if (i > 0)
			strcat(*list, ",");
		strcat(*list, algs[p.row[i]].name);
	}
	return SSH_OK;
}
