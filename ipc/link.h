#ifndef IPC_LINK_H
#define IPC_LINK_H
#include <stdint.h>

#include "ipc/codec.h"

/*
 * link - one SOCK_SEQPACKET socket to one process, on a libevent base. One sendmsg is one message
 * with its descriptors. Every message is checked against messages.def before its handler runs;
 * a violation ends the link. Nothing here blocks.
 */

struct event_base;
struct link;

struct link_ops {
	/* A legal message. Views and descriptors live until it returns; take what you keep. SSH_OK, or an error that ends the link. */
	int  (*message)(struct link *, struct ipc_msg *, void *ctx);
	/* The far end is gone (0) or broke the rules (SSH_E_*), or something could not be said to it: our queue overflowed (SSH_E_FULL), or there was no memory for it (SSH_E_NOMEM), no descriptor (SSH_E_SYS). Called once; link_free() it there or later. */
	void (*gone)(struct link *, int error, void *ctx);
};

/* fd is taken, also on failure; it is made non-blocking. me and peer are fixed for ever. */
int  link_new(struct link **, struct event_base *, int fd, enum ipc_role me, enum ipc_role peer,
    const struct link_ops *, void *ctx);
/* Closes; queued messages are lost. NULL is fine. Safe inside its own callbacks. */
void link_free(struct link *);
/* fds (nfds of them) are given: closed here once sent, also on failure. SSH_E_RULE: not legal now. SSH_E_GONE. SSH_E_FULL, SSH_E_NOMEM: it is lost; if one of the two is the supervisor, the link ends soon (gone()), else say it again later. */
int  link_send_fds(struct link *, enum ipc_type, const void *body, const int *fds, int nfds);
int  link_send(struct link *, enum ipc_type, const void *body);
/*
 * We have nothing more to say: the far end sees the end of the link. What it said before, and still says, arrives; then
 * gone() comes as ever. Sending gives SSH_E_GONE.
 */
void link_finish(struct link *);
/* The far end is dead: handles what it had said and nobody has read. No gone() from here. Not inside a handler. SSH_OK, or the error of the message that broke the rules. */
int  link_drain(struct link *);
/*
 * The same, but the descriptors stay yours; what has to wait in the queue is duplicated.
 */
int  link_lend_fds(struct link *, enum ipc_type, const void *body, const int *fds, int nfds);
/*
 * From now on a message leaves the socket only after its handler returned: a process that dies in the middle leaves it to
 * whoever takes the link over, and its handler must not mind hearing a message again.
 */
void link_careful(struct link *);
/* From now on the kernel tells the sender's pid with each message (ipc_msg.sender). SSH_OK or SSH_E_SYS. */
int  link_attest(struct link *);
/* As link_free(), and the far end sees the end of the link even if other processes hold copies of our end. */
void link_hang_up(struct link *);
/*
 * While it holds, what is sent is checked and kept here instead; for a far end that is about to be replaced. link_give()
 * lets what `from` kept go out on `to` (which may be the same link), behind what `to` has queued.
 */
void link_hold(struct link *, int hold);
void link_give(struct link *to, struct link *from);
enum ipc_when link_state(const struct link *);
void link_enter(struct link *, enum ipc_when);
enum ipc_role link_peer(const struct link *);
void *link_ctx(const struct link *);
int  link_fd(const struct link *);		/* borrowed */
/* Messages queued because the peer does not read. */
unsigned link_queued(const struct link *);
/* Stop and go on taking messages; a stopped link keeps them in the socket. */
void link_pause(struct link *, int paused);
/* A connected pair, close-on-exec; for the two ends. SSH_OK or SSH_E_SYS. */
int  link_pair(int fds[2]);
/*
 * For processes without an event loop: waits at most timeout_ms for the next legal message, received
 * into storage (at least IPC_MESSAGE_MAX bytes). SSH_E_TIMEOUT, SSH_E_GONE, SSH_E_RULE, SSH_E_FORMAT.
 */
int  link_wait(int fd, enum ipc_role me, enum ipc_role peer, enum ipc_when, int timeout_ms,
    struct ipc_msg *, uint8_t *storage);
/* Blocking send on a bare descriptor; the descriptors are not closed. */
int  link_say(int fd, enum ipc_role me, enum ipc_role peer, enum ipc_when, enum ipc_type, const void *body,
    const int *fds, int nfds);

#endif
