#include "supervisor/counters.h"

#include "base/err.h"

#define BY_MOST 1000000u	/* of one COUNT: an acceptor tells a second of drops at a time */

static uint64_t values[COUNTERS];

static const struct counter_row rows[COUNTERS] = {
#define COUNTER(NAME, family_, label_, value_, from_, meaning_) [COUNT_##NAME] = { #NAME, family_, label_, value_, meaning_, from_ },
#include "ipc/counters.def"
#undef COUNTER
};

const struct counter_row *counter_row(enum counter c)
{
	return (unsigned)c < COUNTERS ? &rows[c] : NULL;
}

void counter_add(enum counter c, uint64_t by)
{
	if ((unsigned)c < COUNTERS)
		values[c] += by;
}

uint64_t counter_get(enum counter c)
{
	return (unsigned)c < COUNTERS ? values[c] : 0;
}

void counter_set(enum counter c, uint64_t value)
{
	if ((unsigned)c < COUNTERS)
		values[c] = value;
}

int counter_told(enum ipc_role role, const struct ipc_COUNT *m)
{
	if (m->counter >= COUNTERS || !(rows[m->counter].from >> role & 1))
		return SSH_E_RULE;
	if (m->by > (role == ROLE_CONN ? 1 : BY_MOST))
		return SSH_E_RULE;
	counter_add((enum counter)m->counter, m->by);
	return SSH_OK;
}
