#ifndef CTL_PRINT_H
#define CTL_PRINT_H
#include <stdio.h>

#include "ctl/rows.h"

/*
 * print - rows as text or JSON, without knowing what they are about. The end of a field's name says its unit, and text
 * shows it in words: _ms, _us, _bytes, _time (seconds since 1970). JSON has the bare numbers under the full names.
 */

struct print_how {
	int list;		/* a table also for one row */
	int utf8;
	size_t width;		/* cut longer lines of tables; 0: never */
};

/* Tables of rows of one shape; key: value blocks for what stands alone or is too wide (PRINT_COLUMNS). */
void print_text(const struct ctl_rows *, const struct print_how *, FILE *);
#define PRINT_COLUMNS 13u
/* One row on one line: "name=value name=value". */
void print_line(const struct ctl_row *, int utf8, FILE *);
/* One array of objects: "kind" first, then the fields. */
void print_json(const struct ctl_rows *, FILE *);
void print_row_json(const struct ctl_row *, FILE *);		/* one object, no newline */
/* A field's value as text shows it; "-" for an empty one. */
const char *print_value(const struct ctl_field *, int utf8, char *out, size_t size);
/* Its name without the unit. */
size_t print_name_length(const struct ctl_field *);

#endif
