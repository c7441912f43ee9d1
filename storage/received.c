/* Keys from other units. See received.h; docs/STORAGE.md "Vault". Two rows for each: the key by its subject, and its name by the event
 * that gave it. */
#include "storage/received.h"

#include <stdlib.h>

#include "storage/vault_private.h"

enum {
    ROW_UNTIL = 0,
    ROW_KIND = 4,
    ROW_WRAPPED = 6,
    ROW_BYTES = ROW_WRAPPED + KEY_WRAPPED,
    KEYS_FIRST = 64,
};

_Static_assert(KEY_RECEIVED == ID_BYTES + HASH_BYTES + 1 + 4 + KEY_POSITION, "a row's key");

void
received_which(const uint8_t key[KEY_RECEIVED], uint8_t out[ID_BYTES])
{
    struct hash h = crypto_hash1("vault.received", slice_of(key, KEY_RECEIVED));
    memcpy(out, h.b, ID_BYTES);
}

static void
key_of(const struct received_key *k, uint8_t out[KEY_RECEIVED])
{
    key_received(out, &k->subject, &k->unit, k->class, k->generation, &k->from);
}

/* All of a row but the key itself. */
int
received_row_decode(struct slice key, struct slice row, struct received_key *ret, struct err *err)
{
    struct reader r = reader_of(key);
    struct received_key k = {0};
    if (key.len != KEY_RECEIVED || row.len != ROW_BYTES)
        return err_set(err, ERR_CORRUPT, "vault: a received key");
    reader_copy(&r, k.subject.b, ID_BYTES);
    reader_copy(&r, k.unit.b, HASH_BYTES);
    k.class = reader_u8(&r);
    k.generation = reader_u32(&r);
    reader_copy(&r, k.from.log.b, HASH_BYTES);
    k.from.seq = reader_u64(&r);
    k.until = key_day_get(row.data + ROW_UNTIL);
    k.kind = be16_get(row.data + ROW_KIND);
    *ret = k;
    return 0;
}

int
received_row_open(const struct vault *v, struct slice key, struct slice row, struct received_key *k, struct err *err)
{
    uint8_t which[ID_BYTES];
    received_which(key.data, which);
    if (vault_unwrap(v, WRAP_RECEIVED, slice_of(which, sizeof(which)),
                     slice_of(row.data + ROW_WRAPPED, row.len - ROW_WRAPPED), k->key.b, KEY_BYTES) != 0)
        return err_set(err, ERR_CORRUPT, "vault: a received key does not open");
    return 0;
}

static bool
fits(const struct received_filter *f, const struct received_key *k)
{
    return (!f->unit || TYPE_EQ(f->unit, &k->unit)) && (f->class == 0 || f->class == k->class) &&
           (f->kind == 0 || f->kind == k->kind) &&
           (!f->from || (TYPE_EQ(&f->from->log, &k->from.log) && f->from->seq == k->from.seq)) &&
           (date_is_none(f->on) || date_is_none(k->until) || k->until.days >= f->on.days);
}

/* ---- putting ---- */

static int
count_of(struct db_txn *txn, const struct subject_id *subject, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, row;
    size_t n = 0;
    int rc = db_cursor_open(txn, TABLE_RECEIVED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(subject->b, ID_BYTES), &key, &row, err);
         rc == 0 && key.len >= ID_BYTES && memcmp(key.data, subject->b, ID_BYTES) == 0;
         rc = db_cursor_next(c, &key, &row, err))
        n++;
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    return n <= RECEIVED_MAX ? 0 : err_set(err, ERR_LIMIT, "more than %d keys received of one member", RECEIVED_MAX);
}

static int
put_one(struct vault *v, struct db_txn *txn, const struct received_key *k, struct err *err)
{
    uint8_t key[KEY_RECEIVED], by[KEY_RECEIVED], which[ID_BYTES], row[ROW_BYTES];
    key_of(k, key);
    key_received_by(by, &k->subject, &k->unit, k->class, k->generation, &k->from);
    received_which(key, which);
    key_day_put(row + ROW_UNTIL, k->until);
    be16_put(row + ROW_KIND, k->kind);
    vault_wrap(v, WRAP_RECEIVED, slice_of(which, sizeof(which)), slice_of(k->key.b, KEY_BYTES), row + ROW_WRAPPED);
    int rc = db_put(txn, TABLE_RECEIVED, slice_of(key, sizeof(key)), slice_of(row, sizeof(row)), err);
    if (rc == 0)
        rc = db_put(txn, TABLE_RECEIVED_BY, slice_of(by, sizeof(by)), slice_of(NULL, 0), err);
    return rc;
}

int
received_put(struct vault *v, const struct received_key *keys, size_t n, struct err *err)
{
    struct db_txn *txn;
    if (n == 0)
        return 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = put_one(v, txn, &keys[i], err);
        if (rc == 0 && (i + 1 == n || !TYPE_EQ(&keys[i].subject, &keys[i + 1].subject)))
            rc = count_of(txn, &keys[i].subject, err);
    }
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

