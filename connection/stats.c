#include "connection/stats.h"

#include "base/err.h"
#include "base/log.h"
#include "connection/chan_session.h"
#include "connection/conn.h"
#include "ipc/clock.h"
#include "ipc/values.h"

static int tell_channel(struct conn *c, const struct session *s, uint32_t req)
{
	struct ipc_CHAN_STATS m = {
		.req = req, .chan = s->chan, .worker = s->worker, .kind = s->kind, .state = (uint8_t)s->state,
		.pty = (uint8_t)(s->pty != 0), .cols = s->cols, .rows = s->rows, .bytes_in = s->relay.bytes_in,
		.bytes_out = s->relay.bytes_out, .pending = buf_len(&s->relay.pending),
	};
	struct ssh_chan_info i;

	if (ssh_chan_get_info(c->ssh, s->chan, &i) == SSH_OK) {
		m.window_in = i.window_in;
		m.window_out = i.window_out;
	}
	return link_send(c->sup, IPC_CHAN_STATS, &m);
}

static uint8_t phase(const struct ssh_info *i)
{
	return i->open ? PHASE_OPEN : i->cipher[0] != NULL ? PHASE_LOGIN : i->peer_version.len > 0 ? PHASE_KEX : PHASE_IDENT;
}

static struct view at_most(struct view v, size_t n)
{
	return v.len > n ? view_of(v.p, n) : v;
}

int stats_tell(struct conn *c, uint32_t req)
{
	uint64_t now = clock_ms();
	struct ipc_CONN_STATS m = { .req = req, .log_level = (uint8_t)log_get_level() };
	struct ssh_info i;
	struct session *s;
	size_t at = 0;
	int r;

	if (c->ssh == NULL || c->over)
		return SSH_OK;
	while ((s = table_next(&c->sessions, &at)) != NULL)
		TRY(tell_channel(c, s, req));
	ssh_get_info(c->ssh, &i);
	m.phase = phase(&i);
	m.strict = (uint8_t)(i.strict != 0);
	m.idle_ms = now > c->input_ms ? now - c->input_ms : 0;
	m.bytes_in = i.bytes_in, m.bytes_out = i.bytes_out;
	m.packets_in = i.packets_in, m.packets_out = i.packets_out;
	m.rekeys = i.rekeys;
	m.output = ssh_output_len(c->ssh);
	m.client = at_most(i.peer_version, 255);
	m.kex = view_str(i.kex), m.hostkey = view_str(i.hostkey);
	m.cipher_in = view_str(i.cipher[0]), m.cipher_out = view_str(i.cipher[1]);
	m.mac_in = view_str(i.mac[0]), m.mac_out = view_str(i.mac[1]);
	m.compression_in = view_str(i.comp[0]), m.compression_out = view_str(i.comp[1]);
	return link_send(c->sup, IPC_CONN_STATS, &m);
}
