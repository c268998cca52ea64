#ifndef CONF_CONF_H
#define CONF_CONF_H
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/log.h"
#include "base/wire.h"

/*
 * conf - the configuration: sshd_config's grammar, one schema (schema.def), per-role slices.
 *
 * A struct conf is the parsed text with its Match blocks; conf_resolve() gives the values that hold
 * for one client, as in sshd: matching blocks override the global section; among matching blocks, and
 * in the global section, the first value of a keyword wins. Lists that append (Port, HostKey, AcceptEnv
 * ...) append within one of the two; Subsystem appends over both, the first of a name wins.
 */

struct buf;
struct conf;

/* Which process gets a keyword (schema.def); a slice holds only its reader's. */
enum conf_reader {
	CONF_SUP = 1, CONF_ACC = 2, CONF_KEY = 4, CONF_AUTH = 8, CONF_CONN = 16, CONF_REP = 32, CONF_KEEP = 64
};

enum conf_root { ROOT_NO, ROOT_PROHIBIT_PASSWORD, ROOT_FORCED_COMMANDS_ONLY, ROOT_YES };
enum conf_log_format { LOG_FORMAT_AUTO, LOG_FORMAT_TEXT, LOG_FORMAT_JSON, LOG_FORMAT_JOURNAL, LOG_FORMAT_SYSLOG };
enum conf_proxy { PROXY_NO, PROXY_YES, PROXY_REQUIRED };
enum conf_family { FAMILY_ANY, FAMILY_INET, FAMILY_INET6 };

struct conf_list { char **v; size_t n; };
struct conf_startups { unsigned begin, rate, full; };

/*
 * Supervise: what is said of the rows of supervisor/children.def, in its order. given says which of the members; conf_child_of()
 * fills in the rest.
 */
enum {
#define SUP(id, ...) CONF_NODE_##id,
#define KID(id, ...) CONF_NODE_##id,
#include "supervisor/children.def"
#undef SUP
#undef KID
	CONF_NODES
};
enum conf_restart { CONF_PERMANENT, CONF_TRANSIENT, CONF_TEMPORARY };
enum {
	CONF_SAID_RESTART = 1, CONF_SAID_INTENSITY = 2, CONF_SAID_PERIOD = 4, CONF_SAID_SHUTDOWN = 8, CONF_SAID_START = 16,
	CONF_SAID_BACKOFF = 32
};
#define CONF_INFINITY      UINT32_MAX
#define CONF_INTENSITY_MAX 1000u
struct conf_child {
	unsigned given;
	enum conf_restart restart;
	unsigned intensity;
	uint32_t period_ms, shutdown_ms, start_ms;	/* shutdown 0: brutal_kill; start 0: infinity */
	uint32_t backoff_min_ms, backoff_max_ms;	/* 0: none */
};
struct conf_supervise { struct conf_child child[CONF_NODES]; };

/* Types of schema.def as members of struct conf_values; the member is the keyword. */
#define CONF_C_BOOL     int
#define CONF_C_INT      int64_t
#define CONF_C_TIME     uint32_t		/* seconds; 0: none */
#define CONF_C_STRING   char *			/* NULL: none */
#define CONF_C_LIST     struct conf_list
#define CONF_C_ALGS     char *			/* comma list, + - ^ already applied */
#define CONF_C_ROOT     enum conf_root
#define CONF_C_FAMILY   enum conf_family
#define CONF_C_LEVEL    enum log_level
#define CONF_C_FACILITY int			/* LOG_AUTH ... of syslog.h */
#define CONF_C_FORMAT   enum conf_log_format
#define CONF_C_STARTUPS struct conf_startups
#define CONF_C_PROXY    enum conf_proxy
#define CONF_C_COMPRESSION int
#define CONF_C_SUPERVISE struct conf_supervise

/* All values for one client; read-only. Unset keywords hold their defaults. */
struct conf_values {
#define CONF(keyword, type, def, readers, effect, match, meaning) CONF_C_##type keyword;
#include "conf/schema.def"
#undef CONF
};

#define CONF_WHY_MAX 1000	/* with the names of all algorithms of a kind */
/* Where an error is: "file line N: sentence". */
struct conf_error { char text[CONF_WHY_MAX]; };

