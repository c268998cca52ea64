#include "supervisor/boot.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/err.h"
#include "base/log.h"
#include "base/reserve.h"
#include "ipc/clock.h"
#include "supervisor/activation.h"
#include "supervisor/become.h"
#include "supervisor/boxes.h"
#include "supervisor/broker.h"
#include "supervisor/cgroup.h"
#include "supervisor/command_child.h"
#include "supervisor/config.h"
#include "supervisor/control.h"
#include "supervisor/detach.h"
#include "supervisor/drain.h"
#include "supervisor/effects.h"
#include "supervisor/hail.h"
#include "supervisor/handoff.h"
#include "supervisor/health.h"
#include "supervisor/keep.h"
#include "supervisor/lastgood.h"
#include "supervisor/listen.h"
#include "supervisor/manager.h"
#include "supervisor/nursery.h"
#include "supervisor/observe.h"
#include "supervisor/proc.h"
#include "supervisor/programs.h"
#include "supervisor/reload.h"
#include "supervisor/replace.h"
#include "supervisor/reports.h"
#include "supervisor/resume.h"
#include "supervisor/session.h"
#include "supervisor/spawn.h"
#include "supervisor/state.h"
#include "supervisor/store.h"
#include "supervisor/upgrade.h"
#include "supervisor/version.h"
#include "supervisor/watchdog.h"

#define BAD_CONFIG 255		/* as sshd exits */
#define RESERVE_SIZE (256u << 10)	/* some thousand messages that wait, or the events of as many connections */

/* ---- before the tree ------------------------------------------------------------------- */

/* -t, -T and -G: say and go. */
static int test(struct daemon *d, struct conf *c, struct conf_values *v)
{
	int status = 0;

	if (d->opt.dump)
		status = config_dump(d, c);
	else if (!config_keys_work(d, v)) {
		fprintf(stderr, "coppiced: no hostkeys available -- exiting.\n");
		status = 1;
	}
	conf_values_free(v);
	conf_free(c);
	return status;
}

static int choose_ids(struct daemon *d)
{
	if (!d->privileged)
		return SSH_OK;
	if (ids_choose(&d->ids, &ids_system) < 0) {
		log_ev(LOGL_ERROR, "no unused numeric ids between %u and %u for our processes", IDS_FIRST, IDS_LAST);
		return SSH_E_CONFIG;
	}
	return SSH_OK;
}

/* -i: the client is on 0 and 1, which become /dev/null. */
static int take_client(struct daemon *d)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	struct stat in, out;

	if (null < 0 || fstat(0, &in) < 0 || fstat(1, &out) < 0)
		return SSH_E_SYS;
	d->socks[0] = fcntl(0, F_DUPFD_CLOEXEC, 3);
	if (!S_ISSOCK(in.st_mode) || in.st_ino != out.st_ino || in.st_dev != out.st_dev)
		d->socks[1] = fcntl(1, F_DUPFD_CLOEXEC, 3);
	dup2(null, 0);
	dup2(null, 1);
	if (!d->opt.to_stderr)	/* inetd gave us the client's socket there, too */
		dup2(null, 2);
	close(null);
	return d->socks[0] < 0 ? SSH_E_SYS : SSH_OK;
}

/* Descriptors 0, 1, 2 must be taken, or a socket would get one of these numbers. */
static void have_standard_fds(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		close(fd);
}

/* ---- signals ------------------------------------------------------------------------------- */

static void on_terminate(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	(void)what;
	log_ev(LOGL_INFO, "Received signal %d; terminating.", (int)sig);
	daemon_stop(d);
}

static void on_hangup(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	(void)sig, (void)what;
	if (d->opt.inetd) {	/* whoever connected us to the client is gone */
		daemon_stop(d);
		return;
	}
	log_ev(LOGL_INFO, "Received SIGHUP; re-reading the configuration.");
	reload(d);
}

static void on_child(evutil_socket_t sig, short what, void *arg)
{
	(void)sig, (void)what;
	proc_reap(arg);
}

/*
 * systemctl restart (RestartKillSignal=): the next program takes the tree over as it would after SIGKILL. Nothing is undone;
 * without a keeper it is an orderly end.
 */
static void on_leave(evutil_socket_t sig, short what, void *arg)
{
	struct daemon *d = arg;

	if (proc_of(d, KID_KEEPER) == NULL || d->stopping) {
		on_terminate(sig, what, arg);
		return;
	}
	log_ev(LOGL_INFO, "Received SIGUSR1; leaving, sessions live on.");
	manager_leaving();
	_exit(0);
}

