#include <criterion/criterion.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "guard/lookup.h"
#include "guard/proc.h"

static const struct account_nobody nobody = { 65533, 65534 };

static struct account *sample(void)
{
	struct account *a = calloc(1, sizeof *a);

	a->user = strdup("ada");
	a->exists = 1;
	a->uid = 2001;
	a->gid = 2002;
	a->home = strdup("/home/ada");
	a->shell = strdup("/bin/sh");
	a->groups = calloc(2, sizeof *a->groups);
	a->groups[0] = 2002, a->groups[1] = 3000;
	a->ngroups = 2;
	a->group_names = calloc(2, sizeof *a->group_names);
	a->group_names[0] = strdup("team");
	a->nnames = 1;
	a->locked = 1;
	a->expires = -1;
	return a;
}

static void encode(struct buf *b)
{
	struct account *a = sample();

	buf_init(b, LOOKUP_ANSWER_MAX, NULL);
	cr_assert_eq(account_encode(b, a), SSH_OK);
	account_free(a);
}

Test(lookup, an_account_comes_back_as_it_was)
{
	struct account *a;
	struct buf b;

	encode(&b);
	cr_assert_eq(account_decode(&a, view_of(buf_head(&b), buf_len(&b))), SSH_OK);
	cr_assert_str_eq(a->user, "ada");
	cr_assert(a->exists && a->uid == 2001 && a->gid == 2002 && a->locked && a->expires == -1);
	cr_assert_str_eq(a->home, "/home/ada");
	cr_assert_str_eq(a->shell, "/bin/sh");
	cr_assert(a->ngroups == 2 && a->groups[1] == 3000 && a->nnames == 1);
	cr_assert_str_eq(a->group_names[0], "team");
	account_free(a);
	buf_drop(&b);
}

Test(lookup, no_truncation_is_an_account)
{
	struct account *a;
	struct buf b;

	encode(&b);
	for (size_t n = 0; n < buf_len(&b); n++) {
		cr_assert_eq(account_decode(&a, view_of(buf_head(&b), n)), SSH_E_FORMAT, "%zu bytes", n);
		cr_assert_null(a);
	}
	cr_assert_eq(buf_append(&b, "x", 1), SSH_OK);
	cr_assert_eq(account_decode(&a, view_of(buf_head(&b), buf_len(&b))), SSH_E_FORMAT);
	buf_drop(&b);
}

static int answers;
static struct account *last;

static void on_done(void *ctx, struct account *a)
{
	account_free(last);
	last = a;
	answers++;
	if (ctx != NULL)
		event_base_loopbreak(ctx);
}

static struct event_base *start(struct lookups **pool)
{
	struct event_base *base = event_base_new();

	cr_assert_eq(proc_watch(base), SSH_OK);
	cr_assert_eq(lookups_new(pool, base, 0, &nobody), SSH_OK);
	return base;
}

Test(lookup, root_is_found_and_a_stranger_is_not)
{
	struct lookups *pool;
	struct event_base *base = start(&pool);
	struct lookup *l;

	cr_assert_eq(lookup_start(&l, pool, "root", on_done, base), SSH_OK);
	cr_assert_eq(answers, 0, "never from inside");
	event_base_dispatch(base);
	cr_assert(last != NULL && last->exists && last->uid == 0);
	cr_assert_eq(lookup_start(&l, pool, "nobody-has-this-name", on_done, base), SSH_OK);
	event_base_dispatch(base);
	cr_assert(last != NULL && !last->exists && last->uid == nobody.uid);
	lookups_free(pool);
	account_free(last);
	last = NULL;
}

Test(lookup, more_questions_than_children_are_all_answered)
{
	struct lookups *pool;
	struct event_base *base = start(&pool);
	struct lookup *l;

	for (unsigned i = 0; i < LOOKUP_CHILDREN * 3; i++)
		cr_assert_eq(lookup_start(&l, pool, i % 2 ? "root" : "daemon", on_done, NULL), SSH_OK);
	while (answers < (int)LOOKUP_CHILDREN * 3)
		cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	cr_assert(last != NULL && last->exists);
	lookups_free(pool);
	account_free(last);
	last = NULL;
}

Test(lookup, the_queue_has_an_end_and_who_left_hears_nothing)
{
	struct lookups *pool;
	struct event_base *base = start(&pool);
	struct lookup *l[LOOKUP_CHILDREN + LOOKUP_QUEUE + 1];
	unsigned n = 0;

	while (n < LOOKUP_CHILDREN + LOOKUP_QUEUE + 1 && lookup_start(&l[n], pool, "root", on_done, NULL) == SSH_OK)
		n++;
	cr_assert_eq(n, LOOKUP_CHILDREN + LOOKUP_QUEUE);
	for (unsigned i = 1; i < n; i++)
		lookup_cancel(l[i]);
	while (answers == 0)
		cr_assert_eq(event_base_loop(base, EVLOOP_ONCE), 0);
	for (int i = 0; i < 20; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
	cr_assert_eq(answers, 1);
	lookups_free(pool);
	account_free(last);
	last = NULL;
}
