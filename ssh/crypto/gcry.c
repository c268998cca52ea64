#include "ssh/crypto/gcry.h"

#include <string.h>

#include "base/err.h"

int gcry_number(gcry_mpi_t *v, struct view bytes)
{
	return gcry_mpi_scan(v, GCRYMPI_FMT_USG, bytes.p, bytes.len, NULL) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

int gcry_hex(gcry_mpi_t *v, const char *digits)
{
	return gcry_mpi_scan(v, GCRYMPI_FMT_HEX, digits, 0, NULL) == 0 ? SSH_OK : SSH_E_CRYPTO;
}

int gcry_bytes(uint8_t *out, size_t n, gcry_mpi_t v)
{
	size_t len = 0;

	memset(out, 0, n);
	if (gcry_mpi_print(GCRYMPI_FMT_USG, NULL, 0, &len, v) != 0 || len > n)
		return SSH_E_CRYPTO;
	return len == 0 || gcry_mpi_print(GCRYMPI_FMT_USG, out + (n - len), len, &len, v) == 0 ? SSH_OK : SSH_E_CRYPTO;
}
