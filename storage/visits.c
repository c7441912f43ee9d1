/* See visits.h. A row: wrapped host 32 ‖ settled u8 ‖ content of the capsule. */
#include "storage/visits.h"

#include <stdlib.h>

#include "storage/vault_private.h"

enum { KEY_VISIT = ID_BYTES + HASH_BYTES + 8 + 1, HEAD = HASH_BYTES + 1, DELETE_STEP = 64 };

static void
key_visit(uint8_t out[KEY_VISIT], const struct subject_id *subject, const struct position *at, uint8_t index)
{
    memcpy(out, subject->b, ID_BYTES);
    key_position(out + ID_BYTES, &at->log, at->seq);
    out[KEY_VISIT - 1] = index;
}

static void
visit_of(const uint8_t key[KEY_VISIT], struct visit *ret)
{
    memcpy(ret->subject.b, key, ID_BYTES);
    memcpy(ret->at.log.b, key + ID_BYTES, HASH_BYTES);
    ret->at.seq = be64_get(key + ID_BYTES + HASH_BYTES);
    ret->index = key[KEY_VISIT - 1];
}

static int
row_put(struct vault *v, struct db_txn *txn, const uint8_t key[KEY_VISIT], const uint8_t *plain, size_t len,
        struct err *err)
{
    uint8_t *row;
    int rc = db_put_reserve(txn, TABLE_VISITS, slice_of(key, KEY_VISIT), len + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap(v, WRAP_VISIT, slice_of(key, ID_BYTES), slice_of(plain, len), row);
    return rc;
}

/* The row in clear, in memory that the caller wipes and frees. */
static int
row_open(struct vault *v, const uint8_t key[KEY_VISIT], struct slice row, uint8_t **ret, size_t *ret_len,
         struct err *err)
{
    if (row.len < HEAD + WRAP_OVERHEAD)
        return err_set(err, ERR_CORRUPT, "vault: a visit is cut off");
    size_t len = row.len - WRAP_OVERHEAD;
    uint8_t *plain = malloc(len);
    if (plain == NULL)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    if (vault_unwrap(v, WRAP_VISIT, slice_of(key, ID_BYTES), row, plain, len) != 0) {
        free(plain);
        return err_set(err, ERR_CORRUPT, "vault: a visit does not open");
    }
    *ret = plain;
    *ret_len = len;
    return 0;
}

static void
row_free(uint8_t *plain, size_t len)
{
    if (plain != NULL)
        sodium_memzero(plain, len);
    free(plain);
}

static int
finish(struct db_txn **txn, int rc, struct err *err)
{
    if (rc == 0)
        return db_commit(txn, err);
    db_abort(txn);
    return rc;
}

int
visits_put(struct vault *v, const struct visit *visit, struct slice content, struct err *err)
{
    struct db_txn *txn;
    uint8_t key[KEY_VISIT];
    struct slice there;
    struct err none;
    if (content.len > CAPSULE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "vault: a visit of %zu bytes", content.len);
    size_t len = HEAD + content.len;
    uint8_t *plain = malloc(len);
    if (plain == NULL)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    key_visit(key, &visit->subject, &visit->at, visit->index);
    memcpy(plain, visit->host.b, HASH_BYTES);
    plain[HASH_BYTES] = visit->settled;
    if (content.len > 0)
        memcpy(plain + HEAD, content.data, content.len);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc == 0) {
        rc = db_get(txn, TABLE_VISITS, slice_of(key, sizeof(key)), &there, &none);
        if (rc == ERR_NOTFOUND)
            rc = row_put(v, txn, key, plain, len, err);
        else if (rc != 0)
            *err = none;
        rc = finish(&txn, rc, err);
    }
    row_free(plain, len);
    return rc;
}

int
visits_each(struct vault *v, const struct subject_id *subject, const struct visit *after,
            int (*one)(void *arg, const struct visit *visit, struct slice plain), void *arg, struct err *err)
{
    struct db_txn *txn;
    struct db_cursor *c = NULL;
    struct slice k, row;
    uint8_t from[KEY_VISIT + 1] = {0};
    size_t from_len = 0;
    if (after != NULL) { /* one byte more: what comes next */
        key_visit(from, &after->subject, &after->at, after->index);
        from_len = sizeof(from);
    } else if (subject != NULL) {
        memcpy(from, subject->b, ID_BYTES);
        from_len = ID_BYTES;
    }
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_VISITS, &c, err);
    if (rc == 0)
        rc = from_len > 0 ? db_cursor_seek(c, slice_of(from, from_len), &k, &row, err)
                          : db_cursor_first(c, &k, &row, err);
    while (rc == 0 && k.len == KEY_VISIT && (subject == NULL || memcmp(k.data, subject->b, ID_BYTES) == 0)) {
        struct visit visit;
        uint8_t *plain = NULL;
        size_t len = 0;
        rc = row_open(v, k.data, row, &plain, &len, err);
        if (rc != 0)
            break;
        visit_of(k.data, &visit);
        memcpy(visit.host.b, plain, HASH_BYTES);
        visit.settled = plain[HASH_BYTES];
        rc = one(arg, &visit, slice_of(plain + HEAD, len - HEAD));
        row_free(plain, len);
        if (rc == 0)
            rc = db_cursor_next(c, &k, &row, err);
    }
    db_cursor_close(&c);
    db_abort(&txn);
    return rc == ERR_NOTFOUND || rc > 0 ? 0 : rc;
}

