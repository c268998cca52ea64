#ifndef SUPERVISOR_OPTIONS_H
#define SUPERVISOR_OPTIONS_H
#include <stddef.h>

/* options - the command line of coppiced, sshd's letters. */

#define OPTIONS_MAX 256u		/* -o and the letters that mean a keyword */

struct options {
	int test;			/* -t */
	int dump;			/* -T, -G */
	int check_keys;			/* -t, -T: not -G */
	int inetd;			/* -i */
	int foreground;			/* -D, -d, -i */
	int debug;			/* -d, up to 3 */
	int to_stderr;			/* -e, -d */
	int version;			/* -V */
	int resume_fd;			/* --resume=FD: the journal of the program before this one; 0: none */
	int back;			/* --back: the program that was to take over could not */
	int can_resume;			/* --can-resume: say which journals this program reads */
	const char *log_file;		/* -E */
	const char *conf;		/* -f; NULL: the usual place */
	const char *client;		/* -C: user=,addr=,laddr=,lport= */
	const char *query;		/* -Q: what a build can do */
	const char *keyword[OPTIONS_MAX];	/* "Keyword=value" lines for conf_load() */
	size_t keywords;
	char *owned[OPTIONS_MAX];
	size_t owneds;
};

/* SSH_OK; SSH_E_CONFIG: why holds a sentence for stderr, or is empty when the usage line says enough. */
int  options_parse(struct options *, int argc, char **argv, char *why, size_t size);
/* A keyword line behind the others; a copy is kept. */
int  options_add(struct options *, const char *keyword, const char *value);
/* Takes back what options_add() added last, until so many are left. */
void options_trim(struct options *, size_t keywords, size_t owneds);
void options_drop(struct options *);
extern const char options_usage[];

#endif
