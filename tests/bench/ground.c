/*
 * ground.c - is there ground to stand on for a killed connection process? (ARCHITECTURE.md, "A connection process killed")
 *
 *   bench_ground sent  ROUNDS 4|6    a writer to a TCP client is killed ROUNDS times; a successor goes on from the byte the kernel tells
 *   bench_ground taken ROUNDS 4|6    the same for a reader
 *   bench_ground pipe  ROUNDS        the same for a writer to a pipe and /proc/PID/io
 *   bench_ground cost  BYTES shared|private   AES-128-GCM in packets to TCP: from a private buffer, or through a shared ring with a
 *                                             record of the state after each packet; prints CPU seconds
 *
 * The client checks every byte of an endless pattern, so one byte lost, doubled or exchanged ends the program with status 1.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <gcrypt.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { RING = 1 << 20, PACKET = 32768, TAG = 16 };
enum { CLOSE_WAIT = 8, LAST_ACK = 9 };	/* tcpi_state; <linux/tcp.h> has no names for them */

/* What outlives a worker. */
struct shared {
	_Atomic uint64_t tail;		/* bytes made (writer), bytes known to be taken (reader) */
	_Atomic uint64_t told;		/* what the worker itself thinks left; only a hint */
	_Atomic uint64_t wrong;
	uint8_t state[512];		/* stands for keys, sequence numbers, channel table */
	uint8_t ring[RING];
};

static struct shared *shm;

/* The byte of the pattern at that place of the stream. */
static uint8_t byte_at(uint64_t at)
{
	return (uint8_t)(at * 2654435761u >> 11 ^ at >> 7);
}

static struct shared *share(void)
{
	int fd = memfd_create("ground", MFD_CLOEXEC);
	void *at;

	if (fd < 0 || ftruncate(fd, sizeof(struct shared)) < 0)
		err(1, "memfd");
	at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		err(1, "mmap");
	close(fd);
	return at;
}

static void pause_us(unsigned us)
{
	struct timespec t = { us / 1000000, (long)(us % 1000000) * 1000 };

	nanosleep(&t, NULL);
}

/* ---- a connection ------------------------------------------------------------------------ */

static void tcp_pair(int fd[2], int family)
{
	union { struct sockaddr sa; struct sockaddr_in in; struct sockaddr_in6 in6; } a;
	socklen_t len = family == 6 ? sizeof a.in6 : sizeof a.in;
	int l = socket(family == 6 ? AF_INET6 : AF_INET, SOCK_STREAM, 0);

	memset(&a, 0, sizeof a);
	a.sa.sa_family = family == 6 ? AF_INET6 : AF_INET;
	if (family == 6)
		a.in6.sin6_addr = in6addr_loopback;
	else
		a.in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (l < 0 || bind(l, &a.sa, len) < 0 || listen(l, 1) < 0 || getsockname(l, &a.sa, &len) < 0)
		err(1, "listen");
	fd[0] = socket(a.sa.sa_family, SOCK_STREAM, 0);
	if (fd[0] < 0 || connect(fd[0], &a.sa, len) < 0 || (fd[1] = accept(l, NULL, NULL)) < 0)
		err(1, "connect");
	close(l);
}

static struct tcp_info info_of(int fd)
{
	struct tcp_info i;
	socklen_t len = sizeof i;

	memset(&i, 0, sizeof i);
	if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len) < 0)
		err(1, "TCP_INFO");
	return i;
}

/* Bytes this end ever gave to the kernel: what the peer acknowledged and what it has not. */
static uint64_t bytes_sent(int fd)
{
	int queued;
	uint64_t before, after;

	do {	/* an acknowledgement between the two questions would be counted on neither side, or twice */
		before = info_of(fd).tcpi_bytes_acked;
		if (ioctl(fd, SIOCOUTQ, &queued) < 0)
			err(1, "SIOCOUTQ");
		after = info_of(fd).tcpi_bytes_acked;
	} while (before != after);
	return after + (uint64_t)queued;
}

