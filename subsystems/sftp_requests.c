#include "subsystems/sftp_internal.h"

#include <errno.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"

#define DATA_HEAD  13u		/* length, type, id, data length */
#define NAMES_MAX  (SFTP_PACKET_MAX / 2)

/* ---- reading requests ---- */

static int no_handle(struct sftp_server *s, uint32_t id)
{
	return sftp_answer_status(s, id, SFTP_FX_FAILURE, "Invalid handle");
}

/* The kernel wants a C string; one with a NUL inside would name another file than the client sees. */
static int path_of(struct view v, char out[SFTP_PATH_MAX])
{
	if (v.len >= SFTP_PATH_MAX)
		return -ENAMETOOLONG;
	if (v.len > 0 && memchr(v.p, 0, v.len) != NULL)
		return -EINVAL;
	if (v.len > 0)
		memcpy(out, v.p, v.len);
	out[v.len] = '\0';
	return 0;
}

static int attrs_ok(const struct sftp_attrs *a)
{
	return (a->flags & SFTP_ATTR_SIZE) && a->size > INT64_MAX ? -EINVAL : 0;
}

static void note(const char *what, const char *path, const char *more)
{
	if (log_get_level() >= LOGL_INFO) {
		char a[512], b[512];

		log_ev(LOGL_INFO, "%s \"%s\"%s%s%s", what, log_escape(a, sizeof a, path, strlen(path)),
		    more ? " \"" : "", more ? log_escape(b, sizeof b, more, strlen(more)) : "", more ? "\"" : "");
	}
}

/* ---- files ---- */

static int on_open(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_free_slot(&s->handles);
	const uint32_t changes = SFTP_WRITE_FLAG | SFTP_APPEND | SFTP_CREAT | SFTP_TRUNC;
	char path[SFTP_PATH_MAX];
	struct sftp_file file;
	int r;

	if ((r = path_of(m->path, path)) < 0)
		return r;
	/* A zero-length file created "for reading" is a change too (CVE-2017-15906). */
	if ((s->flags & SFTP_SERVER_READ_ONLY) && (m->flags & changes))
		return -EACCES;
	if (h == NULL)
		return -EMFILE;
	note("open", path, NULL);
	if ((r = s->ops->open(s->fs, path, m->flags, &m->attrs, &file)) < 0)
		return r;
	handles_take(&s->handles, h, HANDLE_FILE, &file, m->flags);
	return sftp_answer_handle(s, m->id, h);
}

static int on_close(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_find(&s->handles, m->handle, HANDLE_NONE);

	return h == NULL ? no_handle(s, m->id) : sftp_close_handle(s, h);
}

/* Read straight into the reply: the data is copied once, by the kernel. */
static int on_read(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_find(&s->handles, m->handle, HANDLE_FILE);
	size_t n = m->len < SFTP_READ_MAX ? m->len : SFTP_READ_MAX;
	ssize_t got = 0;
	uint8_t *p;

	if (h == NULL)
		return no_handle(s, m->id);
	if (m->offset > INT64_MAX)
		return -EINVAL;
	if ((p = buf_reserve(&s->out, DATA_HEAD + n)) == NULL) {
		s->error = SSH_E_NOMEM;
		return ANSWERED;
	}
	if (n > 0 && (got = s->ops->read(s->fs, &h->file, m->offset, p + DATA_HEAD, n)) < 0)
		return (int)got;
	if (n > 0 && got == 0)
		return sftp_answer_status(s, m->id, SFTP_FX_EOF, NULL);
	put_u32(p, (uint32_t)(DATA_HEAD - 4 + (size_t)got));
	p[4] = SFTP_DATA;
	put_u32(p + 5, m->id);
	put_u32(p + 9, (uint32_t)got);
	buf_commit(&s->out, DATA_HEAD + (size_t)got);
	h->got += (uint64_t)got;
	return ANSWERED;
}

static int on_write(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_find(&s->handles, m->handle, HANDLE_FILE);
	int r;

	if (h == NULL)
		return no_handle(s, m->id);
	if (m->offset > INT64_MAX || m->data.len > INT64_MAX - m->offset)
		return -EFBIG;
	if ((r = s->ops->write(s->fs, &h->file, m->offset, m->data.p, m->data.len)) == 0)
		h->put += m->data.len;
	return r;
}

