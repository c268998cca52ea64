#include "guard/delay.h"

#include "base/err.h"
#include "ssh/crypto/crypto.h"

uint32_t delay_jitter(const uint8_t secret[DELAY_SECRET], struct view user)
{
	const struct view parts[] = { view_of(secret, DELAY_SECRET), user };
	uint8_t h[SSH_HASH_MAX] = { 0 };

	if (hash_parts(HASH_SHA256, parts, 2, h) < 0)
		return 0;
	return get_u32(h) % DELAY_JITTER_US;
}

uint64_t delay_left(uint64_t elapsed_us, uint32_t jitter_us)
{
	uint64_t at = DELAY_MIN_US + jitter_us;

	if (elapsed_us > DELAY_MAX_US)
		return 0;
	while (at < elapsed_us)
		at *= 2;
	return at - elapsed_us;
}
