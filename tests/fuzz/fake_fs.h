#ifndef TESTS_FUZZ_FAKE_FS_H
#define TESTS_FUZZ_FAKE_FS_H
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "subsystems/sftp_server.h"

/*
 * fake_fs - a file system of a few names and small files in memory, for tests and the fuzzer of
 * sftp_server. It checks what the server promises it: terminated paths, offsets within INT64_MAX,
 * handles that are open. Paths are compared as they are.
 */

enum { FAKE_NODES = 32, FAKE_SIZE = 4096, FAKE_OPEN = 300 };

struct fake_node { int used, dir, link; char name[64], target[64]; uint8_t data[FAKE_SIZE]; struct sftp_attrs attrs; };

struct fake_fs {
	struct fake_node node[FAKE_NODES];
	struct { int open, dir, node, at; uint32_t flags; } file[FAKE_OPEN];
	int open_files;
	int entries;		/* a directory has this many made-up entries */
	int fail_with;		/* an errno every operation fails with, or 0 */
	unsigned calls;
	char entry[64];
};

static int fake_call(struct fake_fs *f, const char *path)
{
	f->calls++;
	if (path != NULL)
		assert(strlen(path) < SFTP_PATH_MAX);
	return -f->fail_with;
}

static struct fake_node *fake_find(struct fake_fs *f, const char *path)
{
	for (int i = 0; i < FAKE_NODES; i++)
		if (f->node[i].used && strcmp(f->node[i].name, path) == 0)
			return &f->node[i];
	return NULL;
}

static struct fake_node *fake_make(struct fake_fs *f, const char *path, int dir)
{
	if (strlen(path) >= sizeof f->node[0].name)
		return NULL;
	for (int i = 0; i < FAKE_NODES; i++) {
		struct fake_node *n = &f->node[i];

		if (n->used)
			continue;
		memset(n, 0, sizeof *n);
		n->used = 1;
		n->dir = dir;
		n->attrs.flags = SFTP_ATTR_SIZE | SFTP_ATTR_PERMISSIONS | SFTP_ATTR_UIDGID | SFTP_ATTR_ACMODTIME;
		n->attrs.perm = dir ? 040755 : 0100644;
		strcpy(n->name, path);
		return n;
	}
	return NULL;
}

static int fake_take(struct fake_fs *f, struct fake_node *n, int dir, uint32_t flags, struct sftp_file *file)
{
	for (int i = 0; i < FAKE_OPEN; i++) {
		if (f->file[i].open)
			continue;
		f->file[i].open = 1;
		f->file[i].dir = dir;
		f->file[i].node = (int)(n - f->node);
		f->file[i].at = 0;
		f->file[i].flags = flags;
		f->open_files++;
		file->fd = i;
		return 0;
	}
	return -EMFILE;
}

static struct fake_node *fake_of(struct fake_fs *f, const struct sftp_file *file, int dir)
{
	assert(file->fd >= 0 && file->fd < FAKE_OPEN && f->file[file->fd].open && f->file[file->fd].dir == dir);
	return &f->node[f->file[file->fd].node];
}

static int fake_open(void *fs, const char *path, uint32_t flags, const struct sftp_attrs *a, struct sftp_file *file)
{
	struct fake_fs *f = fs;
	struct fake_node *n = fake_find(f, path);

	if (fake_call(f, path) < 0)
		return -f->fail_with;
	if (n != NULL && (flags & SFTP_EXCL))
		return -EEXIST;
	if (n == NULL && !(flags & SFTP_CREAT))
		return -ENOENT;
	if (n == NULL && (n = fake_make(f, path, 0)) == NULL)
		return -ENOSPC;
	if (n->dir)
		return -EISDIR;
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		n->attrs.perm = 0100000 | (a->perm & 07777);
	if (flags & SFTP_TRUNC)
		n->attrs.size = 0;
	return fake_take(f, n, 0, flags, file);
}

static int fake_close(void *fs, struct sftp_file *file)
{
	struct fake_fs *f = fs;

	fake_of(f, file, 0);
	f->file[file->fd].open = 0;
	f->open_files--;
	return fake_call(f, NULL);
}

