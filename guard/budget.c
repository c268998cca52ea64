#include "guard/budget.h"

void budget_init(struct budget *b)
{
	b->first_done = 0;
	b->authed = 0;
	b->left = BUDGET_BURST;
	b->since = 0;
}

static void refill(struct budget *b, uint64_t now)
{
	uint64_t gained = (now - b->since) / BUDGET_INTERVAL_MS;

	if (b->left >= BUDGET_BURST || gained >= BUDGET_BURST - b->left) {
		b->left = BUDGET_BURST;
		b->since = now;
		return;
	}
	b->left += (unsigned)gained;
	b->since += gained * BUDGET_INTERVAL_MS;
}

uint64_t budget_take(struct budget *b, uint64_t now_ms)
{
	if (!b->first_done) {
		b->first_done = 1;
		b->since = now_ms;
		return 0;
	}
	if (!b->authed)
		return BUDGET_WAIT;
	refill(b, now_ms);
	if (b->left == 0)
		return b->since + BUDGET_INTERVAL_MS - now_ms;
	b->left--;
	return 0;
}
