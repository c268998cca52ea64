#ifndef SUPERVISOR_HAIL_H
#define SUPERVISOR_HAIL_H
#include "supervisor/session.h"

/* hail - what is said to the clients of live sessions: a notice on their terminals, the reason why a session ends. */

/*
 * Puts text (UTF-8, cut at 1,000 bytes) on every terminal of the session; its NOTICE_SHOWN repeats req, 0: nobody waits for
 * it. SSH_OK; SSH_E_NOT_NOW: nobody is logged in, or there is no connection; or link_send()'s error.
 */
int      hail_session(struct session *, uint32_t req, const char *text);
/* The same to everybody who is logged in. How many sessions it was sent to. */
unsigned hail_everybody(struct daemon *, const char *text);
/* "Message from root: TEXT": what a terminal shows of an administrator's words; who as client_who() has it. */
const char *hail_words(char *out, size_t size, const char *who, const char *text);
/*
 * The client is told the reason (SSH_MSG_DISCONNECT, RFC 4253 11.1, "by application"), then the session's node is stopped by the
 * tree's rules. told (may be NULL): 1 when there was a connection to tell it to. The record may be gone after it.
 */
void     hail_end(struct session *, const char *text, int *told);

/* The reason alone, to every client: before the tree stops, whose order would end the programs first. */
void     hail_farewell(struct daemon *, const char *text);

#endif
