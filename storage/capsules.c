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
