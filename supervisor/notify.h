#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

/*
 * notify - datagrams to the service manager (sd_notify(3), without libsystemd): $NOTIFY_SOCKET, a path or an @abstract
 * name. Without one every call does nothing. Never blocks; a datagram that cannot be sent is lost, and counted.
 */

struct daemon;

/* Remembers $NOTIFY_SOCKET and takes it out of the environment, so that no child inherits it. Once, at start. */
void notify_open(void);
int  notify_is_on(void);
/* One datagram: lines of KEY=value. SSH_OK, SSH_E_NOT_NOW (no manager, or it does not read just now). */
int  notify_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/*
 * FDSTORE=1, FDNAME=name (letters, digits, - _ .), FDPOLL=0: the manager keeps duplicates of fds and passes them to the next
 * start of the service. The same name may hold several. SSH_OK, SSH_E_NOT_NOW (no manager, or it does not read: say it again).
 */
int  notify_store(const char *name, const int *fds, int n);
int  notify_unstore(const char *name);		/* all fds of that name; as notify_store() */

#endif