static ssize_t fake_read(void *fs, struct sftp_file *file, uint64_t offset, uint8_t *p, size_t n)
{
	struct fake_fs *f = fs;
	struct fake_node *node = fake_of(f, file, 0);

	assert(offset <= INT64_MAX && n > 0 && n <= SFTP_READ_MAX);
	if (fake_call(f, NULL) < 0)
		return -f->fail_with;
	memset(p, 0xee, n);	/* all of it is ours to write */
	if (offset >= node->attrs.size)
		return 0;
	if (n > node->attrs.size - offset)
		n = (size_t)(node->attrs.size - offset);
	memcpy(p, node->data + offset, n);
	return (ssize_t)n;
}

static int fake_write(void *fs, struct sftp_file *file, uint64_t offset, const uint8_t *p, size_t n)
{
	struct fake_fs *f = fs;
	struct fake_node *node = fake_of(f, file, 0);

	assert(offset <= INT64_MAX && n <= INT64_MAX - offset);
	if (fake_call(f, NULL) < 0)
		return -f->fail_with;
	if (f->file[file->fd].flags & SFTP_APPEND)
		offset = node->attrs.size;
	if (offset > FAKE_SIZE || n > FAKE_SIZE - offset)
		return -EFBIG;
	if (n > 0)
		memcpy(node->data + offset, p, n);
	if (offset + n > node->attrs.size)
		node->attrs.size = offset + n;
	return 0;
}

static int fake_stat(void *fs, const char *path, int follow, struct sftp_attrs *a)
{
	struct fake_fs *f = fs;
	struct fake_node *n = fake_find(f, path);

	if (fake_call(f, path) < 0)
		return -f->fail_with;
	if (n != NULL && n->link && follow)
		n = fake_find(f, n->target);
	if (n == NULL)
		return -ENOENT;
	*a = n->attrs;
	return 0;
}

static int fake_fstat(void *fs, struct sftp_file *file, struct sftp_attrs *a)
{
	*a = fake_of(fs, file, 0)->attrs;
	return fake_call(fs, NULL);
}

static int fake_change(struct fake_node *n, const struct sftp_attrs *a)
{
	if (a->flags & SFTP_ATTR_SIZE) {
		assert(a->size <= INT64_MAX);
		if (a->size > FAKE_SIZE)
			return -EFBIG;
		n->attrs.size = a->size;
	}
	if (a->flags & SFTP_ATTR_PERMISSIONS)
		n->attrs.perm = (n->attrs.perm & ~07777u) | (a->perm & 07777);
	if (a->flags & SFTP_ATTR_ACMODTIME)
		n->attrs.mtime = a->mtime;
	return 0;
}

static int fake_setstat(void *fs, const char *path, int follow, const struct sftp_attrs *a)
{
	struct fake_fs *f = fs;
	struct fake_node *n = fake_find(f, path);

	assert(follow || !(a->flags & SFTP_ATTR_SIZE));
	if (fake_call(f, path) < 0)
		return -f->fail_with;
	return n != NULL ? fake_change(n, a) : -ENOENT;
}

static int fake_fsetstat(void *fs, struct sftp_file *file, const struct sftp_attrs *a)
{
	if (fake_call(fs, NULL) < 0)
		return -((struct fake_fs *)fs)->fail_with;
	return fake_change(fake_of(fs, file, 0), a);
}

static int fake_opendir(void *fs, const char *path, struct sftp_file *file)
{
	struct fake_fs *f = fs;
	struct fake_node *n = fake_find(f, path);

	if (fake_call(f, path) < 0)
		return -f->fail_with;
	if (n == NULL)
		return -ENOENT;
	return n->dir ? fake_take(f, n, 1, 0, file) : -ENOTDIR;
}

static int fake_readdir(void *fs, struct sftp_file *file, struct sftp_entry *e)
{
	struct fake_fs *f = fs;

	fake_of(f, file, 1);
	if (fake_call(f, NULL) < 0)
		return -f->fail_with;
	if (f->file[file->fd].at >= f->entries)
		return 0;
	snprintf(f->entry, sizeof f->entry, "entry-%d", f->file[file->fd].at++);
	e->name = e->longname = f->entry;
	memset(&e->attrs, 0, sizeof e->attrs);
	return 1;
}

static int fake_closedir(void *fs, struct sftp_file *file)
{
	struct fake_fs *f = fs;

	fake_of(f, file, 1);
	f->file[file->fd].open = 0;
	f->open_files--;
	return fake_call(f, NULL);
}

