/*
 * keysign_faulty - what the linker puts before the libraries' functions (--wrap) in a keysign that computes wrongly now and then: of the
 * signatures made after the one that proves the key at start, every second has a bit changed. For test_faults.py.
 */
#include <gcrypt.h>
#include <stdlib.h>

gcry_error_t __real_gcry_pk_sign(gcry_sexp_t *sig, gcry_sexp_t data, gcry_sexp_t key);
gcry_error_t __wrap_gcry_pk_sign(gcry_sexp_t *sig, gcry_sexp_t data, gcry_sexp_t key);
int __real_crypto_sign_detached(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long, const unsigned char *);
int __wrap_crypto_sign_detached(unsigned char *, unsigned long long *, const unsigned char *, unsigned long long, const unsigned char *);

static int turn(void)
{
	static unsigned calls;

	return ++calls > 1 && calls % 2 == 0;
}

gcry_error_t __wrap_gcry_pk_sign(gcry_sexp_t *sig, gcry_sexp_t data, gcry_sexp_t key)
{
	gcry_error_t e = __real_gcry_pk_sign(sig, data, key);
	char *text;
	size_t n;

	if (e != 0 || !turn())
		return e;
	n = gcry_sexp_sprint(*sig, GCRYSEXP_FMT_CANON, NULL, 0);
	if ((text = malloc(n)) == NULL || gcry_sexp_sprint(*sig, GCRYSEXP_FMT_CANON, text, n) == 0)
		abort();
	gcry_sexp_release(*sig);
	text[n - 15] ^= 1;		/* in the last number */
	e = gcry_sexp_new(sig, text, n - 1, 0);
	free(text);
	return e;
}

int __wrap_crypto_sign_detached(unsigned char *sig, unsigned long long *len, const unsigned char *m, unsigned long long n, const unsigned char *sk)
{
	int r = __real_crypto_sign_detached(sig, len, m, n, sk);

	if (r == 0 && turn())
		sig[40] ^= 1;
	return r;
}
