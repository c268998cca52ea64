#ifndef SUPERVISOR_STATE_H
#define SUPERVISOR_STATE_H
#include "supervisor/journal.h"
#include "supervisor/session.h"

/*
 * state - writes what the next supervisor must know into the journal, record by record, where it changes. The order is always:
 * descriptors to the keeper, then the record, then what others see of it. Without a journal nothing happens.
 */

struct kept_exit;

/* Us, writing in that format. */
void state_origin(struct journal_origin *, unsigned format);
/* A journal of our own; while there is a keeper somebody may read it. SSH_OK, or an error, logged. */
int  state_open(struct daemon *);
void state_close(struct daemon *);
/* Everything there is, in that format, into another journal: for a program that takes over. SSH_OK, SSH_E_FULL, SSH_E_NOMEM. */
int  state_write_all(struct daemon *, struct journal *, unsigned format);

/* One record into any journal. */
int  state_put(struct journal *, unsigned format, const struct saved *);

void state_daemon(struct daemon *);
void state_listener(struct listener *);
void state_drain(struct daemon *);
void state_unconfirmed(struct daemon *);
void state_node(struct kid *);
void state_proc(struct proc *);
void state_session(struct session *);
void state_grant(struct session *);
void state_work(struct work *);
void state_exited(struct session *, const struct kept_exit *);
void state_parked(struct session *, unsigned place, struct view message);

void state_forget_listener(struct listener *);
void state_forget_node(struct kid *);
void state_forget_proc(struct proc *);
void state_forget_session(struct session *);
void state_forget_work(struct work *);
void state_forget_exited(struct session *, uint64_t node);
void state_forget_parked(struct session *);

/* Flags of a process in its record. */
#define PROC_GREETED  1u
#define PROC_READY    2u
#define PROC_ENDING   4u
#define PROC_KILLED   8u
#define PROC_BROKE   16u
#define PROC_NEXT    32u	/* a nursery's successor */
#define PROC_LINKED  64u
/* Flags of a node. */
#define NODE_DYNAMIC  1u
#define NODE_FRESH    2u
#define NODE_REMOVING 4u
#define NODE_GONE     8u
#define NODE_HELD    16u
#define NODE_BYHAND  32u

#endif