/* ---- finding ---- */

int
received_list(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
              struct received_key *ret, size_t max, size_t *ret_n, bool *ret_more, struct err *err)
{
    struct db_txn *txn;
    struct db_cursor *c = NULL;
    struct slice key, row;
    size_t n = 0;
    bool more = false;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_RECEIVED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(subject->b, ID_BYTES), &key, &row, err);
         rc == 0 && !more && key.len >= ID_BYTES && memcmp(key.data, subject->b, ID_BYTES) == 0;
         rc = db_cursor_next(c, &key, &row, err)) {
        struct received_key k;
        rc = received_row_decode(key, row, &k, err);
        if (rc == 0 && fits(filter, &k)) {
            more = n == max;
            if (!more && (rc = received_row_open(v, key, row, &k, err)) == 0)
                ret[n++] = k;
            sodium_memzero(&k, sizeof(k));
        }
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    db_abort(&txn);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        sodium_memzero(ret, n * sizeof(*ret));
        return rc;
    }
    err_clear(err);
    *ret_n = n;
    if (ret_more)
        *ret_more = more;
    return 0;
}

/* Newest first; of one generation in the order of the rows. */
static int
compare_age(const void *a, const void *b)
{
    const struct received_key *x = a, *y = b;
    return x->generation < y->generation ? 1 : x->generation > y->generation ? -1 : 0;
}

/* Keys of a class, newest first, in *ret, which is to be wiped and freed. Few have many. */
static int
by_age(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
       struct received_key **ret, size_t *ret_n, struct err *err)
{
    static const size_t sizes[] = {KEYS_FIRST, RECEIVED_MAX};
    struct received_key *keys = NULL;
    bool more = true;
    size_t n = 0;
    int rc = 0;
    MUST(filter->class != 0);
    for (size_t i = 0; i < ARRAY_LEN(sizes) && more && rc == 0; i++) {
        if (keys)
            sodium_memzero(keys, n * sizeof(*keys));
        free(keys);
        keys = calloc(sizes[i], sizeof(*keys));
        rc = keys ? received_list(v, subject, filter, keys, sizes[i], &n, &more, err)
                  : err_set(err, ERR_NOMEM, "vault: out of memory");
    }
    if (rc != 0) {
        free(keys);
        return rc;
    }
    qsort(keys, n, sizeof(*keys), compare_age);
    *ret = keys;
    *ret_n = n;
    return 0;
}

static void
release(struct received_key *keys, size_t n)
{
    sodium_memzero(keys, n * sizeof(*keys));
    free(keys);
}

static int
none(struct err *err)
{
    return err_set(err, ERR_NOTFOUND, "no such key was received");
}

int
received_newest(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
                struct received_key *ret, struct err *err)
{
    struct received_key *keys;
    size_t n;
    int rc = by_age(v, subject, filter, &keys, &n, err);
    if (rc != 0)
        return rc;
    if (n > 0)
        *ret = keys[0];
    release(keys, n);
    return n > 0 ? 0 : none(err);
}

int
received_newest_of(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
                   int (*may)(void *arg, const struct received_key *key, bool *ret, struct err *err), void *arg,
                   struct received_key *ret, struct err *err)
{
    struct received_key *keys;
    bool taken = false;
    size_t n;
    int rc = by_age(v, subject, filter, &keys, &n, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0 && !taken; i++) {
        rc = may(arg, &keys[i], &taken, err);
        if (rc == 0 && taken)
            *ret = keys[i];
    }
    release(keys, n);
    return rc != 0 ? rc : taken ? 0 : none(err);
}

int
received_get(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
             uint32_t generation, struct received_key *ret, struct err *err)
{
    struct received_key *keys;
    size_t n, i = 0;
    int rc = by_age(v, subject, filter, &keys, &n, err);
    if (rc != 0)
        return rc;
    while (i < n && keys[i].generation != generation)
        i++;
    bool found = i < n;
    if (found)
        *ret = keys[i];
    release(keys, n);
    return found ? 0 : none(err);
}

int
received_open(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
              struct slice capsule, struct buf *plain, struct err *err)
{
    return received_open_as(v, subject, filter, filter->class, capsule, plain, err);
}

int
received_open_as(struct vault *v, const struct subject_id *subject, const struct received_filter *filter, uint8_t class,
                 struct slice capsule, struct buf *plain, struct err *err)
{
    struct received_key *keys;
    size_t n;
    int rc = by_age(v, subject, filter, &keys, &n, err);
    if (rc != 0)
        return rc;
    rc = ERR_DENIED;
    for (size_t i = 0; i < n && rc == ERR_DENIED; i++)
        rc = capsule_open(&keys[i].key, class, capsule, plain, err);
    release(keys, n);
    return rc == ERR_DENIED ? none(err) : rc;
}
