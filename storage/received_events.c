/* Keys from other units: by the event that gave them, and deleting. See received.h; docs/STORAGE.md "Vault". */
#include "storage/received.h"

#include <stdlib.h>

#include "storage/vault_private.h"

enum { NAMES_FIRST = 64 };

struct names {
    uint8_t (*v)[KEY_RECEIVED]; /* keys of TABLE_RECEIVED */
    size_t n, cap;
};

static int
names_add(struct names *l, const uint8_t key[KEY_RECEIVED], struct err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : NAMES_FIRST;
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
            rc = received_row_decode(slice_of(key, sizeof(key)), row, &one, err);
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
            rc = received_row_decode(key, row, &ret[n], err);
        if (rc == 0)
            rc = received_row_open(v, key, row, &ret[n], err);
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
    return received_del_events(v, from, 1, ret_n, err);
}

int
received_del_events(struct vault *v, const struct position *from, size_t n, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct names l = {0};
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = names_of_event(txn, &from[i], &l, err);
    return finish(txn, rc, &l, ret_n, err);
}

int
received_del_keys(struct vault *v, const struct received_key *keys, size_t n, size_t *ret_n, struct err *err)
{
    uint8_t key[KEY_RECEIVED];
    struct db_txn *txn;
    struct names l = {0};
    struct slice row;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++) {
        key_received(key, &keys[i].subject, &keys[i].unit, keys[i].class, keys[i].generation, &keys[i].from);
        rc = db_get(txn, TABLE_RECEIVED, slice_of(key, sizeof(key)), &row, err);
        rc = rc == 0 ? names_add(&l, key, err) : rc == ERR_NOTFOUND ? 0 : rc;
    }
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
        rc = received_row_decode(k, row, &key, err);
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
