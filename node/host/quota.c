/* Stored bytes of each unit. See quota.h. */
#include "node/host/quota.h"

enum { PREFIX = 6, KEY = PREFIX + HASH_BYTES };

static void
make_key(uint8_t key[KEY], const struct unit_id *unit)
{
    memcpy(key, "bytes-", PREFIX);
    memcpy(key + PREFIX, unit->b, HASH_BYTES);
}

void
quota_clear(struct quota *q)
{
    q->n = 0;
}

int
quota_bytes(struct db_txn *txn, const struct unit_id *unit, uint64_t *ret, struct err *err)
{
    uint8_t key[KEY];
    struct slice value;
    make_key(key, unit);
    *ret = 0;
    int rc = db_get(txn, TABLE_META, slice_of(key, sizeof(key)), &value, err);
    if (rc == 0 && value.len != 8)
        return err_set(err, ERR_CORRUPT, "the count of a unit's stored bytes cannot be read");
    if (rc == 0)
        *ret = be64_get(value.data);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
quota_write(struct quota *q, struct db_txn *txn, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < q->n && rc == 0; i++) {
        uint8_t key[KEY], value[8];
        uint64_t bytes = 0;
        make_key(key, &q->added[i].unit);
        rc = quota_bytes(txn, &q->added[i].unit, &bytes, err);
        be64_put(value, bytes + q->added[i].bytes);
        if (rc == 0)
            rc = db_put(txn, TABLE_META, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
    }
    q->n = 0;
    return rc;
}

int
quota_add(struct quota *q, struct db_txn *txn, const struct unit_id *unit, uint64_t bytes, struct err *err)
{
    for (size_t i = 0; i < q->n; i++) {
        if (TYPE_EQ(&q->added[i].unit, unit)) {
            q->added[i].bytes += bytes;
            return 0;
        }
    }
    int rc = q->n == QUOTA_UNITS_MAX ? quota_write(q, txn, err) : 0;
    if (rc == 0) {
        q->added[q->n].unit = *unit;
        q->added[q->n++].bytes = bytes;
    }
    return rc;
}
