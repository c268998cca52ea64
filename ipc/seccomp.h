#ifndef IPC_SECCOMP_H
#define IPC_SECCOMP_H
#include <stddef.h>

/* seccomp - filters as lists of system call numbers, compiled once and installed cheaply, also after a fork. */

struct seccomp_program;

/*
 * allow: system calls that pass, -1 ends the list; refuse: those that fail with EACCES instead of
 * killing the process (openat and its kin, which libraries try on their own). Everything else kills the process.
 * NULL when the kernel or libseccomp cannot.
 */
struct seccomp_program *seccomp_compile(const int *allow, const int *refuse);
/* A filter that lets everything pass but the listed calls, which fail with EPERM. */
struct seccomp_program *seccomp_compile_denied(const int *deny);
/* 0, or -1 with errno. Needs no_new_privs or CAP_SYS_ADMIN. The program stays yours. */
int seccomp_install(const struct seccomp_program *);

#endif
