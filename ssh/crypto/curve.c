#include "ssh/crypto/curve.h"

static const struct curve curves[] = {
#define CURVE(kind, name, gcry, bits, p, b, n) { KEY_##kind, name, gcry, bits, (bits + 7) / 8, p, b, n },
#include "ssh/crypto/curves.def"
};
#define CURVES (sizeof curves / sizeof curves[0])

const struct curve *curve_of(enum key_kind kind)
{
	for (size_t i = 0; i < CURVES; i++)
		if (curves[i].kind == kind)
			return &curves[i];
	return NULL;
}

const struct curve *curve_find(struct view name)
{
	for (size_t i = 0; i < CURVES; i++)
		if (view_is(name, curves[i].name))
			return &curves[i];
	return NULL;
}
