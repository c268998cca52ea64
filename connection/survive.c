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

#define LOG_FULL (384u * 1024)		/* then a checkpoint is due: one turn may still add several reads */
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

/* NULL: nothing is written down. room: for bytes behind it, what there is of it. */
static struct memory_entry *entry_begin(struct conn *c, enum memory_kind kind, uint32_t chan, unsigned which, size_t asked, size_t *room)
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
	if (mark.kex || MEMORY_LOG - slot->log_len < 4 * sizeof *e) {
		survive_close(c);
		return NULL;
	}
	e = (struct memory_entry *)(void *)(slot->log + slot->log_len);
	*room = MEMORY_LOG - slot->log_len - 2 * sizeof *e;	/* and for the next one's head */
	e->which = (uint8_t)which;
	e->zero = 0;
	e->chan = chan;
	e->asked = (uint32_t)asked;
	e->result = 0;
	e->now = clock_ms();
	e->chain = mark.chain;
	s->m->packets = mark.packets_in;
	__atomic_store_n(&e->kind, (uint8_t)kind, __ATOMIC_SEQ_CST);
	return e;
}

static void entry_end(struct survive *s, struct memory_entry *e, ssize_t result, int has_bytes)
{
	struct memory_slot *slot = active(s);
	size_t n = sizeof *e + (has_bytes && result > 0 ? PADDED((size_t)result) : 0);

	e->result = (int32_t)result;
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
	((struct memory_entry *)(void *)slot->log)->kind = BOOK_NONE;
	slot->paused = (uint32_t)c->loop.paused;
	slot->zero = 0;
	slot->now = mark.now_ms;
	slot->rchar = s->rchar;
	slot->wchar = s->wchar;
	slot->said = s->said;
	slot->rekey_bytes = mark.rekey_bytes;
	slot->rekey_ms = mark.rekey_ms;
	memcpy(slot->seed, s->seed, sizeof slot->seed);
	ssh_mark_start(c->ssh);
	s->m->packets = mark.packets_in;
	__atomic_store_n(&s->m->active, to, __ATOMIC_SEQ_CST);
	__atomic_store_n(&s->m->valid, 1, __ATOMIC_SEQ_CST);
	s->closed = 0;
	return SSH_OK;
}

void survive_turn(struct conn *c)
{
	struct survive *s = &c->survive;

	if (s->m == NULL || s->replay != NULL || c->over || c->still)
		return;
	if (s->leave_out > 0)
		survive_die(c, "the history says less");
	if (s->closed || active(s)->log_len >= LOG_FULL)
		checkpoint(c);		/* when it cannot be now, the log goes on as far as it reaches */
}

/* No key is swapped out: they stand at the head of a state. What RLIMIT_MEMLOCK does not permit stays as it is. */
static void lock(struct memory *m)
{
	for (int i = 0; i < 2; i++)
		mlock2(&m->slot[i], MEMORY_LOCKED, MLOCK_ONFAULT);
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
	munmap(c->survive.m, sizeof *c->survive.m);
	c->survive.m = NULL;
}

/* ---- what goes through here ------------------------------------------------------------ */

uint64_t survive_cause(struct conn *c, enum memory_kind kind, uint32_t chan, unsigned which)
{
	const struct memory_entry *known;
	struct memory_entry *e;
	size_t room;

	if (c->survive.replay != NULL && (known = replay_next(c, kind, chan, which, 0)) != NULL)
		return known->now;
	if ((e = entry_begin(c, kind, chan, which, 0, &room)) == NULL)
		return clock_ms();
	entry_end(&c->survive, e, 0, 0);
	return e->now;
}

void survive_bytes(struct conn *c, enum memory_kind kind, unsigned which, const uint8_t *p, size_t n)
{
	struct memory_entry *e;
	size_t room;

	if (c->survive.replay != NULL && replay_next(c, kind, 0, which, n) != NULL)
		return;
	if ((e = entry_begin(c, kind, 0, which, n, &room)) == NULL)
		return;
	if (n > room) {
		survive_close(c);
		return;
	}
	memcpy(e + 1, p, n);
	entry_end(&c->survive, e, (ssize_t)n, 1);
}

