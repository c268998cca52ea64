#ifndef SSH_CHAN_H
#define SSH_CHAN_H
#include <stddef.h>
#include <stdint.h>

/*
 * chan - one channel: its windows and its life (RFC 4254 5). For the files of ssh/ only.
 *
 * Receiving, room + unread + credit == window always holds:
 *   room    the peer may still send
 *   unread  handed to the user, not yet consumed
 *   credit  consumed, not yet granted again
 *
 * The window grows to twice of what is consumed in one round trip, so a channel is as fast as its path and its reader, and a
 * reader that stops makes nothing grow. What all channels of a connection grew by together has a bound (struct mux).
 */

struct ssh;
struct wr;
struct rd;

enum chan_state {
	CHAN_FREE,
	CHAN_ASKED,	/* the peer asked; the user has not answered */
	CHAN_OPENING,	/* we asked; the peer has not answered */
	CHAN_OPEN	/* open, also while one CLOSE is still missing */
};

/*
 * Numbers: the slot in the low bits, above it how often the slot was used before, so that a number
 * out of the past never means a new channel.
 */
#define CHAN_SLOT_BITS 10
#define CHAN_SLOTS_MAX (1u << CHAN_SLOT_BITS)
#define CHAN_SLOT(id)  ((id) & (CHAN_SLOTS_MAX - 1))
#define CHAN_ID_MASK   0x7fffffffu	/* some peers keep numbers in an int */

struct chan {
	uint32_t id, peer;		/* our number, theirs */
	uint8_t state;
	uint8_t eof_sent, eof_got, close_sent, close_got;
	uint8_t linger;			/* the user answers the peer's CLOSE */
	uint8_t starved;		/* the user was told there is no room: CHAN_ROOM when there is */
	uint32_t window, packet;	/* what we offer: whole window, largest DATA */
	uint64_t room, unread, credit;
	uint32_t grown;			/* of window, since the channel began */
	uint64_t asked_at;		/* we said our number, or asked for theirs, and wait for the first answer (ms); 0: no more */
	uint64_t measured_at, drained;	/* since then that much was consumed */
	uint64_t peer_room;		/* what we may still send */
	uint32_t peer_packet;		/* largest DATA the peer takes */
	uint16_t asked;			/* requests of the peer that wait for ssh_chan_reply() */
	uint16_t waiting;		/* requests of ours that wait for the peer */
};

/* The peer's number, or its first message to ours, came: that took one round trip. */
void chan_answered(struct ssh *, struct chan *);
/* Room to send now; 0 when closed for sending, held by a key exchange or over the output's mark. */
size_t chan_room(const struct ssh *, const struct chan *);
/* Says CHAN_ROOM once if the user was refused room and there is some now. */
int chan_room_event(struct ssh *, struct chan *);
/* One channel's record between two packets; import checks every field, SSH_E_STATE. */
void chan_export(const struct chan *, struct wr *);
int  chan_import(struct chan *, struct rd *);
/* The rest of it, which records of older versions lack. */
void chan_export_growth(const struct ssh *, const struct chan *, struct wr *);
int  chan_import_growth(const struct ssh *, struct chan *, struct rd *);

#endif
