#ifndef SUPERVISOR_IDS_H
#define SUPERVISOR_IDS_H
#include <stdint.h>

/*
 * ids - the accounts our processes drop to. Where coppice-net, coppice-key or coppice-log do not exist (no
 * sysusers.d was run), numbers that belong to nobody are taken instead.
 */

#define IDS_FIRST 64900u		/* above what useradd and systemd hand out, below nobody (65534) */
#define IDS_LAST  65500u

struct id_pair { uint32_t uid, gid; };
struct ids {
	struct id_pair net, key, log;
	int made_up;			/* some account is missing */
};

/* What ids_choose() asks: the account's ids (1 found, 0 not), and whether anything uses that number. */
struct ids_source {
	int (*account)(void *ctx, const char *name, struct id_pair *out);
	int (*taken)(void *ctx, uint32_t id);
	void *ctx;
};
extern const struct ids_source ids_system;	/* passwd and group */

/* SSH_OK; SSH_E_LIMIT when every number between IDS_FIRST and IDS_LAST is taken. */
int ids_choose(struct ids *, const struct ids_source *);
/* For an account name of children.def; root (and unknown names) give 0, 0. */
struct id_pair ids_of(const struct ids *, const char *account);

#endif
