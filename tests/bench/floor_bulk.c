#include <arpa/inet.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "floor.h"

/* floor_bulk - bytes from a pipe through a cipher to loopback TCP, or back: 256 KiB a system call, no copy but the cipher's. */

static uint8_t block[BLOCK];

/* Reads up to n bytes, fewer only at the end of the stream. */
static size_t fill(int fd, uint8_t *p, size_t n)
{
	size_t got = 0;

	while (got < n) {
		ssize_t r = read(fd, p + got, n - got);

		if (r < 0)
			err(1, "read");
		if (r == 0)
			break;
		got += (size_t)r;
	}
	return got;
}

static void drain(int fd, const uint8_t *p, size_t n)
{
	while (n > 0) {
		ssize_t r = write(fd, p, n);

		if (r < 0)
			err(1, "write");
		p += r;
		n -= (size_t)r;
	}
}

/* A connected pair of loopback TCP sockets. */
static void tcp_pair(int fd[2])
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof a;
	int l = socket(AF_INET, SOCK_STREAM, 0);

	if (l < 0 || bind(l, (struct sockaddr *)&a, sizeof a) < 0 || listen(l, 1) < 0 ||
	    getsockname(l, (struct sockaddr *)&a, &len) < 0)
		err(1, "listen");
	fd[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (fd[0] < 0 || connect(fd[0], (struct sockaddr *)&a, sizeof a) < 0)
		err(1, "connect");
	fd[1] = accept(l, NULL, NULL);
	if (fd[1] < 0)
		err(1, "accept");
	close(l);
}

static void wide_pipe(int fd[2])
{
	if (pipe(fd) < 0)
		err(1, "pipe");
	fcntl(fd[1], F_SETPIPE_SZ, BLOCK); /* one read then takes a whole block; refused is only slower */
}

/* The sealed packets of one block. */
static size_t sealed_size(size_t packet)
{
	return BLOCK / packet * (LENGTH + packet + TAG);
}

static uint8_t *sealed_new(size_t packet)
{
	uint8_t *p = malloc(sealed_size(packet));

	if (!p)
		err(1, "malloc");
	return p;
}

static void send_all(int in, int out, const char *cipher, size_t packet)
{
	struct floor_cipher *c = floor_cipher_new(cipher);
	uint8_t *sealed = sealed_new(packet);
	size_t n;

	while ((n = fill(in, block, BLOCK)) > 0) {
		size_t o = 0;

		for (size_t i = 0, k; i < n; i += k) {
			k = n - i < packet ? n - i : packet;
			floor_seal(c, sealed + o, block + i, k);
			o += LENGTH + k + TAG;
		}
		drain(out, sealed, o);
	}
	floor_cipher_free(c);
	free(sealed);
}

static void recv_all(int in, int out, const char *cipher, size_t packet)
{
	struct floor_cipher *c = floor_cipher_new(cipher);
	uint8_t *sealed = sealed_new(packet);
	size_t n;

	while ((n = fill(in, sealed, sealed_size(packet))) > 0) {
		size_t o = 0;

		for (size_t i = 0, k; i < n; i += LENGTH + k + TAG) {
			k = floor_open(c, block + o, sealed + i, n - i);
			o += k;
		}
		drain(out, block, o);
	}
	floor_cipher_free(c);
	free(sealed);
}

/* The program's side or the client's side: writes bytes zeros in plain or sealed, or reads to the end. */
static void feed_plain(int fd, size_t bytes)
{
	for (size_t k; bytes > 0; bytes -= k) {
		k = bytes < BLOCK ? bytes : BLOCK;
		drain(fd, block, k);
	}
}

static void feed_sealed(int fd, const char *cipher, size_t bytes, size_t packet)
{
	int p[2];

	wide_pipe(p);
	if (fork() == 0) {
		close(p[0]);
		feed_plain(p[1], bytes);
		_exit(0);
	}
	close(p[1]);
	send_all(p[0], fd, cipher, packet);
	while (wait(NULL) > 0)
		;
}

static void swallow(int fd)
{
	while (fill(fd, block, BLOCK) > 0)
		;
}

/* One of the two that are not measured: the feeder at the beginning (0), the reader at the end (1). */
_Noreturn static void other_end(int end, int sending, const char *cipher, size_t bytes, size_t packet, int tcp, const int p[2])
{
	prctl(PR_SET_NAME, end == 0 ? "feeder" : "swallow"); /* for a profile */
	close(p[sending ? 0 : 1]);
	if (sending && end == 0)
		feed_plain(p[1], bytes);
	else if (end == 0)
		feed_sealed(tcp, cipher, bytes, packet);
	else {
		close(sending ? p[1] : tcp);
		swallow(sending ? tcp : p[0]);
	}
	_exit(0);
}

/* Three processes; the one in the middle is measured. */
void floor_bulk(int sending, const char *cipher, size_t bytes, size_t packet)
{
	struct cost before, c;
	int tcp[2], p[2];

	if (packet > BLOCK || BLOCK % packet != 0)
		errx(2, "PACKET must divide %d", BLOCK);
	tcp_pair(tcp);
	wide_pipe(p);
	for (int end = 0; end < 2; end++) {
		pid_t pid = fork();

		if (pid < 0)
			err(1, "fork");
		if (pid == 0) {
			close(tcp[1]);
			other_end(end, sending, cipher, bytes, packet, tcp[0], p);
		}
	}
	close(tcp[0]);
	close(p[sending ? 1 : 0]);
	before = spent(0);
	if (sending)
		send_all(p[0], tcp[1], cipher, packet);
	else
		recv_all(tcp[1], p[1], cipher, packet);
	close(tcp[1]);
	close(p[sending ? 0 : 1]);
	c.cpu = less(spent(0), before).cpu;
	while (wait(NULL) > 0)
		;
	c.wall = less(spent(0), before).wall;
	report(sending ? "send" : "recv", c);
}
