#include "connection/survive.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/secret.h"
#include "connection/conn.h"
#include "connection/export.h"
#include "ipc/clock.h"
#include "ssh/crypto/crypto.h"

/*
 * Then a checkpoint is due, and the log begins again where the caches still have it: after one full read of a program. A larger
 * log and the output do not fit the second-level cache together, a smaller one has more checkpoints. One turn may add several reads.
 */
#define LOG_FULL (256u * 1024)
#define PADDED(n) (((n) + 7u) & ~(size_t)7)

static uint8_t padding_seed[MEMORY_SEED];	/* the core's hook knows no connection; there is one per process */
static int seeded;

void survive_padding(void *ctx, uint64_t number, uint8_t *p, size_t n)
{
	(void)ctx;
	if (seeded)
		crypto_seeded(padding_seed, number, p, n);
	else
		crypto_random(NULL, p, n);
}

void survive_seed(struct conn *c, const uint8_t seed[MEMORY_SEED])
{
	memcpy(c->survive.seed, seed, MEMORY_SEED);
	memcpy(padding_seed, seed, MEMORY_SEED);
	seeded = 1;
}

static struct memory_slot *active(const struct survive *s)
{
	return &s->m->slot[s->m->active & 1];
}

/* ---- the books --------------------------------------------------------------------- */

void survive_close(struct conn *c)
{
	struct survive *s = &c->survive;

	if (s->m == NULL || s->closed)
		return;
	s->closed = 1;
	__atomic_store_n(&s->m->valid, 0, __ATOMIC_SEQ_CST);
}

/* NULL: nothing is written down. extent: of the bytes that may come. */
static struct memory_entry *entry_begin(struct conn *c, enum memory_kind kind, uint32_t chan, unsigned which, size_t asked, size_t extent)
{
	struct survive *s = &c->survive;
	struct memory_slot *slot;
	struct memory_entry *e;
	struct ssh_mark mark;

	if (s->leave_out > 0)
		survive_die(c, "the history says less");
	if (s->m == NULL || s->closed)
		return NULL;
	slot = active(s);
	ssh_get_mark(c->ssh, &mark);
	/* and the next one's head has to fit behind it */
	if (mark.once > 0 || PADDED(extent) + 2 * sizeof *e > MEMORY_LOG - slot->log_len) {
		survive_close(c);
		return NULL;
	}
	e = (struct memory_entry *)(void *)(s->m->log + slot->log_len);
	__atomic_store_n(&e->kind, BOOK_NONE, __ATOMIC_SEQ_CST);	/* what lies here may be of another era, and must not become of this one */
	e->which = (uint8_t)which;
	e->zero = 0;
	e->chan = chan;
	e->asked = (uint32_t)asked;
	e->result = 0;
	e->extent = (uint32_t)PADDED(extent);
	e->era = slot->era;
	e->now = clock_ms();
	e->chain = mark.chain;
	s->m->packets = mark.packets_in;
	__atomic_store_n(&e->kind, (uint8_t)kind, __ATOMIC_SEQ_CST);
	return e;
}

static void entry_end(struct survive *s, struct memory_entry *e, ssize_t result, size_t extent)
{
	struct memory_slot *slot = active(s);
	size_t n = sizeof *e + PADDED(extent);

	e->result = (int32_t)result;
	e->extent = (uint32_t)PADDED(extent);
	((struct memory_entry *)(void *)((uint8_t *)e + n))->kind = BOOK_NONE;
	__atomic_store_n(&slot->log_len, slot->log_len + (uint32_t)n, __ATOMIC_SEQ_CST);
}

/* ---- a checkpoint -------------------------------------------------------------------- */

static int checkpoint(struct conn *c)
{
	struct survive *s = &c->survive;
	uint32_t to = !(s->m->active & 1);
	struct memory_slot *slot = &s->m->slot[to];
	struct buf b = { .v = slot->state, .size = MEMORY_STATE, .max = MEMORY_STATE };
	struct ssh_mark mark;
	int r;

	if (link_queued(c->sup) > 0)	/* what the kernel does not have yet would die with us */
		return SSH_E_NOT_NOW;
	TRY(conn_export(c, &b));
	ssh_get_mark(c->ssh, &mark);
	slot->state_len = (uint32_t)buf_len(&b);
	slot->log_len = 0;
	slot->era = active(s)->era + 1;
	slot->paused = (uint32_t)c->loop.paused;
	slot->now = mark.now_ms;
	slot->rchar = s->rchar;
	slot->wchar = s->wchar;
	slot->said = s->said;
	memcpy(slot->seed, s->seed, sizeof slot->seed);
	ssh_mark_start(c->ssh);
	s->m->packets = mark.packets_in;
	__atomic_store_n(&s->m->active, to, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->m->valid, 1, __ATOMIC_SEQ_CST);
	s->closed = 0;
	return SSH_OK;
}

