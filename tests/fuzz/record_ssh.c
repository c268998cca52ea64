/*
 * record_ssh - writes the seeds of transport_*, payload_*, cut and state from conversations between the two
 * sides. They are good for as long as both sides say the same with the same random numbers: run it again when defaults change (INITED cov tells).
 * Not built by default; from the source folder, with a build tree made by the preset "dev":
 *   cc -D_GNU_SOURCE -I. -fsanitize=address,undefined tests/fuzz/record_ssh.c build/dev/ssh/libssh.a \
 *     build/dev/ssh/libsshcrypto.a build/dev/base/libbase.a -lgcrypt -lsodium -lz -o build/record_ssh && build/record_ssh tests/fuzz/corpus
 */
#include <stdio.h>
#include <sys/stat.h>

#include "ssh/kex.h"
#include "ssh/kexinit.h"
#include "tests/fuzz/ssh_fuzz.h"

static const char *root;

static void save(const char *target, const char *name, const struct buf *b)
{
	char path[512];
	FILE *f;

	snprintf(path, sizeof path, "%s/%s", root, target);
	mkdir(path, 0777);
	snprintf(path, sizeof path, "%s/%s/%s", root, target, name);
	FUZZ_MUST((f = fopen(path, "wb")) != NULL);
	FUZZ_MUST(fwrite(buf_head(b), 1, buf_len(b), f) == buf_len(b));
	fclose(f);
}

static void append(struct buf *b, const void *p, size_t n)
{
	FUZZ_MUST(buf_append(b, p, n) == SSH_OK);
}

/* What the client does when all is quiet. */
static int next_wish(struct ssh *s, int number)
{
	static const uint8_t exec[] = { 0, 0, 0, 4, 't', 'r', 'u', 'e' };

	if (number == 0)
		FUZZ_MUST(ssh_chan_request(s, 0, "exec", 1, view_of(exec, sizeof exec)) == SSH_OK);
	else if (number == 1)
		FUZZ_MUST(ssh_rekey(s) == SSH_OK);
	else
		FUZZ_MUST(ssh_chan_eof(s, 0) == SSH_OK);
	return 1;
}

/*
 * Both sides with one cipher to the end of a small session; what each said goes to wire[]. by: the side that
 * brings the cipher about; the other is as the targets have it, so that its recording can be played to it.
 */
static void converse(const char *cipher, enum ssh_role by, struct buf wire[2])
{
	struct fuzz_side f[2];
	int moved, asked = 0;

	for (int i = 0; i < 2; i++) {
		fuzz_side_new(&f[i], (enum ssh_role)i);
		buf_init(&wire[i], 1 << 20, NULL);
	}
	ssh_free(f[by].ssh);
	f[by].policy.ciphers[0] = f[by].policy.ciphers[1] = cipher;
	FUZZ_MUST(ssh_new(&f[by].ssh, by, &f[by].env, &f[by].policy) == SSH_OK);
	if (by == SSH_SERVER)
		fuzz_side_keys(&f[by]);
	do {
		moved = 0;
		for (int i = 0; i < 2; i++) {
			size_t n;
			const uint8_t *out;

			fuzz_drain(&f[i]);
			out = ssh_output(f[i].ssh, &n);
			if (n > 0)
				append(&wire[i], out, n);
			moved |= fuzz_move(&f[i], &f[!i]);
		}
		if (!moved && by == SSH_CLIENT && asked < 3)
			moved = next_wish(f[SSH_CLIENT].ssh, asked++);
	} while (moved);
	for (int i = 0; i < 2; i++)
		fuzz_side_free(&f[i]);
}

static void record_streams(void)
{
	const char *cipher;
	char name[64];
	int on;

	for (size_t i = 0; (cipher = alg_name(ALG_CIPHER, i, &on)) != NULL; i++) {
		struct buf wire[2], with_seed;

		if (!on)
			continue;	/* the targets have the defaults */
		converse(cipher, SSH_SERVER, wire);
		snprintf(name, sizeof name, "server-%zu", i);
		save("transport_client", name, &wire[SSH_SERVER]);
		buf_drop(&wire[0]), buf_drop(&wire[1]);
		converse(cipher, SSH_CLIENT, wire);
		snprintf(name, sizeof name, "client-%zu", i);
		save("transport_server", name, &wire[SSH_CLIENT]);
		buf_init(&with_seed, 1 << 20, NULL);
		append(&with_seed, "seed0000", 8);
		append(&with_seed, buf_head(&wire[SSH_CLIENT]), buf_len(&wire[SSH_CLIENT]));
		snprintf(name, sizeof name, "client-%zu", i);
		save("cut", name, &with_seed);
		buf_drop(&with_seed);
		buf_drop(&wire[0]);
		buf_drop(&wire[1]);
	}
}

