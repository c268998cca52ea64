#ifndef IPC_SECCOMP_H
#define IPC_SECCOMP_H
#include <stddef.h>
#include <stdint.h>

/* seccomp - filters as lists of system call numbers, compiled once and installed cheaply, also after a fork. */

struct seccomp_program;

/* A call of a list that is meant only when its argument no. arg is value (SECCOMP_EXACT), is not (SECCOMP_OTHER), or has none of the bits value. */
struct seccomp_check { int call; unsigned arg; enum { SECCOMP_EXACT, SECCOMP_OTHER, SECCOMP_WITHOUT } how; uint32_t value; };
#define SECCOMP_OWN_PID 0xffffc0deu	/* stands for the pid of whoever calls seccomp_install(); no pid is that high */

/*
 * allow: system calls that pass, -1 ends the list; check: of these, the ones that pass only when one of their rows
 * holds, call -1 ends it, NULL: none; refuse: those that fail with EACCES instead of
 * killing the process (openat and its kin, which libraries try on their own). Everything else kills the process.
 * NULL when the kernel or libseccomp cannot.
 */
struct seccomp_program *seccomp_compile(const int *allow, const struct seccomp_check *check, const int *refuse);
/* A filter that lets everything pass but the listed calls, which fail with EPERM. */
struct seccomp_program *seccomp_compile_denied(const int *deny);
/*
 * For whoever inherits a filter and shall have less: gone: calls that kill the process, of those that check has rows for only when
 * one of them holds; refuse: fail with EACCES. The rest is the inherited filter's matter: the kernel runs both, the stricter wins.
 */
struct seccomp_program *seccomp_compile_less(const int *gone, const struct seccomp_check *check, const int *refuse);
/* 0, or -1 with errno. Needs no_new_privs or CAP_SYS_ADMIN. The program stays yours. */
int seccomp_install(struct seccomp_program *);

#endif