/* From files, with Include. options: n lines "Keyword=value" or "Keyword value" that come first (-o, -p, -h ...). path NULL: options only. */
int  conf_load(struct conf **, const char *path, const char *const *options, size_t n, struct conf_error *);
/* From memory: a slice, or a test. name stands in errors. Include is refused in a slice. */
int  conf_parse(struct conf **, struct view text, const char *name, struct conf_error *);
void conf_free(struct conf *);

/* Whom a Match is tested against; unknown parts (user NULL) match nothing but All. */
struct conf_client {
	const char *user;
	const char *const *groups;	/* names of the user's groups */
	size_t ngroups;
	struct addr peer, local;
};

/* client NULL: what holds for everybody (Match all included). *values: yours, conf_values_free() it. */
int  conf_resolve(const struct conf *, const struct conf_client *, struct conf_values **values, struct conf_error *);
void conf_values_free(struct conf_values *);
/* No Match at all: conf_resolve() gives everybody the same values. */
int  conf_is_for_all(const struct conf *);
/* Does the text say something about a keyword outside of Match blocks, or is the value the default? */
int  conf_sets(const struct conf *, const char *keyword);

/* Appends the lines a reader may see, Match lines included, as text conf_parse() reads back. */
int  conf_slice(const struct conf *, enum conf_reader, struct buf *);
/*
 * The whole configuration as one text without Include, for another time; what came from the command line is not in it.
 * conf_load() of it, with the same options, means the same.
 */
int  conf_flat(const struct conf *, struct buf *);
/*
 * tell() for each keyword whose value for everybody differs, in the order of the schema: the values as conf_dump() writes
 * them, several with ", " between. restart: it holds only from the next start of the daemon. An error of tell ends it.
 */
int  conf_diff(const struct conf_values *was, const struct conf_values *is,
    int (*tell)(void *ctx, const char *keyword, int restart, const char *was, const char *is), void *ctx);
/* 1 when the Match blocks of both are the same. */
int  conf_same_blocks(const struct conf *, const struct conf *);
/* "keyword value" lines as sshd -T prints them: lower-case keywords, effective values, readable again. */
int  conf_dump(const struct conf_values *, struct buf *);

/* Port x ListenAddress x AddressFamily as addresses to bind, in order. *addrs: yours, free() it. */
int  conf_listeners(const struct conf_values *, struct addr **addrs, size_t *n, struct conf_error *);

/* 1 when a ListenAddress is a name, so that conf_listeners() asks name services. */
int  conf_listens_by_name(const struct conf_values *);
/*
 * Metrics as a place to listen on: 1 and *path (borrowed; of a Unix socket, else NULL) or *addr; 0: none. The parser has refused
 * what is no loopback address.
 */
int  conf_metrics_place(const struct conf_values *, struct addr *, const char **path);

/* VersionString random: 1, and from how many to how many letters; 0: it is a text, or none. */
int  conf_version_random(const struct conf_values *, unsigned *min, unsigned *max);

/* RekeyLimit (kept as "BYTES SECONDS", "default" and "none" for 0) as numbers; 0: the cipher's own limit, and no limit in time. */
int  conf_rekey_limit(const struct conf_values *, uint64_t *bytes, uint32_t *seconds);

/* What holds for a row of supervisor/children.def (CONF_NODE_*), its own values included. */
struct conf_child conf_child_of(const struct conf_supervise *, size_t node);
const char *conf_node_name(size_t node);
/* As a Supervise line writes them: "30", "250ms"; "brutal_kill"; "100ms:30". out: 40 bytes will do. */
const char *conf_ms_text(char *out, size_t size, uint32_t ms);
const char *conf_shutdown_text(char *out, size_t size, uint32_t ms);
const char *conf_backoff_text(char *out, size_t size, uint32_t min_ms, uint32_t max_ms);

/* ---- patterns (ssh_config(5) PATTERNS) ---- */
/* * and ?; case matters unless fold. */
int  conf_glob(const char *text, const char *pattern, int fold);
/*
 * A list of AcceptEnv's globs, blanks between, and a client's bytes: 1 when name matches one of them and is a possible name (below 256
 * bytes, no NUL, no '='). patterns NULL: none.
 */
int  conf_accepts_env(const char *patterns, struct view name);
/* Comma list with ! negation: 1 match, 0 none, -1 a negated one matched. */
int  conf_pattern_list(const char *text, const char *list, int fold);
/* Comma list of addresses, CIDR and globs with !: as above; -2 when the list is malformed. */
int  conf_address_list(const struct addr *, const char *list);

#endif
