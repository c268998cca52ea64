#ifndef IPC_VALUES_H
#define IPC_VALUES_H

/* values - what the small numbers in the fields of messages.def mean, for both ends; permits.h has the bits of permits. */

/* CONN_START.proxy: a PROXY header of its source is not to be believed; may come first; must */
enum { HEADER_NEVER = 0, HEADER_MAY = 1, HEADER_MUST = 2 };

/* HEALTH_LISTEN.word, READINESS.word */
enum health_word { HEALTH_READY = 1, HEALTH_DRAIN = 2 };

/* CONN_FATE.fate */
enum { FATE_AUTHENTICATED = 1, FATE_ENDED = 2, FATE_CRASHED = 3 };

/* SIGNED.status */
enum { SIGNED_OK = 0, SIGNED_FAILED = 1 };

/* AUTH_VERDICT.verdict */
enum { VERDICT_NO = 0, VERDICT_PARTIAL = 1, VERDICT_KEY_OK = 2, VERDICT_YES = 3 };

/* SPAWN.kind and WORK.kind */
enum work_kind { WORK_SHELL = 0, WORK_EXEC = 1, WORK_SUBSYSTEM = 2 };

/* SPAWNED.status: made; refused by policy, or too many; no such subsystem; the machine could not */
enum { SPAWNED_OK = 0, SPAWNED_REFUSED = 1, SPAWNED_UNKNOWN = 2, SPAWNED_FAILED = 3 };

/* WORKER_EXIT.signalled: exited, killed by a signal, or it ended while nobody supervised and nobody knows how */
enum { WORKER_EXITED = 0, WORKER_SIGNALLED = 1, WORKER_EXIT_UNKNOWN = 2 };

/* ENDS.what */
enum { ENDS_CLIENT = 0, ENDS_CHANNEL = 1, ENDS_ALL = 2 };

/* CHAN_SHUT.ends */
#define END_STDIN  1u
#define END_STDOUT 2u
#define END_STDERR 4u
#define END_PTY    8u

/* SHOW.what */
enum { SHOW_EVENTS = 0, SHOW_CRASHES = 1, SHOW_CRASH = 2 };

/* CONN_STATS.phase */
enum { PHASE_IDENT = 0, PHASE_KEX = 1, PHASE_LOGIN = 2, PHASE_OPEN = 3 };

/* COUNT.counter */
enum counter {
#define COUNTER(NAME, family, label, value, from, meaning) COUNT_##NAME,
#include "ipc/counters.def"
#undef COUNTER
	COUNTERS
};

/* HANDOFF_STATE.status: it stands still; a login, or a key exchange, is not finished; more is under way than fits; it could not */
enum { HANDOFF_STILL = 0, HANDOFF_LOGIN = 1, HANDOFF_KEX = 2, HANDOFF_FULL = 3, HANDOFF_FAILED = 4 };

/* ADOPTED.status: ready; the state cannot be read by this program; the machine could not */
enum { ADOPT_OK = 0, ADOPT_STATE = 1, ADOPT_FAILED = 2 };

/* CARRY_ENDS.ends */
#define CARRY_IN  1u
#define CARRY_OUT 2u
#define CARRY_ERR 4u

/* CTL_REQUEST.verb */
enum ctl_verb {
#define VERB(number, NAME, name, arguments, meaning) CTL_##NAME = (number),
#include "ipc/verbs.def"
#undef VERB
	CTL_VERBS_END
};

#endif
