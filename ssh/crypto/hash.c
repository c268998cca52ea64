#include "ssh/crypto/crypto.h"

#include <gcrypt.h>
#include <string.h>

#include "base/err.h"
#include "ssh/crypto/gcry.h"

int gcry_hash_id(enum hash_id hash)
{
	switch (hash) {
	case HASH_SHA1:
		return GCRY_MD_SHA1;
	case HASH_SHA256:
		return GCRY_MD_SHA256;
	case HASH_SHA384:
		return GCRY_MD_SHA384;
	case HASH_SHA512:
		return GCRY_MD_SHA512;
	case HASH_NONE:
		break;
	}
	return GCRY_MD_NONE;
}

size_t hash_len(enum hash_id hash)
{
	switch (hash) {
	case HASH_SHA1:
		return 20;
	case HASH_SHA256:
		return 32;
	case HASH_SHA384:
		return 48;
	case HASH_SHA512:
		return 64;
	case HASH_NONE:
		break;
	}
	return 0;
}

int hash_parts(enum hash_id hash, const struct view *parts, size_t n, uint8_t out[SSH_HASH_MAX])
{
	gcry_md_hd_t md;

	if (hash_len(hash) == 0 || gcry_md_open(&md, gcry_hash_id(hash), 0) != 0)
		return SSH_E_CRYPTO;
	for (size_t i = 0; i < n; i++)
		if (parts[i].len > 0)
			gcry_md_write(md, parts[i].p, parts[i].len);
	memcpy(out, gcry_md_read(md, 0), hash_len(hash));
	gcry_md_close(md);
	return SSH_OK;
}
