#include "subsystems/sftp_fs.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "subsystems/sftp_longname.h"

#define LINKS_MAX 40	/* symbolic links in one path, as the kernel */

struct sftp_fs {
	struct id_names ids;
	char longname[1024], home[SFTP_PATH_MAX];
};

static int result(int r)
{
	return r < 0 ? -errno : 0;
}

struct sftp_fs *sftp_fs_new(void)
{
	struct sftp_fs *fs = calloc(1, sizeof *fs);
	struct passwd *pw;

	if (fs == NULL)
		return NULL;
	tzset();
	if ((pw = getpwuid(getuid())) != NULL)
		snprintf(fs->home, sizeof fs->home, "%s", pw->pw_dir);
	id_user(&fs->ids, getuid());
	id_group(&fs->ids, getgid());
	return fs;
}

void sftp_fs_free(struct sftp_fs *fs)
{
	free(fs);
}

/* ---- attributes ---- */

/* The wire has 32 bits of seconds; a time outside is its nearest. */
static uint32_t seconds(time_t t)
{
	return t < 0 ? 0 : t > UINT32_MAX ? UINT32_MAX : (uint32_t)t;
}

static void attrs_of(const struct stat *st, struct sftp_attrs *a)
{
	a->flags = SFTP_ATTR_SIZE | SFTP_ATTR_UIDGID | SFTP_ATTR_PERMISSIONS | SFTP_ATTR_ACMODTIME;
	a->size = (uint64_t)st->st_size;
	a->uid = st->st_uid;
	a->gid = st->st_gid;
	a->perm = st->st_mode;
	a->atime = seconds(st->st_atime);
	a->mtime = seconds(st->st_mtime);
}

