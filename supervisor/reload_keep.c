#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/log.h"
#include "supervisor/broker.h"
#include "supervisor/held.h"
#include "supervisor/keep.h"
#include "supervisor/reload_internal.h"
#include "supervisor/resume_internal.h"
#include "supervisor/state.h"

/* reload_keep - what waits for confirmation outlives the supervisor: until when, and the text of what comes back then, which the keeper has. */

int reload_before(const struct daemon *d)
{
	return d->reload != NULL && d->reload->confirm_by_ms != 0 ? d->reload->before_fd : -1;
}

uint64_t reload_confirm_by(const struct daemon *d)
{
	return reload_before(d) >= 0 ? d->reload->confirm_by_ms : 0;
}

static int write_down(const struct config *c)
{
	struct buf b;
	int fd = -1;

	buf_init(&b, CONF_FILE_MAX, NULL);
	if (conf_flat(c->conf, &b) == SSH_OK)
		fd = broker_sealed((const char *)buf_head(&b), buf_len(&b));
	buf_drop(&b);
	return fd;
}

void reload_keep(struct daemon *d)
{
	struct reload *r = d->reload;

	if (r->confirm_by_ms == 0 && r->before_fd >= 0) {
		state_unconfirmed(d);
		keep_drop(d, KEPT_BEFORE, 0);
		close(r->before_fd);
		r->before_fd = -1;
	}
	if (r->confirm_by_ms == 0 || r->before == NULL)
		return;
	if (r->before_fd < 0 && (r->before_fd = write_down(r->before)) < 0) {
		log_ev(LOGL_ERROR, "a SIGKILL of this process would leave the configuration in force, confirmed or not: out of memory");
		return;
	}
	keep_before(d);
	state_unconfirmed(d);
}

static struct config *read_back(struct daemon *d, int fd)
{
	const char *usual = d->opt.conf;
	struct conf_error e = { "out of memory" };
	struct conf_values *v;
	struct conf *conf;
	struct config *c = NULL;
	char path[40];
	int r;

	snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
	d->opt.conf = path;
	r = config_load(d, 0, &conf, &v, &e);
	d->opt.conf = usual;
	if (r < 0 || config_make(d, conf, v, &c, &e) < 0)
		log_ev(LOGL_ERROR, "The configuration that waits for confirmation stays: the previous one cannot be read again: %s", e.text);
	return c;
}

void reload_restore(struct daemon *d)
{
	struct reload *r;
	struct saved s;
	int fd;

	RESUME_EACH(rec, d->resume, STATE_UNCONFIRMED, s) {
		if ((fd = held_take(d->held, KEPT_BEFORE, 0, 0)) < 0 || (r = reload_state(d)) == NULL || (r->before = read_back(d, fd)) == NULL) {
			if (fd >= 0)
				close(fd);
			return;
		}
		r->before_fd = fd;
		r->confirm_by_ms = s.u.UNCONFIRMED.confirm_by_ms;
	}
}
