#include "supervisor/broker.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/child.h"
#include "ipc/memory.h"
#include "supervisor/command.h"
#include "supervisor/config.h"
#include "supervisor/counters.h"
#include "supervisor/effects.h"
#include "supervisor/halt.h"
#include "supervisor/handoff.h"
#include "supervisor/introduce.h"
#include "supervisor/keep.h"
#include "supervisor/listen.h"
#include "supervisor/nursery.h"
#include "supervisor/proc.h"
#include "supervisor/reload.h"
#include "supervisor/replace.h"
#include "supervisor/resume.h"
#include "supervisor/samples.h"
#include "supervisor/session.h"
#include "supervisor/state.h"
#include "supervisor/stats.h"
#include "supervisor/survive.h"
#include "supervisor/watchdog.h"
#include "supervisor/worker.h"

/* ---- configuration --------------------------------------------------------------- */

static enum conf_reader reader_of(enum ipc_role role)
{
	switch (role) {
	case ROLE_ACC:  return CONF_ACC;
	case ROLE_NUR:  return CONF_CONN;
	case ROLE_KEY:  return CONF_KEY;
	case ROLE_AUTH: return CONF_AUTH;
	case ROLE_REP:  return CONF_REP;
	case ROLE_KEEP: return CONF_KEEP;
	case ROLE_SUP: case ROLE_CONN: case ROLE_WRK: case ROLE_CTL: case ROLE_COUNT: break;
	}
	return (enum conf_reader)0;
}

int broker_slices(const struct conf *c, char *slice[ROLE_COUNT], size_t len[ROLE_COUNT])
{
	for (int role = 0; role < ROLE_COUNT; role++) {
		struct buf b;
		int r;

		if (reader_of((enum ipc_role)role) == 0)
			continue;
		buf_init(&b, CONF_FILE_MAX * 2, NULL);
		if ((r = conf_slice(c, reader_of((enum ipc_role)role), &b)) == SSH_OK) {
			if ((slice[role] = malloc(buf_len(&b) + 1)) == NULL)
				r = SSH_E_NOMEM;
			else if ((len[role] = buf_len(&b)) > 0)
				memcpy(slice[role], buf_head(&b), buf_len(&b));
		}
		buf_drop(&b);
		if (r < 0)
			return r;
	}
	return SSH_OK;
}

void broker_drop_slices(struct daemon *d)
{
	for (int role = 0; role < ROLE_COUNT; role++)
		free(d->slice[role]), d->slice[role] = NULL;
}

