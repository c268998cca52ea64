#ifndef IPC_DATAGRAM_H
#define IPC_DATAGRAM_H
#include <stddef.h>
#include <stdint.h>

#include "ipc/codec.h"

/* datagram - one message as one sendmsg or recvmsg with its descriptors; link.c and the waiting calls share it. */

/* One try. SSH_OK, SSH_E_NOT_NOW (would block), SSH_E_GONE. The descriptors stay the caller's. flags: of sendmsg. */
int datagram_send(int fd, const void *p, size_t n, const int *fds, int nfds, int flags);
/*
 * One try; *n gets the length. m->fds and m->nfds are filled (close-on-exec); nothing is decoded.
 * SSH_E_NOT_NOW, SSH_E_GONE (end or error), SSH_E_FORMAT (message or descriptors cut off; they are closed).
 */
int datagram_recv(int fd, uint8_t *p, size_t size, size_t *n, struct ipc_msg *m, int flags);
/* Decodes and checks what was received. On error the descriptors are closed. */
int datagram_accept(struct ipc_msg *, const uint8_t *p, size_t n, enum ipc_role from, enum ipc_role to, enum ipc_when);

#endif