static void record_texts(void)
{
	static const struct { const char *target, *name, *text; size_t n; } rows[] = {
#define T(target, name, s) { target, name, s, sizeof(s) - 1 }
		T("transport_server", "http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		T("transport_server", "old", "SSH-1.5-x\r\n"),
		T("transport_server", "length-0", "SSH-2.0-x\r\n\0\0\0\0\0\0\0\0"),
		T("transport_server", "length-big", "SSH-2.0-x\r\n\x80\0\0\0\x04\x02\0\0"),
		T("transport_server", "padding-big", "SSH-2.0-x\r\n\0\0\0\x0c\xff\x02\0\0\0\0\0\0\0\0\0\0"),
		T("transport_server", "newkeys", "SSH-2.0-x\r\n\0\0\0\x0c\x0a\x15\0\0\0\0\0\0\0\0\0\0"),
		T("transport_client", "lines", "hello\r\n\r\nSSH-2.0-x\r\n"),
		T("transport_client", "199", "SSH-1.99-x\n"),
#undef T
	};

	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct buf b;

		buf_init(&b, 1 << 20, NULL);
		append(&b, rows[i].text, rows[i].n);
		save(rows[i].target, rows[i].name, &b);
		buf_drop(&b);
	}
}

/* ---- payload seeds: phase byte, then uint16 length and payload ---- */

struct seed { struct buf b, piece; struct wr w; };

static void seed_begin(struct seed *s, uint8_t phase)
{
	buf_init(&s->b, 1 << 20, NULL);
	append(&s->b, &phase, 1);
}

static struct wr *piece(struct seed *s, uint8_t type)
{
	buf_init(&s->piece, 1 << 20, NULL);
	s->w = wr_to(&s->piece);
	wr_u8(&s->w, type);
	return &s->w;
}

static void piece_end(struct seed *s)
{
	uint8_t len[2] = { (uint8_t)(buf_len(&s->piece) >> 8), (uint8_t)buf_len(&s->piece) };

	append(&s->b, len, 2);
	append(&s->b, buf_head(&s->piece), buf_len(&s->piece));
	buf_drop(&s->piece);
}

static void seed_end(struct seed *s, const char *target, const char *name)
{
	save(target, name, &s->b);
	buf_drop(&s->b);
}

static void let_run(struct seed *s)
{
	append(&s->b, "\0\0", 2);
}

static void auth(struct seed *s, const char *user, const char *method)
{
	struct wr *w = piece(s, SSH_MSG_USERAUTH_REQUEST);

	wr_cstr(w, user);
	wr_cstr(w, "ssh-connection");
	wr_cstr(w, method);
}

static void server_login(void)
{
	struct seed s;

	seed_begin(&s, 1);
	auth(&s, "bob", "none");
	piece_end(&s);
	auth(&s, "bob", "password");
	wr_bool(&s.w, 0);
	wr_cstr(&s.w, "open");
	piece_end(&s);
	auth(&s, "bob", "publickey");
	wr_bool(&s.w, 0);
	wr_cstr(&s.w, "ssh-ed25519");
	wr_view(&s.w, privkey_blob(fuzz_key));
	piece_end(&s);
	auth(&s, "bob", "keyboard-interactive");
	wr_cstr(&s.w, "");
	wr_cstr(&s.w, "");
	piece_end(&s);
	wr_u32(piece(&s, SSH_MSG_USERAUTH_INFO_RESPONSE), 1);
	wr_cstr(&s.w, "secret");
	piece_end(&s);
	seed_end(&s, "payload_server", "login");
	seed_begin(&s, 1);
	auth(&s, "ada", "none");
	piece_end(&s);
	let_run(&s);
	seed_end(&s, "payload_server", "login-none");
}

static void open_session(struct seed *s)
{
	struct wr *w = piece(s, SSH_MSG_CHANNEL_OPEN);

	wr_cstr(w, "session");
	wr_u32(w, 0);
	wr_u32(w, 0x200000);
	wr_u32(w, 0x8000);
	piece_end(s);
}

