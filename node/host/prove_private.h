/* What prove.c and prove_needles.c share. */
#ifndef SMARTNODE_HOST_PROVE_PRIVATE_H
#define SMARTNODE_HOST_PROVE_PRIVATE_H

#include "node/host/prove.h"

/* A look at an offset needs so many bytes. */
size_t prove_needles_reach(const struct prove_needles *n);
/* Whether a needle begins exactly at these bytes. */
bool prove_needles_at(const struct prove_needles *n, struct slice at, size_t *ret_needle);

#endif
