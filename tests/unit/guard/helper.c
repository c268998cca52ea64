/* helper: real processes; who gets one that was kept, and who does not. */
#include "guard/helper.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/err.h"
#include "guard/proc.h"
#include "ssh/crypto/crypto.h"
#include "ssh/keyfile.h"

static struct event_base *loop;
static char home[] = "/tmp/coppice-helper.XXXXXX";
static const char *const files[] = { "%h/keys", ".other" };
static struct privkey *key;
static struct helper_person person;
static int answers, error_of_it;
static enum helper_verdict verdict;

static void on_done(void *ctx, int error, const struct helper_answer *a)
{
	struct helper **h = ctx;

	answers++;
	error_of_it = error;
	verdict = error == SSH_OK ? a->verdict : HELPER_NO;
	if (error < 0) {
		helper_free(*h);
		*h = NULL;
	}
}

static void make(void)
{
	struct buf line;
	char path[100];
	int fd;

	cr_assert_eq(crypto_init(), SSH_OK);
	cr_assert_not_null(loop = event_base_new());
	cr_assert_eq(proc_watch(loop), SSH_OK);
	cr_assert_eq(privkey_generate(&key, KEY_ED25519, 0), SSH_OK);
	cr_assert_not_null(mkdtemp(home));
	snprintf(path, sizeof path, "%s/keys", home);
	buf_init(&line, 1000, NULL);
	cr_assert_eq(keyfile_write_public(&line, privkey_blob(key), "c"), SSH_OK);
	cr_assert_geq(fd = open(path, O_WRONLY | O_CREAT, 0600), 0);
	cr_assert_eq(write(fd, buf_head(&line), buf_len(&line)), (ssize_t)buf_len(&line));
	close(fd);
	buf_drop(&line);
	person = (struct helper_person){ .find = { .user = "ada", .home = home, .uid = geteuid(), .files = files, .nfiles = 2, .strict = 1 } };
}

static void clean(void)
{
	char command[100];

	helpers_end();
	snprintf(command, sizeof command, "rm -rf %s", home);
	cr_assert_eq(system(command), 0);
}

TestSuite(helper, .init = make, .fini = clean);

static void turn(void)
{
	event_base_loop(loop, EVLOOP_ONCE);
}

/* The living children; *youngest: the last of them. */
static int children(pid_t *youngest)
{
	char path[64];
	int pid, n = 0;
	FILE *f;

	event_base_loop(loop, EVLOOP_NONBLOCK);	/* collects the dead */
	snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)gettid());
	cr_assert_not_null(f = fopen(path, "re"));
	for (; fscanf(f, "%d", &pid) == 1; n++)
		if (youngest != NULL)
			*youngest = pid;
	fclose(f);
	return n;
}

static void come_to(int n)
{
	for (int i = 0; i < 2000 && children(NULL) != n; i++)
		usleep(5000);
	cr_assert_eq(children(NULL), n);
}

static struct helper *get(const struct helper_person *p)
{
	static struct helper *h[64];
	static unsigned n;

	cr_assert_lt(n, sizeof h / sizeof h[0]);
	cr_assert_eq(helper_new(&h[n], loop, p, on_done, &h[n]), SSH_OK);
	return h[n++];
}

static void ask(struct helper *h)
{
	struct helper_ask q = { .what = HELPER_QUERY, .alg = view_str("ssh-ed25519"), .blob = privkey_blob(key) };
	int before = answers;

	cr_assert_eq(helper_ask(h, &q), SSH_OK);
	while (answers == before)
		turn();
	cr_assert_eq(error_of_it, SSH_OK);
}

Test(helper, the_next_login_of_the_same_person_has_it)
{
	pid_t first = 0, second = 0;
	struct helper *h = get(&person);

	ask(h);
	cr_assert_eq(verdict, HELPER_YES);
	cr_assert_eq(children(&first), 1);
	helper_keep(h);
	h = get(&person);
	cr_assert_eq(children(&second), 1);
	cr_assert_eq(first, second);
	ask(h);
	cr_assert_eq(verdict, HELPER_YES);
	/* It is his alone: another login at the same time has one of its own. */
	get(&person);
	cr_assert_eq(children(&second), 2);
	cr_assert_neq(first, second);
}

/* What the file says counts when the question is asked, not when it was first read. */
Test(helper, it_reads_the_files_anew)
{
	struct helper *h = get(&person);
	char path[100];

	ask(h);
	cr_assert_eq(verdict, HELPER_YES);
	helper_keep(h);
	snprintf(path, sizeof path, "%s/keys", home);
	cr_assert_eq(truncate(path, 0), 0);
	h = get(&person);
	ask(h);
	cr_assert_eq(verdict, HELPER_NO);
	cr_assert_eq(children(NULL), 1);
}