static void on_upgrade(evutil_socket_t sig, short what, void *arg)
{
	(void)sig, (void)what;
	upgrade_ask(arg, NULL, 0);
}

static int watch_signals(struct daemon *d)
{
	static const struct { int sig; event_callback_fn fn; } watched[] = {
		{ SIGTERM, on_terminate }, { SIGINT, on_terminate }, { SIGHUP, on_hangup }, { SIGCHLD, on_child },
		{ SIGUSR1, on_leave }, { SIGUSR2, on_upgrade },
	};

	signal(SIGPIPE, SIG_IGN);
	for (size_t i = 0; i < sizeof watched / sizeof watched[0]; i++) {
		d->signals[i] = evsignal_new(d->base, watched[i].sig, watched[i].fn, d);
		if (d->signals[i] == NULL || event_add(d->signals[i], NULL) < 0)
			return SSH_E_SYS;
	}
	spawn_unblock();	/* over an exec they waited */
	return SSH_OK;
}

void daemon_stop(struct daemon *d)
{
	struct kid *root = d->kids[KID_ROOT];

	if (root == NULL || d->stopping)
		return;
	reports_tell(d, HAPPENS_STOP, LOGL_INFO, NULL, (struct tell[]){ TELL_NUMBER("pid", getpid()), TELL_END });
	d->stopping = 1;
	state_daemon(d);
	hail_farewell(d, "the server is stopping");
	if (root->node->state == SUP_ST_DOWN)
		event_base_loopbreak(d->base);
	else
		fx_stop(root);
}

/* ---- the tree -------------------------------------------------------------------------------- */

/* -i: the client comes when everybody is there for it. */
static void on_serve_only_one(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;
	int in = d->socks[0], out = d->socks[1];

	(void)fd, (void)what;
	d->socks[0] = d->socks[1] = -1;
	if (session_only(d, in, out) < 0)
		daemon_stop(d);
}

/* Every part of the tree serves, for the first time or again. */
static void now_serving(struct daemon *d)
{
	store_begin(d);
	activation_settle(d);
	manager_ready(d);
	watchdog_start(d);
	drain_tell(d);
}

void boot_done(struct daemon *d)
{
	struct timeval now = { 0, 0 };

	if (d->up)
		return;
	d->up = 1;
	state_daemon(d);
	now_serving(d);
	if (d->ids.made_up)
		log_ev(d->opt.inetd ? LOGL_VERBOSE : LOGL_INFO, "accounts coppice-net, coppice-key, coppice-log: missing ones replaced by unassigned ids %u, %u, %u",
		    d->ids.net.uid, d->ids.key.uid, d->ids.log.uid);
	reports_tell(d, HAPPENS_START, LOGL_INFO, NULL, (struct tell[]){ TELL_TEXT("version", program_version.name), TELL_NUMBER("pid", getpid()), TELL_END });
	detach_write_pid(d);
	detach_done(d);
	reload_booted(d);
	if (d->opt.inetd)
		event_base_once(d->base, -1, EV_TIMEOUT, on_serve_only_one, d, &now);
}

/* The tree, new or taken over, and the journal of it. */
static int plant(struct daemon *d)
{
	int r;

	keep_open(d);
	if (d->resume != NULL)
		r = resume_tree(d);
	else if ((r = fx_plant(d)) == SSH_OK)
		r = listen_plant(d, 0);
	if (r < 0 || (d->opt.resume_fd > 0 && program_version.fails))
		return r < 0 ? r : SSH_E_BUG;
	if (d->keep == NULL || state_open(d) < 0)
		return SSH_OK;
	if ((r = state_write_all(d, d->journal, program_version.format)) < 0)
		log_ev(LOGL_ERROR, "journal: %s", err_text(r));
	if (d->resume != NULL)
		keep_adopted(d);
	return SSH_OK;
}

/* Addresses that nobody can bind are a bad configuration, too. */
static int bind_some(struct daemon *d)
{
	struct conf_values *v;
	struct conf_error e;
	struct config *c;
	struct conf *conf;

	if (listen_bind_all(d) == SSH_OK)
		return SSH_OK;
	if (d->fallback != NULL || lastgood_load(d, &conf, &v, &e) < 0 || config_make(d, conf, v, &c, &e) < 0)
		return SSH_E_CONFIG;
	config_swap(d, &c, d->generation);
	config_free(c);
	lastgood_announce(d, "no address of the configuration can be bound");
	return listen_bind_all(d);
}

