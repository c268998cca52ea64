#ifndef CTL_ROWS_H
#define CTL_ROWS_H
#include <stddef.h>
#include <stdint.h>

#include "ipc/codec.h"
#include "ipc/row.h"

/* rows - an answer made of CTL_ROW, kept: nothing is printed before it is complete. */

struct ctl_field { char *name; enum row_kind kind; int64_t number; char *text; };	/* text: "" unless ROW_TEXT; a NUL inside ends it */
struct ctl_row { char *kind; struct ctl_field *v; size_t n; };
struct ctl_rows { struct ctl_row *v; size_t n, room; };

/* SSH_OK, SSH_E_FORMAT (these bytes are no row; nothing was added) or SSH_E_NOMEM. */
int  ctl_rows_add(struct ctl_rows *, const struct ipc_CTL_ROW *);
void ctl_rows_free(struct ctl_rows *);
const struct ctl_field *ctl_field(const struct ctl_row *, const char *name);	/* NULL: it has none */
int64_t ctl_number(const struct ctl_row *, const char *name);			/* 0 when there is none */
const char *ctl_text(const struct ctl_row *, const char *name);			/* "" when there is none */
/* Same kind and same fields in the same order: they fit one table. */
int  ctl_same_shape(const struct ctl_row *, const struct ctl_row *);

#endif
