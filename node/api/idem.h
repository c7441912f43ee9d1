/* Rows of TABLE_IDEMPOTENCY: what was answered under an Idempotency-Key. Kept IDEM_KEPT_MS; no body is kept. Pure, any thread. */
#ifndef SMARTNODE_API_IDEM_H
#define SMARTNODE_API_IDEM_H

#include "proto/crypto.h"

enum { IDEM_KEY_BYTES_MAX = 128, IDEM_ROW_BYTES = HASH_BYTES + 2 + 4 + 8 + 8, IDEM_TIME_KEY_BYTES = 8 + HASH_BYTES };
#define IDEM_KEPT_MS (7LL * 24 * 3600 * 1000)

struct idem_row {
    struct hash request_hash;
    uint16_t status;
    uint32_t log_no; /* 0: the operation wrote no event */
    uint64_t seq;
    struct wall_ms recorded;
};

/* Key of the row: hash over token, key and line of a batch (0 = not a batch). */
struct hash idem_key(const struct hash *token, struct slice key, uint64_t line);
void idem_row_encode(const struct idem_row *row, uint8_t out[IDEM_ROW_BYTES]);
int idem_row_decode(struct slice bytes, struct idem_row *ret, struct err *err) NODISCARD; /* ERR_CORRUPT */
/* Key in TABLE_IDEM_TIME: order of expiry. */
void idem_time_key(struct wall_ms recorded, const struct hash *key, uint8_t out[IDEM_TIME_KEY_BYTES]);

#endif
