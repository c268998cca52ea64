/* The ciphers and MACs against vectors that others published; what they say of a stream of blocks is made a packet. */
#include <criterion/criterion.h>

#include "base/err.h"
#include "ssh/crypto/crypto.h"
#include "tests/unit/ssh/crypto/hex.h"

static void setup(void)
{
	cr_assert_eq(crypto_init(), 0);
}

TestSuite(cipher_published, .init = setup);

struct stream { const char *cipher, *key, *iv, *plain, *sealed; };

#define KEY_128 "2b7e151628aed2a6abf7158809cf4f3c"
#define KEY_192 "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b"
#define KEY_256 "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4"
#define IV_CBC  "000102030405060708090a0b0c0d0e0f"
#define IV_CTR  "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff"
#define PLAIN   "6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51" \
		"30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710"

static const struct stream streams[] = {
	/* NIST SP 800-38A F.2.1 to F.2.6 */
	{ "aes128-cbc", KEY_128, IV_CBC, PLAIN, "7649abac8119b246cee98e9b12e9197d5086cb9b507219ee95db113a917678b2"
	    "73bed6b8e3c1743b7116e69e222295163ff1caa1681fac09120eca307586e1a7" },
	{ "aes192-cbc", KEY_192, IV_CBC, PLAIN, "4f021db243bc633d7178183a9fa071e8b4d9ada9ad7dedf4e5e738763f69145a"
	    "571b242012fb7ae07fa9baac3df102e008b0e27988598881d920a9e64f5615cd" },
	{ "aes256-cbc", KEY_256, IV_CBC, PLAIN, "f58c4c04d6e5f1ba779eabfb5f7bfbd69cfc4e967edb808d679f777bc6702c7d"
	    "39f23369a9d9bacfa530e26304231461b2eb05e2c39be9fcda6c19078c6a9d1b" },
	/* F.5.1 to F.5.6 */
	{ "aes128-ctr", KEY_128, IV_CTR, PLAIN, "874d6191b620e3261bef6864990db6ce9806f66b7970fdff8617187bb9fffdff"
	    "5ae4df3edbd5d35e5b4f09020db03eab1e031dda2fbe03d1792170a0f3009cee" },
	{ "aes192-ctr", KEY_192, IV_CTR, PLAIN, "1abc932417521ca24f2b0459fe7e6e0b090339ec0aa6faefd5ccc2c6f4ce8e94"
	    "1e36b26bd1ebc670d1bd1d665620abf74f78a7f6d29809585a97daec58c6b050" },
	{ "aes256-ctr", KEY_256, IV_CTR, PLAIN, "601ec313775789a5b7a7f504bbf3d228f443e3ca4d62b59aca84e990cacaf5c5"
	    "2b0930daa23de94ce87017ba2d84988ddfc9c58db67aada613c2dd08457941a6" },
	/* NIST CAVP, TCBCMMT3.rsp: ENCRYPT 5 and 9, DECRYPT 7 and 9 */
	{ "3des-cbc", "625bc19b19df83abfb2f5bec9d4f2062017525a75bc26e70", "bd0cff364ff69a91",
	    "8152d2ab876c3c8201403a5a406d3feaf27319dbea6ad01e24f4d18203704b86de70da6bbb6d638e5aba3ff576b79b28",
	    "706fe7a973fac40e25b2b4499ce527078944c70e976d017b6af86a3a7a6b52943a72ba18a58000d2b61fdc3bfef2bc4a" },
	{ "3des-cbc", "9b162a0df8ad9b61c88676e3d586434570b902f12a2046e0", "ebd6fefe029ad54b",
	    "f4c1c918e77355c8156f0fd778da52bff121ae5f2f44eaf4d2754946d0e10d1f18ce3a0176e69c18b7d20b6e0d0bee5e"
	    "b5edfe4bd60e4d92adcd86bce72e76f94ee5cbcaa8b01cfddcea2ade575e66ac",
	    "1ff3c8709f403a8eff291aedf50c010df5c5ff64a8b205f1fce68564798897a390db16ee0d053856b75898009731da29"
	    "0fcc119dad987277aacef694872e880c4bb41471063fae05c89f25e4bd0cad6a" },
	{ "3des-cbc", "1675e5a42697d02f9e8308948a07e0153107fbae16bfda37", "328c1857e19ec9d9",
	    "4d0713639589f9b75d0ef038a4b3ad5cd8a6cb59a8a0bd055ad7c8424d5a35433092bf95b3898af93538a0085b6a7880"
	    "93b9ff5ee0453adf5e1bf5ac3c8e43e7",
	    "a653dc3e12d737bc33e9e160a0d6c203234ca3dc626bee3cbf1fb57c7caef634238d1eae2578cb9bc1c1d60427e99183"
	    "de6d4db263e220e41344e5134a8c831a" },
	{ "3des-cbc", "524a01b30ddf377afdbc0779625807383b9bb952a86849f4", "69f4af59fe96e79d",
	    "d56fa31c1db2978fa11c1dae70252a168b8193f1e0438e723aaf446dad2f5e490a4b53d7bd08e308e030187428ca5f55"
	    "4cb6dbd46f4b68677f4496098d23412c0f8863379e9f8330813836b8d48c987e",
	    "889d82d2961d440ea1089dec8713884f32cf5a06ca159a4b29a812909016267c98df65306bd95ece33d3b53cd3797625"
	    "d678a841a4e226d7fcd3aa809e552b2d4881696be4e7c6e60030572c7e023bb4" },
};

