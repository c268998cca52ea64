#ifndef CTL_PROCS_H
#define CTL_PROCS_H
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/table.h"

/* procs - what /proc says of all processes at one moment: one pass, read by the tool itself so that the daemon need not. */

struct procs_one { pid_t pid, parent; uint64_t ticks; char name[16]; uint64_t owner; };	/* ticks: user and system time */
struct procs { struct procs_one *v; size_t n, room; struct table at; };	/* at: pid to index + 1 */

/* Reads it anew. SSH_OK, or SSH_E_SYS: there is no /proc. */
int  procs_read(struct procs *, const char *proc);	/* proc: "/proc", or a test's */
void procs_drop(struct procs *);
const struct procs_one *procs_find(const struct procs *, pid_t);	/* NULL: gone, or hidden from us */
/* pid and all below it belong to owner (not 0) from now on, unless they have an owner nearer to them. */
void procs_own(struct procs *, pid_t, uint64_t owner);
/* Whose the i-th is: 0 nobody's. */
uint64_t procs_owner(struct procs *, size_t i);
/* KiB of memory of its own (resident without shared), 0 when that cannot be read. */
uint64_t procs_memory(const char *proc, pid_t);
/* One line of /proc/PID/stat. SSH_OK or SSH_E_FORMAT. */
int  procs_parse(const char *line, struct procs_one *);

#endif
