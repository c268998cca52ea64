#ifndef IPC_PERMITS_H
#define IPC_PERMITS_H

/*
 * permits - what a granted session may do: the bits of AUTH_GRANTED.permits and AUTH_POLICY.permits.
 * Set by auth from the configuration and the key's options (sshd(8), AUTHORIZED_KEYS FILE FORMAT);
 * enforced by the supervisor for what it makes (pty), by the connection for what it opens.
 */

#define PERMIT_PTY     0x01u	/* pty-req */
#define PERMIT_FORWARD 0x02u	/* direct-tcpip, tcpip-forward and their streamlocal forms */
#define PERMIT_AGENT   0x04u	/* auth-agent-req@openssh.com */
#define PERMIT_X11     0x08u	/* x11-req */
#define PERMIT_USER_RC 0x10u	/* ~/.ssh/rc */
#define PERMIT_ALL     0x1fu

#endif
