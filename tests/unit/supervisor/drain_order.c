/* drain_order: the words of coppicectl drain. */
#include <criterion/criterion.h>
#include <string.h>

#include "base/err.h"
#include "supervisor/drain_order.h"

static struct drain_order order(const char *text)
{
	struct drain_order o;
	char why[200] = "";

	cr_assert_eq(drain_order_parse(&o, view_str(text), why, sizeof why), SSH_OK, "%s: %s", text, why);
	return o;
}

static void refused(const char *text, const char *sentence)
{
	struct drain_order o;
	char why[200] = "";

	cr_assert_eq(drain_order_parse(&o, view_str(text), why, sizeof why), SSH_E_FORMAT, "%s", text);
	cr_assert_str_eq(why, sentence, "%s", why);
}

Test(drain_order, words)
{
	struct drain_order o = order("");

	cr_assert_eq(o.grace, DRAIN_GRACE_S);
	cr_assert(!o.limited && !o.exit && !o.wait && o.message[0] == '\0');
	o = order("--timeout 1h30m --exit");
	cr_assert(o.limited && o.timeout == 5400 && o.exit && !o.wait);
	o = order(" --wait  --grace 0 --timeout 0 ");
	cr_assert(o.limited && o.timeout == 0 && o.grace == 0 && o.wait);
	o = order("--exit --message We  move --exit to another host");
	cr_assert_str_eq(o.message, "We  move --exit to another host");
	cr_assert(o.exit);
}

Test(drain_order, refused)
{
	char big[1000] = "--message ";

	refused("--timeout", "no time behind --timeout");
	refused("--timeout soon", "no time behind --timeout");
	refused("--grace --exit", "no time behind --grace");
	refused("now", "drain: what is now");
	refused("--message", "no text, or too much of it, behind --message");
	refused("--message  ", "no text, or too much of it, behind --message");
	refused("--exit --aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "drain: a word is too long");
	memset(big + strlen(big), 'x', sizeof big - strlen(big) - 1);
	refused(big, "no text, or too much of it, behind --message");
}
