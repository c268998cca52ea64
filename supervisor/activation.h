#ifndef SUPERVISOR_ACTIVATION_H
#define SUPERVISOR_ACTIVATION_H
#include "supervisor/daemon.h"

/*
 * activation - descriptors the service manager passed us (sd_listen_fds(3)): listening sockets, which become listeners
 * named after their FileDescriptorName, and descriptors of our own that it stored, whose names begin with "coppice-".
 */

#define ACTIVATION_STORED "coppice-"
#define ACTIVATION_NAME_MAX 100u

/*
 * Takes $LISTEN_PID, $LISTEN_FDS and $LISTEN_FDNAMES out of the environment, and the descriptors, when they are meant for
 * us. Before anything else is opened. SSH_OK, or SSH_E_CONFIG and a sentence: what was passed makes no sense.
 */
int  activation_open(char *why, size_t size);
/* A stored descriptor of that name ("coppice-..."), yours now; -1: there is none (any more). The same name may come several times. */
int  activation_take(const char *name);
/*
 * Walks the stored descriptors from *at = 0 on, listening sockets aside. *fd: yours now; -1: it was taken before. 0: no more.
 */
int  activation_next(size_t *at, const char **name, int *fd);
/* An int option of level SOL_SOCKET; -1: fd is no socket, or has it not. */
int  activation_option(int fd, int name);
/*
 * A stored socket that listens on that address already, yours now; -1: there is none. With it a client that came while nobody
 * ran, not even the keeper, is served instead of refused.
 */
int  activation_take_listening(const struct addr *);
/* Under which name the manager stores the socket of that address. */
const char *activation_listening_name(const struct addr *, char out[ACTIVATION_NAME_MAX]);
/* Everything that serves is known: stored sockets nobody took are let go, or their port would look open. */
void activation_settle(const struct daemon *);
/* Listeners of the passed sockets, which are no longer kept here. SSH_OK, or SSH_E_CONFIG and a sentence: one of them cannot be served. */
int  activation_listeners(struct daemon *, char *why, size_t size);
/*
 * May this configuration be used with the sockets we were given? What it says in Port and ListenAddress has to be what
 * they are; saying nothing is fine. SSH_OK, or SSH_E_CONFIG and a sentence.
 */
int  activation_agrees(const struct daemon *, const struct conf *, const struct conf_values *, struct conf_error *);
/* Closes what nobody took. */
void activation_drop(void);

#endif
