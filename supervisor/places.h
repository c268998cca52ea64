#ifndef SUPERVISOR_PLACES_H
#define SUPERVISOR_PLACES_H
#include <stddef.h>

/*
 * places - where files are when nobody said so. An installed tree runs from wherever it was put: PREFIX is two
 * folders above the program. root: PREFIX/etc/coppice (or /etc/coppice for /usr), /run; an ordinary user:
 * XDG_CONFIG_HOME, XDG_STATE_HOME with the defaults of the XDG base directory specification, and for the control
 * socket and the pid file XDG_RUNTIME_DIR, or /tmp/coppice-UID where there is none (coppicectl looks there, too). State: $STATE_DIRECTORY
 * (systemd.exec(5)), /var/lib/coppice for a tree in /usr, PREFIX/var/lib/coppice for another one, XDG_STATE_HOME.
 */

#define PLACE_MAX 4096u

struct places {
	char conf[PLACE_MAX];		/* configuration file */
	char keys[PLACE_MAX];		/* directory of the host keys made at first start */
	char pid_file[PLACE_MAX];	/* "" : none */
	char control[PLACE_MAX];
	char state[PLACE_MAX];		/* what outlives the daemon; a directory, made when needed */
	char libexec[PLACE_MAX];	/* PREFIX/libexec/coppice */
};

/* exe: path of the running program; uid 0: root; env: getenv or a test's. SSH_OK, or SSH_E_CONFIG when no place can be named. */
int places_find(struct places *, const char *exe, unsigned uid, const char *(*env)(const char *));
/* As above for this process: /proc/self/exe, geteuid, the environment. */
int places_here(struct places *);

#endif