static void scatter(const struct iovec *iov, int n, const uint8_t *p, size_t len)
{
	for (int i = 0; i < n && len > 0; i++) {
		size_t k = iov[i].iov_len < len ? iov[i].iov_len : len;

		memcpy(iov[i].iov_base, p, k);
		p += k, len -= k;
	}
}

static ssize_t told(ssize_t result)
{
	if (result >= 0)
		return result;
	errno = (int)-result;
	return -1;
}

/* read(2) into the books first: bytes that left the kernel must lie where a successor finds them. */
static ssize_t read_booked(struct survive *s, struct memory_entry *e, int fd, size_t asked, size_t room)
{
	ssize_t n = read(fd, e + 1, asked < room ? asked : room);

	if (n > 0)
		s->rchar += (size_t)n;
	else if (n < 0)
		n = -errno;
	entry_end(s, e, n, 1);
	return n;
}

ssize_t survive_read(struct conn *c, uint32_t chan, unsigned which, int fd, const struct iovec *iov, int count)
{
	const struct memory_entry *known;
	struct memory_entry *e;
	size_t asked = 0, room;
	ssize_t n;

	for (int i = 0; i < count; i++)
		asked += iov[i].iov_len;
	if (c->survive.replay != NULL && (known = replay_next(c, BOOK_READ_PROGRAM, chan, which, asked)) != NULL) {
		if (known->result > 0)
			scatter(iov, count, (const uint8_t *)(known + 1), (size_t)known->result);
		return told(known->result);
	}
	replay_check(c, fd);
	if ((e = entry_begin(c, BOOK_READ_PROGRAM, chan, which, asked, &room)) == NULL) {
		n = readv(fd, iov, count);
		if (n > 0)
			c->survive.rchar += (size_t)n;
		return n;
	}
	n = read_booked(&c->survive, e, fd, asked, room);
	if (n > 0)
		scatter(iov, count, (const uint8_t *)(e + 1), (size_t)n);
	return told(n);
}

ssize_t survive_write(struct conn *c, enum memory_kind kind, uint32_t chan, int fd, const uint8_t *p, size_t len)
{
	const struct memory_entry *known;
	struct memory_entry *e;
	size_t room;
	ssize_t n;

	if (c->survive.replay != NULL && (known = replay_next(c, kind, chan, 0, len)) != NULL)
		return told(known->result);
	replay_check(c, fd);
	e = entry_begin(c, kind, chan, 0, len, &room);
	n = write(fd, p, len);
	if (n > 0)
		c->survive.wchar += (size_t)n;
	else if (n < 0)
		n = -errno;
	if (e != NULL)
		entry_end(&c->survive, e, n, 0);
	return told(n);
}

ssize_t survive_read_client(struct conn *c)
{
	const struct memory_entry *known;
	struct memory_entry *e;
	size_t space, room;
	uint8_t *p = ssh_input_space(c->ssh, &space);
	ssize_t n;

	if (p == NULL || space == 0) {
		errno = EAGAIN;
		return -1;
	}
	/* asked is not compared: how much room the core offers depends on its past, and on nothing that can be seen from outside. */
	if (c->survive.replay != NULL && (known = replay_next(c, BOOK_READ_CLIENT, 0, 0, 0)) != NULL) {
		ssh_input(c->ssh, (const uint8_t *)(known + 1), known->result > 0 ? (size_t)known->result : 0, known->now);
		return told(known->result);
	}
	if ((e = entry_begin(c, BOOK_READ_CLIENT, 0, 0, space, &room)) == NULL) {
		n = read(c->loop.in, p, space);
		if (n > 0)
			c->survive.rchar += (size_t)n;
		ssh_input_done(c->ssh, n > 0 ? (size_t)n : 0, clock_ms());
		return n;
	}
	n = read_booked(&c->survive, e, c->loop.in, space, room);
	if (n > 0)
		memcpy(p, e + 1, (size_t)n);
	ssh_input_done(c->ssh, n > 0 ? (size_t)n : 0, e->now);
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
	size_t room;
	struct memory_entry *e = entry_begin(c, BOOK_VALUE, 0, 0, 0, &room);

	if (e != NULL)
		entry_end(&c->survive, e, value, 0);
}
