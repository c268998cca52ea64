/* Supervise: values, defaults from children.def, and the sentences for trees that could not be. */
#include "tests/unit/conf/help.h"

static struct conf_child child(const char *text, size_t node)
{
	struct conf_values *v = values(text);
	struct conf_child c = conf_child_of(&v->Supervise, node);

	conf_values_free(v);
	return c;
}

Test(conf_supervise, what_is_not_said_is_the_tables)
{
	struct conf_child c = child("", CONF_NODE_KEYSIGN);

	cr_assert(c.given == 0 && c.restart == CONF_PERMANENT && c.shutdown_ms == 2000 && c.start_ms == 30000);
	cr_assert(c.backoff_min_ms == 100 && c.backoff_max_ms == 30000);
	c = child("", CONF_NODE_GUARDS);
	cr_assert(c.intensity == 5 && c.period_ms == 60000 && c.shutdown_ms == CONF_INFINITY);
	c = child("", CONF_NODE_SESSION);
	cr_assert_eq(c.restart, CONF_TEMPORARY);
}

Test(conf_supervise, values)
{
	struct conf_child c = child("Supervise guards restart=transient intensity=7 period=2m shutdown=brutal_kill start=250ms backoff=1:5m\n",
	    CONF_NODE_GUARDS);

	cr_assert(c.restart == CONF_TRANSIENT && c.intensity == 7 && c.period_ms == 120000 && c.shutdown_ms == 0 && c.start_ms == 250);
	cr_assert(c.backoff_min_ms == 1000 && c.backoff_max_ms == 300000);
	c = child("supervise = AUTH Shutdown=INFINITY start=infinity backoff=none\n", CONF_NODE_AUTH);
	cr_assert(c.shutdown_ms == CONF_INFINITY && c.start_ms == 0 && c.backoff_max_ms == 0);
	cr_assert_eq(child("Supervise root intensity=1000 period=500ms\n", CONF_NODE_ROOT).intensity, 1000);
	cr_assert_eq(child("Supervise channel shutdown=1\n", CONF_NODE_WORKER).shutdown_ms, 1000);
	cr_assert_eq(child("Supervise connection restart=temporary\n", CONF_NODE_CONN).restart, CONF_TEMPORARY);
	cr_assert_eq(child("Supervise guards intensity=0\n", CONF_NODE_GUARDS).intensity, 0);
}

Test(conf_supervise, lines_add_and_the_first_value_wins)
{
	static const char text[] = "Supervise guards intensity=7\nSupervise auth shutdown=9\nSupervise guards intensity=8 period=1\n";
	struct conf_child c = child(text, CONF_NODE_GUARDS);

	cr_assert(c.intensity == 7 && c.period_ms == 1000);
	cr_assert_eq(child(text, CONF_NODE_AUTH).shutdown_ms, 9000);
	cr_assert_eq(child("Match all\nSupervise guards intensity=7\n", CONF_NODE_GUARDS).intensity, 7);
}

