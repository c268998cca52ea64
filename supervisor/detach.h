#ifndef SUPERVISOR_DETACH_H
#define SUPERVISOR_DETACH_H
#include "ipc/tell.h"
#include "supervisor/daemon.h"

/* detach - the life of the process itself: background, pid file, its own log lines. */

/*
 * Goes to the background. The process the user started waits until detach_done(), then exits 0; when the daemon ends
 * before, it exits with its status. SSH_OK in the daemon.
 */
int  detach(struct daemon *);
void detach_done(struct daemon *);
/* The log socket pairs, and where -e and -E point. SSH_OK or SSH_E_SYS, with a sentence on stderr. */
int  detach_log(struct daemon *);
/* Own lines: to the reporter while there is one, else straight to stderr or the log file. */
void detach_log_sink(struct daemon *);
/* An event with its log line (or NULL) the same way; without a reporter only the line is left. Never blocks. */
void detach_tell(struct daemon *, enum happening, enum log_level, const char *line, const struct tell *, struct view box);
/* Path of the pid file and the control socket: as configured, or where an ordinary user may write; NULL: none. */
const char *detach_pid_path(const struct daemon *, const struct conf_values *);
const char *detach_control_path(const struct daemon *, const struct conf_values *);
void detach_write_pid(struct daemon *);
void detach_remove_pid(struct daemon *);
/*
 * A reload that moves the pid file: the new one is written beside its place, then both change, or it is forgotten.
 * SSH_OK, also when it does not move; SSH_E_CONFIG with a sentence in why.
 */
int  detach_prepare_pid(struct daemon *, const struct conf_values *, char *why, size_t size);
void detach_commit_pid(struct daemon *);	/* before the values are swapped */
void detach_forget_pid(struct daemon *);
/* The folder of a file, made if it is missing (one level). */
void detach_make_folder(const char *file, unsigned mode);

#endif
