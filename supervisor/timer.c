#include "supervisor/timer.h"

#include "base/err.h"

int timer_make(struct event **at, struct event_base *base, event_callback_fn fn, void *arg)
{
	if (*at == NULL)
		*at = evtimer_new(base, fn, arg);
	return *at != NULL ? SSH_OK : SSH_E_NOMEM;
}

void timer_start(struct event *e, uint64_t ms)
{
	struct timeval tv = { (time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000) };

	if (event_add(e, &tv) < 0)
		event_active(e, EV_TIMEOUT, 0);
}

int timer_set(struct event **at, struct event_base *base, uint64_t ms, event_callback_fn fn, void *arg)
{
	int r;

	TRY(timer_make(at, base, fn, arg));
	timer_start(*at, ms);
	return SSH_OK;
}
