#include "channels/pty.h"

#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "channels/modes.h"

void pty_take(struct view modes)
{
	struct termios t;

	setsid();	/* fails when the supervisor's fork has done it already */
	ioctl(0, TIOCSCTTY, 0);
	if (tcgetattr(0, &t) != 0)
		return;
	if (modes_apply(&t, modes) > 0)
		tcsetattr(0, TCSANOW, &t);
}