static int prepare(struct daemon *d)
{
	struct event_config *cfg;

	if (resume_find(d) < 0)
		return 1;
	if (d->resume != NULL)
		resume_sockets(d);
	if (d->opt.inetd ? take_client(d) < 0 : bind_some(d) < 0)
		return BAD_CONFIG;
	if (detach_log(d) < 0)
		return BAD_CONFIG;
	boxes_open(d);
	observe_open(d);
	if (!d->opt.foreground && d->opt.resume_fd <= 0 && detach(d) < 0) {
		log_ev(LOGL_ERROR, "cannot go to the background: %s", strerror(errno));
		return 1;
	}
	if ((cfg = event_config_new()) == NULL)
		return 1;
	event_config_set_flag(cfg, EVENT_BASE_FLAG_NOLOCK);
	d->base = event_base_new_with_config(cfg);
	event_config_free(cfg);
	if (d->base != NULL)
		cgroup_open(d);
	if (d->base == NULL || watch_signals(d) < 0 || plant(d) < 0) {
		log_ev(LOGL_ERROR, "cannot start: %s", errno != 0 ? strerror(errno) : err_text(SSH_E_NOMEM));
		return 1;
	}
	if (!d->opt.inetd)
		health_open(d);
	return 0;
}

static void clean_up(struct daemon *d)
{
	upgrade_drop(d);
	replace_drop(d);
	d->stopping = 1;
	reload_drop(d);
	control_close(d);
	resume_drop(d);
	command_child_drop(d);
	fx_drop(d);
	handoffs_drop(d);
	proc_drop_all(d);
	nursery_drop(d);
	if (d->introductions != NULL)
		event_free(d->introductions);
	listen_drop(d);
	store_close(d);
	state_close(d);
	keep_close(d);
	activation_drop();
	watchdog_drop(d);
	manager_drop();
	cgroup_drop();
	drain_drop(d);
	detach_remove_pid(d);
	for (size_t i = 0; i < sizeof d->signals / sizeof d->signals[0]; i++)
		if (d->signals[i] != NULL)
			event_free(d->signals[i]);
	if (d->base != NULL)
		event_base_free(d->base);
	boxes_close(d);
	observe_close(d);
	broker_drop_slices(d);
	table_drop(&d->by_pid);
	table_drop(&d->sessions);
	programs_close(d->program);
	conf_values_free(d->values);
	conf_free(d->conf);
	free(d->addr);
	free(d->fallback);
	d->values = NULL;
	d->conf = NULL;
}

/* Taken over: it serves already. */
static int go_on(struct daemon *d)
{
	d->took_over = 1;
	store_begin(d);
	resume_go(d);
	health_start(d);
	if (d->opt.resume_fd > 0) {
		upgrade_done(d);
		close(d->opt.resume_fd);
	}
	resume_drop(d);
	now_serving(d);
	detach_write_pid(d);
	detach_done(d);
	return SSH_OK;
}

static int serve(struct daemon *d)
{
	int status = prepare(d);

	if (status != 0)
		return status;
	control_open(d);
	d->status = 1;
	if ((d->resume != NULL ? go_on(d) : fx_start(d->kids[KID_ROOT])) < 0 || event_base_dispatch(d->base) < 0)
		return 1;
	if (d->status != 0)
		log_ev(LOGL_ERROR, "the process tree gave up; exiting");
	return d->status;
}

/* For the day another program takes over: how to start it, and who we are. */
static void remember_start(struct daemon *d)
{
	static const char gone[] = " (deleted)";
	ssize_t len = readlink("/proc/self/exe", d->program_path, sizeof d->program_path - 1);
	size_t n = 0, cut = sizeof gone - 1;

	d->self = open("/proc/self/exe", O_PATH | O_CLOEXEC);
	d->program_path[len > 0 ? len : 0] = '\0';
	if (len > (ssize_t)cut && strcmp(d->program_path + (size_t)len - cut, gone) == 0)
		d->program_path[(size_t)len - cut] = '\0';
	while (environ[n] != NULL)
		n++;
	d->environment = calloc(n + 1, sizeof *d->environment);
	n = 0;
	for (char **e = environ; d->environment != NULL && *e != NULL; e++)
		if (strncmp(*e, "LISTEN_", 7) != 0)	/* those descriptors have other numbers by then */
			d->environment[n++] = strdup(*e);
}

static void forget_start(struct daemon *d)
{
	for (char **e = d->environment; e != NULL && *e != NULL; e++)
		free(*e);
	free(d->environment);
	if (d->self >= 0)
		close(d->self);
}

/*
 * A supervisor without memory may turn clients away, but what it has begun it goes on with: messages to its children, their records, its
 * timers. All of it is touched now: pages that are not there cannot be missing later.
 */