static int stat_path(struct sftp_server *s, const struct sftp_msg *m, int follow)
{
	char path[SFTP_PATH_MAX];
	struct sftp_attrs a;
	int r;

	if ((r = path_of(m->path, path)) < 0 || (r = s->ops->stat(s->fs, path, follow, &a)) < 0)
		return r;
	return sftp_answer_attrs(s, m->id, &a);
}

static int on_stat(struct sftp_server *s, const struct sftp_msg *m)
{
	return stat_path(s, m, 1);
}

static int on_lstat(struct sftp_server *s, const struct sftp_msg *m)
{
	return stat_path(s, m, 0);
}

static int on_fstat(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_find(&s->handles, m->handle, HANDLE_FILE);
	struct sftp_attrs a;
	int r;

	if (h == NULL)
		return no_handle(s, m->id);
	if ((r = s->ops->fstat(s->fs, &h->file, &a)) < 0)
		return r;
	return sftp_answer_attrs(s, m->id, &a);
}

static int on_setstat(struct sftp_server *s, const struct sftp_msg *m)
{
	char path[SFTP_PATH_MAX];
	int r;

	if ((r = attrs_ok(&m->attrs)) < 0 || (r = path_of(m->path, path)) < 0)
		return r;
	note("setstat", path, NULL);
	return s->ops->setstat(s->fs, path, 1, &m->attrs);
}

static int on_lsetstat(struct sftp_server *s, const struct sftp_msg *m)
{
	char path[SFTP_PATH_MAX];
	int r;

	if (m->attrs.flags & SFTP_ATTR_SIZE)
		return -EINVAL;		/* a link has none of its own */
	if ((r = path_of(m->path, path)) < 0)
		return r;
	note("lsetstat", path, NULL);
	return s->ops->setstat(s->fs, path, 0, &m->attrs);
}

static int on_fsetstat(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_find(&s->handles, m->handle, HANDLE_FILE);
	int r;

	if (h == NULL)
		return no_handle(s, m->id);
	if ((r = attrs_ok(&m->attrs)) < 0)
		return r;
	return s->ops->fsetstat(s->fs, &h->file, &m->attrs);
}

static int on_fsync(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_find(&s->handles, m->handle, HANDLE_FILE);

	return h == NULL ? no_handle(s, m->id) : s->ops->fsync(s->fs, &h->file);
}

/* ---- directories ---- */

static int on_opendir(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_free_slot(&s->handles);
	char path[SFTP_PATH_MAX];
	struct sftp_file dir;
	int r;

	if ((r = path_of(m->path, path)) < 0)
		return r;
	if (h == NULL)
		return -EMFILE;
	note("opendir", path, NULL);
	if ((r = s->ops->opendir(s->fs, path, &dir)) < 0)
		return r;
	handles_take(&s->handles, h, HANDLE_DIR, &dir, 0);
	return sftp_answer_handle(s, m->id, h);
}

/* The entries are written behind a NAME header whose length and count are filled in last. */
static int on_readdir(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_find(&s->handles, m->handle, HANDLE_DIR);
	size_t start = buf_len(&s->out), mark;
	struct wr w = wr_to(&s->out);
	struct sftp_entry e;
	uint32_t count = 0;
	int r = 0;

	if (h == NULL)
		return no_handle(s, m->id);
	mark = wr_string_begin(&w);
	wr_u8(&w, SFTP_NAME);
	wr_u32(&w, m->id);
	wr_u32(&w, 0);
	while (count < SFTP_DIR_BATCH && buf_len(&s->out) - mark < NAMES_MAX && w.error == SSH_OK &&
	    (r = s->ops->readdir(s->fs, &h->file, &e)) > 0) {
		sftp_put_name(&w, e.name, e.longname, &e.attrs);
		count++;
	}
	if ((s->error = wr_done(&w)) < 0 || count == 0) {
		buf_truncate(&s->out, start);
		return r < 0 ? r : sftp_answer_status(s, m->id, SFTP_FX_EOF, NULL);
	}
	wr_string_end(&w, mark);
	put_u32(buf_head(&s->out) + mark + 5, count);
	return ANSWERED;
}

static int on_mkdir(struct sftp_server *s, const struct sftp_msg *m)
{
	uint32_t mode = m->attrs.flags & SFTP_ATTR_PERMISSIONS ? m->attrs.perm & 07777 : 0777;
	char path[SFTP_PATH_MAX];
	int r;

	if ((r = path_of(m->path, path)) < 0)
		return r;
	note("mkdir", path, NULL);
	return s->ops->mkdir(s->fs, path, mode);
}