/* Bytes this end ever took from the kernel. A FIN counts as one byte received and is in no queue. */
static uint64_t bytes_taken(int fd)
{
	struct tcp_info before, after;
	uint64_t fin;
	int queued;

	do {
		before = info_of(fd);
		if (ioctl(fd, SIOCINQ, &queued) < 0)
			err(1, "SIOCINQ");
		after = info_of(fd);
	} while (before.tcpi_bytes_received != after.tcpi_bytes_received || before.tcpi_state != after.tcpi_state);
	fin = after.tcpi_state == CLOSE_WAIT || after.tcpi_state == LAST_ACK;
	return (uint64_t)after.tcpi_bytes_received - (uint64_t)queued - fin;
}

/* ---- workers ---------------------------------------------------------------------------------- */

/* Makes packets into the ring, and writes what is there from the byte `at` on. Never returns. */
static void writer(int fd, uint64_t at, unsigned seed)
{
	for (;;) {
		uint64_t tail = atomic_load(&shm->tail);
		size_t n = 1 + (size_t)(rand_r(&seed) % PACKET), from, k;
		ssize_t w;

		if (tail + n - at <= RING) {
			for (size_t i = 0; i < n; i++)
				shm->ring[(tail + i) % RING] = byte_at(tail + i);
			tail += n;
			atomic_store(&shm->tail, tail);		/* the packet exists from here on, whatever happens to us */
		}
		from = (size_t)(at % RING);
		k = tail - at < RING - from ? (size_t)(tail - at) : RING - from;
		if ((w = write(fd, shm->ring + from, k)) < 0)
			_exit(2);
		at += (uint64_t)w;
		atomic_store(&shm->told, at);
	}
}

/* Reads into the ring from the byte `at` on. Ends at the end of the stream. */
static void reader(int fd, uint64_t at)
{
	for (;;) {
		size_t from = (size_t)(at % RING), k = RING - from < 20000 ? RING - from : 20000;
		ssize_t r = read(fd, shm->ring + from, k);

		if (r < 0)
			_exit(2);
		if (r == 0)
			_exit(0);
		at += (uint64_t)r;
		atomic_store(&shm->tail, at);
	}
}

/* ---- the far ends ------------------------------------------------------------------------------- */

static void check_all(int fd)
{
	static uint8_t block[65536];
	uint64_t at = 0;
	ssize_t n;

	while ((n = read(fd, block, sizeof block)) > 0)
		for (ssize_t i = 0; i < n; i++, at++)
			if (block[i] != byte_at(at)) {
				fprintf(stderr, "byte %llu is wrong\n", (unsigned long long)at);
				_exit(1);
			}
	atomic_store(&shm->wrong, at);		/* for the parent: how many came */
	_exit(0);
}

static void send_all(int fd, uint64_t total)
{
	static uint8_t block[20011];

	for (uint64_t at = 0; at < total;) {
		size_t n = total - at < sizeof block ? (size_t)(total - at) : sizeof block;
		ssize_t w;

		for (size_t i = 0; i < n; i++)
			block[i] = byte_at(at + i);
		for (size_t done = 0; done < n; done += (size_t)w)
			if ((w = write(fd, block + done, n - done)) < 0)
				_exit(2);
		at += n;
	}
	_exit(0);
}

static int status_of(pid_t pid)
{
	int st;

	if (waitpid(pid, &st, 0) < 0)
		err(1, "wait");
	return st;
}

/* ---- sent ----------------------------------------------------------------------------------------- */

