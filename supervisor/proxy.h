#ifndef SUPERVISOR_PROXY_H
#define SUPERVISOR_PROXY_H
#include <stdint.h>

#include "conf/conf.h"

/* proxy - whose word about a client's address is believed: the rule, without effects. */

/* HEADER_NEVER, HEADER_MAY or HEADER_MUST for a connection that comes from there. */
uint8_t proxy_header_of(const struct conf_values *, const struct addr *from);
/* Why these values make no sense together, or NULL. */
const char *proxy_complaint(const struct conf_values *);

#endif
