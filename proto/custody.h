/* What a custodian and the unit that names it carry to each other as files: the custodian's fresh public keys for that unit, and the
 * unit's certificate for them, made by its root key while it is there. With the certificate the custodian opens a log of that unit
 * once it is gone. docs/PROTOCOL.md §11 "Custodian", docs/decisions/0009. Pure. */
#ifndef SMARTNODE_PROTO_CUSTODY_H
#define SMARTNODE_PROTO_CUSTODY_H

#include "proto/card.h"

enum { CUSTODY_TEXT_MAX = 4096, CUSTODY_SECRET_BYTES = 32 };

/* Of the unit that is gone one day, not of the custodian. */
struct custody_keys {
    struct unit_id unit;
    struct federation_id federation;
    bool production;
    struct sign_public signing;
    struct box_public exchange, transport;
};

struct custody_certificate {
    struct custody_keys keys;
    uint64_t serial;
    struct sign_public root_key;
    struct box_public recovery_key; /* the unit's: its escrow stays its own */
    struct seal certificate;        /* as in event 1 of a log (§7) */
    char unit_code[UNIT_CODE_MAX];
    struct name unit_name, federation_name;
};

/* Seeds of the key pairs (signing, exchange, transport), from the one secret that the custodian keeps. Wipe them. */
struct custody_seeds {
    uint8_t signing[32], exchange[32], transport[32];
};
void custody_seeds(const uint8_t secret[CUSTODY_SECRET_BYTES], struct custody_seeds *ret);

/* Armoured text, appended to out. ERR_NOMEM, ERR_LIMIT. */
int custody_keys_write(const struct custody_keys *k, struct buf *out, struct err *err) NODISCARD;
/* ERR_INVALID (not such a text, or a slip of the hand), ERR_VERSION, ERR_LIMIT. Whose keys they are only the words say. */
int custody_keys_read(struct slice text, struct custody_keys *ret, struct err *err) NODISCARD;
/* Eight proquints, for the telephone. */
void custody_words(const struct custody_keys *k, char out[FINGERPRINT_WORDS_MAX]);

/* Signs keys, serial and recovery key with the root key: fills root_key and certificate. */
int custody_certify(struct custody_certificate *c, const uint8_t root_seed[32], struct err *err) NODISCARD;
/* As keys; write refuses what read would. */
int custody_certificate_write(const struct custody_certificate *c, struct buf *out, struct err *err) NODISCARD;
/* ERR_FORGED: the root key's signature does not fit what stands there, or unit or federation do not fit root key or name. */
int custody_certificate_read(struct slice text, struct custody_certificate *ret, struct err *err) NODISCARD;

#endif
