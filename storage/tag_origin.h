/* What stood first under an authentication tag: for the search of a vault's rows, of which only the number that is authenticated first differs
 * (vault_probe.c). Poly1305 (RFC 8439 §2.5) is a polynomial in r of the blocks under it, so whoever has the key and all blocks but the first one has
 * that, too, in one step instead of one try for each row. What comes of it is a candidate: whoever uses it checks the tag. Pure; any thread. */
#ifndef SMARTNODE_STORAGE_TAG_ORIGIN_H
#define SMARTNODE_STORAGE_TAG_ORIGIN_H

#include "proto/base/bytes.h"

enum { TAG_BLOCK = 16, TAG_ORIGINS_MAX = 4 };

struct tag_number {
    uint64_t limb[3]; /* 44, 44, 42 bits */
};
struct tag_key {
    struct tag_number r, inverse; /* of r */
    uint64_t s[2];
};
/* key: the 32 bytes of Poly1305. False: of r = 0, with which every message has the same tag. Wipe it. */
bool tag_key_init(struct tag_key *k, const uint8_t key[32]) NODISCARD;
/* The blocks of 16 bytes that could come before rest, whose length is a multiple of 16, under the tag. Returns how many. */
size_t tag_origins(const struct tag_key *k, struct slice rest, const uint8_t tag[TAG_BLOCK],
                   uint8_t ret[TAG_ORIGINS_MAX][TAG_BLOCK]);

#endif