static int fake_remove(void *fs, const char *path)
{
	struct fake_node *n = fake_find(fs, path);

	if (fake_call(fs, path) < 0)
		return -((struct fake_fs *)fs)->fail_with;
	if (n == NULL)
		return -ENOENT;
	n->name[0] = '\0';	/* like an open file's inode: it stays for whoever holds it */
	n->link = 0;
	return 0;
}

static int fake_mkdir(void *fs, const char *path, uint32_t mode)
{
	struct fake_node *n;

	assert(mode <= 07777);
	if (fake_call(fs, path) < 0)
		return -((struct fake_fs *)fs)->fail_with;
	if (fake_find(fs, path) != NULL)
		return -EEXIST;
	if ((n = fake_make(fs, path, 1)) == NULL)
		return -ENOSPC;
	n->attrs.perm = 040000 | mode;
	return 0;
}

static int fake_path(void *fs, const char *path, char out[])
{
	if (fake_call(fs, path) < 0)
		return -((struct fake_fs *)fs)->fail_with;
	snprintf(out, SFTP_PATH_MAX, "/real/%.4000s", path);
	return 0;
}

static int fake_readlink(void *fs, const char *path, char out[])
{
	struct fake_node *n = fake_find(fs, path);

	if (fake_call(fs, path) < 0)
		return -((struct fake_fs *)fs)->fail_with;
	if (n == NULL || !n->link)
		return n == NULL ? -ENOENT : -EINVAL;
	strcpy(out, n->target);
	return 0;
}

static int fake_rename(void *fs, const char *from, const char *to, int replace)
{
	struct fake_node *n = fake_find(fs, from), *old = fake_find(fs, to);

	if (fake_call(fs, from) < 0 || fake_call(fs, to) < 0)
		return -((struct fake_fs *)fs)->fail_with;
	if (n == NULL)
		return -ENOENT;
	if (old != NULL && !replace)
		return -EEXIST;
	if (strlen(to) >= sizeof n->name)
		return -ENAMETOOLONG;
	if (old != NULL && old != n)
		old->name[0] = '\0';
	memmove(n->name, to, strlen(to) + 1);
	return 0;
}

static int fake_symlink(void *fs, const char *target, const char *path)
{
	struct fake_node *n;

	if (fake_call(fs, target) < 0 || fake_call(fs, path) < 0)
		return -((struct fake_fs *)fs)->fail_with;
	if (strlen(target) >= sizeof n->target)
		return -ENAMETOOLONG;
	if (fake_find(fs, path) != NULL)
		return -EEXIST;
	if ((n = fake_make(fs, path, 0)) == NULL)
		return -ENOSPC;
	n->link = 1;
	strcpy(n->target, target);
	return 0;
}

static int fake_link(void *fs, const char *from, const char *to)
{
	if (fake_find(fs, from) == NULL)
		return -ENOENT;
	return fake_symlink(fs, from, to);
}

static int fake_statvfs(void *fs, const char *path, struct sftp_space *s)
{
	for (unsigned i = 0; i < SFTP_SPACE_FIELDS; i++)
		s->v[i] = 1000 + i;
	return fake_call(fs, path);
}

static int fake_fstatvfs(void *fs, struct sftp_file *file, struct sftp_space *s)
{
	fake_of(fs, file, 0);
	return fake_statvfs(fs, "", s);
}

static int fake_fsync(void *fs, struct sftp_file *file)
{
	fake_of(fs, file, 0);
	return fake_call(fs, NULL);
}

static const struct sftp_fs_ops fake_ops = {
	.open = fake_open, .close = fake_close, .read = fake_read, .write = fake_write, .stat = fake_stat,
	.fstat = fake_fstat, .setstat = fake_setstat, .fsetstat = fake_fsetstat, .opendir = fake_opendir,
	.readdir = fake_readdir, .closedir = fake_closedir, .remove = fake_remove, .mkdir = fake_mkdir,
	.rmdir = fake_remove, .realpath = fake_path, .readlink = fake_readlink, .rename = fake_rename,
	.symlink = fake_symlink, .link = fake_link, .statvfs = fake_statvfs, .fstatvfs = fake_fstatvfs,
	.fsync = fake_fsync, .home = fake_path,
};

#endif
