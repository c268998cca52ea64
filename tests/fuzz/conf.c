/* conf - any text: what parses must slice, resolve and dump, and what was written must parse again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "conf/conf.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

#define MUST(x) do { if (!(x)) abort(); } while (0)

/* Text of a dump or slice that reads back; the same text again when that is written. */
static void dump_round_trip(const struct conf_values *v)
{
	struct buf first, second;
	struct conf *c = NULL;
	struct conf_values *again = NULL;
	struct conf_error e;

	buf_init(&first, 64u << 20, NULL);
	buf_init(&second, 64u << 20, NULL);
	MUST(conf_dump(v, &first) == SSH_OK);
	MUST(conf_parse(&c, view_of(buf_head(&first), buf_len(&first)), "dump", &e) == SSH_OK);
	MUST(conf_resolve(c, NULL, &again, &e) == SSH_OK);
	MUST(conf_dump(again, &second) == SSH_OK);
	MUST(buf_len(&first) == buf_len(&second) && memcmp(buf_head(&first), buf_head(&second), buf_len(&first)) == 0);
	conf_values_free(again);
	conf_free(c);
	buf_drop(&first);
	buf_drop(&second);
}

static void slice_round_trip(const struct conf *c, enum conf_reader reader)
{
	struct buf first, second;
	struct conf *part = NULL;
	struct conf_error e;

	buf_init(&first, 64u << 20, NULL);
	buf_init(&second, 64u << 20, NULL);
	MUST(conf_slice(c, reader, &first) == SSH_OK);
	if (buf_len(&first) > 0) {
		MUST(conf_parse(&part, view_of(buf_head(&first), buf_len(&first)), "slice", &e) == SSH_OK);
		MUST(conf_slice(part, reader, &second) == SSH_OK);
		MUST(buf_len(&first) == buf_len(&second));
		MUST(memcmp(buf_head(&first), buf_head(&second), buf_len(&first)) == 0);
	}
	conf_free(part);
	buf_drop(&first);
	buf_drop(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	static const char *const groups[] = { "users", "wheel" };
	struct conf_client who = { .user = "bob", .groups = groups, .ngroups = 2 };
	struct conf_values *v = NULL;
	struct conf_error e;
	struct conf *c = NULL;

	addr_parse_ip(&who.peer, "192.0.2.7");
	addr_parse_ip(&who.local, "2001:db8::1");
	who.local.port = 22;
	if (conf_parse(&c, view_of(data, n), "input", &e) < 0) {
		MUST(memchr(e.text, '\0', sizeof e.text) != NULL && e.text[0] != '\0');
		return 0;
	}
	for (unsigned reader = CONF_SUP; reader <= CONF_KEEP; reader <<= 1)
		slice_round_trip(c, (enum conf_reader)reader);
	MUST(conf_resolve(c, &who, &v, &e) == SSH_OK);
	dump_round_trip(v);
	conf_values_free(v);
	MUST(conf_resolve(c, NULL, &v, &e) == SSH_OK);
	dump_round_trip(v);
	conf_values_free(v);
	conf_free(c);
	return 0;
}
