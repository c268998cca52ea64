#include "subsystems/sftp_handles.h"

struct handle *handles_free_slot(struct handles *t)
{
	for (unsigned i = 0; i < SFTP_HANDLES_MAX; i++)
		if (t->slot[i].kind == HANDLE_NONE)
			return &t->slot[i];
	return NULL;
}

void handles_take(struct handles *t, struct handle *h, enum handle_kind kind, const struct sftp_file *file, uint32_t flags)
{
	h->kind = kind;
	h->file = *file;
	h->flags = flags;
	h->got = h->put = 0;
	t->used++;
}

void handles_drop(struct handles *t, struct handle *h)
{
	h->kind = HANDLE_NONE;
	h->generation++;
	t->used--;
}

void handles_name(const struct handles *t, const struct handle *h, uint8_t name[HANDLE_LEN])
{
	put_u32(name, (uint32_t)(h - t->slot));
	put_u32(name + 4, h->generation);
}

struct handle *handles_find(struct handles *t, struct view name, enum handle_kind kind)
{
	struct handle *h;
	uint32_t i;

	if (name.len != HANDLE_LEN || (i = get_u32(name.p)) >= SFTP_HANDLES_MAX)
		return NULL;
	h = &t->slot[i];
	if (h->kind == HANDLE_NONE || h->generation != get_u32(name.p + 4))
		return NULL;
	return kind == HANDLE_NONE || h->kind == kind ? h : NULL;
}
