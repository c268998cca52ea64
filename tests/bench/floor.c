/*
 * floor.c - what the work of an SSH server costs when nothing else is done: the limit the server is measured against.
 *
 *   bench_floor send CIPHER BYTES PACKET    pipe -> CIPHER -> loopback TCP, 256 KiB a read, one packet for each PACKET bytes
 *   bench_floor recv CIPHER BYTES PACKET    loopback TCP -> CIPHER -> pipe, the same way back
 *   bench_floor login COUNT KEX             arithmetic of a key exchange and a login, fork, exec of sh -c true: in parts, and "login" in all
 *   bench_floor separated COUNT KEX UID FILE   the same by separate processes: one as nobody does the arithmetic, one as UID reads
 *                                           FILE, one as UID becomes sh -c true. Not the floor, but what privilege separation has to add to it.
 *
 * Each line printed: what, CPU seconds, wall seconds. send and recv count only the process in the middle; login and
 * separated the process and all it started. Not part of the product, so it calls the crypto libraries directly.
 */
#include <err.h>
#include <errno.h>
#include <gcrypt.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "floor.h"

static double cpu(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

struct cost spent(int children)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (struct cost){cpu(RUSAGE_SELF) + (children ? cpu(RUSAGE_CHILDREN) : 0), (double)t.tv_sec + (double)t.tv_nsec / 1e9};
}

struct cost less(struct cost a, struct cost b)
{
	return (struct cost){a.cpu - b.cpu, a.wall - b.wall};
}

void report(const char *what, struct cost c)
{
	printf("%s %.6f %.6f\n", what, c.cpu, c.wall);
	fflush(stdout);
}

static size_t number(const char *s)
{
	char *end;
	unsigned long long v;

	errno = 0;
	v = strtoull(s, &end, 10);
	if (errno || end == s || *end || v == 0)
		errx(2, "%s: not a number", s);
	return (size_t)v;
}

int main(int argc, char **argv)
{
	gcry_check_version(NULL);
	gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
	gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
	if (sodium_init() < 0)
		errx(1, "libsodium");
	if (argc == 5 && (!strcmp(argv[1], "send") || !strcmp(argv[1], "recv")))
		floor_bulk(argv[1][0] == 's', argv[2], number(argv[3]), number(argv[4]));
	else if (argc == 4 && !strcmp(argv[1], "login"))
		floor_login(number(argv[2]), argv[3]);
	else if (argc == 6 && !strcmp(argv[1], "separated"))
		floor_separated(number(argv[2]), argv[3], (unsigned)number(argv[4]), argv[5]);
	else
		errx(2, "usage: bench_floor send|recv CIPHER BYTES PACKET | login COUNT KEX | separated COUNT KEX UID FILE");
	return 0;
}
