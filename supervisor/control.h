#ifndef SUPERVISOR_CONTROL_H
#define SUPERVISOR_CONTROL_H
#include "supervisor/daemon.h"

struct sockaddr_un;

/* control - the socket of coppicectl: mode 0600, and only root or the daemon's own user is heard. */

#define CONTROL_CLIENTS_MAX 8u

/* Never fatal: without it the daemon serves all the same, and says so. */
void control_open(struct daemon *);
void control_close(struct daemon *);
/*
 * A reload that moves the socket: the new one is bound, then both change, or it is forgotten. Clients stay connected.
 * SSH_OK, also when it does not move; SSH_E_CONFIG with a sentence in why.
 */
int  control_prepare(struct daemon *, const struct conf_values *, char *why, size_t size);
void control_commit(struct daemon *);
void control_forget(struct daemon *);

struct client;

/* Over an upgrade: the socket, and the one who asked for it (borrowed; -1: none). */
int  control_fd(const struct daemon *);
int  control_client_fd(struct daemon *, uint64_t id);
/* A client of the program before this one, who waits for client_done(); fd is taken, also on failure. NULL: no memory. */
struct client *control_take_client(struct daemon *, int fd);
/*
 * A listening SOCK_STREAM socket at path, for others than coppicectl, or -1 with errno; EADDRINUSE: somebody answers there already,
 * unless we take over from him. What a killed daemon left is removed.
 */
int  control_stream(const struct daemon *, const char *path, unsigned mode);
/* A listening SOCK_SEQPACKET socket there, mode 0600 from its first moment, or -1 with errno. Nothing may be there. */
int  control_bind(const struct sockaddr_un *);

#endif
