#ifndef IPC_ROW_H
#define IPC_ROW_H
#include <stdint.h>

#include "base/wire.h"

/*
 * row - one line of an answer to coppicectl (CTL_ROW.fields): named values in order; text, whole numbers, yes or no.
 * The tool prints them as a table or as JSON without knowing what they mean.
 */

#define ROW_BYTES_MAX 16384u
#define ROW_NAME_MAX  64u

enum row_kind { ROW_TEXT = 's', ROW_NUMBER = 'n', ROW_BOOL = 'b' };

struct row_field { enum row_kind kind; struct view name, text; int64_t number; };	/* views into the row */

/* Write one field; errors stick in the writer. */
void row_text(struct wr *, const char *name, const char *value);	/* NULL as "" */
void row_view(struct wr *, const char *name, struct view value);
void row_number(struct wr *, const char *name, int64_t value);
void row_bool(struct wr *, const char *name, int value);

/* 1 and the next field, 0 at the end, SSH_E_FORMAT when these bytes are no row. */
int  row_next(struct rd *, struct row_field *);

#endif