static void request(struct seed *s, const char *type)
{
	struct wr *w = piece(s, SSH_MSG_CHANNEL_REQUEST);

	wr_u32(w, 0);
	wr_cstr(w, type);
	wr_bool(w, 1);
}

static void chan_number(struct seed *s, uint8_t type)
{
	wr_u32(piece(s, type), 0);
	piece_end(s);
}

static void server_channels(void)
{
	struct seed s;

	seed_begin(&s, 2);
	open_session(&s);
	request(&s, "pty-req");
	wr_cstr(&s.w, "xterm");
	for (uint32_t i = 0; i < 4; i++)
		wr_u32(&s.w, 80 + i);
	wr_string(&s.w, "\x35\0\0\0\1\0", 6);
	piece_end(&s);
	request(&s, "env");
	wr_cstr(&s.w, "LANG");
	wr_cstr(&s.w, "C");
	piece_end(&s);
	request(&s, "exec");
	wr_cstr(&s.w, "true");
	piece_end(&s);
	wr_u32(piece(&s, SSH_MSG_CHANNEL_DATA), 0);
	wr_cstr(&s.w, "hello");
	piece_end(&s);
	wr_u32(piece(&s, SSH_MSG_CHANNEL_WINDOW_ADJUST), 0);
	wr_u32(&s.w, 100000);
	piece_end(&s);
	chan_number(&s, SSH_MSG_CHANNEL_EOF);
	let_run(&s);
	chan_number(&s, SSH_MSG_CHANNEL_CLOSE);
	open_session(&s);
	seed_end(&s, "payload_server", "session");
	seed_begin(&s, 2);
	wr_cstr(piece(&s, SSH_MSG_GLOBAL_REQUEST), "keepalive@openssh.com");
	wr_bool(&s.w, 1);
	piece_end(&s);
	piece(&s, 199);
	piece_end(&s);
	piece(&s, SSH_MSG_USERAUTH_REQUEST);
	piece_end(&s);
	seed_end(&s, "payload_server", "global");
}

static void client_channels(void)
{
	struct seed s;

	seed_begin(&s, 2);
	open_session(&s);
	request(&s, "exit-status");
	wr_u32(&s.w, 3);
	piece_end(&s);
	chan_number(&s, SSH_MSG_CHANNEL_CLOSE);
	wr_u32(piece(&s, SSH_MSG_CHANNEL_OPEN_FAILURE), 0);
	wr_u32(&s.w, 1);
	wr_cstr(&s.w, "no");
	wr_cstr(&s.w, "");
	piece_end(&s);
	seed_end(&s, "payload_client", "channels");
	seed_begin(&s, 1);
	wr_cstr(piece(&s, SSH_MSG_USERAUTH_BANNER), "hello\n");
	wr_cstr(&s.w, "");
	piece_end(&s);
	wr_cstr(piece(&s, SSH_MSG_USERAUTH_FAILURE), "publickey");
	wr_bool(&s.w, 0);
	piece_end(&s);
	piece(&s, SSH_MSG_USERAUTH_SUCCESS);
	piece_end(&s);
	wr_u32(piece(&s, SSH_MSG_EXT_INFO), 1);
	wr_cstr(&s.w, "server-sig-algs");
	wr_cstr(&s.w, "ssh-ed25519");
	piece_end(&s);
	seed_end(&s, "payload_client", "login");
}

/* Phases 0 and 3, for either role. */
static void exchanges(const char *target)
{
	struct seed s;
	struct fuzz_side f;

	fuzz_side_new(&f, SSH_CLIENT);
	seed_begin(&s, 0);
	wr_cstr(piece(&s, SSH_MSG_IGNORE), "x");
	piece_end(&s);
	buf_init(&s.piece, 1 << 20, NULL);
	s.w = wr_to(&s.piece);
	FUZZ_MUST(kexinit_write(f.ssh, &s.w, 0) == SSH_OK);
	piece_end(&s);
	wr_string(piece(&s, SSH_MSG_KEX_ECDH_INIT), fuzz_public, 32);
	piece_end(&s);
	piece(&s, SSH_MSG_NEWKEYS);
	piece_end(&s);
	seed_end(&s, target, "exchange");
	fuzz_side_free(&f);
	seed_begin(&s, 3);
	let_run(&s);
	chan_number(&s, SSH_MSG_CHANNEL_EOF);
	seed_end(&s, target, "rekey");
	seed_begin(&s, 3);
	chan_number(&s, SSH_MSG_CHANNEL_EOF);
	seed_end(&s, target, "rekey-stranger");
}