static int on_rmdir(struct sftp_server *s, const struct sftp_msg *m)
{
	char path[SFTP_PATH_MAX];
	int r;

	if ((r = path_of(m->path, path)) < 0)
		return r;
	note("rmdir", path, NULL);
	return s->ops->rmdir(s->fs, path);
}

/* ---- names ---- */

static int on_remove(struct sftp_server *s, const struct sftp_msg *m)
{
	char path[SFTP_PATH_MAX];
	int r;

	if ((r = path_of(m->path, path)) < 0)
		return r;
	note("remove", path, NULL);
	return s->ops->remove(s->fs, path);
}

static int on_realpath(struct sftp_server *s, const struct sftp_msg *m)
{
	char path[SFTP_PATH_MAX], out[SFTP_PATH_MAX];
	int r;

	if ((r = path_of(m->path, path)) < 0)
		return r;
	if ((r = s->ops->realpath(s->fs, path[0] ? path : ".", out)) < 0)
		return r;
	return sftp_answer_path(s, m->id, out);
}

static int on_readlink(struct sftp_server *s, const struct sftp_msg *m)
{
	char path[SFTP_PATH_MAX], out[SFTP_PATH_MAX];
	int r;

	if ((r = path_of(m->path, path)) < 0 || (r = s->ops->readlink(s->fs, path, out)) < 0)
		return r;
	return sftp_answer_path(s, m->id, out);
}

/* Two paths and what is done with them; the names make the log line. */
static int two_paths(struct sftp_server *s, const struct sftp_msg *m, const char *what)
{
	char a[SFTP_PATH_MAX], b[SFTP_PATH_MAX];
	int r;

	if ((r = path_of(m->path, a)) < 0 || (r = path_of(m->path2, b)) < 0)
		return r;
	note(what, a, b);
	if (m->type == SFTP_RENAME)
		return s->ops->rename(s->fs, a, b, 0);
	if (m->type == SFTP_SYMLINK)
		return s->ops->symlink(s->fs, a, b);
	if (m->ext == SFTP_EXT_POSIX_RENAME)
		return s->ops->rename(s->fs, a, b, 1);
	return s->ops->link(s->fs, a, b);
}

static int on_rename(struct sftp_server *s, const struct sftp_msg *m)
{
	return two_paths(s, m, "rename");
}

static int on_symlink(struct sftp_server *s, const struct sftp_msg *m)
{
	return two_paths(s, m, "symlink");
}

static int on_posix_rename(struct sftp_server *s, const struct sftp_msg *m)
{
	return two_paths(s, m, "posix-rename");
}

static int on_hardlink(struct sftp_server *s, const struct sftp_msg *m)
{
	return two_paths(s, m, "hardlink");
}

/* "~", "~/x" and "~user/x" (PROTOCOL of OpenSSH, 4.11); anything else as REALPATH. */
static int on_expand_path(struct sftp_server *s, const struct sftp_msg *m)
{
	char path[SFTP_PATH_MAX], home[SFTP_PATH_MAX], out[SFTP_PATH_MAX];
	size_t user, tail, top;
	int r;

	if ((r = path_of(m->path, path)) < 0)
		return r;
	if (path[0] == '~') {
		user = strcspn(path + 1, "/");
		memcpy(out, path + 1, user);
		out[user] = '\0';
		if ((r = s->ops->home(s->fs, out, home)) < 0)
			return r;
		top = strlen(home);
		tail = strlen(path + 1 + user);
		if (top + tail >= SFTP_PATH_MAX)
			return -ENAMETOOLONG;
		memcpy(home + top, path + 1 + user, tail + 1);
		memcpy(path, home, top + tail + 1);
	}
	if ((r = s->ops->realpath(s->fs, path[0] ? path : ".", out)) < 0)
		return r;
	return sftp_answer_path(s, m->id, out);
}

static int on_home(struct sftp_server *s, const struct sftp_msg *m)
{
	char user[SFTP_PATH_MAX], out[SFTP_PATH_MAX];
	int r;

	if ((r = path_of(m->path, user)) < 0 || (r = s->ops->home(s->fs, user, out)) < 0)
		return r;
	return sftp_answer_path(s, m->id, out);
}

