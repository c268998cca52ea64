#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/err.h"
#include "base/limits.h"
#include "guard/lookup.h"

#define NAME_MAX_  (SSH_USER_MAX * 4)
#define PATH_MAX_  4096u
#define GROUPS_MAX 65536u

int account_encode(struct buf *b, const struct account *a)
{
	struct wr w = wr_to(b);

	wr_cstr(&w, a->user);
	wr_bool(&w, a->exists);
	wr_u32(&w, a->uid);
	wr_u32(&w, a->gid);
	wr_cstr(&w, a->home);
	wr_cstr(&w, a->shell);
	wr_bool(&w, a->locked);
	wr_u64(&w, (uint64_t)(int64_t)a->expires);
	wr_u32(&w, (uint32_t)a->ngroups);
	for (size_t i = 0; i < a->ngroups; i++)
		wr_u32(&w, a->groups[i]);
	wr_u32(&w, (uint32_t)a->nnames);
	for (size_t i = 0; i < a->nnames; i++)
		wr_cstr(&w, a->group_names[i]);
	return wr_done(&w);
}

/* NULL: no memory, or a NUL inside. */
static char *text(struct rd *r, size_t max)
{
	struct view v = rd_string(r, max);

	return v.len > 0 && memchr(v.p, '\0', v.len) != NULL ? NULL : strndup(v.len > 0 ? (const char *)v.p : "", v.len);
}

static int read_groups(struct account *a, struct rd *r)
{
	uint32_t n = rd_u32(r);

	if (n > GROUPS_MAX || n > rd_left(r) / 4 || (a->groups = calloc(n + 1, sizeof *a->groups)) == NULL)
		return SSH_E_FORMAT;
	for (a->ngroups = 0; a->ngroups < n; a->ngroups++)
		a->groups[a->ngroups] = rd_u32(r);
	n = rd_u32(r);
	if (n > a->ngroups || (a->group_names = calloc(n + 1, sizeof *a->group_names)) == NULL)
		return SSH_E_FORMAT;
	for (a->nnames = 0; a->nnames < n; a->nnames++)
		if ((a->group_names[a->nnames] = text(r, NAME_MAX_)) == NULL)
			return SSH_E_FORMAT;
	return SSH_OK;
}

int account_decode(struct account **res, struct view v)
{
	struct rd r = rd_view(v);
	struct account *a = calloc(1, sizeof *a);
	int e = SSH_E_NOMEM;

	*res = NULL;
	if (a == NULL)
		return e;
	a->user = text(&r, NAME_MAX_);
	a->exists = rd_bool(&r);
	a->uid = rd_u32(&r);
	a->gid = rd_u32(&r);
	a->home = text(&r, PATH_MAX_);
	a->shell = text(&r, PATH_MAX_);
	a->locked = rd_bool(&r);
	a->expires = (long)(int64_t)rd_u64(&r);
	e = read_groups(a, &r);
	if (rd_done(&r) < 0 || e < 0 || a->user == NULL || a->home == NULL || a->shell == NULL || a->shell[0] == '\0') {
		account_free(a);
		return SSH_E_FORMAT;
	}
	*res = a;
	return SSH_OK;
}
