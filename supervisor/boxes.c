#include "supervisor/boxes.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/box.h"
#include "ipc/child.h"
#include "supervisor/held.h"

/* Nobody who has it may change its size: a page that is not there would kill whoever reads it. */
static int pages(size_t n)
{
	int fd = memfd_create("coppice-box", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -1;
	if (ftruncate(fd, (off_t)(n * BOX_SIZE)) < 0 || fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) < 0) {
		close(fd);
		return -1;
	}
	return fd;
}

int boxes_page(void)
{
	return pages(1);
}

/* Of the supervisor before: connections that live on write there, and the slots they have are theirs. -1: none that may be read. */
static int former(struct daemon *d)
{
	int fd = d->held != NULL ? held_take(d->held, KEPT_BOXES, 0, 0) : -1, seals;
	struct stat st;

	if (fd < 0)
		return -1;
	seals = fcntl(fd, F_GET_SEALS);
	if (seals >= 0 && (seals & F_SEAL_SHRINK) && fstat(fd, &st) == 0 && st.st_size == (off_t)CHILD_SLAB_SLOTS * BOX_SIZE)
		return fd;
	close(fd);
	return -1;
}

void boxes_open(struct daemon *d)
{
	d->boxes.former = (d->boxes.fd = former(d)) >= 0;
	if ((d->boxes.fd < 0 && (d->boxes.fd = pages(CHILD_SLAB_SLOTS)) < 0) || (d->boxes.free = calloc(CHILD_SLAB_SLOTS, sizeof *d->boxes.free)) == NULL) {
		log_ev(LOGL_WARN, "reports of dead connections will not show their last events: out of memory");
		return;
	}
	for (uint32_t slot = CHILD_SLAB_SLOTS - 1; slot > 0; slot--)
		d->boxes.free[d->boxes.nfree++] = slot;
}

void boxes_close(struct daemon *d)
{
	if (d->boxes.fd >= 0)
		close(d->boxes.fd);
	free(d->boxes.free);
	d->boxes.fd = -1;
	d->boxes.free = NULL;
	d->boxes.nfree = 0;
}

/* The one given back last: its memory is there already. */
uint32_t boxes_take(struct daemon *d)
{
	return d->boxes.nfree > 0 ? d->boxes.free[--d->boxes.nfree] : 0;
}

uint32_t boxes_claim(struct daemon *d, uint32_t slot)
{
	for (unsigned i = 0; d->boxes.former && i < d->boxes.nfree; i++)
		if (d->boxes.free[i] == slot) {
			d->boxes.free[i] = d->boxes.free[--d->boxes.nfree];
			return slot;
		}
	return 0;
}

void boxes_give_back(struct daemon *d, uint32_t slot)
{
	if (slot > 0 && slot < CHILD_SLAB_SLOTS && d->boxes.free != NULL && d->boxes.nfree < CHILD_SLAB_SLOTS - 1)
		d->boxes.free[d->boxes.nfree++] = slot;
}

uint8_t *boxes_read(const struct proc *p)
{
	int fd = p->box >= 0 ? p->box : p->slot > 0 ? p->d->boxes.fd : -1;
	uint8_t *bytes;

	if (fd < 0 || (bytes = malloc(BOX_SIZE)) == NULL)
		return NULL;
	if (pread(fd, bytes, BOX_SIZE, (off_t)p->slot * BOX_SIZE) != BOX_SIZE) {
		free(bytes);
		return NULL;
	}
	return bytes;
}
