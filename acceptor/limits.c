#include "acceptor/limits.h"

#include <string.h>

#include "base/err.h"

void limits_init(struct limits *l, const struct conf_startups *max, uint32_t first)
{
	memset(l, 0, sizeof *l);
	l->max = *max;
	l->next = first;
	table_init(&l->held);
}

void limits_drop(struct limits *l)
{
	table_drop(&l->held);
}

void limits_set(struct limits *l, const struct conf_startups *max)
{
	l->max = *max;
}

unsigned limits_held(const struct limits *l)
{
	return (unsigned)l->held.used;
}

int limits_admit(const struct limits *l, uint32_t random)
{
	unsigned held = limits_held(l);
	uint64_t percent;

	if (held < l->max.begin)
		return 1;
	if (held >= l->max.full)
		return 0;
	percent = l->max.rate + (uint64_t)(100 - l->max.rate) * (held - l->max.begin) / (l->max.full - l->max.begin);
	return ((uint64_t)random * 100) >> 32 >= percent;
}

int limits_take(struct limits *l, uint32_t *slot)
{
	int r;

	while (table_get(&l->held, l->next) != NULL)
		l->next++;
	TRY(table_put(&l->held, l->next, l));
	*slot = l->next++;
	return SSH_OK;
}

int limits_release(struct limits *l, uint32_t slot)
{
	return table_remove(&l->held, slot) != NULL;
}

int limits_count_drop(struct limits *l, uint64_t now_ms, unsigned *hidden)
{
	l->dropped++;
	if (l->dropped == 1 || now_ms - l->lines_from_ms >= LIMITS_WINDOW_MS) {
		l->lines_from_ms = now_ms;
		l->lines = 0;
	}
	if (l->lines >= LIMITS_LINES) {
		l->hidden++;
		return 0;
	}
	l->lines++;
	*hidden = l->hidden;
	l->hidden = 0;
	return 1;
}
