#include "ssh/crypto/crypto.h"

#include <stdio.h>

#include "ssh/crypto/kind.h"

#define DEFAULT   1
#define OFF(why)  0

static const struct kex_alg kexs[] = {
#define KEX(id, name, state, hash, kem) { name, state, HASH_##hash, KEM_##kem },
#include "ssh/crypto/algs.def"
};

static const struct sig_alg sigs[] = {
#define CERT(id, name, state, key, sig, kind, hash) { name, state, 1, key, sig, KEY_##kind, HASH_##hash },
#define SIG(id, name, state, key, kind, hash) { name, state, 0, key, name, KEY_##kind, HASH_##hash },
#include "ssh/crypto/algs.def"
};

enum {
#define CERT(id, ...) COUNT_##id,
#include "ssh/crypto/algs.def"
	CERTS			/* they are the first of sigs[] */
};

static const struct cipher_alg ciphers[] = {
#define CIPHER(id, name, state, mode, key, iv, block, tag) { name, state, MODE_##mode, key, iv, block, tag },
#include "ssh/crypto/algs.def"
};

static const struct mac_alg macs[] = {
#define MAC(id, name, state, hash, key, mac, etm) { name, state, HASH_##hash, key, mac, etm },
#include "ssh/crypto/algs.def"
};

static const struct comp_alg comps[] = {
#define COMP(id, name, state, method, begin) { name, state, COMP_##method, COMP_AT_##begin },
#include "ssh/crypto/algs.def"
};

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define FIND(rows, want) \
	do { \
		for (size_t i = 0; i < COUNT(rows); i++) \
			if (view_is(want, (rows)[i].name)) \
				return &(rows)[i]; \
		return NULL; \
	} while (0)

const struct kex_alg *kex_alg_find(struct view name)
{
	FIND(kexs, name);
}

const struct sig_alg *sig_alg_find(struct view name)
{
	FIND(sigs, name);
}

const struct cipher_alg *cipher_alg_find(struct view name)
{
	FIND(ciphers, name);
}

const struct mac_alg *mac_alg_find(struct view name)
{
	FIND(macs, name);
}

const struct comp_alg *comp_alg_find(struct view name)
{
	FIND(comps, name);
}

const struct sig_alg *key_row_of(enum key_kind kind)
{
	for (size_t i = CERTS; i < COUNT(sigs); i++)
		if (sigs[i].kind == kind)
			return &sigs[i];
	return NULL;
}

const char *key_kind_name(enum key_kind kind)
{
	const struct sig_alg *row = key_row_of(kind);

	return row != NULL ? row->key_name : "";
}

enum key_kind key_kind_find(struct view name)
{
	for (size_t i = CERTS; i < COUNT(sigs); i++)
		if (view_is(name, sigs[i].key_name))
			return sigs[i].kind;
	return KEY_NONE;
}

#define ROW(rows) (i < COUNT(rows) ? (*is_default = (rows)[i].is_default, (rows)[i].name) : NULL)

const char *alg_name(enum alg_kind kind, size_t i, int *is_default)
{
	int ignored;

	if (is_default == NULL)
		is_default = &ignored;
	switch (kind) {
	case ALG_KEX:
		return ROW(kexs);
	case ALG_SIG:
		i += CERTS;
		return ROW(sigs);
	case ALG_HOSTKEY:
		return ROW(sigs);
	case ALG_CIPHER:
		return ROW(ciphers);
	case ALG_MAC:
		return ROW(macs);
	case ALG_COMP:
		return ROW(comps);
	}
	return NULL;
}

const char *alg_defaults(enum alg_kind kind)
{
	static char lists[ALG_HOSTKEY + 1][1024];	/* written once; what stands in the tables never changes */
	char *list = lists[kind];
	size_t len = 0;
	const char *name;
	int is_default;

	if (*list != '\0')
		return list;
	for (size_t i = 0; (name = alg_name(kind, i, &is_default)) != NULL; i++)
		if (is_default)
			len += (size_t)snprintf(list + len, sizeof lists[kind] - len, "%s%s", len ? "," : "", name);
	return list;
}
