#include "supervisor/tree.h"

/* tree_names - the words of the tree for people. */

#define NAME(table, i) ((size_t)(i) < sizeof(table) / sizeof((table)[0]) ? (table)[i] : "unknown")

const char *sup_state_name(enum sup_state s)
{
	static const char *const names[] = {
		"down", "starting", "aborting", "up", "stopping", "killing", "dead", "retry", "throttled",
	};

	return NAME(names, s);
}

const char *sup_event_name(enum sup_event e)
{
	static const char *const names[] = { "start", "ready", "failed", "exited", "timeout", "stop" };

	return NAME(names, e);
}

const char *sup_did_name(enum sup_did d)
{
	static const char *const names[] = {
		"restart", "leave", "remove", "auto-shutdown", "give-up", "fail-start", "stop", "back-off",
	};

	return NAME(names, d);
}

const char *sup_strategy_name(enum sup_strategy s)
{
	static const char *const names[] = { "one_for_one", "one_for_all", "rest_for_one", "simple_one_for_one" };

	return NAME(names, s);
}

const char *sup_restart_name(enum sup_restart r)
{
	static const char *const names[] = { "permanent", "transient", "temporary" };

	return NAME(names, r);
}

const char *sup_refusal_name(enum sup_refusal r)
{
	static const char *const names[] = {
		"ok", "not_found", "running", "restarting", "simple_one_for_one", "already_started", "already_present", "not_now", "root",
	};

	return NAME(names, r);
}
