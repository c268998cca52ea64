/*
 * floor.c - what the work of an SSH server costs when nothing else is done: the limit the server is measured against.
 *
 *   bench_floor send BYTES PACKET    pipe -> AES-128-GCM -> loopback TCP, 256 KiB a read, one tag for each PACKET bytes
 *   bench_floor recv BYTES PACKET    loopback TCP -> AES-128-GCM -> pipe, the same way back
 *   bench_floor login COUNT          fork + exec of sh -c true, and the arithmetic of one key exchange and login
 *
 * Each prints one line: CPU seconds and wall seconds. send and recv count only the process in the middle; login counts
 * the process and the shells it started. Not part of the product, so it calls the crypto libraries directly.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <gcrypt.h>
#include <netinet/in.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 256 * 1024, TAG = 16, IV = 12, HASHES = 7 };

static uint8_t block[BLOCK];

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu(int who)
{
	struct rusage r;

	getrusage(who, &r);
	return (double)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) + (double)(r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}

static void report(double cpu_s, double wall_s)
{
	printf("%.6f %.6f\n", cpu_s, wall_s);
	fflush(stdout);
}

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

static gcry_cipher_hd_t gcm_open(void)
{
	static const uint8_t key[16] = "a benchmark key";
	gcry_cipher_hd_t h;

	if (gcry_cipher_open(&h, GCRY_CIPHER_AES128, GCRY_CIPHER_MODE_GCM, 0) || gcry_cipher_setkey(h, key, sizeof key))
		errx(1, "AES-128-GCM is missing");
	return h;
}

static void gcm_iv(gcry_cipher_hd_t h, uint64_t n)
{
	uint8_t iv[IV] = {0};

	for (size_t i = 0; i < 8; i++)
		iv[IV - 1 - i] = (uint8_t)(n >> (8 * i));
	if (gcry_cipher_setiv(h, iv, sizeof iv))
		errx(1, "setiv");
}

/* Encrypts the block in place, one tag after each packet; returns the bytes to send. */
static size_t seal(gcry_cipher_hd_t h, uint8_t *out, size_t n, size_t packet, uint64_t *count)
{
	size_t o = 0;

	for (size_t i = 0; i < n; i += packet) {
		size_t k = n - i < packet ? n - i : packet;

		gcm_iv(h, (*count)++);
		if (gcry_cipher_encrypt(h, out + o, k, block + i, k) || gcry_cipher_gettag(h, out + o + k, TAG))
			errx(1, "encrypt");
		o += k + TAG;
	}
	return o;
}

static void send_all(int in, int out, size_t packet)
{
	uint8_t *sealed = malloc(BLOCK + (BLOCK / packet + 1) * TAG);
	gcry_cipher_hd_t h = gcm_open();
	uint64_t count = 0;
	size_t n;

	if (!sealed)
		err(1, "malloc");
	while ((n = fill(in, block, BLOCK)) > 0)
		drain(out, sealed, seal(h, sealed, n, packet, &count));
	gcry_cipher_close(h);
	free(sealed);
}