static int fs_stat(void *fs, const char *path, int follow, struct sftp_attrs *a)
{
	struct stat st;

	(void)fs;
	if (fstatat(AT_FDCWD, path, &st, follow ? 0 : AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	attrs_of(&st, a);
	return 0;
}

static int fs_fstat(void *fs, struct sftp_file *f, struct sftp_attrs *a)
{
	struct stat st;

	(void)fs;
	if (fstat(f->fd, &st) < 0)
		return -errno;
	attrs_of(&st, a);
	return 0;
}

/* Everything asked for is tried; the first failure is the answer. */
static void keep_first(int *first, int r)
{
	if (r < 0 && *first == 0)
		*first = -errno;
}

static void times_of(const struct sftp_attrs *a, struct timespec ts[2])
{
	ts[0] = (struct timespec){ .tv_sec = a->atime };
	ts[1] = (struct timespec){ .tv_sec = a->mtime };
}

static int fs_setstat(void *fs, const char *path, int follow, const struct sftp_attrs *a)
{
	const int nofollow = follow ? 0 : AT_SYMLINK_NOFOLLOW;
	struct timespec ts[2];
	int first = 0;

	(void)fs;
	if (a->flags & SFTP_ATTR_SIZE)
		keep_first(&first, truncate(path, (off_t)a->size));
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		keep_first(&first, fchmodat(AT_FDCWD, path, a->perm & 07777, nofollow));
	if (a->flags & SFTP_ATTR_ACMODTIME) {
		times_of(a, ts);
		keep_first(&first, utimensat(AT_FDCWD, path, ts, nofollow));
	}
	if (a->flags & SFTP_ATTR_UIDGID)
		keep_first(&first, fchownat(AT_FDCWD, path, a->uid, a->gid, nofollow));
	return first;
}

static int fs_fsetstat(void *fs, struct sftp_file *f, const struct sftp_attrs *a)
{
	struct timespec ts[2];
	int first = 0;

	(void)fs;
	if (a->flags & SFTP_ATTR_SIZE)
		keep_first(&first, ftruncate(f->fd, (off_t)a->size));
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		keep_first(&first, fchmod(f->fd, a->perm & 07777));
	if (a->flags & SFTP_ATTR_ACMODTIME) {
		times_of(a, ts);
		keep_first(&first, futimens(f->fd, ts));
	}
	if (a->flags & SFTP_ATTR_UIDGID)
		keep_first(&first, fchown(f->fd, a->uid, a->gid));
	return first;
}

/* ---- files ---- */

static int open_flags(uint32_t flags)
{
	int f = O_CLOEXEC | O_NOCTTY | O_NONBLOCK;	/* a FIFO or a modem must not make us wait */

	if ((flags & SFTP_READ_FLAG) && (flags & SFTP_WRITE_FLAG))
		f |= O_RDWR;
	else
		f |= flags & SFTP_WRITE_FLAG ? O_WRONLY : O_RDONLY;
	f |= flags & SFTP_APPEND ? O_APPEND : 0;
	f |= flags & SFTP_CREAT ? O_CREAT : 0;
	f |= flags & SFTP_TRUNC ? O_TRUNC : 0;
	f |= flags & SFTP_EXCL ? O_EXCL : 0;
	return f;
}

/* Regular files only: a read from anything else could wait for ever, or have an effect. */
static int must_be_regular(const struct stat *st)
{
	if (S_ISREG(st->st_mode))
		return 0;
	return S_ISDIR(st->st_mode) ? -EISDIR : -ENODEV;
}

static int fs_open(void *fs, const char *path, uint32_t flags, const struct sftp_attrs *a, struct sftp_file *f)
{
	mode_t mode = a->flags & SFTP_ATTR_PERMISSIONS ? a->perm & 07777 : 0666;
	struct stat st;
	int r;

	(void)fs;
	/* Asked before as well, since opening a device or waking a FIFO's writer is an effect already. */
	if (stat(path, &st) == 0 && (r = must_be_regular(&st)) < 0)
		return r;
	f->dir = NULL;
	if ((f->fd = open(path, open_flags(flags), mode)) < 0)
		return -errno;
	if (fstat(f->fd, &st) < 0)
		r = -errno;
	else
		r = must_be_regular(&st);
	if (r < 0)
		close(f->fd);
	return r;
}

static int fs_close(void *fs, struct sftp_file *f)
{
	(void)fs;
	return result(close(f->fd));
}

static ssize_t fs_read(void *fs, struct sftp_file *f, uint64_t offset, uint8_t *p, size_t n)
{
	ssize_t got;

	(void)fs;
	do {
		got = pread(f->fd, p, n, (off_t)offset);
	} while (got < 0 && errno == EINTR);
	return got < 0 ? -errno : got;
}

/* With O_APPEND Linux writes at the end, whatever the offset says: what the flag means here too. */
static int fs_write(void *fs, struct sftp_file *f, uint64_t offset, const uint8_t *p, size_t n)
{
	(void)fs;
	while (n > 0) {
		ssize_t put = pwrite(f->fd, p, n, (off_t)offset);

		if (put < 0 && errno == EINTR)
			continue;
		if (put < 0)
			return -errno;
		if (put == 0)
			return -EIO;
		p += put;
		n -= (size_t)put;
		offset += (uint64_t)put;
	}
	return 0;
}

static int fs_fsync(void *fs, struct sftp_file *f)
{
	(void)fs;
	return result(fsync(f->fd));
}

/* ---- directories ---- */

static int fs_opendir(void *fs, const char *path, struct sftp_file *f)
{
	(void)fs;
	f->fd = -1;
	return (f->dir = opendir(path)) == NULL ? -errno : 0;
}

static int fs_readdir(void *ctx, struct sftp_file *f, struct sftp_entry *e)
{
	struct sftp_fs *fs = ctx;
	struct dirent *d;
	struct stat st;

	for (;;) {
		errno = 0;
		if ((d = readdir(f->dir)) == NULL)
			return -errno;
		if (fstatat(dirfd(f->dir), d->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0)
			break;		/* else it went away meanwhile */
	}
	e->name = d->d_name;
	e->longname = sftp_longname(fs->longname, sizeof fs->longname, d->d_name, &st, &fs->ids, time(NULL));
	attrs_of(&st, &e->attrs);
	return 1;
}

static int fs_closedir(void *fs, struct sftp_file *f)
{
	(void)fs;
	return result(closedir(f->dir));
}

static int fs_mkdir(void *fs, const char *path, uint32_t mode)
{
	(void)fs;
	return result(mkdir(path, mode));
}

static int fs_rmdir(void *fs, const char *path)
{
	(void)fs;
	return result(rmdir(path));
}

/* ---- names ---- */

static int fs_remove(void *fs, const char *path)
{
	(void)fs;
	return result(unlink(path));
}

static int fs_readlink(void *fs, const char *path, char out[])
{
	ssize_t n = readlink(path, out, SFTP_PATH_MAX - 1);

	(void)fs;
	if (n < 0)
		return -errno;
	out[n] = '\0';
	return 0;
}

/* realpath(3) into our own size. */
static int resolve(const char *path, char out[])
{
	char *real = realpath(path, NULL);
	int r = 0;

	if (real == NULL)
		return -errno;
	if (strlen(real) < SFTP_PATH_MAX)
		strcpy(out, real);
	else
		r = -ENAMETOOLONG;
	free(real);
	return r;
}

/* Directory (in dir, ready for resolve()) and last name of a path; NULL when it ends in a slash. */
static const char *split(const char *path, char dir[])
{
	const char *slash = strrchr(path, '/');
	size_t n = slash != NULL ? (size_t)(slash - path) : 0;

	if (slash == NULL) {
		strcpy(dir, ".");
		return path;
	}
	memcpy(dir, path, n);
	dir[n] = '\0';
	if (n == 0)
		strcpy(dir, "/");
	return slash[1] ? slash + 1 : NULL;
}

/* As OpenSSH: the last name need not exist, even behind symbolic links. */
static int fs_realpath(void *ctx, const char *path, char out[])
{
	char at[SFTP_PATH_MAX], dir[SFTP_PATH_MAX], target[SFTP_PATH_MAX];
	const char *last;
	size_t top;
	int r;

	strcpy(at, path);
	for (int links = 0; links < LINKS_MAX; links++) {
		if ((r = resolve(at, out)) != -ENOENT)
			return r;
		if ((last = split(at, dir)) == NULL || strcmp(last, ".") == 0 || strcmp(last, "..") == 0)
			return -ENOENT;
		if ((r = resolve(dir, out)) < 0)
			return r;
		top = strcmp(out, "/") == 0 ? 0 : strlen(out);
		if (top + 1 + strlen(last) >= SFTP_PATH_MAX)
			return -ENAMETOOLONG;
		out[top] = '/';
		strcpy(out + top + 1, last);
		if (fs_readlink(ctx, out, target) < 0)
			return errno == ENOENT ? 0 : -errno;
		/* A link to nothing: the name it holds, seen from its directory. */
		if (target[0] == '/')
			top = 0;
		else
			out[top++] = '/';
		if (top + strlen(target) >= SFTP_PATH_MAX)
			return -ENAMETOOLONG;
		memcpy(at, out, top);
		strcpy(at + top, target);
	}
	return -ELOOP;
}

/* File systems without RENAME_NOREPLACE: link and unlink is as good, the last way has a gap. */
static int rename_kept(const char *from, const char *to)
{
	struct stat st;

	if (lstat(from, &st) < 0)
		return -errno;
	if (S_ISREG(st.st_mode)) {
		if (link(from, to) == 0) {
			if (unlink(from) == 0)
				return 0;
			int r = -errno;
			unlink(to);
			return r;
		}
		if (errno != EOPNOTSUPP && errno != ENOSYS && errno != EXDEV && errno != EPERM)
			return -errno;
	}
	if (lstat(to, &st) == 0)
		return -EEXIST;
	return result(rename(from, to));
}

static int fs_rename(void *fs, const char *from, const char *to, int replace)
{
	(void)fs;
	if (replace)
		return result(rename(from, to));
	if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS && errno != EPERM)
		return -errno;
	return rename_kept(from, to);
}

static int fs_symlink(void *fs, const char *target, const char *path)
{
	(void)fs;
	return result(symlink(target, path));
}

static int fs_link(void *fs, const char *from, const char *to)
{
	(void)fs;
	return result(link(from, to));
}

static int fs_home(void *ctx, const char *user, char out[])
{
	struct sftp_fs *fs = ctx;
	struct passwd *pw;

	if (*user == '\0' && fs->home[0] != '\0') {
		strcpy(out, fs->home);
		return 0;
	}
	pw = *user == '\0' ? getpwuid(getuid()) : getpwnam(user);
	if (pw == NULL || strlen(pw->pw_dir) >= SFTP_PATH_MAX)
		return -ENOENT;
	strcpy(out, pw->pw_dir);
	return 0;
}

/* ---- space ---- */

static void space_of(const struct statvfs *v, struct sftp_space *s)
{
	const uint64_t flags = (v->f_flag & ST_RDONLY ? 1u : 0) | (v->f_flag & ST_NOSUID ? 2u : 0);
	const uint64_t fields[SFTP_SPACE_FIELDS] = {
		v->f_bsize, v->f_frsize, v->f_blocks, v->f_bfree, v->f_bavail,
		v->f_files, v->f_ffree, v->f_favail, v->f_fsid, flags, v->f_namemax
	};

	memcpy(s->v, fields, sizeof fields);
}

static int fs_statvfs(void *fs, const char *path, struct sftp_space *s)
{
	struct statvfs v;

	(void)fs;
	if (statvfs(path, &v) < 0)
		return -errno;
	space_of(&v, s);
	return 0;
}

static int fs_fstatvfs(void *fs, struct sftp_file *f, struct sftp_space *s)
{
	struct statvfs v;

	(void)fs;
	if (fstatvfs(f->fd, &v) < 0)
		return -errno;
	space_of(&v, s);
	return 0;
}

const struct sftp_fs_ops sftp_fs_ops = {
	.open = fs_open, .close = fs_close, .read = fs_read, .write = fs_write, .stat = fs_stat,
	.fstat = fs_fstat, .setstat = fs_setstat, .fsetstat = fs_fsetstat, .opendir = fs_opendir,
	.readdir = fs_readdir, .closedir = fs_closedir, .remove = fs_remove, .mkdir = fs_mkdir,
	.rmdir = fs_rmdir, .realpath = fs_realpath, .readlink = fs_readlink, .rename = fs_rename,
	.symlink = fs_symlink, .link = fs_link, .statvfs = fs_statvfs, .fstatvfs = fs_fstatvfs,
	.fsync = fs_fsync, .home = fs_home,
};
