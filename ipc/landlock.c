#include "ipc/landlock.h"

#include <linux/landlock.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

#define FILES (LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_MAKE_REG)
#define ALL   ((LANDLOCK_ACCESS_FS_MAKE_SYM << 1) - 1)		/* all of the first version */

int landlock_files_below(int dir)
{
	struct landlock_ruleset_attr all = { .handled_access_fs = ALL };
	struct landlock_path_beneath_attr below = { .allowed_access = FILES, .parent_fd = dir };
	int fd = (int)syscall(SYS_landlock_create_ruleset, &all, sizeof all.handled_access_fs, 0), r = 0;

	if (fd < 0)
		return -1;
	if (dir >= 0)
		r = (int)syscall(SYS_landlock_add_rule, fd, LANDLOCK_RULE_PATH_BENEATH, &below, 0);
	if (r == 0)
		r = (int)syscall(SYS_landlock_restrict_self, fd, 0);
	close(fd);
	return r;
}
