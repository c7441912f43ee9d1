/* Rows of the idempotency table. */
#include "node/api/idem.h"

struct hash
idem_key(const struct hash *token, struct slice key, uint64_t line)
{
    uint8_t number[8];

    be64_put(number, line);
    const struct slice parts[] = {slice_of(token->b, HASH_BYTES), slice_of(number, sizeof(number)), key};
    return crypto_hash_parts("smart.idem", parts, ARRAY_LEN(parts));
}

void
idem_row_encode(const struct idem_row *row, uint8_t out[IDEM_ROW_BYTES])
{
    memcpy(out, row->request_hash.b, HASH_BYTES);
    be16_put(out + HASH_BYTES, row->status);
    be32_put(out + HASH_BYTES + 2, row->log_no);
    be64_put(out + HASH_BYTES + 6, row->seq);
    be64_put(out + HASH_BYTES + 14, (uint64_t)row->recorded.ms);
}

int
idem_row_decode(struct slice bytes, struct idem_row *ret, struct err *err)
{
    if (bytes.len != IDEM_ROW_BYTES) {
        return err_set(err, ERR_CORRUPT, "idempotency row");
    }
    memcpy(ret->request_hash.b, bytes.data, HASH_BYTES);
    ret->status = be16_get(bytes.data + HASH_BYTES);
    ret->log_no = be32_get(bytes.data + HASH_BYTES + 2);
    ret->seq = be64_get(bytes.data + HASH_BYTES + 6);
    ret->recorded.ms = (int64_t)be64_get(bytes.data + HASH_BYTES + 14);
    return 0;
}

void
idem_time_key(struct wall_ms recorded, const struct hash *key, uint8_t out[IDEM_TIME_KEY_BYTES])
{
    be64_put(out, (uint64_t)recorded.ms);
    memcpy(out + 8, key->b, HASH_BYTES);
}
