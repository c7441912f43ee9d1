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
static int
row_decode(struct slice key, struct slice row, struct received_key *ret, struct err *err)
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

static int
row_open(const struct vault *v, struct slice key, struct slice row, struct received_key *k, struct err *err)
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
        rc = row_decode(key, row, &k, err);
        if (rc == 0 && fits(filter, &k)) {
            more = n == max;
            if (!more && (rc = row_open(v, key, row, &k, err)) == 0)
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

/* Keys of a class, newest first, in *ret, which is to be wiped and freed. */
static int
by_age(struct vault *v, const struct subject_id *subject, const struct received_filter *filter,
       struct received_key **ret, size_t *ret_n, struct err *err)
{
    size_t n = 0;
    MUST(filter->class != 0);
    struct received_key *keys = calloc(RECEIVED_MAX, sizeof(*keys));
    if (!keys)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    int rc = received_list(v, subject, filter, keys, RECEIVED_MAX, &n, NULL, err);
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

/* ---- by event, and deleting ---- */

struct names {
    uint8_t (*v)[KEY_RECEIVED]; /* keys of TABLE_RECEIVED */
    size_t n, cap;
};

static int
names_add(struct names *l, const uint8_t key[KEY_RECEIVED], struct err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : KEYS_FIRST;
        uint8_t(*more)[KEY_RECEIVED] = reallocarray(l->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "vault: out of memory");
        l->v = more;
        l->cap = cap;
    }
    memcpy(l->v[l->n++], key, KEY_RECEIVED);
    return 0;
}

/* From the key of one table to that of the other. */
static void
turn_by(const uint8_t by[KEY_RECEIVED], uint8_t out[KEY_RECEIVED])
{
    const uint8_t *unit = by + KEY_POSITION, *subject = unit + HASH_BYTES, *rest = subject + ID_BYTES;
    memcpy(out, subject, ID_BYTES);
    memcpy(out + ID_BYTES, unit, HASH_BYTES);
    memcpy(out + ID_BYTES + HASH_BYTES, rest, 5);
    memcpy(out + ID_BYTES + HASH_BYTES + 5, by, KEY_POSITION);
}

static void
turn(const uint8_t key[KEY_RECEIVED], uint8_t out[KEY_RECEIVED])
{
    const uint8_t *unit = key + ID_BYTES, *rest = unit + HASH_BYTES, *at = rest + 5;
    memcpy(out, at, KEY_POSITION);
    memcpy(out + KEY_POSITION, unit, HASH_BYTES);
    memcpy(out + KEY_POSITION + HASH_BYTES, key, ID_BYTES);
    memcpy(out + KEY_POSITION + HASH_BYTES + ID_BYTES, rest, 5);
}

static int
names_of_event(struct db_txn *txn, const struct position *from, struct names *l, struct err *err)
{
    uint8_t prefix[KEY_POSITION], key[KEY_RECEIVED];
    struct db_cursor *c = NULL;
    struct slice k, value;
    key_position(prefix, &from->log, from->seq);
    int rc = db_cursor_open(txn, TABLE_RECEIVED_BY, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(prefix, sizeof(prefix)), &k, &value, err);
         rc == 0 && k.len == KEY_RECEIVED && memcmp(k.data, prefix, sizeof(prefix)) == 0;
         rc = db_cursor_next(c, &k, &value, err)) {
        turn_by(k.data, key);
        if ((rc = names_add(l, key, err)) != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* classes: bits of vault_class_index; all ones = whatever class there is. */
static int
names_of_subject(struct db_txn *txn, const struct subject_id *subject, const struct unit_id *unit, unsigned classes,
                 struct names *l, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, value;
    int rc = db_cursor_open(txn, TABLE_RECEIVED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(subject->b, ID_BYTES), &k, &value, err);
         rc == 0 && k.len == KEY_RECEIVED && memcmp(k.data, subject->b, ID_BYTES) == 0;
         rc = db_cursor_next(c, &k, &value, err)) {
        int index = vault_class_index(k.data[ID_BYTES + HASH_BYTES]);
        bool of_unit = unit == NULL || memcmp(k.data + ID_BYTES, unit->b, HASH_BYTES) == 0;
        bool wanted = of_unit && (classes == UINT32_MAX || (index >= 0 && (classes & 1U << index)));
        if (wanted && (rc = names_add(l, k.data, err)) != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
delete_names(struct db_txn *txn, const struct names *l, struct err *err)
{
    uint8_t by[KEY_RECEIVED];
    int rc = 0;
    for (size_t i = 0; i < l->n && rc == 0; i++) {
        turn(l->v[i], by);
        rc = db_del(txn, TABLE_RECEIVED, slice_of(l->v[i], KEY_RECEIVED), err);
        if (rc == 0)
            rc = db_del(txn, TABLE_RECEIVED_BY, slice_of(by, sizeof(by)), err);
    }
    return rc;
}

int
received_erase(struct db_txn *txn, const struct vault_erase_received *what, size_t n, uint64_t *count, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct names l = {0};
        rc = names_of_subject(txn, &what[i].subject, &what[i].unit, what[i].classes, &l, err);
        if (rc == 0)
            rc = delete_names(txn, &l, err);
        *count += l.n;
        free(l.v);
    }
    return rc;
}

int
received_events(struct vault *v, const struct position *after, struct received_event *ret, size_t max, size_t *ret_n,
                struct err *err)
{
    uint8_t from[KEY_POSITION], key[KEY_RECEIVED];
    struct db_txn *txn;
    struct db_cursor *c = NULL;
    struct slice k, value, row;
    size_t n = 0;
    if (after)
        key_position(from, &after->log, after->seq + 1);
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_RECEIVED_BY, &c, err);
    if (rc == 0)
        rc = after ? db_cursor_seek(c, slice_of(from, sizeof(from)), &k, &value, err)
                   : db_cursor_first(c, &k, &value, err);
    while (rc == 0 && n < max) {
        struct received_key one;
        if (k.len != KEY_RECEIVED) {
            rc = err_set(err, ERR_CORRUPT, "vault: the name of a received key");
            break;
        }
        turn_by(k.data, key);
        rc = db_get(txn, TABLE_RECEIVED, slice_of(key, sizeof(key)), &row, err);
        if (rc == 0)
            rc = row_decode(slice_of(key, sizeof(key)), row, &one, err);
        if (rc != 0)
            break;
        ret[n++] = (struct received_event){one.from, one.unit, one.subject, one.kind};
        key_position(from, &one.from.log, one.from.seq + 1);
        rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &k, &value, err);
    }
    db_cursor_close(&c);
    db_abort(&txn);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret_n = n;
    return 0;
}

int
received_of_event(struct vault *v, const struct position *from, struct received_key *ret, size_t max, size_t *ret_n,
                  bool *ret_more, struct err *err)
{
    struct db_txn *txn;
    struct names l = {0};
    struct slice row;
    size_t n = 0;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = names_of_event(txn, from, &l, err);
    for (size_t i = 0; i < l.n && i < max && rc == 0; i++) {
        struct slice key = slice_of(l.v[i], KEY_RECEIVED);
        rc = db_get(txn, TABLE_RECEIVED, key, &row, err);
        if (rc == 0)
            rc = row_decode(key, row, &ret[n], err);
        if (rc == 0)
            rc = row_open(v, key, row, &ret[n], err);
        n += rc == 0;
        if (rc == ERR_NOTFOUND)
            rc = err_set(err, ERR_CORRUPT, "vault: a received key is named and not there");
    }
    db_abort(&txn);
    free(l.v);
    if (rc != 0) {
        sodium_memzero(ret, n * sizeof(*ret));
        return rc;
    }
    err_clear(err);
    *ret_n = n;
    if (ret_more)
        *ret_more = l.n > max;
    return 0;
}

/* Ends the transaction of a deletion; frees the list. */
static int
finish(struct db_txn *txn, int rc, struct names *l, size_t *ret_n, struct err *err)
{
    size_t n = l->n;
    if (rc == 0)
        rc = delete_names(txn, l, err);
    free(l->v);
    if (rc == 0 && n > 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    if (rc == 0) {
        err_clear(err);
        if (ret_n)
            *ret_n = n;
    }
    return rc;
}

int
received_del_event(struct vault *v, const struct position *from, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct names l = {0};
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = names_of_event(txn, from, &l, err);
    return finish(txn, rc, &l, ret_n, err);
}

int
received_del_subject(struct vault *v, const struct subject_id *subject, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct names l = {0};
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = names_of_subject(txn, subject, NULL, UINT32_MAX, &l, err);
    return finish(txn, rc, &l, ret_n, err);
}

/* ---- ended ---- */

static int
names_ended(struct db_txn *txn, struct civil_date today, struct names *l, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, row;
    int rc = db_cursor_open(txn, TABLE_RECEIVED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &k, &row, err); rc == 0; rc = db_cursor_next(c, &k, &row, err)) {
        struct received_key key;
        rc = row_decode(k, row, &key, err);
        if (rc == 0 && !date_is_none(key.until) && key.until.days < today.days)
            rc = names_add(l, k.data, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static const uint8_t *
event_in(const uint8_t key[KEY_RECEIVED])
{
    return key + KEY_RECEIVED - KEY_POSITION;
}

static int
compare_events(const void *a, const void *b)
{
    return memcmp(event_in(a), event_in(b), KEY_POSITION);
}

/* Leaves the names of the first max events, and lists these. */
static void
limit_events(struct names *l, struct position *ret, size_t max, size_t *ret_n)
{
    size_t n = 0;
    if (l->n > 1)
        qsort(l->v, l->n, sizeof(*l->v), compare_events);
    for (size_t i = 0; i < l->n; i++) {
        if (i > 0 && compare_events(l->v[i - 1], l->v[i]) == 0)
            continue;
        if (n == max) {
            l->n = i;
            break;
        }
        memcpy(ret[n].log.b, event_in(l->v[i]), HASH_BYTES);
        ret[n++].seq = be64_get(event_in(l->v[i]) + HASH_BYTES);
    }
    *ret_n = n;
}

int
received_del_ended(struct vault *v, struct civil_date today, struct position *ret, size_t max, size_t *ret_n_events,
                   size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct names l = {0};
    size_t n_events = 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = names_ended(txn, today, &l, err);
    if (rc == 0 && ret)
        limit_events(&l, ret, max, &n_events);
    rc = finish(txn, rc, &l, ret_n, err);
    if (rc == 0 && ret_n_events)
        *ret_n_events = n_events;
    return rc;
}
