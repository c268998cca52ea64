#include "subsystems/sftp_longname.h"

#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static struct id_name *slot(struct id_name *table, unsigned id)
{
	struct id_name *n = &table[id % ID_NAMES];

	if (n->known && n->id != id)
		n->known = 0;
	n->id = id;
	return n;
}

static const char *remember(struct id_name *n, const char *name)
{
	n->known = 1;
	if (name != NULL)
		snprintf(n->name, sizeof n->name, "%s", name);
	else
		snprintf(n->name, sizeof n->name, "%u", n->id);
	return n->name;
}

const char *id_user(struct id_names *t, uid_t uid)
{
	struct id_name *n = slot(t->users, uid);
	struct passwd *pw;

	if (n->known)
		return n->name;
	pw = getpwuid(uid);
	return remember(n, pw != NULL ? pw->pw_name : NULL);
}

const char *id_group(struct id_names *t, gid_t gid)
{
	struct id_name *n = slot(t->groups, gid);
	struct group *gr;

	if (n->known)
		return n->name;
	gr = getgrgid(gid);
	return remember(n, gr != NULL ? gr->gr_name : NULL);
}

static char type_letter(mode_t mode)
{
	switch (mode & S_IFMT) {
	case S_IFREG:  return '-';
	case S_IFDIR:  return 'd';
	case S_IFLNK:  return 'l';
	case S_IFBLK:  return 'b';
	case S_IFCHR:  return 'c';
	case S_IFIFO:  return 'p';
	case S_IFSOCK: return 's';
	default:       return '?';
	}
}

static void mode_text(mode_t mode, char text[11])
{
	static const char letters[] = "rwxrwxrwx";

	text[0] = type_letter(mode);
	for (int i = 0; i < 9; i++)
		text[1 + i] = mode & (mode_t)(0400 >> i) ? letters[i] : '-';
	if (mode & S_ISUID)
		text[3] = mode & S_IXUSR ? 's' : 'S';
	if (mode & S_ISGID)
		text[6] = mode & S_IXGRP ? 's' : 'S';
	if (mode & S_ISVTX)
		text[9] = mode & S_IXOTH ? 't' : 'T';
	text[10] = '\0';
}

const char *sftp_longname(char *out, size_t size, const char *name, const struct stat *st, struct id_names *ids, time_t now)
{
	const time_t half_year = 365 * 24 * 60 * 60 / 2;
	char mode[11], when[32] = "";
	struct tm tm;
	int recent = now - st->st_mtime < half_year && st->st_mtime <= now;

	mode_text(st->st_mode, mode);
	if (localtime_r(&st->st_mtime, &tm) != NULL)
		strftime(when, sizeof when, recent ? "%b %e %H:%M" : "%b %e  %Y", &tm);
	/* A blank stands where ls has its sign for access control lists. */
	snprintf(out, size, "%s  %3lu %-8s %-8s %8llu %s %s", mode, (unsigned long)st->st_nlink,
	    id_user(ids, st->st_uid), id_group(ids, st->st_gid), (unsigned long long)st->st_size, when, name);
	return out;
}
