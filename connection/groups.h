#ifndef CONNECTION_GROUPS_H
#define CONNECTION_GROUPS_H

/* groups - the file of ModuliFile. */

struct ssh_policy;

/*
 * Reads it, where group exchange is offered and there is a file, and puts it into the policy, for good: the nursery
 * has it, every connection inherits it. Whatever is wrong with the file is logged; then the built-in groups serve.
 */
void groups_load(struct ssh_policy *, const char *path);

#endif