Test(helper, somebody_else_has_another)
{
	static const gid_t groups[] = { 7 };
	static const char *const other_files[] = { "%h/keys", ".others" };
	struct helper_person p[8];
	pid_t one = 0, two = 0;

	for (int i = 0; i < 8; i++)
		p[i] = person;
	p[0].find.user = "bob";
	p[1].find.home = "/tmp";
	p[2].find.uid = person.find.uid + 1;
	p[3].find.strict = 0;
	p[4].find.files = other_files;
	p[5].find.nfiles = 1;
	p[6].gid = person.gid + 1;
	p[7].groups = groups, p[7].ngroups = 1;
	for (int i = 0; i < 8; i++) {
		helper_keep(get(&person));
		cr_assert_eq(children(&one), 1);
		helper_keep(get(&p[i]));
		cr_assert_eq(children(&two), 2, "%d", i);
		cr_assert_neq(one, two);
		helpers_end();
		come_to(0);
	}
}

static char state_of(pid_t pid)
{
	char path[64], state = '?';
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
	cr_assert_not_null(f = fopen(path, "re"));
	cr_assert_eq(fscanf(f, "%*d %*s %c", &state), 1);
	fclose(f);
	return state;
}

Test(helper, the_dead_are_not_taken)
{
	struct helper *h = get(&person);
	pid_t pid = 0;

	helper_keep(h);
	cr_assert_eq(children(&pid), 1);
	cr_assert_eq(kill(pid, SIGKILL), 0);
	while (state_of(pid) != 'Z')
		usleep(1000);
	h = get(&person);
	ask(h);
	cr_assert_eq(verdict, HELPER_YES);
}

/* An answer nobody asked for would be taken for that to the next question. */
Test(helper, who_spoke_unasked_is_not_taken)
{
	uint8_t yes[11] = { HELPER_YES };
	struct helper *h = get(&person);
	pid_t liar = 0, fresh = 0;
	int pidfd, end;

	ask(h);
	cr_assert_eq(children(&liar), 1);
	helper_keep(h);
	pidfd = (int)syscall(SYS_pidfd_open, liar, 0);
	end = (int)syscall(SYS_pidfd_getfd, pidfd, 3, 0);
	if (end < 0 && errno == EPERM)
		cr_skip_test("only root can speak for it");
	cr_assert_geq(end, 0);
	cr_assert_eq(send(end, yes, sizeof yes, 0), (ssize_t)sizeof yes);
	get(&person);
	come_to(1);
	children(&fresh);
	cr_assert_neq(liar, fresh);
}

Test(helper, who_owes_an_answer_is_not_kept)
{
	struct helper_ask q = { .what = HELPER_QUERY, .alg = view_str("ssh-ed25519"), .blob = privkey_blob(key) };
	struct helper *h = get(&person);

	cr_assert_eq(helper_ask(h, &q), SSH_OK);
	helper_keep(h);
	come_to(0);
	cr_assert_eq(answers, 0);
}

Test(helper, nobody_works_for_ever)
{
	struct helper *h = get(&person);

	for (unsigned i = 1; i < HELPER_QUESTIONS; i++)
		ask(h);
	helper_keep(h);
	h = get(&person);
	cr_assert_eq(children(NULL), 1);
	ask(h);
	helper_keep(h);
	come_to(0);
}

Test(helper, so_many_are_kept)
{
	struct helper *h[HELPERS_KEPT + 1];
	pid_t first = 0, now = 0;

	for (unsigned i = 0; i <= HELPERS_KEPT; i++) {
		h[i] = get(&person);
		if (i == 0)
			cr_assert_eq(children(&first), 1);
	}
	for (unsigned i = 0; i <= HELPERS_KEPT; i++)
		helper_keep(h[i]);
	come_to(HELPERS_KEPT);
	cr_assert_eq(kill(first, 0), -1, "the one that was kept for longest");
	cr_assert_gt(children(&now), 0);
	helpers_end();
	come_to(0);
}

/* The one event with a time is that of the helper: its time comes. */
static int time_is_over(const struct event_base *base, const struct event *e, void *ctx)
{
	struct timeval at, now;

	if (!event_pending(e, EV_TIMEOUT, &at))
		return 0;
	event_base_gettimeofday_cached((struct event_base *)(uintptr_t)base, &now);
	cr_assert(at.tv_sec - now.tv_sec <= (time_t)HELPER_KEEP_S && at.tv_sec - now.tv_sec >= (time_t)HELPER_KEEP_S - 2);
	event_active((struct event *)(uintptr_t)e, EV_TIMEOUT, 0);
	*(int *)ctx += 1;
	return 0;
}

Test(helper, for_a_while)
{
	int found = 0;

	helper_keep(get(&person));
	cr_assert_eq(event_base_foreach_event(loop, time_is_over, &found), 0);
	cr_assert_eq(found, 1);
	come_to(0);
}
