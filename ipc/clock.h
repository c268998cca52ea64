#ifndef IPC_CLOCK_H
#define IPC_CLOCK_H
#include <stdint.h>

/* clock - CLOCK_MONOTONIC, for everything that waits. */

uint64_t clock_ms(void);
uint64_t clock_us(void);

#endif
