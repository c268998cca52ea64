#ifndef SSH_CRYPTO_DH_COMB_H
#define SSH_CRYPTO_DH_COMB_H
#include "ssh/crypto/crypto.h"

/*
 * dh_comb - g^x in a third of the time for groups that were prepared; only for ssh/crypto/kem_dh.c. The tables are of this process
 * and are inherited by its forks, which never write to them: 64 times the size of p.
 */

/*
 * For exponents of so many bytes; group is kept and must live on. Costs as much as one power without a table. SSH_OK also when it was done
 * already; SSH_E_LIMIT when there is no room for a table, SSH_E_NOMEM, SSH_E_CRYPTO: then powers are made without.
 */
int dh_comb_prepare(const struct dh_group *group, size_t exponent);
/* out (p.len bytes) = g^x, x of len bytes, big-endian, its top bit set; time does not depend on x. SSH_E_NOT_NOW: was not prepared. */
int dh_comb_power(const struct dh_group *group, const uint8_t *x, size_t len, uint8_t *out);

#endif
