#ifndef CTL_ROWS_H
#define CTL_ROWS_H
#include <stdio.h>

#include "ipc/codec.h"

/* rows - answers made of CTL_ROW, as text or as JSON. */

/* One row: "kind name=value name=value" and a newline; values with blanks in quotes. SSH_OK or SSH_E_FORMAT. */
int  ctl_row_text(const struct ipc_CTL_ROW *, FILE *);
/* One JSON object and no newline: {"kind":"session","name":"value",...}. */
int  ctl_row_json(const struct ipc_CTL_ROW *, FILE *);

#endif