static void sent(int rounds, int family)
{
	unsigned seed = 4711;
	uint64_t at = 0, base, doubtful = 0;
	int tcp[2];
	pid_t client;

	tcp_pair(tcp, family);
	base = bytes_sent(tcp[1]);
	if ((client = fork()) == 0) {
		close(tcp[1]);
		check_all(tcp[0]);
	}
	close(tcp[0]);
	for (int i = 0; i < rounds; i++) {
		pid_t worker = fork();

		if (worker == 0)
			writer(tcp[1], at, (unsigned)i);
		pause_us((unsigned)rand_r(&seed) % 3000);
		kill(worker, SIGKILL);
		if (!WIFSIGNALED(status_of(worker)))
			errx(1, "round %d: the writer ended by itself", i);
		at = bytes_sent(tcp[1]) - base;
		if (at < atomic_load(&shm->told) || at > atomic_load(&shm->tail))
			errx(1, "round %d: the kernel says %llu, the worker had sent %llu and made %llu", i, (unsigned long long)at,
			    (unsigned long long)shm->told, (unsigned long long)shm->tail);
		doubtful += at != atomic_load(&shm->told);
	}
	close(tcp[1]);
	if (status_of(client) != 0 || shm->wrong != at)
		errx(1, "the client saw %llu bytes of %llu, or a wrong one", (unsigned long long)shm->wrong, (unsigned long long)at);
	printf("sent IPv%d: %d kills, %llu bytes, each one right and once; the worker's own count was behind %llu times\n", family, rounds,
	    (unsigned long long)at, (unsigned long long)doubtful);
}

/* ---- taken ------------------------------------------------------------------------------------------- */

/* One stream of so many bytes and a FIN, its reader killed again and again. Returns the kills. */
static int one_stream(int family, unsigned *seed, uint64_t total)
{
	uint64_t at = 0, base, checked = 0;
	int tcp[2], kills = 0, st;
	pid_t client;

	tcp_pair(tcp, family);
	base = bytes_taken(tcp[1]);
	atomic_store(&shm->tail, 0);
	if ((client = fork()) == 0) {
		close(tcp[1]);
		send_all(tcp[0], total);
	}
	close(tcp[0]);
	for (;;) {
		pid_t worker = fork();

		if (worker == 0)
			reader(tcp[1], at);
		pause_us((unsigned)rand_r(seed) % 1500);
		kill(worker, SIGKILL);
		st = status_of(worker);
		kills += WIFSIGNALED(st);
		at = bytes_taken(tcp[1]) - base;
		if (at < atomic_load(&shm->tail) || at - checked > RING)
			errx(1, "the kernel says %llu, the worker had %llu", (unsigned long long)at, (unsigned long long)shm->tail);
		for (; checked < at; checked++)
			if (shm->ring[checked % RING] != byte_at(checked))
				errx(1, "byte %llu in the ring is wrong", (unsigned long long)checked);
		if (!WIFSIGNALED(st))
			break;
	}
	if (status_of(client) != 0 || at != total)
		errx(1, "taken: %llu of %llu bytes", (unsigned long long)at, (unsigned long long)total);
	close(tcp[1]);
	return kills;
}

static void taken(int rounds, int family)
{
	unsigned seed = 4712;
	uint64_t bytes = 0;
	int kills = 0, streams = 0;

	while (kills < rounds) {
		uint64_t total = 1 + (uint64_t)(rand_r(&seed) % (RING - 40000));

		kills += one_stream(family, &seed, total);
		bytes += total;
		streams++;
	}
	printf("taken IPv%d: %d kills, %d streams with their FIN, %llu bytes, each one right and once\n", family, kills, streams,
	    (unsigned long long)bytes);
}

/* ---- pipe ----------------------------------------------------------------------------------------------- */

/* Bytes a process ever gave to write(), of the dead but not yet reaped, too. */
static uint64_t written_by(pid_t pid)
{
	char path[40], line[80];
	unsigned long long n = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/io", (int)pid);
	if ((f = fopen(path, "r")) == NULL)
		err(1, "%s", path);
	while (fgets(line, sizeof line, f) != NULL)
		sscanf(line, "wchar: %llu", &n);
	fclose(f);
	return n;
}

