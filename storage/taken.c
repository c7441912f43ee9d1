/* See taken.h. A row: wrapped month i32 ‖ received i32 ‖ sector u16 ‖ culture u8 ‖ title. */
#include "storage/taken.h"

#include "storage/vault_private.h"

enum { KEY_TAKEN = 2 * ID_BYTES, HEAD = 4 + 4 + 2 + 1, PLAIN_MAX = HEAD + PERSON_TEXT_MAX };

static void
key_taken(uint8_t out[KEY_TAKEN], const struct taken_key *key)
{
    memcpy(out, key->member.b, ID_BYTES);
    memcpy(out + ID_BYTES, key->activity.b, ID_BYTES);
}

static void
which_of(const uint8_t key[KEY_TAKEN], uint8_t out[ID_BYTES])
{
    struct hash h = crypto_hash1("vault.taken", slice_of(key, KEY_TAKEN));
    memcpy(out, h.b, ID_BYTES);
}

static int
row_put(struct vault *v, struct db_txn *txn, const struct taken_activity *a, struct err *err)
{
    uint8_t key[KEY_TAKEN], which[ID_BYTES], plain[PLAIN_MAX], *row;
    size_t len = strnlen(a->title.s, PERSON_TEXT_MAX);
    key_taken(key, &a->key);
    which_of(key, which);
    be32_put(plain, (uint32_t)a->month.days);
    be32_put(plain + 4, (uint32_t)a->received.days);
    be16_put(plain + 8, a->sector);
    plain[10] = a->culture;
    memcpy(plain + HEAD, a->title.s, len);
    int rc = db_put_reserve(txn, TABLE_TAKEN, slice_of(key, sizeof(key)), HEAD + len + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap(v, WRAP_TAKEN, slice_of(which, sizeof(which)), slice_of(plain, HEAD + len), row);
    sodium_memzero(plain, sizeof(plain));
    return rc;
}

static int
row_open(struct vault *v, struct slice key, struct slice row, struct taken_activity *ret, struct err *err)
{
    uint8_t which[ID_BYTES], plain[PLAIN_MAX];
    if (key.len != KEY_TAKEN || row.len < HEAD + WRAP_OVERHEAD || row.len > PLAIN_MAX + WRAP_OVERHEAD)
        return err_set(err, ERR_CORRUPT, "vault: an activity taken along is cut off");
    size_t len = row.len - WRAP_OVERHEAD;
    which_of(key.data, which);
    if (vault_unwrap(v, WRAP_TAKEN, slice_of(which, sizeof(which)), row, plain, len) != 0)
        return err_set(err, ERR_CORRUPT, "vault: an activity taken along does not open");
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->key.member.b, key.data, ID_BYTES);
    memcpy(ret->key.activity.b, key.data + ID_BYTES, ID_BYTES);
    ret->month.days = (int32_t)be32_get(plain);
    ret->received.days = (int32_t)be32_get(plain + 4);
    ret->sector = be16_get(plain + 8);
    ret->culture = plain[10] != 0;
    memcpy(ret->title.s, plain + HEAD, len - HEAD);
    sodium_memzero(plain, sizeof(plain));
    return 0;
}

/* Keys of a member, which has TAKEN_MAX at most. */
static int
keys_of(struct db_txn *txn, const struct subject_id *member, struct taken_key ret[TAKEN_MAX], size_t *ret_n,
        struct err *err)
{
    struct db_cursor *c;
    struct slice k, row;
    size_t n = 0;
    int rc = db_cursor_open(txn, TABLE_TAKEN, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(member->b, ID_BYTES), &k, &row, err);
         rc == 0 && n < TAKEN_MAX && k.len == KEY_TAKEN && memcmp(k.data, member->b, ID_BYTES) == 0;
         rc = db_cursor_next(c, &k, &row, err)) {
        ret[n].member = *member;
        memcpy(ret[n++].activity.b, k.data + ID_BYTES, ID_BYTES);
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret_n = n;
    return 0;
}

