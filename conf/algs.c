#include "conf/algs.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/limits.h"
#include "conf/conf.h"

/* why: it is off by default; NULL: it is not. key: what stands in the key blob of a signature's row. */
static const struct alg { unsigned kind; const char *name, *why, *key; } algs[] = {
#define DEFAULT NULL
#define OFF(why) why
#define KEX(id, name, state, ...) { ALGS_KEX, name, state, NULL },
#define CERT(id, name, state, key, ...) { ALGS_CERT, name, state, key },
#define SIG(id, name, state, key, ...) { ALGS_SIG, name, state, key },
#define CIPHER(id, name, state, mode, key, iv, block, tag) { ALGS_CIPHER | ((tag) > 0 ? ALGS_AEAD : 0), name, state, NULL },
#define MAC(id, name, state, ...) { ALGS_MAC, name, state, NULL },
#define COMP(id, name, state, ...) { ALGS_COMP, name, state, NULL },
#include "ssh/crypto/algs.def"
};
#define ALGS (sizeof algs / sizeof algs[0])

/* Rows in the order of the list; taken keeps it free of repetitions. */
struct picked { size_t row[ALGS]; size_t n; unsigned char taken[ALGS]; };

/* ALGS_* that the keyword's list can hold, and what sshd calls it. */
static unsigned kinds_of(enum conf_key key, const char **what)
{
	switch (key) {
	case KEY_Ciphers:
	case KEY_CiphersClientToServer:
	case KEY_CiphersServerToClient:
		*what = "SSH2 cipher spec";
		return ALGS_CIPHER;
	case KEY_MACs:
	case KEY_MACsClientToServer:
	case KEY_MACsServerToClient:
		*what = "SSH2 mac spec";
		return ALGS_MAC;
	case KEY_KexAlgorithms:
		*what = "SSH2 KexAlgorithms";
		return ALGS_KEX;
	case KEY_CompressionAlgorithms:
	case KEY_CompressionAlgorithmsClientToServer:
	case KEY_CompressionAlgorithmsServerToClient:
		*what = "compression method";
		return ALGS_COMP;
	default:
		*what = "key types";
		return key == KEY_HostKeyAlgorithms ? ALGS_CERT | ALGS_SIG : ALGS_SIG;
	}
}

unsigned algs_kinds(enum conf_key key)
{
	const char *what;

	return kinds_of(key, &what);
}

enum conf_key algs_both(enum conf_key key)
{
	switch (key) {
	case KEY_CiphersClientToServer:
	case KEY_CiphersServerToClient:
		return KEY_Ciphers;
	case KEY_MACsClientToServer:
	case KEY_MACsServerToClient:
		return KEY_MACs;
	case KEY_CompressionAlgorithmsClientToServer:
	case KEY_CompressionAlgorithmsServerToClient:
		return KEY_CompressionAlgorithms;
	default:
		return KEY_COUNT;
	}
}

/* sshd's words, and the names there are; those that are off, too. */
static int fail(enum conf_key key, const char *item, char *why, size_t size)
{
	const char *what, *between = "";
	unsigned kinds = kinds_of(key, &what);
	int n = snprintf(why, size, "Bad %s '%.120s'. Known: ", what, item);

	for (size_t i = 0; i < ALGS && (size_t)n < size; i++) {
		if ((algs[i].kind & kinds) == 0)
			continue;
		n += snprintf(why + n, size - (size_t)n, "%s%s", between, algs[i].name);
		between = ",";
	}
	return SSH_E_CONFIG;
}

static void take(struct picked *p, size_t row)
{
	if (!p->taken[row]) {
		p->taken[row] = 1;
		p->row[p->n++] = row;
	}
}

static void take_defaults(struct picked *p, unsigned kinds)
{
	for (size_t i = 0; i < ALGS; i++)
		if ((algs[i].kind & kinds) != 0 && algs[i].why == NULL)
			take(p, i);
}

/*
 * Every row that one item of the list names; 0 when there is none. Certificates may be named among users' algorithms, too,
 * as files written for sshd do: they are known, and none is taken.
 */
static size_t take_item(struct picked *p, unsigned kinds, const char *item)
{
	unsigned known = (kinds & ALGS_SIG) != 0 ? kinds | ALGS_CERT : kinds;
	size_t found = 0;

	for (size_t i = 0; i < ALGS; i++)
		if ((algs[i].kind & known) != 0 && conf_glob(algs[i].name, item, 0)) {
			if ((algs[i].kind & kinds) != 0)
				take(p, i);
			found++;
		}
	return found;
}

/* Calls take_item for each item of a comma list. An item that names nothing is an error unless lax. */
static int take_list(struct picked *p, enum conf_key key, const char *list, int lax, char *why, size_t size)
{
	char item[SSH_ALG_NAME_MAX + 1];
	const char *what;

	for (;;) {
		size_t n = strcspn(list, ",");

		if (n == 0 || n >= sizeof item)
			return fail(key, list, why, size);
		memcpy(item, list, n);
		item[n] = '\0';
		if (take_item(p, kinds_of(key, &what), item) == 0 && !lax)
			return fail(key, item, why, size);
		if (list[n] == '\0')
			return SSH_OK;
		list += n + 1;
	}
}

static int edit_list(struct picked *p, enum conf_key key, const char *edit, char *why, size_t size)
{
	struct picked drop = { .n = 0 }, def = { .n = 0 };
	const char *what;
	int r;

	switch (*edit) {
	case '\0':
		take_defaults(p, kinds_of(key, &what));
		return SSH_OK;
	case '+':
		take_defaults(p, kinds_of(key, &what));
		return take_list(p, key, edit + 1, 0, why, size);
	case '^':
		TRY(take_list(p, key, edit + 1, 0, why, size));
		take_defaults(p, kinds_of(key, &what));
		return SSH_OK;
	case '-':
		TRY(take_list(&drop, key, edit + 1, 1, why, size));
		take_defaults(&def, kinds_of(key, &what));
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

const char *algs_row(unsigned kinds, size_t i, const char **why, const char **key)
{
	for (size_t k = 0; k < ALGS; k++) {
		if ((algs[k].kind & kinds) == 0 || i-- > 0)
			continue;
		*why = algs[k].why;
		*key = algs[k].key;
		return algs[k].name;
	}
	return NULL;
}
