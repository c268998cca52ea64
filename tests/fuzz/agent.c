/*
 * agent - keysign's side of an SSH agent: the fuzzer is the agent. The first message answers the question for keys, the rest
 * comes while two signatures are waited for. Each asker hears once, whatever is said.
 */
#include "guard/agent.h"

#include <event2/event.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

static void hush(void *ctx, enum log_level level, const char *line)
{
	(void)ctx, (void)level, (void)line;
}

static void heard(void *ctx, struct view sig)
{
	/* the last byte is read: a sanitizer sees one too many */
	if (++*(int *)ctx > 1 || (sig.len > 0 && sig.p[sig.len - 1] + sig.len == 0))
		abort();
}

/* The bytes of the first message, as its length has it. */
static size_t first_of(const uint8_t *data, size_t n)
{
	size_t want = n >= 4 ? (size_t)get_u32(data) + 4 : n;

	return want < n ? want : n;
}

static void serve(struct agent *a, int fd, struct view rest)
{
	struct event_base *base = event_base_new();
	int told[2] = { 0, 0 };

	if (base == NULL || agent_serve(a, base) < 0)
		abort();
	for (int i = 0; i < 2; i++)
		if (agent_sign(a, view_str("blob"), view_str("data"), 0, heard, &told[i]) < 0)
			abort();
	event_base_loop(base, EVLOOP_NONBLOCK);
	if (rest.len > 0 && write(fd, rest.p, rest.len) != (ssize_t)rest.len)
		abort();
	shutdown(fd, SHUT_WR);
	for (int i = 0; i < 8; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	if (agent_here(a) || told[0] != 1 || told[1] != 1)
		abort();
	agent_drop(a);
	event_base_free(base);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct agent a;
	char why[200];
	int ends[2];
	size_t first = first_of(data, n);

	if (n > 4096)
		return 0;
	log_to(hush, NULL);
	agent_init(&a);
	/* the answer waits in the socket before the question is put: one thread plays both */
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0 || (first > 0 && write(ends[1], data, first) != (ssize_t)first))
		abort();
	a.fd = ends[0];
	if (first == n)
		shutdown(ends[1], SHUT_WR);
	if (agent_greet(&a, "fuzz", why, sizeof why) == SSH_OK) {
		(void)agent_has(&a, view_str("x"));
		serve(&a, ends[1], view_of(data + first, n - first));
	}
	agent_drop(&a);
	close(ends[1]);
	return 0;
}