static void record_states(void)
{
	struct buf state[2];

	fuzz_saved(state, P_AUTH);
	save("state", "server-auth", &state[SSH_SERVER]);
	save("state", "client-auth", &state[SSH_CLIENT]);
	buf_drop(&state[0]), buf_drop(&state[1]);
	fuzz_saved(state, P_OPEN);
	save("state", "server-open", &state[SSH_SERVER]);
	save("state", "client-open", &state[SSH_CLIENT]);
	buf_drop(&state[0]), buf_drop(&state[1]);
	fuzz_compression = "zlib";
	fuzz_saved(state, P_OPEN);
	save("state", "server-zlib", &state[SSH_SERVER]);
	save("state", "client-zlib", &state[SSH_CLIENT]);
	fuzz_compression = NULL;
	buf_drop(&state[0]), buf_drop(&state[1]);
}

/* The server's state as it stands in its rekey, under the exchange's short name and its own. */
static void save_step(struct ssh *s, const char *kex)
{
	struct buf state;
	char name[96];

	buf_init(&state, 1 << 20, NULL);
	if (s->kex->state != KEX_IDLE && ssh_export(s, &state) == SSH_OK) {
		snprintf(name, sizeof name, "rekey-%.*s-%s", (int)strcspn(kex, "-@"), kex, kex_state_name(s->kex->state));
		save("state", name, &state);
	}
	buf_drop(&state);
}

static void step(struct fuzz_side *f, const char *kex)
{
	struct ssh_event e;

	save_step(f->ssh, kex);
	while (ssh_next(f->ssh, &e)) {
		save_step(f->ssh, kex);
		fuzz_answer(f, &e);
	}
	save_step(f->ssh, kex);
}

/* Every state of a rekey that can be saved, one exchange of each kind; something is held until its end. */
static void record_rekey(const char *kex)
{
	struct fuzz_side f[2];
	const uint8_t *out;
	size_t n;

	for (int i = 0; i < 2; i++) {
		fuzz_side_init(&f[i], (enum ssh_role)i);
		f[i].policy.kex = kex;
		fuzz_side_begin(&f[i], (enum ssh_role)i);
	}
	fuzz_run(&f[0], &f[1]);
	FUZZ_MUST(f[SSH_SERVER].ssh->phase == P_OPEN && ssh_rekey(f[SSH_SERVER].ssh) == SSH_OK);
	FUZZ_MUST(ssh_global_request(f[SSH_SERVER].ssh, "held@test", 0, view_of(NULL, 0)) == SSH_OK);
	for (int round = 0; round < 20; round++) {
		step(&f[SSH_SERVER], kex);
		fuzz_move(&f[SSH_SERVER], &f[SSH_CLIENT]);
		fuzz_drain(&f[SSH_CLIENT]);
		out = ssh_output(f[SSH_CLIENT].ssh, &n);
		for (size_t i = 0; i < n; i++) {	/* its packets come in one flight */
			FUZZ_MUST(ssh_input(f[SSH_SERVER].ssh, out + i, 1, 1) == SSH_OK);
			step(&f[SSH_SERVER], kex);
		}
		ssh_sent(f[SSH_CLIENT].ssh, n);
	}
	FUZZ_MUST(f[SSH_SERVER].ssh->kex->rekeys == 1 && f[SSH_SERVER].ssh->kex->state == KEX_IDLE);
	for (int i = 0; i < 2; i++)
		fuzz_side_free(&f[i]);
}

int main(int argc, char **argv)
{
	FUZZ_MUST(argc == 2);
	root = argv[1];
	fuzz_init();
	record_streams();
	record_texts();
	server_login();
	server_channels();
	client_channels();
	exchanges("payload_server");
	exchanges("payload_client");
	record_states();
	record_rekey("curve25519-sha256");
	record_rekey("mlkem768x25519-sha256");
	record_rekey("diffie-hellman-group-exchange-sha256");
	privkey_free(fuzz_key);
	return 0;
}
