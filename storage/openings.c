/* Who looked at whom. See openings.h; docs/STORAGE.md "Vault". */
#include "storage/openings.h"

#include <stdlib.h>

#include "storage/vault_private.h"

enum { OPENING_VALUE = 8, LOOK_VALUE = 4, KEYS_FIRST = 64 };

static uint32_t
add_capped(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
}

/* Value of a row of len bytes; zeros if it is not there. */
static int
value_of(struct db_txn *txn, enum table t, struct slice key, uint8_t *out, size_t len, struct err *err)
{
    struct slice value;
    int rc = db_get(txn, t, key, &value, err);
    if (rc == ERR_NOTFOUND) {
        memset(out, 0, len);
        return 0;
    }
    if (rc == 0 && value.len != len)
        rc = err_set(err, ERR_CORRUPT, "vault: table %s", table_name(t));
    if (rc == 0)
        memcpy(out, value.data, len);
    return rc;
}

/* Ends a write transaction. */
static int
end(struct db_txn *txn, int rc, bool changed, struct err *err)
{
    if (rc == 0 && changed)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    if (rc == 0)
        err_clear(err);
    return rc;
}

/* ---- at foreign members ---- */

int
openings_note(struct vault *v, const struct opening *o, size_t n, struct err *err)
{
    struct db_txn *txn;
    if (n == 0)
        return 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint8_t key[KEY_OPENING], value[OPENING_VALUE];
        key_opening(key, &o[i].home, &o[i].subject, o[i].day, &o[i].actor, &o[i].access);
        rc = value_of(txn, TABLE_OPENINGS, slice_of(key, sizeof(key)), value, sizeof(value), err);
        if (rc != 0)
            break;
        be32_put(value, add_capped(be32_get(value), o[i].count));
        be32_put(value + 4, be32_get(value + 4) | o[i].done);
        rc = db_put(txn, TABLE_OPENINGS, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
    }
    return end(txn, rc, true, err);
}

static int
opening_decode(struct slice key, struct slice value, struct opening *ret, struct err *err)
{
    struct reader r = reader_of(key);
    if (key.len != KEY_OPENING || value.len != OPENING_VALUE)
        return err_set(err, ERR_CORRUPT, "vault: table %s", table_name(TABLE_OPENINGS));
    reader_copy(&r, ret->home.b, HASH_BYTES);
    reader_copy(&r, ret->subject.b, ID_BYTES);
    ret->day = key_day_get(reader_bytes(&r, 4).data);
    reader_copy(&r, ret->actor.b, ID_BYTES);
    reader_copy(&r, ret->access.b, ID_BYTES);
    ret->count = be32_get(value.data);
    ret->done = be32_get(value.data + 4);
    return 0;
}

int
openings_list(struct vault *v, const struct opening *after, struct civil_date before, struct opening *ret, size_t max,
              size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct db_cursor *c = NULL;
    struct slice key, value;
    uint8_t from[KEY_OPENING] = {0};
    size_t n = 0;
    if (after)
        key_opening(from, &after->home, &after->subject, after->day, &after->actor, &after->access);
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_OPENINGS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err); rc == 0 && n < max;
         rc = db_cursor_next(c, &key, &value, err)) {
        struct opening o;
        if (after && slice_eq(key, slice_of(from, sizeof(from))))
            continue;
        rc = opening_decode(key, value, &o, err);
        if (rc != 0)
            break;
        if (date_is_none(before) || o.day.days < before.days)
            ret[n++] = o;
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
openings_written(struct vault *v, const struct opening *o, size_t n, struct err *err)
{
    struct db_txn *txn;
    bool changed = false;
    if (n == 0)
        return 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint8_t key[KEY_OPENING], value[OPENING_VALUE];
        key_opening(key, &o[i].home, &o[i].subject, o[i].day, &o[i].actor, &o[i].access);
        struct slice k = slice_of(key, sizeof(key));
        rc = value_of(txn, TABLE_OPENINGS, k, value, sizeof(value), err);
        uint32_t count = be32_get(value);
        if (rc != 0 || count == 0)
            continue;
        changed = true;
        be32_put(value, count - o[i].count);
        rc = count <= o[i].count ? db_del(txn, TABLE_OPENINGS, k, err)
                                 : db_put(txn, TABLE_OPENINGS, k, slice_of(value, sizeof(value)), err);
    }
    return end(txn, rc, changed, err);
}

/* ---- at own members ---- */

int
looks_note(struct vault *v, const struct look *l, size_t n, struct err *err)
{
    struct db_txn *txn;
    if (n == 0)
        return 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint8_t key[KEY_LOOK], value[LOOK_VALUE];
        key_look(key, &l[i].subject, l[i].day, &l[i].actor, l[i].purpose);
        rc = value_of(txn, TABLE_LOOKS, slice_of(key, sizeof(key)), value, sizeof(value), err);
        if (rc != 0)
            break;
        be32_put(value, add_capped(be32_get(value), l[i].count));
        rc = db_put(txn, TABLE_LOOKS, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
    }
    return end(txn, rc, true, err);
}