static struct cipher *make(const struct stream *v, const struct mac_alg *mac, struct view mac_key, int encrypt)
{
	const struct cipher_alg *alg = cipher_alg_find(view_str(v->cipher));
	uint8_t key[32], iv[16];
	struct cipher_keys keys;
	struct cipher *c;

	keys.key = view_of(key, hex(key, v->key));
	keys.iv = view_of(iv, hex(iv, v->iv));
	keys.mac_key = mac_key;
	cr_assert_eq(cipher_new(&c, alg, mac, &keys, encrypt, NULL), SSH_OK);
	return c;
}

/* The stream as two packets, so that what goes from one to the next is seen, too. head: bytes before the stream that stay as they are. */
static void one_stream(const struct stream *v, const char *mac_name, size_t head)
{
	static const uint8_t mac_key[64];
	const struct mac_alg *mac = mac_alg_find(view_str(mac_name));
	struct view key = view_of(mac_key, mac->key_len);
	struct cipher *seal = make(v, mac, key, 1), *open = make(v, mac, key, 0);
	size_t block = cipher_block(seal);
	uint8_t plain[80], sealed[80], pkt[256], back[256];
	size_t n = hex(plain, v->plain), first = n / 2 / block * block;
	uint32_t length;

	cr_assert_eq(hex(sealed, v->sealed), n);
	for (uint32_t k = 0; k < 2; k++) {
		size_t from = k ? first : 0, len = k ? n - first : first;

		memset(pkt, 0x7a, head);
		memcpy(pkt + head, plain + from, len);
		cr_assert_eq(cipher_seal(seal, k, pkt, pkt, head + len), SSH_OK);
		cr_assert_arr_eq(pkt + head, sealed + from, len, "%s with %s, part %u", v->cipher, mac_name, k);
		cr_assert_eq(cipher_length(open, k, pkt, &length), SSH_OK);
		cr_assert_eq(cipher_open(open, k, pkt, back, head + len), SSH_OK);
		cr_assert_arr_eq(back + head, plain + from, len);
	}
	cipher_free(seal);
	cipher_free(open);
}

Test(cipher_published, streams)
{
	for (size_t i = 0; i < sizeof streams / sizeof streams[0]; i++) {
		one_stream(&streams[i], "hmac-sha2-256", 0);
		one_stream(&streams[i], "hmac-sha1-etm@openssh.com", 4);
	}
}

/*
 * RFC 2202 3 and RFC 4231 4, those of a length that a packet can have: their first four bytes are the sequence number. Keys are
 * theirs with zeros behind, which is the same to HMAC.
 */
struct digest { const char *cipher, *mac, *key, *data, *digest; };

#define JEFE    "4a656665", "what do ya want for nothing?"
#define TRUNCATED "0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c", "Test With Truncation"

static const struct digest digests[] = {
	{ "3des-cbc",   "hmac-sha1",     JEFE, "effcdf6ae5eb2fa2d27416d5f184df9c259a7c79" },
	{ "3des-cbc",   "hmac-sha2-256", JEFE, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	{ "3des-cbc",   "hmac-sha2-512", JEFE, "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea250554"
	    "9758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737" },
	{ "aes128-ctr", "hmac-sha1",     TRUNCATED, "4c1a03424b55e07fe7f27be1d58bb9324a9a5a04" },
	{ "aes128-ctr", "hmac-sha1-96",  TRUNCATED, "4c1a03424b55e07fe7f27be1" },
	{ "aes128-ctr", "hmac-sha2-256", TRUNCATED, "a3b6167473100ee06e0c796c2955552b" },	/* the RFC has 128 bits of these */
	{ "aes128-ctr", "hmac-sha2-512", TRUNCATED, "415fad6271580a531d4179bc891d87a6" },
};

Test(cipher_published, digests)
{
	for (size_t i = 0; i < sizeof digests / sizeof digests[0]; i++) {
		const struct digest *v = &digests[i];
		const struct mac_alg *mac = mac_alg_find(view_str(v->mac));
		struct stream s = { v->cipher, strcmp(v->cipher, "3des-cbc") == 0 ? KEY_192 : KEY_128, strcmp(v->cipher, "3des-cbc") == 0 ?
		    "0001020304050607" : IV_CBC, NULL, NULL };
		uint8_t key[64] = { 0 }, pkt[128], want[64];
		size_t n = strlen(v->data) - 4, len = hex(want, v->digest);
		struct cipher *c;

		hex(key, v->key);
		c = make(&s, mac, view_of(key, mac->key_len), 1);
		memcpy(pkt, v->data + 4, n);
		memset(pkt + n, 0xee, sizeof pkt - n);
		cr_assert_eq(cipher_seal(c, get_u32((const uint8_t *)v->data), pkt, pkt, n), SSH_OK);
		cr_assert_arr_eq(pkt + n, want, len, "%s over '%s'", v->mac, v->data);
		cr_assert_eq(pkt[n + mac->mac_len], 0xee, "longer than %zu", mac->mac_len);
		cipher_free(c);
	}
}
