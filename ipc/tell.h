#ifndef IPC_TELL_H
#define IPC_TELL_H
#include "base/log.h"
#include "ipc/codec.h"
#include "ipc/row.h"

/* tell - an event of events.def as the datagram that goes to the reporter: a log line that carries named values. */

enum happening {
#define HAPPENS(number, NAME, name, id, meaning) HAPPENS_##NAME = (number),
#include "ipc/events.def"
#undef HAPPENS
};

/* "login"; NULL for a number that is not in the table. */
const char *happening_name(unsigned);
/* 32 hexadecimal digits, "" for ordinary lines. */
const char *happening_id(unsigned);

/* One named value; text is shown escaped. TELL_END ends a list. */
struct tell { const char *name; enum row_kind kind; const char *text; int64_t number; };
#define TELL_TEXT(name, text)   { name, ROW_TEXT, text, 0 }
#define TELL_NUMBER(name, n)    { name, ROW_NUMBER, NULL, (int64_t)(n) }
#define TELL_BOOL(name, yes)    { name, ROW_BOOL, NULL, (yes) != 0 }
#define TELL_END                { NULL, ROW_TEXT, NULL, 0 }

#define TELL_FIELDS_MAX 4096u
#define TELL_MAX        10240u		/* the whole datagram */

/* The list as row fields. SSH_OK or SSH_E_FULL. */
int tell_fields(struct buf *, const struct tell *);
/* The datagram: line may be NULL (only an event, no log line), box empty. SSH_OK or SSH_E_FULL. */
int tell_encode(struct buf *, enum ipc_role, uint64_t node, enum happening, enum log_level, const char *line, const struct tell *,
    struct view box);

#endif
