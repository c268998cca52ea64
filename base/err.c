#include "base/err.h"

#include <stddef.h>

static const struct row {
	int value;
	enum err_blame blame;
	unsigned disconnect;
	const char *name, *text;
} rows[] = {
#define PEER ERR_PEER
#define US ERR_US
#define E(name_, value_, blame_, disconnect_, text_) \
	{ value_, blame_, disconnect_, #name_, text_ },
#include "base/err.def"
#undef E
};

static const struct row *find(int error)
{
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		if (rows[i].value == error)
			return &rows[i];
	return NULL;
}

const char *err_text(int error)
{
	const struct row *row = find(error);

	if (error == 0)
		return "no error";
	return row ? row->text : "unknown error";
}

const char *err_name(int error)
{
	const struct row *row = find(error);

	if (error == 0)
		return "OK";
	return row ? row->name : "UNKNOWN";
}

enum err_blame err_blame(int error)
{
	const struct row *row = find(error);

	return row ? row->blame : ERR_US;
}

unsigned err_disconnect(int error)
{
	const struct row *row = find(error);

	return row ? row->disconnect : 0;
}
