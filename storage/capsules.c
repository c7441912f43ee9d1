/* Capsules beside the logs, by position and index. See evlog.h. Their bytes are ciphertext to this room. */
#include "storage/evlog.h"

int
capsules_put(struct db_txn *txn, uint32_t log_no, uint64_t seq, uint8_t index, struct slice capsule, struct err *err)
{
    uint8_t key[KEY_CAPSULE];
    if (capsule.len == 0 || capsule.len > CAPSULE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "capsule: empty, or more than %d bytes", CAPSULE_BYTES_MAX);
    key_capsule(key, log_no, seq, index);
    return db_put(txn, TABLE_CAPSULES, slice_of(key, sizeof(key)), capsule, err);
}

int
capsules_get(struct db_txn *txn, uint32_t log_no, uint64_t seq, uint8_t index, struct slice *ret, struct err *err)
{
    uint8_t key[KEY_CAPSULE];
    key_capsule(key, log_no, seq, index);
    return db_get(txn, TABLE_CAPSULES, slice_of(key, sizeof(key)), ret, err);
}

int
capsules_del(struct db_txn *txn, uint32_t log_no, uint64_t seq, uint8_t index, struct err *err)
{
    uint8_t key[KEY_CAPSULE];
    key_capsule(key, log_no, seq, index);
    return db_del(txn, TABLE_CAPSULES, slice_of(key, sizeof(key)), err);
}

int
capsules_held(struct db_txn *txn, uint32_t log_no, uint64_t seq, uint32_t *ret, struct err *err)
{
    uint8_t key[KEY_CAPSULE];
    struct db_cursor *c = NULL;
    struct slice k, v;
    uint32_t held = 0;
    key_capsule(key, log_no, seq, 0);
    int rc = db_cursor_open(txn, TABLE_CAPSULES, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(key, sizeof(key)), &k, &v, err);
         rc == 0 && k.len == KEY_CAPSULE && memcmp(k.data, key, KEY_CAPSULE - 1) == 0;
         rc = db_cursor_next(c, &k, &v, err))
        held |= k.data[KEY_CAPSULE - 1] < 32 ? UINT32_C(1) << k.data[KEY_CAPSULE - 1] : 0;
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret = held;
    return 0;
}
