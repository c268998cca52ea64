#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "ipc/row.h"
#include "supervisor/command.h"
#include "supervisor/drain.h"
#include "supervisor/hail.h"
#include "supervisor/halt.h"

/* command_fleet - one daemon of several: draining it, and its listening sockets one by one. */

#define WAITING_MAX 16u

static uint64_t waiting[WAITING_MAX];	/* clients whose drain has --wait; 0 */

static int tell(struct client *c)
{
	struct buf b;
	struct wr w;
	int r;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	drain_row(client_daemon(c), &w);
	r = client_row(c, "drain", &b, wr_done(&w));
	buf_drop(&b);
	return r;
}

/* What changed, to those who wait for the end of it. */
static void on_change(struct daemon *d)
{
	for (unsigned i = 0; i < WAITING_MAX; i++) {
		struct client *c = waiting[i] != 0 ? client_find(d, waiting[i]) : NULL;

		if (waiting[i] == 0)
			continue;
		if (c == NULL) {
			waiting[i] = 0;
			continue;
		}
		tell(c);
		if (drain_state(d) != DRAIN_OFF && strcmp(drain_state_name(d), "drained") != 0)
			continue;
		waiting[i] = 0;
		if (drain_state(d) == DRAIN_OFF)
			client_done(c, 1, "the drain was undone");
		else
			client_done(c, 0, "%s", "");
	}
}

static int wait_for_it(struct client *c)
{
	for (unsigned i = 0; i < WAITING_MAX; i++)
		if (waiting[i] == 0 || client_find(client_daemon(c), waiting[i]) == NULL) {
			waiting[i] = client_id(c);
			return SSH_OK;
		}
	return client_done(c, 1, "too many wait already; the drain has begun");
}

int command_DRAIN(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	struct daemon *d = client_daemon(c);
	struct drain_order order;
	char why[200], who[80], text[sizeof order.message + 100];
	int r;

	if (drain_order_parse(&order, m->text, why, sizeof why) < 0)
		return client_done(c, 1, "%s", why);
	if ((r = drain_begin(d, &order)) < 0)
		return client_done(c, 1, "cannot drain: %s", r == SSH_E_NOT_NOW ? "it is not serving" : err_text(r));
	drain_watch(d, on_change);
	if (order.message[0] != '\0')
		hail_everybody(d, hail_words(text, sizeof text, client_who(c, who, sizeof who), order.message));
	TRY(tell(c));
	return order.wait ? wait_for_it(c) : client_done(c, 0, "%s", "");
}

int command_UNDRAIN(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	struct daemon *d = client_daemon(c);
	int failed, r;

	(void)m;
	if (drain_state(d) == DRAIN_OFF)
		return client_done(c, 1, "not draining");
	failed = drain_undo(d);
	TRY(tell(c));
	return failed > 0 ? client_done(c, 1, "%d listening sockets could not be opened again; see the log", failed) : client_done(c, 0, "%s", "");
}

/* ---- one listener ------------------------------------------------------------------------- */

static int tell_listener(struct client *c, const struct listener *l)
{
	static const char *const states[] = { "listening", "stopped", "drained" };
	char text[ADDR_TEXT_MAX];
	struct buf b;
	struct wr w;
	int r;

	buf_init(&b, ROW_BYTES_MAX, NULL);
	w = wr_to(&b);
	row_text(&w, "address", addr_text(&l->local, text));
	row_text(&w, "state", states[l->halt]);
	r = client_row(c, "listener", &b, wr_done(&w));
	buf_drop(&b);
	return r;
}

static int no_such(struct client *c)
{
	LIST_EACH(at, &client_daemon(c)->listeners) {
		int r;

		TRY(tell_listener(c, LIST_OF(at, struct listener, link)));
	}
	return client_done(c, 1, "no such listener; these are there");
}

int command_STOP_LISTENER(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	struct listener *l = halt_find(client_daemon(c), m->text);
	char text[ADDR_TEXT_MAX];
	int r;

	if (l == NULL)
		return no_such(c);
	if (l->halt != LISTEN_ON)
		return client_done(c, 1, "it is stopped already");
	log_ev(LOGL_INFO, "coppicectl stop-listener %s.", addr_text(&l->local, text));
	halt_listener(l, LISTEN_STOPPED);
	TRY(tell_listener(c, l));
	return client_done(c, 0, "%s", "");
}

int command_START_LISTENER(struct client *c, const struct ipc_CTL_REQUEST *m)
{
	struct listener *l = halt_find(client_daemon(c), m->text);
	int r;

	if (l == NULL)
		return no_such(c);
	if (l->halt == LISTEN_ON)
		return client_done(c, 1, "it is listening");
	if (drain_is_closed(client_daemon(c)))
		return client_done(c, 1, "the daemon is drained; undrain");
	if ((r = halt_undo(l)) < 0)
		return client_done(c, 1, "cannot: %s", r == SSH_E_NOT_NOW ? "it is still closing" : r == SSH_E_SYS ? "the address cannot be bound; see the log" : err_text(r));
	TRY(tell_listener(c, l));
	return client_done(c, 0, "%s", "");
}
