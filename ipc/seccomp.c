#include "ipc/seccomp.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <seccomp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

struct seccomp_program { struct sock_fprog bpf; };

/* libseccomp writes the program to a descriptor only; a memfd brings it back as bytes. */
static struct seccomp_program *export(scmp_filter_ctx filter)
{
	struct seccomp_program *p = calloc(1, sizeof *p);
	int fd = memfd_create("seccomp", MFD_CLOEXEC);
	struct stat st;

	if (p == NULL || fd < 0 || seccomp_export_bpf(filter, fd) != 0 || fstat(fd, &st) != 0)
		goto fail;
	p->bpf.len = (unsigned short)((size_t)st.st_size / sizeof *p->bpf.filter);
	if ((p->bpf.filter = malloc((size_t)st.st_size)) == NULL)
		goto fail;
	if (pread(fd, p->bpf.filter, (size_t)st.st_size, 0) != st.st_size)
		goto fail;
	close(fd);
	return p;
fail:
	if (fd >= 0)
		close(fd);
	if (p != NULL)
		free(p->bpf.filter);
	free(p);
	return NULL;
}

/* The rows of check for one call: 0 when it has none. */
static int add_checks(scmp_filter_ctx filter, uint32_t action, int call, const struct seccomp_check *check)
{
	int rows = 0;

	for (; check != NULL && check->call != -1; check++) {
		struct scmp_arg_cmp cmp = { .arg = check->arg, .op = SCMP_CMP_EQ, .datum_a = check->value };

		if (check->call != call)
			continue;
		if (check->how == SECCOMP_WITHOUT)
			cmp.op = SCMP_CMP_MASKED_EQ, cmp.datum_b = 0;
		else if (check->how == SECCOMP_OTHER)
			cmp.op = SCMP_CMP_NE;
		if (seccomp_rule_add_array(filter, action, call, 1, &cmp) != 0)
			return -1;
		rows++;
	}
	return rows;
}

static int add(scmp_filter_ctx filter, uint32_t action, const int *calls, const struct seccomp_check *check)
{
	for (; calls != NULL && *calls != -1; calls++) {
		int rows = add_checks(filter, action, *calls, check);

		if (rows < 0 || (rows == 0 && seccomp_rule_add(filter, action, *calls, 0) != 0))
			return -1;
	}
	return 0;
}

#define AS_TREE 2		/* binary: every call of the data path passes it */
#define AS_LIST 1		/* the shortest program */

static struct seccomp_program *compile(uint32_t shape, uint32_t otherwise, uint32_t a, const int *calls_a, const struct seccomp_check *check,
    uint32_t b, const int *calls_b)
{
	scmp_filter_ctx filter = seccomp_init(otherwise);
	struct seccomp_program *p = NULL;

	if (filter == NULL)
		return NULL;
	seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, shape);
	seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
	if (add(filter, a, calls_a, check) == 0 && add(filter, b, calls_b, NULL) == 0)
		p = export(filter);
	seccomp_release(filter);
	return p;
}

#ifdef __SANITIZE_ADDRESS__
#define OTHERWISE SCMP_ACT_ERRNO(EPERM)	/* the sanitizer's own calls must not kill what it watches */
#else
#define OTHERWISE SCMP_ACT_KILL_PROCESS
#endif

struct seccomp_program *seccomp_compile(const int *allow, const struct seccomp_check *check, const int *refuse)
{
	return compile(AS_TREE, OTHERWISE, SCMP_ACT_ALLOW, allow, check, SCMP_ACT_ERRNO(EACCES), refuse);
}

struct seccomp_program *seccomp_compile_denied(const int *deny)
{
	return compile(AS_TREE, SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM), deny, NULL, SCMP_ACT_ALLOW, NULL);
}

struct seccomp_program *seccomp_compile_less(const int *gone, const struct seccomp_check *check, const int *refuse)
{
	return compile(AS_LIST, SCMP_ACT_ALLOW, OTHERWISE, gone, check, SCMP_ACT_ERRNO(EACCES), refuse);
}

int seccomp_install(struct seccomp_program *p)
{
	for (unsigned i = 0; i < p->bpf.len; i++)	/* a fork installs what its parent compiled */
		if (p->bpf.filter[i].k == SECCOMP_OWN_PID && BPF_CLASS(p->bpf.filter[i].code) == BPF_JMP)
			p->bpf.filter[i].k = (uint32_t)getpid();
	return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &p->bpf);
}
