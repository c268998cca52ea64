#include "conf/keyword.h"

#include <strings.h>

#include "conf/conf.h"

enum { GLOBAL, MATCH };

static const struct keyword keywords[KEY_COUNT] = {
#define CONF(keyword_, type_, def_, readers_, effect_, match_, meaning_) \
	{ .name = #keyword_, .def = (def_), .meaning = (meaning_), .key = KEY_##keyword_, .type = TYPE_##type_, \
	    .readers = (readers_), .effect = EFFECT_##effect_, .match = (match_), .offset = offsetof(struct conf_values, keyword_) },
#include "conf/schema.def"
#undef CONF
};

/* The others are FORM_WORDS when they are lists and FORM_ONE when not. */
static const struct { enum conf_key key; enum conf_form form; } forms[] = {
	{ KEY_Port, FORM_EACH }, { KEY_ListenAddress, FORM_EACH }, { KEY_HostKey, FORM_EACH }, { KEY_HostCertificate, FORM_EACH },
	{ KEY_AuthorizedKeysFile, FORM_ONCE }, { KEY_Subsystem, FORM_NAMED }, { KEY_VersionAddendum, FORM_TEXT }, { KEY_VersionString, FORM_TEXT },
	{ KEY_RekeyLimit, FORM_REKEY },
};

static const struct { const char *name; enum conf_key key; } aliases[] = {
	{ "ChallengeResponseAuthentication", KEY_KbdInteractiveAuthentication },
	{ "PubkeyAcceptedKeyTypes", KEY_PubkeyAcceptedAlgorithms },
};

static const struct { const char *name, *accepted; } others[] = {
#define OTHER(name, accepted) { #name, accepted },
#include "conf/openssh.def"
#undef OTHER
};

const struct keyword *keyword_find(const char *name)
{
	for (size_t i = 0; i < KEY_COUNT; i++)
		if (strcasecmp(keywords[i].name, name) == 0)
			return &keywords[i];
	for (size_t i = 0; i < sizeof aliases / sizeof aliases[0]; i++)
		if (strcasecmp(aliases[i].name, name) == 0)
			return &keywords[aliases[i].key];
	return NULL;
}

const struct keyword *keyword_at(size_t i)
{
	return i < KEY_COUNT ? &keywords[i] : NULL;
}

enum conf_form keyword_form(const struct keyword *k)
{
	for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
		if (forms[i].key == k->key)
			return forms[i].form;
	return k->type == TYPE_LIST || k->type == TYPE_SUPERVISE ? FORM_WORDS : FORM_ONE;
}

int keyword_appends(const struct keyword *k)
{
	enum conf_form f = keyword_form(k);

	return f == FORM_EACH || f == FORM_WORDS || f == FORM_NAMED;
}

int keyword_is_path(const struct keyword *k)
{
	return k->key == KEY_HostKey || k->key == KEY_HostCertificate || k->key == KEY_PidFile || k->key == KEY_ControlSocket || k->key == KEY_CrashDirectory || k->key == KEY_Banner;
}

const char *keyword_other(const char *name, const char **accepted)
{
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (strcasecmp(others[i].name, name) == 0) {
			*accepted = others[i].accepted;
			return others[i].name;
		}
	return NULL;
}