static void set_memory_aside(void)
{
	void *p = mmap(NULL, RESERVE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);

	if (p != MAP_FAILED)
		reserve_open(p, RESERVE_SIZE, NULL);
	event_set_mem_functions(reserve_alloc, reserve_resize, reserve_free);
}

static void init(struct daemon *d)
{
	list_init(&d->procs);
	list_init(&d->listeners);
	list_init(&d->listeners_next);
	list_init(&d->pending);
	list_init(&d->asked);
	list_init(&d->nursery.queue);
	handoffs_init(d);
	table_init(&d->by_pid);
	d->by_pid.mem = &mem_reserve;
	table_init(&d->sessions);
	d->sink = d->start_pipe = d->socks[0] = d->socks[1] = -1;
	d->boxes.fd = d->crash_dir = d->metrics = -1;
	d->log_trusted = d->log_untrusted = (struct log_pair){ -1, -1 };
	for (int i = 0; i < PROG_COUNT; i++)
		d->program[i] = -1;
	d->privileged = geteuid() == 0;
	d->began = (uint64_t)time(NULL);
	d->born_ms = clock_ms();
	d->log_level = -1;
}

/* The configuration cannot be used: says so to whoever started us. */
static int bad_config(const char *why)
{
	fprintf(stderr, "%s\n", why);
	manager_failed(BAD_CONFIG, 0, why);
	return BAD_CONFIG;
}

/* What the service manager passed, before we open anything ourselves. */
static int from_manager(struct daemon *d, char *why, size_t size)
{
	int r;

	manager_open();
	store_open();
	TRY(activation_open(why, size));
	return d->opt.inetd ? SSH_OK : activation_listeners(d, why, size);
}

/* The file, or the last good one when that is asked for. A file without a key that can be loaded is no good, either. */
static int choose_config(struct daemon *d, int only_test, struct conf **c, struct conf_values **v, struct conf_error *e)
{
	struct conf_error none;
	int r = config_load(d, !only_test, c, v, e);

	if (only_test || d->opt.inetd)
		return r;
	if (r == SSH_OK) {
		if (!lastgood_is_there(d) || config_keys_work(d, *v))
			return SSH_OK;
		conf_values_free(*v);
		conf_free(*c);
		snprintf(e->text, sizeof e->text, "no host key of the configuration can be loaded");
	}
	if (lastgood_load(d, c, v, &none) < 0)
		return SSH_E_CONFIG;
	lastgood_announce(d, e->text);
	return SSH_OK;
}

/* -t, -T, -G and --can-resume end here; else the daemon runs until it ends. */
static int run(struct daemon *d)
{
	struct conf_values *v = NULL;
	struct conf *c = NULL;
	struct conf_error e = { "" };
	int only_test = d->opt.test || d->opt.dump, status;
	struct config *whole;

	if (from_manager(d, e.text, sizeof e.text) < 0)
		return bad_config(e.text);
	if (places_here(&d->places) < 0) {
		fprintf(stderr, "coppiced: HOME is not set, and no XDG directories either\n");
		return BAD_CONFIG;
	}
	if (programs_open(d->program, d->places.libexec, e.text, sizeof e.text) < 0 && !d->opt.dump) {
		fprintf(stderr, "coppiced: %s\n", e.text);
		return BAD_CONFIG;
	}
	if (config_find(d, &e) < 0 || choose_config(d, only_test || d->opt.can_resume, &c, &v, &e) < 0)
		return bad_config(e.text);
	if (only_test)
		return test(d, c, v);
	if (d->opt.can_resume) {
		upgrade_can_resume();
		conf_values_free(v);
		conf_free(c);
		return 0;
	}
	if (config_make(d, c, v, &whole, &e) < 0) {
		log_ev(LOGL_ERROR, "%s", e.text);
		return BAD_CONFIG;
	}
	config_swap(d, &whole, 1);
	d->keys = 1;
	if (choose_ids(d) < 0)
		status = BAD_CONFIG;
	else
		status = serve(d);
	if (status != 0)
		manager_failed(status, 0, "");
	return status;
}

int boot_run(struct daemon *d)
{
	int status;

	set_memory_aside();
	init(d);
	become_raise_limits();
	remember_start(d);
	have_standard_fds();
	detach_log_sink(d);
	status = run(d);
	if (d->opt.resume_fd > 0 && !d->took_over)
		upgrade_step_back(d);
	if (d->resume != NULL && !d->took_over)
		_exit(status);	/* nothing is lost: the keeper waits for the next start */
	clean_up(d);
	forget_start(d);
	return status;
}
