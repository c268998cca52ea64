#include "supervisor/stats.h"

#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/err.h"
#include "base/limits.h"
#include "supervisor/counters.h"
#include "supervisor/look.h"
#include "supervisor/proc.h"

int stats_ask(struct session *s, uint32_t req)
{
	struct proc *p = s->connection != NULL ? s->connection->proc : NULL;

	if (p == NULL || p->link == NULL || !p->is_ready)
		return SSH_E_NOT_NOW;
	return link_send(p->link, IPC_STATS_ASK, &(struct ipc_STATS_ASK){ .req = req });
}

static struct session_stats *stats_of(struct session *s)
{
	if (s->stats == NULL)
		s->stats = calloc(1, sizeof *s->stats);
	return s->stats;
}

int stats_channel(struct session *s, const struct ipc_CHAN_STATS *m)
{
	struct session_stats *t = stats_of(s);

	if (t == NULL)
		return SSH_OK;
	if (t->next_req != m->req)
		t->nnext = 0;
	t->next_req = m->req;
	if (t->nnext >= SSH_CHANNELS_MAX)
		return SSH_E_RULE;
	if (t->nnext == t->room) {
		size_t room = t->room > 0 ? t->room * 2 : 4;
		struct ipc_CHAN_STATS *v = realloc(t->next, room * sizeof *v);

		if (v == NULL)
			return SSH_OK;
		t->next = v;
		t->room = room;
	}
	t->next[t->nnext++] = *m;
	return SSH_OK;
}

static void keep(char **at, struct view *v)
{
	if (v->len > 0)
		memcpy(*at, v->p, v->len);
	v->p = (uint8_t *)*at;
	*at += v->len;
}

int stats_taken(struct session *s, const struct ipc_CONN_STATS *m)
{
	struct session_stats *t = stats_of(s);
	char *at;

	if (t == NULL)
		return SSH_OK;
	at = t->text;	/* as many bytes as the fields may have */
	t->now = *m;
	keep(&at, &t->now.client);
	keep(&at, &t->now.kex), keep(&at, &t->now.hostkey);
	keep(&at, &t->now.cipher_in), keep(&at, &t->now.cipher_out);
	keep(&at, &t->now.mac_in), keep(&at, &t->now.mac_out);
	keep(&at, &t->now.compression_in), keep(&at, &t->now.compression_out);
	free(t->chans);
	t->chans = t->next_req == m->req ? t->next : NULL;
	t->nchans = t->chans != NULL ? t->nnext : 0;
	if (t->chans == NULL)
		free(t->next);
	t->next = NULL;
	t->nnext = t->room = 0;
	look_answered(s, m->req);
	return SSH_OK;
}

void stats_free(struct session_stats *t)
{
	if (t == NULL)
		return;
	free(t->chans);
	free(t->next);
	free(t);
}

/* ---- the socket ------------------------------------------------------------------------- */

void stats_tcp(const struct session *s, struct tcp_stats *t)
{
	struct tcp_info i = { 0 };
	socklen_t len = sizeof i;

	memset(t, 0, sizeof *t);
	if (s->sock[0] < 0 || getsockopt(s->sock[0], IPPROTO_TCP, TCP_INFO, &i, &len) < 0)
		return;
	t->has = 1;
	t->rtt_us = i.tcpi_rtt;
	t->rtt_var_us = i.tcpi_rttvar;
	t->min_rtt_us = i.tcpi_min_rtt;
	t->cwnd = i.tcpi_snd_cwnd;
	t->mss = i.tcpi_snd_mss;
	t->retransmits = i.tcpi_total_retrans;
	t->unacked = i.tcpi_unacked;
	t->bytes_in = i.tcpi_bytes_received;
	t->bytes_out = i.tcpi_bytes_acked;
	t->unsent = i.tcpi_notsent_bytes;
	t->quiet_ms = i.tcpi_last_data_recv;
}

void stats_last(const struct session *s)
{
	struct tcp_stats t;

	stats_tcp(s, &t);
	counter_add(COUNT_BYTES_IN, t.bytes_in);
	counter_add(COUNT_BYTES_OUT, t.bytes_out);
}

void stats_traffic(const struct daemon *d, uint64_t *in, uint64_t *out)
{
	const struct session *s;
	size_t at = 0;

	*in = counter_get(COUNT_BYTES_IN);
	*out = counter_get(COUNT_BYTES_OUT);
	while ((s = table_next(&d->sessions, &at)) != NULL) {
		struct tcp_stats t;

		stats_tcp(s, &t);
		*in += t.bytes_in;
		*out += t.bytes_out;
	}
}
