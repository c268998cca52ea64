#include "conf/names.h"

#include <stddef.h>
#include <strings.h>
#include <syslog.h>

#include "base/err.h"
#include "conf/conf.h"

const struct name names_bool[] = { { "yes", 1 }, { "no", 0 }, { NULL, 0 } };

const struct name names_root[] = {
	{ "prohibit-password", ROOT_PROHIBIT_PASSWORD }, { "without-password", ROOT_PROHIBIT_PASSWORD },
	{ "forced-commands-only", ROOT_FORCED_COMMANDS_ONLY }, { "yes", ROOT_YES }, { "no", ROOT_NO }, { NULL, 0 },
};

const struct name names_family[] = {
	{ "any", FAMILY_ANY }, { "inet", FAMILY_INET }, { "inet6", FAMILY_INET6 }, { NULL, 0 },
};

const struct name names_proxy[] = { { "no", PROXY_NO }, { "yes", PROXY_YES }, { "required", PROXY_REQUIRED }, { NULL, 0 } };

/* delayed is sshd's word for what yes has meant since it gave up compression before login. */
const struct name names_compression[] = { { "yes", 1 }, { "delayed", 1 }, { "no", 0 }, { NULL, 0 } };

/* We have fewer levels than sshd: a fatal error is an error, and DEBUG2 and DEBUG3 show the same. */
const struct name names_level[] = {
	{ "QUIET", LOGL_QUIET }, { "ERROR", LOGL_ERROR }, { "FATAL", LOGL_ERROR }, { "INFO", LOGL_INFO },
	{ "VERBOSE", LOGL_VERBOSE }, { "DEBUG", LOGL_DEBUG }, { "DEBUG1", LOGL_DEBUG }, { "DEBUG2", LOGL_TRACE },
	{ "DEBUG3", LOGL_TRACE }, { NULL, 0 },
};

const struct name names_facility[] = {
	{ "DAEMON", LOG_DAEMON }, { "USER", LOG_USER }, { "AUTH", LOG_AUTH }, { "AUTHPRIV", LOG_AUTHPRIV },
	{ "LOCAL0", LOG_LOCAL0 }, { "LOCAL1", LOG_LOCAL1 }, { "LOCAL2", LOG_LOCAL2 }, { "LOCAL3", LOG_LOCAL3 },
	{ "LOCAL4", LOG_LOCAL4 }, { "LOCAL5", LOG_LOCAL5 }, { "LOCAL6", LOG_LOCAL6 }, { "LOCAL7", LOG_LOCAL7 },
	{ NULL, 0 },
};

const struct name names_format[] = {
	{ "auto", LOG_FORMAT_AUTO }, { "text", LOG_FORMAT_TEXT }, { "json", LOG_FORMAT_JSON }, { "journal", LOG_FORMAT_JOURNAL },
	{ "syslog", LOG_FORMAT_SYSLOG }, { NULL, 0 },
};

int names_value(const struct name *table, const char *word, int *value)
{
	for (; table->word != NULL; table++)
		if (strcasecmp(table->word, word) == 0) {
			*value = table->value;
			return SSH_OK;
		}
	return SSH_E_FORMAT;
}

const char *names_word(const struct name *table, int value)
{
	for (; table->word != NULL; table++)
		if (table->value == value)
			return table->word;
	return "unknown";
}
