/* See asks.h. A row: wrapped what u8 ‖ has unit u8 ‖ unit 32 ‖ day i32 ‖ asked at u64 ‖ text. */
#include "storage/asks.h"

#include "storage/vault_private.h"

enum { KEY_ASK = 2 * ID_BYTES, HEAD = 2 + HASH_BYTES + 4 + 8, PLAIN_MAX = HEAD + ASK_TEXT_MAX };

static void
key_ask(uint8_t out[KEY_ASK], const struct subject_id *member, const struct subject_id *id)
{
    memcpy(out, member->b, ID_BYTES);
    memcpy(out + ID_BYTES, id->b, ID_BYTES);
}

static int
finish(struct db_txn **txn, int rc, struct err *err)
{
    if (rc == 0)
        return db_commit(txn, err);
    db_abort(txn);
    return rc;
}

static size_t
plain_of(const struct ask *a, uint8_t out[PLAIN_MAX])
{
    size_t len = strnlen(a->text, ASK_TEXT_MAX);
    out[0] = a->what;
    out[1] = a->has_unit;
    memcpy(out + 2, a->unit.b, HASH_BYTES);
    be32_put(out + 2 + HASH_BYTES, (uint32_t)a->day.days);
    be64_put(out + 6 + HASH_BYTES, (uint64_t)a->asked_at.ms);
    memcpy(out + HEAD, a->text, len);
    return HEAD + len;
}

static int
open_row(struct vault *v, struct slice key, struct slice row, struct ask *ret, struct err *err)
{
    uint8_t plain[PLAIN_MAX];
    if (row.len < HEAD + WRAP_OVERHEAD || row.len > PLAIN_MAX + WRAP_OVERHEAD)
        return err_set(err, ERR_CORRUPT, "vault: a request of a member is cut off");
    size_t len = row.len - WRAP_OVERHEAD;
    if (vault_unwrap(v, WRAP_ASK, slice_of(key.data, ID_BYTES), row, plain, len) != 0)
        return err_set(err, ERR_CORRUPT, "vault: a request of a member does not open");
    memset(ret, 0, sizeof(*ret));
    memcpy(ret->member.b, key.data, ID_BYTES);
    memcpy(ret->id.b, key.data + ID_BYTES, ID_BYTES);
    ret->what = plain[0];
    ret->has_unit = plain[1] != 0;
    memcpy(ret->unit.b, plain + 2, HASH_BYTES);
    ret->day.days = (int32_t)be32_get(plain + 2 + HASH_BYTES);
    ret->asked_at.ms = (int64_t)be64_get(plain + 6 + HASH_BYTES);
    memcpy(ret->text, plain + HEAD, len - HEAD);
    sodium_memzero(plain, sizeof(plain));
    return 0;
}

/* Rows of a member: how many, and whether that one is among them. */
static int
count(struct db_txn *txn, const uint8_t key[KEY_ASK], size_t *ret_n, bool *ret_there, struct err *err)
{
    struct db_cursor *c;
    struct slice k, row;
    int rc = db_cursor_open(txn, TABLE_ASKS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(key, ID_BYTES), &k, &row, err);
         rc == 0 && k.len == KEY_ASK && memcmp(k.data, key, ID_BYTES) == 0; rc = db_cursor_next(c, &k, &row, err)) {
        ++*ret_n;
        *ret_there = *ret_there || memcmp(k.data, key, KEY_ASK) == 0;
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    return 0;
}

int
asks_put(struct vault *v, const struct ask *ask, struct err *err)
{
    struct db_txn *txn;
    uint8_t key[KEY_ASK], plain[PLAIN_MAX], *row;
    size_t n = 0;
    bool there = false;
    key_ask(key, &ask->member, &ask->id);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = count(txn, key, &n, &there, err);
    if (rc == 0 && !there && n >= ASKS_MAX)
        rc = err_field(err, ERR_LIMIT, "requests",
                       "%d requests of the member are open; the desk has to deal with them first", ASKS_MAX);
    if (rc == 0 && !there) {
        size_t len = plain_of(ask, plain);
        rc = db_put_reserve(txn, TABLE_ASKS, slice_of(key, sizeof(key)), len + WRAP_OVERHEAD, &row, err);
        if (rc == 0)
            vault_wrap(v, WRAP_ASK, slice_of(key, ID_BYTES), slice_of(plain, len), row);
        sodium_memzero(plain, sizeof(plain));
    }
    return finish(&txn, rc, err);
}

int
asks_list(struct vault *v, const struct subject_id *member, const struct ask *after, struct ask *ret, size_t max,
          size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct db_cursor *c;
    struct slice k, row;
    uint8_t from[KEY_ASK + 1] = {0}; /* one byte more: what comes next */
    size_t len = 0, n = 0;
    if (after != NULL) {
        key_ask(from, &after->member, &after->id);
        len = sizeof(from);
    } else if (member != NULL) {
        memcpy(from, member->b, ID_BYTES);
        len = ID_BYTES;
    }
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_ASKS, &c, err);
    if (rc == 0) {
        rc = len > 0 ? db_cursor_seek(c, slice_of(from, len), &k, &row, err) : db_cursor_first(c, &k, &row, err);
        while (rc == 0 && n < max && k.len == KEY_ASK && (member == NULL || memcmp(k.data, member->b, ID_BYTES) == 0)) {
            rc = open_row(v, k, row, &ret[n], err);
            n += rc == 0;
            if (rc == 0)
                rc = db_cursor_next(c, &k, &row, err);
        }
        db_cursor_close(&c);
    }
    db_abort(&txn);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret_n = n;
    return 0;
}

int
asks_del(struct vault *v, const struct subject_id *member, const struct subject_id *id_or_null, size_t *ret_n,
         struct err *err)
{
    struct ask found[ASKS_MAX];
    struct db_txn *txn;
    size_t n = 0, gone = 0;
    int rc = asks_list(v, member, NULL, found, ARRAY_LEN(found), &n, err);
    for (size_t i = 0; i < n; i++)
        gone += id_or_null == NULL || TYPE_EQ(&found[i].id, id_or_null);
    if (ret_n != NULL)
        *ret_n = gone;
    if (rc == 0 && gone > 0) {
        rc = db_begin_write(v->db, &txn, err);
        if (rc == 0) {
            for (size_t i = 0; rc == 0 && i < n; i++) {
                uint8_t key[KEY_ASK];
                key_ask(key, member, &found[i].id);
                if (id_or_null == NULL || TYPE_EQ(&found[i].id, id_or_null))
                    rc = db_del(txn, TABLE_ASKS, slice_of(key, sizeof(key)), err);
            }
            rc = finish(&txn, rc, err);
        }
    }
    sodium_memzero(found, sizeof(found));
    return rc;
}