int survive_step(struct conn *c)
{
	const struct survive *s = &c->survive;
	struct ssh_mark mark;

	if (s->m == NULL || s->replay != NULL || c->over || c->still)
		return 0;
	ssh_get_mark(c->ssh, &mark);
	if (mark.once == 0)
		return 0;
	if (checkpoint(c) < 0) {
		survive_close(c);
		return 0;
	}
	survive_cause(c, BOOK_TURN, 0, 0);
	return 1;
}

void survive_turn(struct conn *c)
{
	struct survive *s = &c->survive;
	struct ssh_mark mark;

	if (s->m == NULL || s->replay != NULL || c->over || c->still)
		return;
	if (s->leave_out > 0)
		survive_die(c, "the history says less");
	ssh_get_mark(c->ssh, &mark);
	if (s->closed || mark.once > 0 || active(s)->log_len >= LOG_FULL)
		checkpoint(c);		/* when it cannot be now, the log goes on as far as it reaches */
}

/* No key is swapped out: they stand at the head of a state. What RLIMIT_MEMLOCK does not permit stays as it is. */
static void lock(struct memory *m)
{
	for (int i = 0; i < 2; i++)
		mlock2(&m->slot[i], MEMORY_LOCKED, MLOCK_ONFAULT);
	mlock2(m->log, sizeof m->log, MLOCK_ONFAULT);
}