static void recv_all(int in, int out, size_t packet)
{
	size_t batch = BLOCK / packet * (packet + TAG);
	uint8_t *sealed = malloc(batch);
	gcry_cipher_hd_t h = gcm_open();
	uint64_t count = 0;
	size_t n;

	if (!sealed)
		err(1, "malloc");
	while ((n = fill(in, sealed, batch)) > 0) {
		size_t o = 0;

		for (size_t i = 0; i + TAG < n;) {
			size_t k = n - i - TAG < packet ? n - i - TAG : packet;

			gcm_iv(h, count++);
			if (gcry_cipher_decrypt(h, block + o, k, sealed + i, k) || gcry_cipher_checktag(h, sealed + i + k, TAG))
				errx(1, "a forged packet");
			i += k + TAG;
			o += k;
		}
		drain(out, block, o);
	}
	gcry_cipher_close(h);
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

static void feed_sealed(int fd, size_t bytes, size_t packet)
{
	int p[2];

	wide_pipe(p);
	if (fork() == 0) {
		close(p[0]);
		feed_plain(p[1], bytes);
		_exit(0);
	}
	close(p[1]);
	send_all(p[0], fd, packet);
	while (wait(NULL) > 0)
		;
}

static void swallow(int fd)
{
	while (fill(fd, block, BLOCK) > 0)
		;
}

/* Three processes: a feeder, a reader at the end, and between them the one that is measured. */
static void bulk(int sending, size_t bytes, size_t packet)
{
	int tcp[2], p[2];
	double t, c;

	if (packet == 0 || packet > BLOCK || BLOCK % packet != 0)
		errx(2, "PACKET must divide %d", BLOCK);
	tcp_pair(tcp);
	wide_pipe(p);
	for (int end = 0; end < 2; end++) {
		if (fork() != 0)
			continue;
		prctl(PR_SET_NAME, end == 0 ? "feeder" : "swallow");	/* for a profile */
		close(tcp[1]);
		close(p[sending ? 0 : 1]);
		if (sending && end == 0)
			feed_plain(p[1], bytes);
		else if (end == 0)
			feed_sealed(tcp[0], bytes, packet);
		else {
			close(sending ? p[1] : tcp[0]);
			swallow(sending ? tcp[0] : p[0]);
		}
		_exit(0);
	}
	close(tcp[0]);
	close(p[sending ? 1 : 0]);
	t = now();
	c = cpu(RUSAGE_SELF);
	if (sending)
		send_all(p[0], tcp[1], packet);
	else
		recv_all(tcp[1], p[1], packet);
	close(tcp[1]);
	close(p[sending ? 0 : 1]);
	c = cpu(RUSAGE_SELF) - c;
	while (wait(NULL) > 0)
		;
	report(c, now() - t);
}

static void hash_some(void)
{
	uint8_t digest[32];

	for (int i = 0; i < HASHES; i++) /* the exchange hash and six keys, RFC 4253 7.2 and 8 */
		gcry_md_hash_buffer(GCRY_MD_SHA256, digest, block, 1500);
}

/* The server's part: ephemeral key, shared secret, hashes, its signature, the user's signature checked. */
static void handshake(const uint8_t *peer, const uint8_t *pk, const uint8_t *sk, const uint8_t *usersig)
{
	uint8_t secret[32], public[32], shared[32], sig[crypto_sign_BYTES];

	randombytes_buf(secret, sizeof secret);
	if (crypto_scalarmult_base(public, secret) || crypto_scalarmult(shared, secret, peer))
		errx(1, "X25519");
	hash_some();
	crypto_sign_detached(sig, NULL, block, 32, sk);
	if (crypto_sign_verify_detached(usersig, block, 200, pk))
		errx(1, "Ed25519");
}

static void shell(void)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		err(1, "fork");
	if (pid == 0) {
		execl("/bin/sh", "sh", "-c", "true", (char *)NULL);
		_exit(127);
	}
	if (waitpid(pid, &status, 0) < 0 || status != 0)
		errx(1, "sh -c true");
}

static void login(size_t count)
{
	uint8_t pk[crypto_sign_PUBLICKEYBYTES], sk[crypto_sign_SECRETKEYBYTES], usersig[crypto_sign_BYTES];
	uint8_t scalar[32], peer[32];
	double t = now(), c = cpu(RUSAGE_SELF) + cpu(RUSAGE_CHILDREN);

	crypto_sign_keypair(pk, sk);
	crypto_sign_detached(usersig, NULL, block, 200, sk);
	randombytes_buf(scalar, sizeof scalar);
	crypto_scalarmult_base(peer, scalar);
	for (size_t i = 0; i < count; i++) {
		handshake(peer, pk, sk, usersig);
		shell();
	}
	report(cpu(RUSAGE_SELF) + cpu(RUSAGE_CHILDREN) - c, now() - t);
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
	if (argc == 4 && (!strcmp(argv[1], "send") || !strcmp(argv[1], "recv")))
		bulk(argv[1][0] == 's', number(argv[2]), number(argv[3]));
	else if (argc == 3 && !strcmp(argv[1], "login"))
		login(number(argv[2]));
	else
		errx(2, "usage: bench_floor send|recv BYTES PACKET | login COUNT");
	return 0;
}
