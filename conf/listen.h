#ifndef CONF_LISTEN_H
#define CONF_LISTEN_H
#include <stddef.h>

/* listen - Port, ListenAddress and AddressFamily as addresses to bind (conf_listeners() of conf.h). */

/*
 * "host", "host:port", "[host]:port" or a bare IPv6 address. The host is copied to host (size bytes with NUL);
 * *port is -1 when there is none. SSH_OK or SSH_E_FORMAT.
 */
int listen_split(const char *spec, char *host, size_t size, int *port);

#endif
