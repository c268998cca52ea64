#ifndef CONNECTION_RELAY_H
#define CONNECTION_RELAY_H
#include <event2/event_struct.h>
#include <stdint.h>
#include <sys/uio.h>

#include "base/buf.h"
#include "base/wire.h"
#include "ipc/memory.h"

/*
 * relay - a channel's descriptors ⇄ its windows.
 *
 * Client to program: bytes are written at once; what the program does not take stays pending, at most a window,
 * and only what it took is given back to the client's window. Program to client: nothing is read
 * without room in the client's window and in our output. So either side that stops reading stops the other.
 */

struct conn;
struct session;

#define RELAY_IOVECS_MAX 8	/* 256 KiB of 32 KiB packets */
#define RELAY_GATHER_MAX 32	/* a read of 256 KiB is 8 of OpenSSH's packets, 16 of PuTTY's */

struct stream {
	struct relay *relay;
	int fd;			/* -1: closed */
	uint32_t ext;		/* RFC 4254 5.2: 0, or 1 for stderr */
	int armed, ready;	/* ready: its event is assigned */
	int iovecs;		/* packets to ask for at a time; 0: less than one, see small_read() */
	struct event event;
};

/* One channel's DATA of one read of the client's socket, where the core decrypted it, to be written at once; there is one of a connection. */
struct gather {
	struct relay *relay;	/* NULL: nothing is gathered */
	int count;
	size_t bytes;
	struct iovec iov[RELAY_GATHER_MAX];
};

struct relay {
	struct conn *c;
	struct session *session;
	uint32_t chan;
	int started, pty;
	int draining;		/* the worker is gone: an empty pty is a finished one */
	int eof;		/* the client has no more; stdin closes when pending is written */
	int widened;		/* stdin's pipe has been made larger */
	uint64_t bytes_in, bytes_out;	/* of data, from and to the client */
	struct buf pending;	/* for stdin; keeps its storage until relay_shrink() */
	struct stream in, out, err;
};

void relay_init(struct relay *, struct conn *, struct session *, uint32_t chan);
/* n descriptors, taken: a pty master, or stdin, stdout, stderr. SSH_OK or SSH_E_NOMEM, SSH_E_SYS. */
int  relay_start(struct relay *, const int *fds, int n);
/* A relay that moved here, its state already set: in, out, err, -1 where there is none; taken. SSH_OK or SSH_E_NOMEM, SSH_E_SYS. */
int  relay_adopt(struct relay *, const int fds[3]);
/* Waits for nothing any more, until relay_rearm(). */
void relay_still(struct relay *);
/* CHAN_DATA; also before relay_start(). stays: as in the event; then it may be written later, by relay_flush(). */
void relay_input(struct relay *, struct view, int stays);
/* Writes what was gathered; before any event but more DATA of the same channel, and before the core gets input. */
void relay_flush(struct conn *);
void relay_input_eof(struct relay *);
/* Nobody reads stdin any more: what is pending and what comes is dropped, the window stays open. */
void relay_close_input(struct relay *);
/* The client reads no more stdout (eow@openssh.com). */
void relay_close_output(struct relay *);
/* The client closed the channel: no reader any more; what it sent before still reaches stdin. A pty hangs up. */
void relay_client_closed(struct relay *);
/* The worker was reaped. */
void relay_worker_gone(struct relay *);
/* 1 when there is nothing more to come from the program. */
int  relay_output_ended(const struct relay *);
/* END_* whose descriptor here is closed. */
unsigned relay_closed_ends(const struct relay *);
/* Window size and break for a pty. 0 or -1. */
int  relay_resize(struct relay *, uint32_t cols, uint32_t rows, uint32_t xpixel, uint32_t ypixel);
int  relay_break(struct relay *);
/* Reads what can be read without an event: a pty that is draining. */
void relay_pump(struct relay *);
void relay_rearm(struct relay *);
/* Nothing moved for a while: memory that is not in use goes back. */
void relay_shrink(struct relay *);
/* What a predecessor was woken for, again (survive.h). */
void relay_replay(struct relay *, enum memory_kind, unsigned which);
void relay_drop(struct relay *);

#endif
