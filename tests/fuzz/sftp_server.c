/* sftp_server - a request stream over a file system in memory; the input decides how it is cut and when replies are read. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/err.h"
#include "tests/fuzz/fake_fs.h"

int LLVMFuzzerTestOneInput(const uint8_t *, size_t);

/* Every reply must be a packet our own decoder takes, and carry nothing more. */
static void check_replies(struct sftp_server *s)
{
	struct view out, packet;
	struct sftp_msg m;

	while ((out = sftp_server_output(s)).len > 0) {
		if (sftp_frame(out, &packet) != 1 || sftp_decode(&m, packet) < 0)
			abort();
		if (m.type != SFTP_NAME && m.type != SFTP_VERSION && m.type != SFTP_EXTENDED_REPLY && m.rest.len > 0)
			abort();
		if (m.type == SFTP_NAME) {
			struct rd r = rd_view(m.rest);
			struct view a, b;
			struct sftp_attrs at;

			for (uint32_t i = 0; i < m.count; i++)
				sftp_get_name(&r, &a, &b, &at);
			if (rd_done(&r) < 0)
				abort();
		}
		sftp_server_sent(s, packet.len + 4);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *d, size_t n)
{
	static struct fake_fs fs;
	struct sftp_server *s;
	uint8_t how;

	if (n == 0)
		return 0;
	how = d[0];
	d++, n--;
	memset(&fs, 0, sizeof fs);
	fs.entries = how & 2 ? 250 : 3;
	fake_make(&fs, "/", 1);
	fake_make(&fs, "f", 0)->attrs.size = 100;
	if ((s = sftp_server_new(&fake_ops, &fs, how & 1 ? SFTP_SERVER_READ_ONLY : 0, NULL)) == NULL)
		return 0;
	while (n > 0) {
		size_t room = 0, k = 1 + d[0] % n;
		uint8_t *p = sftp_server_room(s, &room);

		if (p == NULL)
			break;		/* ended, or it waits for us to read */
		k = how & 4 ? n : k;
		k = k < room ? k : room;
		memcpy(p, d, k);
		sftp_server_got(s, k);
		d += k, n -= k;
		if (sftp_server_run(s) < 0)
			break;
		check_replies(s);
	}
	check_replies(s);
	if (sftp_server_open(s) != (unsigned)fs.open_files)
		abort();
	sftp_server_free(s);
	if (fs.open_files != 0)
		abort();
	return 0;
}