int broker_sealed(const char *text, size_t len)
{
	int fd = memfd_create("coppice-conf", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	size_t have = 0;

	while (fd >= 0 && have < len) {
		ssize_t n = pwrite(fd, text + have, len - have, (off_t)have);

		if (n <= 0) {
			close(fd);
			return -1;
		}
		have += (size_t)n;
	}
	if (fd >= 0 && fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int broker_configure(struct proc *p, const char *slice, size_t len, uint64_t generation)
{
	struct ipc_CONFIG m = { .generation = generation, .length = (uint32_t)len };
	int fd;

	if (slice == NULL || (fd = broker_sealed(slice, len)) < 0)
		return SSH_E_SYS;
	return link_send_fds(p->link, IPC_CONFIG, &m, &fd, 1);
}

/* The configuration it begins with: the one in force, or the one it is to try. */
static int first_slice(struct proc *p)
{
	struct daemon *d = p->d;
	const struct config *c = p->trial ? reload_trial(d) : NULL;

	if (p->trial && c == NULL)
		return SSH_E_GONE;	/* it was given up meanwhile */
	p->generation = c != NULL ? c->generation : d->generation;
	p->slice = c != NULL ? 0 : config_digest(d, (int)p->role);	/* of one on trial it is known when it holds (reload_switch_all) */
	return c != NULL ? broker_configure(p, c->slice[p->role], c->slice_len[p->role], p->generation) :
	    broker_configure(p, d->slice[p->role], d->slice_len[p->role], p->generation);
}

/* ---- the first words ----------------------------------------------------------------- */

static int on_hello(struct proc *p, const struct ipc_HELLO *m)
{
	struct daemon *d = p->d;
	const struct kid *k = p->kid != NULL ? p->kid : p->heir_of;
	const struct kid_row *row = k != NULL ? k->row : kid_row(p->role == ROLE_KEY ? KID_KEYSIGN : KID_NURSERY);
	struct id_pair id = ids_of(&d->ids, row->account);
	struct ipc_WELCOME w = {
		.proto = IPC_PROTO, .node = k != NULL ? k->node->id : 0, .log_level = (uint8_t)log_get_level(),
		.flags = d->privileged ? CHILD_PRIVILEGED : 0, .uid = id.uid, .gid = id.gid,
	};
	int sink = -1, r;

	if (p->greeted || m->role != p->role || m->proto_min > IPC_PROTO || m->proto_max < IPC_PROTO)
		return SSH_E_RULE;
	if (p->role == ROLE_REP && d->sink >= 0 && (sink = fcntl(d->sink, F_DUPFD_CLOEXEC, 3)) < 0)
		return SSH_E_SYS;
	TRY(link_send_fds(p->link, IPC_WELCOME, &w, &sink, sink >= 0));
	if (!p->trial)
		p->keys = d->keys;
	TRY(first_slice(p));
	p->greeted = 1;
	state_proc(p);
	introduce_newcomer(p);
	return SSH_OK;
}

static int on_ready(struct proc *p)
{
	struct daemon *d = p->d;
	int r;

	if (!p->greeted)
		return SSH_E_RULE;
	if (p->is_ready && !p->replay)
		return SSH_E_RULE;
	p->is_ready = 1;
	if (link_state(p->link) == W_NEW)
		link_enter(p->link, p->role == ROLE_CONN && p->kid != NULL && p->kid->session->grant != NULL ? W_AUTHED : W_UP);
	state_proc(p);
	command_tell_level(p);
	if (p->trial) {
		reload_ready(p);
		return SSH_OK;
	}
	if (p->heir_of != NULL)
		return replace_ready(p);
	if (p->role == ROLE_KEEP)
		keep_ready(p);
	if (p->role == ROLE_KEY || p->role == ROLE_AUTH)
		introduce_guard(p);
	if (d->nursery.next == p) {
		nursery_successor_ready(d);
		return SSH_OK;
	}
	if (p->kid == NULL)
		return SSH_OK;
	if (p->role == ROLE_NUR)
		nursery_ready(d);
	if (p->role == ROLE_ACC)
		TRY(listen_give(p));
	reload_newcomer(p);
	fx_event(p->kid, SUP_EV_READY, SUP_NORMAL);
	return SSH_OK;
}

/* ---- everything else --------------------------------------------------------------------- */

static int hear(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct proc *p = ctx;
	struct session *s = p->role == ROLE_CONN && p->kid != NULL ? p->kid->session : NULL;

	(void)l;
	if (m->type == IPC_ADOPTED && p->adopts != NULL)
		return handoff_adopted(p, &m->u.ADOPTED);
	if (p->role == ROLE_CONN && s == NULL)
		return SSH_E_GONE;
	switch (m->type) {
	case IPC_HELLO:         return on_hello(p, &m->u.HELLO);
	case IPC_READY:         return on_ready(p);
	case IPC_CONFIG_OK:     return reload_answer(p, &m->u.CONFIG_OK);
	case IPC_SAMPLES_ASK:   return samples_tell(p, m->u.SAMPLES_ASK.seq);
	case IPC_PONG:
		resume_pong(p, m->u.PONG.seq);
		return watchdog_pong(p, m->u.PONG.seq);
	case IPC_CONN_NEW:      return session_accept(p, m);
	case IPC_FORKED:        return nursery_forked(p, &m->u.FORKED);
	case IPC_SESSION_ID:
		introduce_session_id(p, &m->u.SESSION_ID);
		return session_identified(p->d, &m->u.SESSION_ID);
	case IPC_PEER_AGAIN:
		introduce_again(p, m->u.PEER_AGAIN.conn);
		return SSH_OK;
	case IPC_AUTH_GRANTED:  return session_granted(p, &m->u.AUTH_GRANTED);
	case IPC_CONN_PHASE:    s->phase = m->u.CONN_PHASE.phase; state_session(s); return SSH_OK;
	case IPC_ADOPTED:       return survive_adopted(p);	/* else by a supervisor that took over: the move was complete */
	case IPC_CHAN_STATS:    return stats_channel(s, &m->u.CHAN_STATS);
	case IPC_CONN_STATS:    return stats_taken(s, &m->u.CONN_STATS);
	case IPC_NOTICE_SHOWN:  return command_notice_shown(s, &m->u.NOTICE_SHOWN);
	case IPC_COUNT:         return counter_told(p->role, &m->u.COUNT);
	case IPC_HANDOFF_STATE: return handoff_state(p, &m->u.HANDOFF_STATE);
	case IPC_ACCEPT_STOPPED: return halt_stopped(p, &m->u.ACCEPT_STOPPED);
	case IPC_CONN_PEER:     return session_peer(s, &m->u.CONN_PEER);
	case IPC_SPAWN:         return worker_request(s, &m->u.SPAWN);
	case IPC_CHAN_SHUT:     return worker_shut(s, &m->u.CHAN_SHUT);
	case IPC_WORKER_SIGNAL: return worker_signal(s, &m->u.WORKER_SIGNAL);
	case IPC_ENDS:          return resume_ends(p, m);
	default:                return SSH_E_RULE;
	}
}

int broker_message(struct link *l, struct ipc_msg *m, void *ctx)
{
	struct proc *p = ctx;
	struct daemon *d = p->d;
	uint64_t serial = p->serial;
	int replay = p->replay, r;

	if (p->role == ROLE_CONN && memory_counts(m->type))
		p->heard++;
	r = hear(l, m, ctx);

	/* Only the first message of an adopted process can have been handled before. */
	if (replay && r == SSH_OK && (p = proc_by_serial(d, serial)) != NULL)
		p->replay = 0;
	return r;
}
