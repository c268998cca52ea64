#include "ipc/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/child.h"
#include "ipc/landlock.h"
#include "ipc/seccomp.h"

/* ---- the calls ------------------------------------------------------------------- */

/* What a running loop, malloc and the C library's plumbing need in every role. */
#define CALLS_BASE \
	SYS_epoll_wait, SYS_epoll_pwait, SYS_epoll_ctl, SYS_read, SYS_write, SYS_readv, \
	SYS_close, SYS_recvmsg, SYS_sendmsg, SYS_clock_gettime, SYS_clock_getres, SYS_getrandom, SYS_getpid, SYS_gettid, SYS_brk, \
	SYS_mmap, SYS_munmap, SYS_mremap, SYS_mprotect, SYS_madvise, SYS_rt_sigreturn, SYS_rt_sigprocmask, \
	SYS_rt_sigaction, SYS_tgkill, SYS_futex, SYS_exit, SYS_exit_group, SYS_restart_syscall, SYS_poll, SYS_ppoll, \
	SYS_fcntl, SYS_gettimeofday, SYS_time, SYS_rseq, SYS_set_robust_list, SYS_sigaltstack

/* And what makes one. */
#define CALLS_LOOP \
	CALLS_BASE, SYS_epoll_create1, SYS_timerfd_create, SYS_timerfd_settime, SYS_eventfd2, SYS_writev, \
	SYS_fstat, SYS_newfstatat, SYS_lseek, SYS_pread64, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid

/* No new code, whatever was corrupted. */
#define CHECKS_CODE \
	{ SYS_mmap, 2, SECCOMP_WITHOUT, PROT_EXEC }, { SYS_mprotect, 2, SECCOMP_WITHOUT, PROT_EXEC }
/* abort() may; but several processes share an id, and none shall kill the others. */
#define CHECKS_LOOP \
	CHECKS_CODE, { SYS_tgkill, 0, SECCOMP_EXACT, SECCOMP_OWN_PID }

static const struct seccomp_check checks_loop[] = { CHECKS_LOOP, { .call = -1 } };

/* What a library may try and must be told no, without dying of it. */
#define CALLS_REFUSED \
	SYS_open, SYS_openat, SYS_openat2, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_stat, SYS_lstat, SYS_statx, \
	SYS_readlink, SYS_readlinkat, SYS_socket, SYS_getcwd, SYS_ioctl, SYS_sysinfo, SYS_uname, SYS_prlimit64

/* What a connection may call ... */
#define CALLS_CONNECTION CALLS_BASE, SYS_writev, SYS_setsockopt, SYS_ioctl, SYS_mlock2
/* ... and how: fcntl could aim signals, setsockopt(SO_LINGER) could make the supervisor wait in its close(), ioctl could do anything. */
#define CHECKS_CONNECTION \
	CHECKS_CODE, \
	{ SYS_fcntl, 1, SECCOMP_EXACT, F_GETFL }, { SYS_fcntl, 1, SECCOMP_EXACT, F_SETFL }, \
	{ SYS_fcntl, 1, SECCOMP_EXACT, F_GETFD }, { SYS_fcntl, 1, SECCOMP_EXACT, F_SETFD }, \
	{ SYS_fcntl, 1, SECCOMP_EXACT, F_DUPFD_CLOEXEC }, { SYS_fcntl, 1, SECCOMP_EXACT, F_SETPIPE_SZ }, \
	{ SYS_setsockopt, 2, SECCOMP_EXACT, SO_KEEPALIVE }, { SYS_setsockopt, 2, SECCOMP_EXACT, TCP_NODELAY }, \
	{ SYS_setsockopt, 2, SECCOMP_EXACT, TCP_QUICKACK }, { SYS_setsockopt, 2, SECCOMP_EXACT, SO_RCVLOWAT }, \
	{ SYS_ioctl, 1, SECCOMP_EXACT, TIOCSWINSZ }, { SYS_ioctl, 1, SECCOMP_EXACT, TCSBRK }, { SYS_ioctl, 1, SECCOMP_EXACT, TCGETS }