Test(conf_supervise, refused)
{
	static const struct { const char *line, *why; } cases[] = {
		{ "guard intensity=1", "Supervise: there is no node 'guard' in the tree" },
		{ "guards", "Supervise guards: nothing is said of it" },
		{ "guards intensity", "Supervise guards: 'intensity' is none of restart= intensity= period= shutdown= start= backoff=" },
		{ "guards intensity=", "Supervise guards: 'intensity=' is none of restart= intensity= period= shutdown= start= backoff=" },
		{ "guards color=red", "Supervise guards: 'color=red' is none of restart= intensity= period= shutdown= start= backoff=" },
		{ "guards intensity=1001", "Supervise guards: intensity is a number from 0 to 1000, not '1001'" },
		{ "guards intensity=-1", "Supervise guards: intensity is a number from 0 to 1000, not '-1'" },
		{ "guards intensity=1 intensity=1", "Supervise guards: intensity is given twice" },
		{ "guards period=0", "Supervise guards: period is a time above 0, not '0'" },
		{ "guards period=x", "Supervise guards: period is a time above 0, not 'x'" },
		{ "guards period=9999999w", "Supervise guards: period is a time above 0, not '9999999w'" },
		{ "guards strategy=one_for_one", "Supervise guards: strategy is the design's and cannot be set" },
		{ "sessions strategy=one_for_all", "Supervise sessions: strategy is the design's and cannot be set" },
		{ "session auto_shutdown=never", "Supervise session: auto_shutdown is the design's and cannot be set" },
		{ "connection significant=no", "Supervise connection: significant is the design's and cannot be set" },
		{ "connection restart=permanent", "Supervise connection: a significant child cannot be permanent: its end ends its supervisor" },
		{ "connection restart=transient", "Supervise connection: it stays temporary: what served a client cannot be restarted" },
		{ "session restart=permanent", "Supervise session: it stays temporary: what served a client cannot be restarted" },
		{ "worker restart=permanent", "Supervise worker: it stays temporary: what served a client cannot be restarted" },
		{ "auth restart=sometimes", "Supervise auth: restart is permanent, transient or temporary, not 'sometimes'" },
		{ "auth intensity=3", "Supervise auth: intensity is a supervisor's, and this is a worker" },
		{ "coppiced restart=permanent", "Supervise coppiced: it has no supervisor: only intensity and period can be set" },
		{ "root shutdown=1", "Supervise coppiced: it has no supervisor: only intensity and period can be set" },
		{ "auth shutdown=soon", "Supervise auth: shutdown is brutal_kill, infinity or a time, not 'soon'" },
		{ "auth shutdown=ms", "Supervise auth: shutdown is brutal_kill, infinity or a time, not 'ms'" },
		{ "auth shutdown=2147483648ms", "Supervise auth: shutdown is brutal_kill, infinity or a time, not '2147483648ms'" },
		{ "auth start=never", "Supervise auth: start is infinity or a time, not 'never'" },
		{ "auth backoff=1", "Supervise auth: backoff is MIN:MAX or none, not '1'" },
		{ "auth backoff=1:", "Supervise auth: backoff is MIN:MAX or none, not '1:'" },
		{ "auth backoff=2:1", "Supervise auth: backoff grows from at least 10ms to at most 1h, not '2:1'" },
		{ "auth backoff=0:1", "Supervise auth: backoff grows from at least 10ms to at most 1h, not '0:1'" },
		{ "auth backoff=1:2h", "Supervise auth: backoff grows from at least 10ms to at most 1h, not '1:2h'" },
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[200], sentence[300];

		snprintf(text, sizeof text, "\nSupervise %s\n", cases[i].line);
		snprintf(sentence, sizeof sentence, "t line 2: %s", cases[i].why);
		refused(text, sentence);
	}
	refused("Supervise guards intensity=1\nSupervise guards intensity=x\n",
	    "t line 2: Supervise guards: intensity is a number from 0 to 1000, not 'x'");
	refused("Match User bob\nSupervise guards intensity=1\n", "t line 2: Directive 'Supervise' is not allowed within a Match block");
}

Test(conf_supervise, dump_says_all_and_reads_back)
{
	struct conf_values *v = values("Supervise guards intensity=7 backoff=none\nSupervise auth shutdown=1500ms start=infinity\n"), *again;
	char *text = dumped(v), *second;

	cr_assert_not_null(strstr(text, "\nsupervise coppiced intensity=10 period=60\n"));
	cr_assert_not_null(strstr(text, "\nsupervise guards restart=permanent intensity=7 period=60 shutdown=infinity start=infinity backoff=none\n"));
	cr_assert_not_null(strstr(text, "\nsupervise auth restart=permanent shutdown=1500ms start=infinity backoff=100ms:30\n"));
	cr_assert_not_null(strstr(text, "\nsupervise connection restart=temporary shutdown=5 start=15 backoff=100ms:30\n"));
	again = values(text);
	second = dumped(again);
	cr_assert_str_eq(text, second);
	free(text), free(second);
	conf_values_free(v);
	conf_values_free(again);
}
