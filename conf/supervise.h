#ifndef CONF_SUPERVISE_H
#define CONF_SUPERVISE_H
#include <stddef.h>

#include "conf/words.h"

/* supervise - Supervise NODE key=value ...: what the administrator changes in supervisor/children.def. */

struct conf_supervise;

/*
 * Adds one line; what an earlier line said of the same node and key stays. SSH_OK, or SSH_E_CONFIG and why when the tree could not
 * be so: what OTP's check_childspecs refuses, and what the design fixes.
 */
int supervise_set(struct conf_supervise *, const struct words *, char *why, size_t size);
/* "guards restart=permanent intensity=5 ...": the values of node in force, which read back as they are. */
void supervise_text(const struct conf_supervise *, size_t node, char *out, size_t size);

#endif