/*
 * The nursery's filter is a connection's and what is needed to make one, and to be told of a new configuration. A connection inherits it and
 * gives up that little more: a fork installs and the kernel compiles the short list of that, not the long one. Any call that is
 * listed for the nursery only must be here too, or every connection has it (tests/unit/ipc/sandbox.c tries them all).
 */
#define CALLS_GIVEN_UP \
	SYS_clone, SYS_seccomp, SYS_prctl, SYS_epoll_create1, SYS_pipe2, SYS_getuid, SYS_geteuid, SYS_getgid, SYS_getegid, \
	SYS_fstat, SYS_newfstatat, SYS_pread64

static const struct seccomp_check checks_nursery[] = {
	CHECKS_CONNECTION, { SYS_fcntl, 1, SECCOMP_EXACT, F_GET_SEALS }, { SYS_clone, 0, SECCOMP_EXACT, CLONE_PARENT | SIGCHLD }, { .call = -1 }
};

/* abort() may signal; but several processes share an id, and none shall kill the others. */
static const struct seccomp_check checks_given_up[] = {
	{ SYS_fcntl, 1, SECCOMP_EXACT, F_GET_SEALS }, { SYS_tgkill, 0, SECCOMP_OTHER, SECCOMP_OWN_PID }, { .call = -1 }
};

static const int refused[] = { CALLS_REFUSED, -1 };
/* ioctl is a connection's; prlimit64 the nursery's, for its workers. */
static const int refused_nursery[] = {
	SYS_open, SYS_openat, SYS_openat2, SYS_access, SYS_faccessat, SYS_faccessat2, SYS_stat, SYS_lstat, SYS_statx,
	SYS_readlink, SYS_readlinkat, SYS_socket, SYS_getcwd, SYS_sysinfo, SYS_uname, -1
};
static const int refused_given_up[] = { SYS_prlimit64, -1 };

/* ---- the steps -------------------------------------------------------------------- */

static void refuse_to_run(const struct child *c, const char *what)
{
	log_ev(LOGL_ERROR, "%s: cannot be locked: %s: %s", ipc_role_name(c->role), what, strerror(errno));
	dprintf(2, "%s: cannot be locked: %s: %s\n", ipc_role_name(c->role), what, strerror(errno));
	_exit(1);
}

static int privileged(const struct child *c)
{
	return (c->flags & CHILD_PRIVILEGED) != 0;
}

/* A directory made, entered and removed: empty for ever, and nothing is left on disk. */
static void enter_empty_root(const struct child *c)
{
	static const char *const places[] = { "/run", "/tmp", "/var/tmp" };
	char path[64];
	int at = -1;

	for (size_t i = 0; i < sizeof places / sizeof places[0] && at < 0; i++) {
		snprintf(path, sizeof path, "%s/coppice-root.XXXXXX", places[i]);
		if (mkdtemp(path) != NULL)
			at = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
	}
	if (at < 0 || chdir(path) != 0 || chmod(".", 0555) != 0)
		refuse_to_run(c, "empty root directory");
	if (unlinkat(at, strrchr(path, '/') + 1, AT_REMOVEDIR) != 0 || chroot(".") != 0 || chdir("/") != 0)
		refuse_to_run(c, "empty root directory");
	close(at);
}

static void drop_ids(const struct child *c)
{
	if (setgroups(0, NULL) != 0 || setresgid(c->gid, c->gid, c->gid) != 0 || setresuid(c->uid, c->uid, c->uid) != 0)
		refuse_to_run(c, "user and group");
	if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0)
		refuse_to_run(c, "root could be taken back");
	prctl(PR_SET_DUMPABLE, 0);	/* a change of ids resets it */
}

static void limit(const struct child *c, __rlimit_resource_t what, rlim_t n)
{
	struct rlimit l;

	if (getrlimit(what, &l) != 0)
		refuse_to_run(c, "limits");
	l.rlim_cur = l.rlim_max = n < l.rlim_max ? n : l.rlim_max;
	if (setrlimit(what, &l) != 0)
		refuse_to_run(c, "limits");
}

