#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "ctl/tree.h"
#include "ctl/words.h"

static void add(struct ctl_tree *t, uint64_t id, uint64_t parent, uint8_t kind, const char *name, const char *user)
{
	struct ipc_CTL_NODE m = { .node = id, .parent = parent, .kind = kind, .state = 3, .pid = kind ? 100 + (uint32_t)id : 0,
		.intensity = 5, .period_s = 60, .up_ms = 3723000, .name = view_str(name), .user = view_str(user) };

	if (id == 3) {
		m.restarts = 2;
		m.last_exit = view_str("signal 11 (SEGV)");
	}
	if (user != NULL)
		addr_parse_ip(&m.peer, "192.0.2.7"), m.peer.port = 50122;
	cr_assert_eq(ctl_tree_add(t, &m), SSH_OK);
}

static char *render(const struct ctl_tree *t, void (*how)(const struct ctl_tree *, FILE *))
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	how(t, f);
	fclose(f);
	return text;
}

static void plant(struct ctl_tree *t)
{
	memset(t, 0, sizeof *t);
	add(t, 1, 0, 0, "coppiced", NULL);
	add(t, 2, 1, 0, "guards", NULL);
	add(t, 3, 2, 1, "keysign", NULL);
	add(t, 4, 2, 1, "auth", NULL);
	add(t, 5, 1, 0, "sessions", NULL);
	add(t, 6, 5, 0, "session 1", "ada");
	add(t, 7, 6, 1, "connection", NULL);
}

Test(tree, drawing)
{
	struct ctl_tree t;
	char *text;

	plant(&t);
	text = render(&t, ctl_tree_text);
	cr_assert_str_eq(text,
	    "coppiced  one_for_one 5/60s  up 1h2m\n"
	    "├ guards  one_for_one 5/60s\n"
	    "│ ├ keysign  pid 103  up 1h2m  restarts 2  last: signal 11 (SEGV)\n"
	    "│ └ auth  pid 104  up 1h2m\n"
	    "└ sessions  one_for_one 5/60s\n"
	    "  └ session 1  one_for_one 5/60s  up 1h2m  ada@192.0.2.7:50122\n"
	    "    └ connection  pid 107  up 1h2m\n");
	free(text);
	ctl_tree_free(&t);
}

Test(tree, drawing_without_line_characters)
{
	struct ctl_tree t;
	char *text;

	plant(&t);
	t.ascii = 1;
	text = render(&t, ctl_tree_text);
	cr_assert_not_null(strstr(text, "\n|-guards  one"), "%s", text);
	cr_assert_not_null(strstr(text, "\n| `-auth  pid 104"), "%s", text);
	cr_assert_not_null(strstr(text, "\n`-sessions"), "%s", text);
	free(text);
	ctl_tree_free(&t);
}

Test(tree, json_has_every_field)
{
	struct ctl_tree t;
	char *text;

	plant(&t);
	text = render(&t, ctl_tree_json);
	cr_assert_not_null(strstr(text, "{\"id\":1,\"parent\":null,\"name\":\"coppiced\",\"kind\":\"supervisor\",\"strategy\":\"one_for_one\","
	    "\"intensity\":5,\"period\":60,\"restart\":\"permanent\",\"state\":\"up\",\"pid\":null,\"uptime_ms\":3723000,\"restarts\":0,\"last_exit\":null}"));
	cr_assert_not_null(strstr(text, "\"pid\":103,\"uptime_ms\":3723000,\"restarts\":2,\"last_exit\":\"signal 11 (SEGV)\"}"));
	cr_assert_not_null(strstr(text, "\"user\":\"ada\",\"peer\":\"192.0.2.7:50122\"}"));
	free(text);
	ctl_tree_free(&t);
}

Test(tree, json_strings_cannot_break_out)
{
	char *text = NULL;
	size_t n;
	FILE *f = open_memstream(&text, &n);

	words_json(f, "a\"b\\c\n\x1b\xff");
	fclose(f);
	cr_assert_str_eq(text, "\"a\\\"b\\\\c\\u000a\\u001b\\u00ff\"");
	free(text);
}