int
visits_settle(struct vault *v, const struct subject_id *subject, const struct position *at, uint8_t index,
              enum visit_settled settled, struct err *err)
{
    struct db_txn *txn;
    uint8_t key[KEY_VISIT];
    struct slice row;
    uint8_t *plain = NULL;
    size_t len = 0;
    key_visit(key, subject, at, index);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_get(txn, TABLE_VISITS, slice_of(key, sizeof(key)), &row, err);
    if (rc == ERR_NOTFOUND)
        rc = err_set(err, ERR_NOTFOUND, "no such record of a host");
    if (rc == 0)
        rc = row_open(v, key, row, &plain, &len, err);
    if (rc == 0) {
        plain[HASH_BYTES] = (uint8_t)settled;
        rc = row_put(v, txn, key, plain, len, err);
    }
    row_free(plain, len);
    return finish(&txn, rc, err);
}

static int
replace_row(struct vault *v, struct db_txn *txn, const uint8_t key[KEY_VISIT], struct slice row, struct slice content,
            struct err *err)
{
    uint8_t *before = NULL, *plain;
    size_t before_len = 0, len = HEAD + content.len;
    int rc = row_open(v, key, row, &before, &before_len, err);
    if (rc != 0)
        return rc;
    plain = malloc(len);
    if (plain == NULL) {
        rc = err_set(err, ERR_NOMEM, "vault: out of memory");
    } else {
        memcpy(plain, before, HEAD);
        memcpy(plain + HEAD, content.data, content.len);
        rc = row_put(v, txn, key, plain, len, err);
    }
    row_free(plain, len);
    row_free(before, before_len);
    return rc;
}

int
visits_replace(struct vault *v, const struct visit *visit, struct slice content, struct err *err)
{
    struct db_txn *txn;
    uint8_t key[KEY_VISIT];
    struct slice row;
    if (content.len > CAPSULE_BYTES_MAX)
        return err_set(err, ERR_LIMIT, "vault: a visit of %zu bytes", content.len);
    key_visit(key, &visit->subject, &visit->at, visit->index);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_get(txn, TABLE_VISITS, slice_of(key, sizeof(key)), &row, err);
    if (rc == ERR_NOTFOUND) {
        db_abort(&txn);
        err_clear(err);
        return 0;
    }
    if (rc == 0)
        rc = content.len == 0 ? db_del(txn, TABLE_VISITS, slice_of(key, sizeof(key)), err)
                              : replace_row(v, txn, key, row, content, err);
    return finish(&txn, rc, err);
}

/* Keys first, then their deletion: a cursor does not outlive a change of its table. */
static int
del_some(struct db_txn *txn, const struct subject_id *subject, size_t *ret_n, struct err *err)
{
    uint8_t keys[DELETE_STEP][KEY_VISIT];
    struct db_cursor *c = NULL;
    struct slice k, row;
    size_t n = 0;
    int rc = db_cursor_open(txn, TABLE_VISITS, &c, err);
    if (rc == 0)
        rc = db_cursor_seek(c, slice_of(subject->b, ID_BYTES), &k, &row, err);
    while (rc == 0 && n < DELETE_STEP && k.len == KEY_VISIT && memcmp(k.data, subject->b, ID_BYTES) == 0) {
        memcpy(keys[n++], k.data, KEY_VISIT);
        rc = db_cursor_next(c, &k, &row, err);
    }
    db_cursor_close(&c);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = db_del(txn, TABLE_VISITS, slice_of(keys[i], KEY_VISIT), err);
    *ret_n = n;
    return rc;
}

int
visits_del(struct vault *v, const struct subject_id *subject, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    size_t n = DELETE_STEP, all = 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    while (rc == 0 && n == DELETE_STEP) {
        rc = del_some(txn, subject, &n, err);
        all += n;
    }
    if (rc == 0 && all == 0)
        db_abort(&txn);
    else
        rc = finish(&txn, rc, err);
    if (rc == 0 && ret_n != NULL)
        *ret_n = all;
    return rc;
}
