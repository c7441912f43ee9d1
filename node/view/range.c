/* Range reads that the reports are made of. See view_private.h. */
#include "node/view/view_private.h"

int
view_range(struct db_txn *txn, enum table t, const struct unit_id *unit, const uint8_t from[KEY_PERIOD],
           const uint8_t to[KEY_PERIOD], int (*row)(void *arg, struct slice tail, struct slice value, struct err *err),
           void *arg, struct err *err)
{
    uint8_t start[HASH_BYTES + KEY_PERIOD];
    struct db_cursor *c;
    struct slice key, value;
    memcpy(start, unit->b, HASH_BYTES);
    memcpy(start + HASH_BYTES, from, KEY_PERIOD);
    int rc = db_cursor_open(txn, t, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(start, sizeof(start)), &key, &value, err); rc == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        if (key.len < sizeof(start) || memcmp(key.data, unit->b, HASH_BYTES) != 0 ||
            memcmp(key.data + HASH_BYTES, to, KEY_PERIOD) >= 0)
            break;
        rc = row(arg, slice_of(key.data + sizeof(start), key.len - sizeof(start)), value, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
view_each_unit(struct db_txn *txn, int (*each)(void *arg, const struct unit_id *unit, struct err *err), void *arg,
               struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_cursor_open(txn, TABLE_UNITS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        struct unit_id unit;
        if (key.len != sizeof(unit.b)) {
            rc = err_set(err, ERR_CORRUPT, "units: a key of wrong length");
            break;
        }
        memcpy(unit.b, key.data, sizeof(unit.b));
        rc = each(arg, &unit, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}
