#include "guard/again.h"

#include "base/err.h"
#include "ipc/child.h"

void again(const struct child *self, uint64_t conn, int error)
{
	/* It needs no memory; where it cannot be said the link to the supervisor ends, and then everybody is introduced anew. */
	if (error == SSH_E_NOMEM || error == SSH_E_SYS || error == SSH_E_FULL)
		link_send(self->sup, IPC_PEER_AGAIN, &(struct ipc_PEER_AGAIN){ .conn = conn });
}
