/* Linked into every unit test program. */
#include <stdlib.h>

int __lsan_is_turned_off(void);

/*
 * The runner itself forgets 48 bytes at its end (Criterion 2.4.1, with some two hundred tests). Tests run in processes of their own, which
 * its sandbox starts with this variable: those are looked at.
 */
int __lsan_is_turned_off(void)
{
	return getenv("BXFI_MAP") == NULL;
}
