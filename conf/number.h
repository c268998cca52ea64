#ifndef CONF_NUMBER_H
#define CONF_NUMBER_H
#include <stdint.h>

/* number - numbers, times and sizes as sshd_config writes them; every function takes the whole word or fails. */

/* Decimal digits only, at most max. SSH_OK, or SSH_E_FORMAT, or SSH_E_TOO_BIG. */
int number_plain(const char *word, uint64_t max, uint64_t *value);
/* "90", "1h30m", "2W": seconds, minutes, hours, days, weeks (TIME FORMATS of sshd_config(5)). */
int number_time(const char *word, uint32_t *seconds);
/* "16", "64K", "1.5G", "+2E": bytes, as scan_scaled(3) reads sizes for sshd; SSH_E_TOO_BIG above 2^63 - 1. */
int number_size(const char *word, uint64_t *bytes);

#endif
