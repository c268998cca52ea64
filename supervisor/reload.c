#include "supervisor/reload.h"

#include "base/err.h"
#include "base/log.h"
#include "supervisor/broker.h"
#include "supervisor/config.h"
#include "supervisor/listen.h"
#include "supervisor/manager.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/watchdog.h"

static int same_keys(const struct conf_list *a, const struct conf_list *b)
{
	if (a->n != b->n)
		return 0;
	for (size_t i = 0; i < a->n; i++)
		if (!view_is(view_str(a->v[i]), b->v[i]))
			return 0;
	return 1;
}

/* CONFIG to every process of the roles whose slice changed; a nursery is replaced, its workers inherit by fork. */
static void tell(struct daemon *d, unsigned changed, int keys_changed)
{
	LIST_EACH(l, &d->procs) {
		struct proc *p = LIST_OF(l, struct proc, all);

		if (p->link == NULL || !p->greeted || !(changed & 1u << p->role) || p->role == ROLE_NUR || p->role == ROLE_CONN)
			continue;
		if (p->role == ROLE_KEY && keys_changed)
			continue;
		if (broker_configure(p) < 0)
			log_ev(LOGL_ERROR, "ev=config role=%s: cannot be told", ipc_role_name(p->role));
	}
	if (changed & R_NUR)
		nursery_replace(d);
}

void reload(struct daemon *d)
{
	struct conf_values *v;
	struct conf_error e = { "" };
	struct conf *c;
	unsigned changed;
	int keys_changed;

	if (d->stopping || !d->up || d->opt.inetd)
		return;
	manager_reloading(d);
	if (config_load(d, 0, &c, &v, &e) < 0) {
		log_ev(LOGL_ERROR, "%s", e.text);
		log_ev(LOGL_ERROR, "The new configuration is not usable; the old one stays in force.");
		manager_reloaded(d, e.text);
		return;
	}
	keys_changed = !same_keys(&d->values->HostKey, &v->HostKey);
	if (keys_changed && !config_keys_work(d, v)) {
		log_ev(LOGL_ERROR, "No host key of the new configuration can be loaded; the old one stays in force.");
		conf_values_free(v);
		conf_free(c);
		manager_reloaded(d, "no host key can be loaded");
		return;
	}
	if (config_take(d, c, v, &changed) < 0)
		log_ev(LOGL_ERROR, "The new configuration could not be handed out completely.");
	tell(d, changed, keys_changed);
	if (keys_changed && proc_of(d, KID_KEYSIGN) != NULL)
		proc_ask_to_end(proc_of(d, KID_KEYSIGN));	/* its supervisor starts it anew, with the new keys */
	listen_reload(d);
	watchdog_start(d);
	log_ev(LOGL_INFO, "Configuration %llu in force.", (unsigned long long)d->generation);
	manager_reloaded(d, NULL);
}