static int
delete_keys(struct db_txn *txn, const struct taken_key *keys, size_t n, size_t *gone, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint8_t key[KEY_TAKEN];
        struct slice row;
        key_taken(key, &keys[i]);
        rc = db_get(txn, TABLE_TAKEN, slice_of(key, sizeof(key)), &row, err);
        if (rc == 0)
            rc = db_del(txn, TABLE_TAKEN, slice_of(key, sizeof(key)), err);
        *gone += rc == 0;
        if (rc == ERR_NOTFOUND) {
            err_clear(err);
            rc = 0;
        }
    }
    return rc;
}

/* Without a change nothing is committed. */
static int
finish(struct db_txn **txn, int rc, bool changed, struct err *err)
{
    if (rc == 0 && changed)
        return db_commit(txn, err);
    db_abort(txn);
    return rc;
}

int
taken_put(struct vault *v, const struct subject_id *member, const struct taken_activity *list, size_t n,
          struct err *err)
{
    struct taken_key before[TAKEN_MAX];
    struct db_txn *txn;
    size_t n_before = 0, gone = 0;
    MUST(n <= TAKEN_MAX);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = keys_of(txn, member, before, &n_before, err);
    if (rc == 0)
        rc = delete_keys(txn, before, n_before, &gone, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        MUST(TYPE_EQ(&list[i].key.member, member));
        rc = row_put(v, txn, &list[i], err);
    }
    return finish(&txn, rc, gone + n > 0, err);
}

int
taken_list(struct vault *v, const struct subject_id *member, const struct taken_key *after, struct taken_activity *ret,
           size_t max, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice k, row;
    uint8_t from[KEY_TAKEN + 1] = {0}; /* one byte more: what comes next */
    size_t len = 0, n = 0;
    if (after != NULL) {
        key_taken(from, after);
        len = sizeof(from);
    } else if (member != NULL) {
        memcpy(from, member->b, ID_BYTES);
        len = ID_BYTES;
    }
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_TAKEN, &c, err);
    if (rc == 0) {
        rc = len > 0 ? db_cursor_seek(c, slice_of(from, len), &k, &row, err) : db_cursor_first(c, &k, &row, err);
        while (rc == 0 && n < max &&
               (member == NULL || (k.len == KEY_TAKEN && memcmp(k.data, member->b, ID_BYTES) == 0))) {
            rc = row_open(v, k, row, &ret[n], err);
            n += rc == 0;
            if (rc == 0)
                rc = db_cursor_next(c, &k, &row, err);
        }
        db_cursor_close(&c);
    }
    db_abort(&txn);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        sodium_memzero(ret, n * sizeof(*ret));
        return rc;
    }
    err_clear(err);
    *ret_n = n;
    return 0;
}

int
taken_get(struct vault *v, const struct taken_key *key, struct taken_activity *ret, struct err *err)
{
    struct db_txn *txn;
    struct slice row;
    uint8_t k[KEY_TAKEN];
    key_taken(k, key);
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_get(txn, TABLE_TAKEN, slice_of(k, sizeof(k)), &row, err);
    if (rc == 0)
        rc = row_open(v, slice_of(k, sizeof(k)), row, ret, err);
    db_abort(&txn);
    return rc;
}

int
taken_count(struct vault *v, const struct subject_id *member, size_t *ret, struct err *err)
{
    struct taken_key keys[TAKEN_MAX];
    struct db_txn *txn;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = keys_of(txn, member, keys, ret, err);
    db_abort(&txn);
    return rc;
}

int
taken_del(struct vault *v, const struct taken_key *keys, size_t n, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    size_t gone = 0;
    int rc = n > 0 ? db_begin_write(v->db, &txn, err) : 0;
    if (rc == 0 && n > 0) {
        rc = delete_keys(txn, keys, n, &gone, err);
        rc = finish(&txn, rc, gone > 0, err);
    }
    if (rc == 0 && ret_n != NULL)
        *ret_n = gone;
    return rc;
}

int
taken_del_member(struct vault *v, const struct subject_id *member, size_t *ret_n, struct err *err)
{
    struct taken_key keys[TAKEN_MAX];
    struct db_txn *txn;
    size_t n = 0, gone = 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = keys_of(txn, member, keys, &n, err);
    if (rc == 0)
        rc = delete_keys(txn, keys, n, &gone, err);
    rc = finish(&txn, rc, gone > 0, err);
    if (rc == 0 && ret_n != NULL)
        *ret_n = gone;
    return rc;
}