static int
look_decode(struct slice key, struct slice value, struct look *ret, struct err *err)
{
    struct reader r = reader_of(key);
    if (key.len != KEY_LOOK || value.len != LOOK_VALUE)
        return err_set(err, ERR_CORRUPT, "vault: table %s", table_name(TABLE_LOOKS));
    reader_copy(&r, ret->subject.b, ID_BYTES);
    ret->day = key_day_get(reader_bytes(&r, 4).data);
    reader_copy(&r, ret->actor.b, ID_BYTES);
    ret->purpose = reader_u8(&r);
    ret->count = be32_get(value.data);
    return 0;
}

int
looks_list(struct vault *v, const struct subject_id *subject, struct civil_date from, struct civil_date to,
           const struct look *after, struct look *ret, size_t max, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct db_cursor *c = NULL;
    struct slice key, value;
    uint8_t start[KEY_LOOK] = {0};
    size_t n = 0;
    key_look(start, subject, from, &(struct actor_id){0}, 0);
    if (after)
        key_look(start, subject, after->day, &after->actor, after->purpose);
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_LOOKS, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_seek(c, slice_of(start, sizeof(start)), &key, &value, err);
         rc == 0 && n < max && key.len >= ID_BYTES && memcmp(key.data, subject->b, ID_BYTES) == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        struct look l;
        if (after && slice_eq(key, slice_of(start, sizeof(start))))
            continue;
        rc = look_decode(key, value, &l, err);
        if (rc != 0 || (!date_is_none(to) && l.day.days > to.days))
            break;
        ret[n++] = l;
    }
    db_cursor_close(&c);
    db_abort(&txn);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret_n = n;
    return 0;
}

/* ---- removal ---- */

/* Keys of rows that are to go: a cursor does not outlive a change of its table. */
struct keys {
    struct {
        uint8_t b[KEY_OPENING];
        size_t len;
    } * v;
    size_t n, cap;
};

_Static_assert((int)KEY_LOOK <= (int)KEY_OPENING, "room for both");

static int
keys_add(struct keys *l, struct slice key, struct err *err)
{
    if (key.len > KEY_OPENING)
        return err_set(err, ERR_CORRUPT, "vault: a note of who looked");
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : KEYS_FIRST;
        void *more = reallocarray(l->v, cap, sizeof(*l->v));
        if (!more)
            return err_set(err, ERR_NOMEM, "vault: out of memory");
        l->v = more;
        l->cap = cap;
    }
    memcpy(l->v[l->n].b, key.data, key.len);
    l->v[l->n++].len = key.len;
    return 0;
}

/* Rows of a table that are wanted, deleted; the number goes to *count. */
static int
delete_where(struct db_txn *txn, enum table t, bool (*wanted)(const void *arg, struct slice key), const void *arg,
             uint64_t *count, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct keys l = {0};
    int rc = db_cursor_open(txn, t, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err))
        if (wanted(arg, key) && (rc = keys_add(&l, key, err)) != 0)
            break;
    db_cursor_close(&c);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; i < l.n && rc == 0; i++)
        rc = db_del(txn, t, slice_of(l.v[i].b, l.v[i].len), err);
    *count += l.n;
    free(l.v);
    return rc;
}

struct subjects {
    const struct subject_id *v;
    size_t n;
};

struct visitors {
    const struct vault_erase_visitor *v;
    size_t n;
};

static bool
opening_of(const void *arg, struct slice key)
{
    const struct visitors *s = arg;
    bool found = false;
    for (size_t i = 0; i < s->n && key.len == KEY_OPENING && !found; i++)
        found = memcmp(key.data, s->v[i].home.b, HASH_BYTES) == 0 &&
                memcmp(key.data + HASH_BYTES, s->v[i].subject.b, ID_BYTES) == 0;
    return found;
}

static bool
look_of(const void *arg, struct slice key)
{
    const struct subjects *s = arg;
    return key.len == KEY_LOOK && bsearch(key.data, s->v, s->n, sizeof(*s->v), vault_compare_ids) != NULL;
}

/* Pending ones are few: they wait for the next turn of the upkeep. */
int
openings_erase(struct db_txn *txn, const struct vault_erase_visitor *visitors, size_t n, uint64_t *count,
               struct err *err)
{
    const struct visitors s = {visitors, n};
    return n == 0 ? 0 : delete_where(txn, TABLE_OPENINGS, opening_of, &s, count, err);
}

int
looks_erase(struct db_txn *txn, const struct subject_id *subjects, size_t n, uint64_t *count, struct err *err)
{
    if (n == 0)
        return 0;
    struct subject_id *sorted = reallocarray(NULL, n, sizeof(*sorted));
    if (!sorted)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    memcpy(sorted, subjects, n * sizeof(*sorted));
    qsort(sorted, n, sizeof(*sorted), vault_compare_ids);
    const struct subjects s = {sorted, n};
    int rc = delete_where(txn, TABLE_LOOKS, look_of, &s, count, err);
    free(sorted);
    return rc;
}

static bool
look_before(const void *arg, struct slice key)
{
    const struct civil_date *before = arg;
    return key.len == KEY_LOOK && key_day_get(key.data + ID_BYTES).days < before->days;
}

int
looks_expire(struct vault *v, struct civil_date before, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    uint64_t n = 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = delete_where(txn, TABLE_LOOKS, look_before, &before, &n, err);
    rc = end(txn, rc, n > 0, err);
    if (rc == 0 && ret_n)
        *ret_n = (size_t)n;
    return rc;
}