static void no_new_privileges(const struct child *c)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		refuse_to_run(c, "no new privileges");
}

static void filter(const struct child *c, struct seccomp_program *p)
{
	if (p == NULL || seccomp_install(p) != 0)
		refuse_to_run(c, "system call filter");
}

/* Everything a role without root's powers gives up before its filter. Filters are compiled before it: that writes a memfd. */
static void give_up_powers(const struct child *c)
{
	if (privileged(c)) {
		enter_empty_root(c);
		drop_ids(c);
	}
	limit(c, RLIMIT_CORE, 0);
	limit(c, RLIMIT_FSIZE, 0);
	no_new_privileges(c);
}

/* ---- the roles --------------------------------------------------------------------- */

void sandbox_acceptor(const struct child *c)
{
	static const int allow[] = { CALLS_LOOP, SYS_accept4, SYS_accept, SYS_setsockopt, SYS_getsockname, SYS_getpeername,
		SYS_sendto, SYS_shutdown, SYS_dup, -1 };
	struct seccomp_program *program = seccomp_compile(allow, checks_loop, refused);

	give_up_powers(c);
	limit(c, RLIMIT_NPROC, 0);
	filter(c, program);
}

void sandbox_keysign(const struct child *c)
{
	static const int allow[] = { CALLS_LOOP, SYS_mlock, SYS_munlock, -1 };
	struct seccomp_program *program = seccomp_compile(allow, checks_loop, refused);

	give_up_powers(c);
	limit(c, RLIMIT_NPROC, 0);
	filter(c, program);
}

/* It passes descriptors on and looks into none of them. */
void sandbox_keeper(const struct child *c)
{
	static const int allow[] = { CALLS_LOOP, SYS_accept4, SYS_getsockopt, -1 };
	struct seccomp_program *program = seccomp_compile(allow, checks_loop, refused);

	give_up_powers(c);
	limit(c, RLIMIT_NPROC, 0);
	filter(c, program);
}

static struct seccomp_program *worker_program;	/* compiled once in the nursery, inherited by every worker */

void sandbox_nursery(const struct child *c)
{
	static const int nursery[] = { CALLS_CONNECTION, CALLS_GIVEN_UP, SYS_prlimit64, -1 };
	static const int given_up[] = { CALLS_GIVEN_UP, SYS_fcntl, SYS_tgkill, -1 };
	struct seccomp_program *program = seccomp_compile(nursery, checks_nursery, refused_nursery);

	if ((worker_program = seccomp_compile_less(given_up, checks_given_up, refused_given_up)) == NULL)
		refuse_to_run(c, "system call filter");
	give_up_powers(c);
	filter(c, program);
}

void sandbox_connection(const struct child *c)
{
	struct rlimit none = { 0, 0 };

	setrlimit(RLIMIT_NPROC, &none);
	filter(c, worker_program);
}