int survive_begin(struct conn *c, struct ipc_msg *m)
{
	struct survive *s = &c->survive;
	int fd = ipc_take_fd(m, 0);
	uint8_t seed[MEMORY_SEED];
	void *p;

	if ((c->ssh == NULL && s->replay == NULL) || m->u.MEMORY.size != sizeof *s->m) {
		close(fd);
		return SSH_E_RULE;
	}
	survive_drop(c);
	p = mmap(NULL, sizeof *s->m, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (p == MAP_FAILED)
		return SSH_E_SYS;
	madvise(p, sizeof *s->m, MADV_DONTDUMP);
	lock(p);
	s->m = p;
	s->m->magic = MEMORY_MAGIC;
	s->m->version = MEMORY_VERSION;
	s->closed = 1;
	if (s->replay != NULL)		/* its predecessor's seed comes with the books, and goes on */
		return SSH_OK;
	crypto_random(NULL, seed, sizeof seed);
	survive_seed(c, seed);
	secret_wipe(seed, sizeof seed);
	return SSH_OK;
}

void survive_drop(struct conn *c)
{
	if (c->survive.m == NULL)
		return;
	survive_close(c);
	if (c->ssh != NULL)
		ssh_input_keep(c->ssh);		/* it lies in there */
	munmap(c->survive.m, sizeof *c->survive.m);
	c->survive.m = NULL;
}

/* ---- what goes through here ------------------------------------------------------------ */

uint64_t survive_cause(struct conn *c, enum memory_kind kind, uint32_t chan, unsigned which)
{
	const struct memory_entry *known;
	struct memory_entry *e;

	if (c->survive.replay != NULL && (known = replay_next(c, kind, chan, which, 0)) != NULL)
		return known->now;
	if ((e = entry_begin(c, kind, chan, which, 0, 0)) == NULL)
		return clock_ms();
	entry_end(&c->survive, e, 0, 0);
	return e->now;
}

void survive_bytes(struct conn *c, enum memory_kind kind, unsigned which, const uint8_t *p, size_t n)
{
	struct memory_entry *e;

	if (c->survive.replay != NULL && replay_next(c, kind, 0, which, n) != NULL)
		return;
	if ((e = entry_begin(c, kind, 0, which, n, n)) == NULL)
		return;
	memcpy(e + 1, p, n);
	entry_end(&c->survive, e, (ssize_t)n, n);
}

static ssize_t told(ssize_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/* As readv(2), but -errno. */
static ssize_t read_counted(struct conn *c, int fd, const struct iovec *iov, int count)
{
	ssize_t n;

	replay_check(c, fd);
	n = readv(fd, iov, count);
	if (n > 0)
		c->survive.rchar += (size_t)n;
	return n < 0 ? -errno : n;
}

/* read(2) into the books first: bytes that left the kernel must lie where a successor finds them. */
static ssize_t read_booked(struct conn *c, struct memory_entry *e, int fd, size_t asked)
{
	struct iovec iov = { e + 1, asked };
	ssize_t n = read_counted(c, fd, &iov, 1);

	entry_end(&c->survive, e, n, n > 0 ? (size_t)n : 0);
	return n;
}

ssize_t survive_read(struct conn *c, uint32_t chan, unsigned which, int fd, uint8_t *p, size_t asked)
{
	struct iovec iov = { p, asked };
	struct memory_entry *e;
	ssize_t n;

	if (c->survive.replay != NULL && (e = replay_next(c, BOOK_READ_PROGRAM, chan, which, asked)) != NULL)
		n = e->result;
	else if ((e = entry_begin(c, BOOK_READ_PROGRAM, chan, which, asked, asked)) == NULL)
		return told(read_counted(c, fd, &iov, 1));
	else
		n = read_booked(c, e, fd, asked);
	if (n > 0)
		memcpy(p, e + 1, (size_t)n);
	return told(n);
}

ssize_t survive_fill(struct conn *c, uint32_t chan, unsigned which, int fd, struct iovec *iov, int count)
{
	struct memory_entry *e;
	size_t asked = 0;
	ssize_t n;

	for (int i = 0; i < count; i++)
		asked += iov[i].iov_len;
	if (c->survive.replay != NULL && (e = replay_next(c, BOOK_READ_PROGRAM, chan, which, asked)) != NULL) {
		n = e->result;
		if (n > 0 && e->extent < ssh_chan_fill_extent(c->ssh, (size_t)n))
			replay_differs(c);
		ssh_chan_fill_from(c->ssh, (uint8_t *)(e + 1), iov);
	} else if ((e = entry_begin(c, BOOK_READ_PROGRAM, chan, which, asked, ssh_chan_fill_extent(c->ssh, asked))) != NULL) {
		ssh_chan_fill_from(c->ssh, (uint8_t *)(e + 1), iov);
		n = read_counted(c, fd, iov, count);
		entry_end(&c->survive, e, n, n > 0 ? ssh_chan_fill_extent(c->ssh, (size_t)n) : 0);
	} else {
		n = read_counted(c, fd, iov, count);
	}
	ssh_chan_fill_done(c->ssh, n > 0 ? (size_t)n : 0);
	return told(n);
}

/* writev(2) where there is more than one place: write(2) costs the kernel less. */
static ssize_t write_booked(struct conn *c, enum memory_kind kind, uint32_t chan, int fd, const struct iovec *iov, int count)
{
	const struct memory_entry *known;
	struct memory_entry *e;
	size_t len = 0;
	ssize_t n;

	for (int i = 0; i < count; i++)
		len += iov[i].iov_len;
	if (c->survive.replay != NULL && (known = replay_next(c, kind, chan, 0, len)) != NULL)
		return told(known->result);
	replay_check(c, fd);
	e = entry_begin(c, kind, chan, 0, len, 0);
	n = count == 1 ? write(fd, iov->iov_base, len) : writev(fd, iov, count);
	if (n > 0)
		c->survive.wchar += (size_t)n;
	else if (n < 0)
		n = -errno;
	if (e != NULL)
		entry_end(&c->survive, e, n, 0);
	return told(n);
}

ssize_t survive_write(struct conn *c, enum memory_kind kind, uint32_t chan, int fd, const uint8_t *p, size_t len)
{
	struct iovec iov = { (void *)(uintptr_t)p, len };

	return write_booked(c, kind, chan, fd, &iov, 1);
}

ssize_t survive_writev(struct conn *c, uint32_t chan, int fd, const struct iovec *iov, int count)
{
	return write_booked(c, BOOK_WRITE_PROGRAM, chan, fd, iov, count);
}

ssize_t survive_read_client(struct conn *c)
{
	const struct memory_entry *known;
	struct memory_entry *e;
	size_t space = ssh_input_room(c->ssh);
	ssize_t n;

	if (space == 0) {
		errno = EAGAIN;
		return -1;
	}
	/* asked is not compared: how much room the core offers depends on its past, and on nothing that can be seen from outside. */
	if (c->survive.replay != NULL && (known = replay_next(c, BOOK_READ_CLIENT, 0, 0, 0)) != NULL) {
		ssh_input(c->ssh, (const uint8_t *)(known + 1), known->result > 0 ? (size_t)known->result : 0, known->now);
		return told(known->result);
	}
	if ((e = entry_begin(c, BOOK_READ_CLIENT, 0, 0, space, space)) == NULL) {
		struct iovec iov = { NULL, 0 };

		if ((iov.iov_base = ssh_input_space(c->ssh, &iov.iov_len)) == NULL) {
			errno = EAGAIN;
			return -1;
		}
		n = read_counted(c, c->loop.in, &iov, 1);
		ssh_input_done(c->ssh, n > 0 ? (size_t)n : 0, clock_ms());
		return told(n);
	}
	n = read_booked(c, e, c->loop.in, space);
	ssh_input_lend(c->ssh, (const uint8_t *)(e + 1), n > 0 ? (size_t)n : 0, e->now);
	return told(n);
}

int survive_known(struct conn *c, int *value)
{
	const struct memory_entry *known = c->survive.replay != NULL ? replay_next(c, BOOK_VALUE, 0, 0, 0) : NULL;

	if (known == NULL)
		return 0;
	*value = known->result;
	return 1;
}

void survive_value(struct conn *c, int value)
{
	struct memory_entry *e = entry_begin(c, BOOK_VALUE, 0, 0, 0, 0);

	if (e != NULL)
		entry_end(&c->survive, e, value, 0);
}
