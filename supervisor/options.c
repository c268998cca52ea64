#include "supervisor/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"

const char options_usage[] =
    "usage: coppiced [-46DdeGiqTtV] [-C connection_spec] [-E log_file] [-f config_file]\n"
    "                [-g login_grace_time] [-h host_key_file] [-o option] [-p port]\n"
    "       coppiced -Q cipher|mac|kex|key|sig|compression|help\n";

/* For ourselves, at an upgrade. */
enum { LONG_RESUME = 256, LONG_CAN_RESUME, LONG_BACK };
static const struct option longs[] = {
	{ "resume", required_argument, NULL, LONG_RESUME }, { "can-resume", no_argument, NULL, LONG_CAN_RESUME },
	{ "back", no_argument, NULL, LONG_BACK }, { 0 },
};

static int keep(struct options *o, const char *line)
{
	if (o->keywords >= OPTIONS_MAX)
		return SSH_E_LIMIT;
	o->keyword[o->keywords++] = line;
	return SSH_OK;
}

int options_add(struct options *o, const char *keyword, const char *value)
{
	char *line;

	if (o->owneds >= OPTIONS_MAX)
		return SSH_E_LIMIT;
	/* quoted, because a path may have blanks in it */
	if (asprintf(&line, "%s %s%s%s", keyword, strchr(value, ' ') ? "\"" : "", value, strchr(value, ' ') ? "\"" : "") < 0)
		return SSH_E_NOMEM;
	o->owned[o->owneds++] = line;
	return keep(o, line);
}

void options_trim(struct options *o, size_t keywords, size_t owneds)
{
	while (o->owneds > owneds)
		free(o->owned[--o->owneds]);
	o->keywords = keywords;
}

void options_drop(struct options *o)
{
	for (size_t i = 0; i < o->owneds; i++)
		free(o->owned[i]);
	o->owneds = o->keywords = 0;
}

/* A letter that is short for a keyword. */
static int as_keyword(struct options *o, int letter)
{
	switch (letter) {
	case '4': return options_add(o, "AddressFamily", "inet");
	case '6': return options_add(o, "AddressFamily", "inet6");
	case 'g': return options_add(o, "LoginGraceTime", optarg);
	case 'h': return options_add(o, "HostKey", optarg);
	case 'p': return options_add(o, "Port", optarg);
	case 'q': return options_add(o, "LogLevel", "QUIET");
	case 'o': return keep(o, optarg);
	default:  return SSH_E_BUG;
	}
}

static int one(struct options *o, int letter)
{
	switch (letter) {
	case 't': o->test = o->check_keys = 1; break;
	case 'T': o->dump = o->check_keys = 1; break;
	case 'G': o->dump = 1; break;
	case 'i': o->inetd = o->foreground = 1; break;
	case 'D': o->foreground = 1; break;
	case 'd': o->foreground = o->to_stderr = 1, o->debug += o->debug < 3; break;
	case 'e': o->to_stderr = 1; break;
	case 'V': o->version = 1; break;
	case 'E': o->log_file = optarg; break;
	case 'f': o->conf = optarg; break;
	case 'C': o->client = optarg; break;
	case 'Q': o->query = optarg; break;
	case LONG_RESUME: o->resume_fd = atoi(optarg); break;
	case LONG_BACK: o->back = 1; break;
	case LONG_CAN_RESUME: o->can_resume = 1; break;
	default:  return as_keyword(o, letter);
	}
	return SSH_OK;
}

int options_parse(struct options *o, int argc, char **argv, char *why, size_t size)
{
	static const char *const levels[] = { "DEBUG1", "DEBUG2", "DEBUG3" };
	int letter, r = SSH_OK;

	memset(o, 0, sizeof *o);
	why[0] = '\0';
	optind = 0;		/* glibc: start anew, for tests */
	opterr = 0;
	while ((letter = getopt_long(argc, argv, "+46DdeGiqTtVC:E:f:g:h:o:p:Q:", longs, NULL)) != -1) {
		if (letter == '?') {
			if (strchr("CEfghopQ", optopt) != NULL && optopt != 0)
				snprintf(why, size, "option -%c needs an argument", optopt);
			else
				snprintf(why, size, "unknown option -%c", optopt);
			return SSH_E_CONFIG;
		}
		if ((r = one(o, letter)) < 0) {
			snprintf(why, size, "too many options");
			return SSH_E_CONFIG;
		}
	}
	if (optind < argc) {
		snprintf(why, size, "extra argument %.100s", argv[optind]);
		return SSH_E_CONFIG;
	}
	if (o->client != NULL && !o->dump) {
		snprintf(why, size, "-C needs -T");
		return SSH_E_CONFIG;
	}
	return o->debug > 0 ? options_add(o, "LogLevel", levels[o->debug - 1]) : SSH_OK;
}
