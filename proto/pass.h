/* The text in the QR code of a member's pass, and the key pair that its secret seeds. docs/PROTOCOL.md §11. What a pass may open,
 * how long and where, stands in the log of its unit, not here. Pure; any thread. Whoever holds a struct pass or its text holds the
 * secret: wipe both. */
#ifndef SMARTNODE_PROTO_PASS_H
#define SMARTNODE_PROTO_PASS_H

#include "proto/crypto.h"

enum {
    PASS_SECRET_BYTES = 16,
    PASS_FEDERATION_BYTES = 8, /* the first of the federation id */
    PASS_BYTES = 1 + PASS_FEDERATION_BYTES + 1 + HASH_BYTES + ID_BYTES + PASS_SECRET_BYTES + 4,
    PASS_TEXT_LEN = 4 + (PASS_BYTES * 8 + 4) / 5,
    PASS_TEXT_MAX = PASS_TEXT_LEN + 1, /* with the final NUL */
    PASS_READ_MAX = 1024,              /* of a text that is read, with what people type in between */
};

struct pass_id {
    uint8_t b[ID_BYTES];
}; /* the access of kind 83 (§9); random */

struct pass {
    uint8_t federation[PASS_FEDERATION_BYTES];
    bool production;
    struct unit_id unit; /* the home unit that issued it */
    struct pass_id id;
    uint8_t secret[PASS_SECRET_BYTES]; /* random; seeds the key pair */
};

/* The text: PASS_TEXT_LEN characters of the QR alphanumeric set, and NUL. */
void pass_encode(const struct pass *pass, char out[PASS_TEXT_MAX]);

/* Reads a text as scanned or as typed by hand: lower case, spaces, hyphens and line breaks do not matter. The text need not end in
 * NUL. On failure *ret is untouched; errors name the field "pass" and show nothing of the text.
 *   ERR_INVALID  not a pass at all (another QR code)
 *   ERR_FORGED   a pass, but mistyped or cut off: its check does not fit. The check is no proof that a unit issued it
 *   ERR_VERSION  a pass of a later version
 *   ERR_LIMIT    longer than PASS_READ_MAX */
int pass_decode(struct slice text, struct pass *ret, struct err *err) NODISCARD;

/* ERR_FEDERATION: of another federation, or test against production. */
int pass_fits(const struct pass *pass, const struct federation_id *federation, bool production,
              struct err *err) NODISCARD;

/* The X25519 pair to which the home unit seals keys for this pass. Wipe ret_sk. */
void pass_keypair(const struct pass *pass, struct box_public *ret_pk, struct box_secret *ret_sk);

/* Overwrites memory that held a pass, its text or its secret key, in a way that no compiler leaves out. */
void pass_wipe(void *memory, size_t len);

#endif