void sandbox_reporter(const struct child *c)
{
	static const int allow[] = { CALLS_LOOP, SYS_socket, SYS_connect, SYS_sendto, SYS_openat, SYS_getsockopt, SYS_setsockopt,
		SYS_recvfrom, SYS_ioctl, SYS_accept4, SYS_shutdown, SYS_unlinkat, SYS_renameat, SYS_renameat2, -1 };
	static const int no[] = { SYS_open, SYS_access, SYS_faccessat2, SYS_readlink, SYS_stat, SYS_statx, SYS_sysinfo, SYS_prlimit64, SYS_uname, -1 };
	/* New sockets reach a log only, and files are those of the crash directory; a path that leads out of it meets Landlock. */
	static const struct seccomp_check checks[] = {
		CHECKS_LOOP, { SYS_socket, 0, SECCOMP_EXACT, AF_UNIX }, { SYS_setsockopt, 2, SECCOMP_EXACT, SO_SNDBUF },
		{ SYS_openat, 0, SECCOMP_EXACT, REPORTER_CRASHES_FD }, { SYS_unlinkat, 0, SECCOMP_EXACT, REPORTER_CRASHES_FD },
		{ SYS_renameat, 0, SECCOMP_EXACT, REPORTER_CRASHES_FD }, { SYS_renameat2, 0, SECCOMP_EXACT, REPORTER_CRASHES_FD },
		{ .call = -1 } };
	int dir = fcntl(REPORTER_CRASHES_FD, F_GETFD) >= 0 && fcntl(REPORTER_CRASHES_FD, F_GETFL) >= 0 ? REPORTER_CRASHES_FD : -1;
	struct stat st;

	if (privileged(c))
		drop_ids(c);	/* the journal's and syslog's sockets are found by path: no empty root */
	limit(c, RLIMIT_CORE, 0);
	limit(c, RLIMIT_NPROC, 0);
	no_new_privileges(c);
	if (dir >= 0 && (fstat(dir, &st) != 0 || !S_ISDIR(st.st_mode)))
		dir = -1;
	if (landlock_files_below(dir) != 0)
		log_ev(LOGL_VERBOSE, "reporter: no Landlock here: %s", strerror(errno));
	filter(c, seccomp_compile(allow, checks, no));
}

static void keep_capabilities(const struct child *c, uint64_t keep)
{
	struct __user_cap_header_struct head = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { { 0 }, { 0 } };

	for (int cap = 0; cap <= CAP_LAST_CAP; cap++)
		if (!(keep >> cap & 1) && prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EINVAL)
			refuse_to_run(c, "capabilities");
	data[0].effective = data[0].permitted = (uint32_t)keep;
	data[1].effective = data[1].permitted = (uint32_t)(keep >> 32);
	if (syscall(SYS_capset, &head, data) != 0)
		refuse_to_run(c, "capabilities");
}

void sandbox_auth(const struct child *c)
{
	/* Name services may do much, so this one is a list of what they never need. */
	static const int deny[] = { SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
		SYS_mount, SYS_umount2, SYS_pivot_root, SYS_chroot, SYS_bpf, SYS_init_module, SYS_finit_module, SYS_delete_module,
		SYS_kexec_load, SYS_reboot, SYS_swapon, SYS_setns, SYS_unshare, SYS_userfaultfd, SYS_perf_event_open,
		SYS_listen, SYS_accept, SYS_accept4, SYS_bind, SYS_keyctl, SYS_add_key, SYS_personality, SYS_settimeofday,
		SYS_clock_settime, SYS_sethostname, SYS_setdomainname, SYS_mknod, SYS_mknodat, SYS_open_by_handle_at,
		SYS_io_uring_setup, -1 };
	const uint64_t keep = UINT64_C(1) << CAP_DAC_READ_SEARCH | UINT64_C(1) << CAP_SETUID | UINT64_C(1) << CAP_SETGID |
	    UINT64_C(1) << CAP_AUDIT_WRITE | UINT64_C(1) << CAP_KILL;

	limit(c, RLIMIT_CORE, 0);
	if (privileged(c))
		keep_capabilities(c, keep);
	no_new_privileges(c);
	filter(c, seccomp_compile_denied(deny));
}

void sandbox_sftp(void)
{
	static const int deny[] = { SYS_execve, SYS_execveat, SYS_ptrace, SYS_process_vm_readv, SYS_process_vm_writev,
		SYS_connect, SYS_bind, SYS_listen, SYS_accept, SYS_accept4, SYS_mount, SYS_umount2, SYS_unshare, SYS_setns, SYS_bpf,
		SYS_userfaultfd, SYS_perf_event_open, SYS_keyctl, SYS_add_key, SYS_io_uring_setup, SYS_fork, SYS_vfork, -1 };
	struct child none = { .role = ROLE_WRK };
	struct seccomp_program *p = seccomp_compile_denied(deny);

	prctl(PR_SET_DUMPABLE, 0);
	no_new_privileges(&none);
	filter(&none, p);
}