/* ---- the file system, and us ---- */

static int on_statvfs(struct sftp_server *s, const struct sftp_msg *m)
{
	char path[SFTP_PATH_MAX];
	struct sftp_space space;
	int r;

	if ((r = path_of(m->path, path)) < 0 || (r = s->ops->statvfs(s->fs, path, &space)) < 0)
		return r;
	return sftp_answer_numbers(s, m->id, space.v, SFTP_SPACE_FIELDS);
}

static int on_fstatvfs(struct sftp_server *s, const struct sftp_msg *m)
{
	struct handle *h = handles_find(&s->handles, m->handle, HANDLE_FILE);
	struct sftp_space space;
	int r;

	if (h == NULL)
		return no_handle(s, m->id);
	if ((r = s->ops->fstatvfs(s->fs, &h->file, &space)) < 0)
		return r;
	return sftp_answer_numbers(s, m->id, space.v, SFTP_SPACE_FIELDS);
}

static int on_limits(struct sftp_server *s, const struct sftp_msg *m)
{
	static const uint64_t limits[] = { SFTP_PACKET_MAX, SFTP_READ_MAX, SFTP_READ_MAX, SFTP_HANDLES_MAX };

	return sftp_answer_numbers(s, m->id, limits, 4);
}

int sftp_on_init(struct sftp_server *s, const struct sftp_msg *m)
{
	struct sftp_msg reply = { .type = SFTP_VERSION, .version = SFTP_VERSION_3 };
	uint8_t names[1024];
	size_t n = 0;

	(void)m;			/* whatever version it asks for: 3 is what we both speak */
	for (int e = SFTP_EXT_UNKNOWN + 1; e < SFTP_EXT_COUNT; e++) {
		const char *pair[2] = { sftp_ext_name((enum sftp_ext)e), sftp_ext_version((enum sftp_ext)e) };

		for (int i = 0; i < 2; i++) {
			size_t len = strlen(pair[i]);

			put_u32(names + n, (uint32_t)len);
			memcpy(names + n + 4, pair[i], len);
			n += 4 + len;
		}
	}
	reply.rest = view_of(names, n);
	s->started = 1;
	return sftp_answer(s, &reply);
}

/* ---- the tables ---- */

const struct sftp_row sftp_requests[256] = {
	[SFTP_OPEN]     = { on_open, 0 },	/* decides by its flags */
	[SFTP_CLOSE]    = { on_close, 0 },
	[SFTP_READ]     = { on_read, 0 },
	[SFTP_WRITE]    = { on_write, 1 },
	[SFTP_LSTAT]    = { on_lstat, 0 },
	[SFTP_FSTAT]    = { on_fstat, 0 },
	[SFTP_SETSTAT]  = { on_setstat, 1 },
	[SFTP_FSETSTAT] = { on_fsetstat, 1 },
	[SFTP_OPENDIR]  = { on_opendir, 0 },
	[SFTP_READDIR]  = { on_readdir, 0 },
	[SFTP_REMOVE]   = { on_remove, 1 },
	[SFTP_MKDIR]    = { on_mkdir, 1 },
	[SFTP_RMDIR]    = { on_rmdir, 1 },
	[SFTP_REALPATH] = { on_realpath, 0 },
	[SFTP_STAT]     = { on_stat, 0 },
	[SFTP_RENAME]   = { on_rename, 1 },
	[SFTP_READLINK] = { on_readlink, 0 },
	[SFTP_SYMLINK]  = { on_symlink, 1 },
};

const struct sftp_row sftp_extended[SFTP_EXT_COUNT] = {
	[SFTP_EXT_POSIX_RENAME] = { on_posix_rename, 1 },
	[SFTP_EXT_STATVFS]      = { on_statvfs, 0 },
	[SFTP_EXT_FSTATVFS]     = { on_fstatvfs, 0 },
	[SFTP_EXT_HARDLINK]     = { on_hardlink, 1 },
	[SFTP_EXT_FSYNC]        = { on_fsync, 1 },
	[SFTP_EXT_LSETSTAT]     = { on_lsetstat, 1 },
	[SFTP_EXT_LIMITS]       = { on_limits, 0 },
	[SFTP_EXT_EXPAND_PATH]  = { on_expand_path, 0 },
	[SFTP_EXT_HOME]         = { on_home, 0 },
};