static void pipe_rounds(int rounds)
{
	unsigned seed = 4713;
	uint64_t at = 0, doubtful = 0;
	siginfo_t si;
	pid_t client;
	int p[2];

	if (pipe(p) < 0)
		err(1, "pipe");
	if ((client = fork()) == 0) {
		close(p[1]);
		check_all(p[0]);
	}
	close(p[0]);
	for (int i = 0; i < rounds; i++) {
		pid_t worker = fork();
		uint64_t more;

		if (worker == 0)
			writer(p[1], at, (unsigned)i);
		pause_us((unsigned)rand_r(&seed) % 3000);
		kill(worker, SIGKILL);
		if (waitid(P_PID, (id_t)worker, &si, WEXITED | WNOWAIT) < 0)
			err(1, "waitid");
		more = written_by(worker);	/* a fork begins at zero */
		status_of(worker);
		at += more;
		if (at < atomic_load(&shm->told) || at > atomic_load(&shm->tail))
			errx(1, "round %d: /proc says %llu, the worker had sent %llu and made %llu", i, (unsigned long long)at,
			    (unsigned long long)shm->told, (unsigned long long)shm->tail);
		doubtful += at != atomic_load(&shm->told);
	}
	close(p[1]);
	if (status_of(client) != 0 || shm->wrong != at)
		errx(1, "the program saw %llu bytes of %llu, or a wrong one", (unsigned long long)shm->wrong, (unsigned long long)at);
	printf("pipe: %d kills, %llu bytes, each one right and once; the worker's own count was behind %llu times\n", rounds, (unsigned long long)at,
	    (unsigned long long)doubtful);
}

/* ---- cost ----------------------------------------------------------------------------------------------------- */

static double cpu(void)
{
	struct rusage r;

	getrusage(RUSAGE_SELF, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void encrypt(gcry_cipher_hd_t h, uint64_t n, uint8_t *out, const uint8_t *in)
{
	uint8_t iv[12] = { 0 };

	memcpy(iv + 4, &n, sizeof n);
	if (gcry_cipher_setiv(h, iv, sizeof iv) || gcry_cipher_encrypt(h, out, PACKET, in, PACKET) || gcry_cipher_gettag(h, out + PACKET, TAG))
		errx(1, "encrypt");
}

/* Blocks of eight packets, as a relay reads them, encrypted and written. */
static void cost(uint64_t bytes, int through_ring)
{
	static uint8_t plain[PACKET], record[sizeof shm->state], private[8 * (PACKET + TAG)];
	uint8_t *out = through_ring ? shm->ring : private;
	static const uint8_t key[16] = "a benchmark key";
	gcry_cipher_hd_t h;
	uint64_t count = 0;
	double began;
	int tcp[2];

	tcp_pair(tcp, 4);
	if (fork() == 0) {
		static uint8_t sink[1 << 18];

		close(tcp[1]);
		while (read(tcp[0], sink, sizeof sink) > 0)
			;
		_exit(0);
	}
	close(tcp[0]);
	if (gcry_cipher_open(&h, GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_GCM, 0) || gcry_cipher_setkey(h, key, sizeof key))
		errx(1, "AES-128-GCM is missing");
	began = cpu();
	while (count * PACKET < bytes) {
		size_t len = 0;

		for (int i = 0; i < 8; i++, len += PACKET + TAG) {
			encrypt(h, count++, out + len, plain);
			if (through_ring) {
				memcpy(record, &count, sizeof count);
				memcpy(shm->state, record, sizeof record);
				atomic_store(&shm->tail, atomic_load(&shm->tail) + PACKET + TAG);
			}
		}
		for (size_t done = 0; done < len;) {
			ssize_t w = write(tcp[1], out + done, len - done);

			if (w < 0)
				err(1, "write");
			done += (size_t)w;
		}
	}
	printf("%.6f\n", cpu() - began);
	gcry_cipher_close(h);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 10) : 0;

	signal(SIGPIPE, SIG_IGN);
	shm = share();
	if (strcmp(what, "sent") == 0 && argc == 4)
		sent((int)n, atoi(argv[3]));
	else if (strcmp(what, "taken") == 0 && argc == 4)
		taken((int)n, atoi(argv[3]));
	else if (strcmp(what, "pipe") == 0 && argc == 3)
		pipe_rounds((int)n);
	else if (strcmp(what, "cost") == 0 && argc == 4)
		cost(n, strcmp(argv[3], "shared") == 0);
	else
		errx(2, "usage: bench_ground sent|taken ROUNDS 4|6; pipe ROUNDS; cost BYTES shared|private");
	return 0;
}
