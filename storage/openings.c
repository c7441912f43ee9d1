/* Who looked at whom. See openings.h; docs/STORAGE.md "Vault". The key of a row is a label, what it is about stands wrapped in its value: who
 * looked at which member on which day would else lead from the day of an invoice to its person.
 *
 * An opening: key 84 (home, subject, day, actor, access) ‖ count u32 ‖ done u32. Looks: one row for a subject: subject 16 ‖ entries u32 ‖ entries
 * (day 4, actor 16, purpose u8, count u32 each, in order), padded to a multiple of LOOKS_PAD of them. */
#include "storage/openings.h"

#include <stdlib.h>

#include "storage/vault_private.h"

enum {
    OPENED_PLAIN = KEY_OPENING + 8,
    LOOK_ENTRY = 4 + ID_BYTES + 1 + 4,
    LOOK_KEY = LOOK_ENTRY - 4,
    LOOKS_HEAD = ID_BYTES + 4,
    LOOKS_PAD = 8,
    LABELS_FIRST = 64,
};

static uint32_t
add_capped(uint32_t a, uint32_t b)
{
    return a > UINT32_MAX - b ? UINT32_MAX : a + b;
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

/* Keys of rows that are to change: a cursor does not outlive a change of its table. */
struct labels {
    uint8_t (*v)[LABEL_BYTES];
    size_t n, cap;
};

static int
labels_add(struct labels *l, struct slice key, struct err *err)
{
    MUST(key.len == LABEL_BYTES);
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : LABELS_FIRST;
        void *more = reallocarray(l->v, cap, sizeof(*l->v));
        if (!more)
            return err_set(err, ERR_NOMEM, "vault: out of memory");
        l->v = more;
        l->cap = cap;
    }
    memcpy(l->v[l->n++], key.data, LABEL_BYTES);
    return 0;
}

/* ---- at foreign members ---- */

static void
opening_key(const struct opening *o, uint8_t out[KEY_OPENING])
{
    key_opening(out, &o->home, &o->subject, o->day, &o->actor, &o->access);
}

static int
opening_compare(const void *a, const void *b)
{
    uint8_t x[KEY_OPENING], y[KEY_OPENING];
    opening_key(a, x);
    opening_key(b, y);
    return memcmp(x, y, sizeof(x));
}

static int
opened_decode(const struct vault *v, struct slice label, struct slice row, struct opening *ret, struct err *err)
{
    uint8_t plain[OPENED_PLAIN];
    struct reader r = reader_of(slice_of(plain, sizeof(plain)));
    if (label.len != LABEL_BYTES || vault_unwrap(v, WRAP_OPENED, label, row, plain, sizeof(plain)) != 0)
        return err_set(err, ERR_CORRUPT, "vault: a note of who looked does not open");
    reader_copy(&r, ret->home.b, HASH_BYTES);
    reader_copy(&r, ret->subject.b, ID_BYTES);
    ret->day = key_day_get(reader_bytes(&r, 4).data);
    reader_copy(&r, ret->actor.b, ID_BYTES);
    reader_copy(&r, ret->access.b, ID_BYTES);
    ret->count = be32_get(plain + KEY_OPENING);
    ret->done = be32_get(plain + KEY_OPENING + 4);
    return 0;
}

/* The row of o: its label, and what is there; count 0 if nothing is. */
static int
opened_get(const struct vault *v, struct db_txn *txn, const struct opening *o, uint8_t label[LABEL_BYTES],
           struct opening *ret, struct err *err)
{
    uint8_t key[KEY_OPENING];
    struct slice row;
    opening_key(o, key);
    vault_label(v, LABEL_OPENED, slice_of(key, sizeof(key)), label);
    int rc = db_get(txn, TABLE_OPENED, slice_of(label, LABEL_BYTES), &row, err);
    if (rc == ERR_NOTFOUND) {
        *ret = *o;
        ret->count = ret->done = 0;
        return 0;
    }
    return rc == 0 ? opened_decode(v, slice_of(label, LABEL_BYTES), row, ret, err) : rc;
}

static int
opened_put(struct vault *v, struct db_txn *txn, const uint8_t label[LABEL_BYTES], const struct opening *o,
           struct err *err)
{
    uint8_t plain[OPENED_PLAIN], *row;
    opening_key(o, plain);
    be32_put(plain + KEY_OPENING, o->count);
    be32_put(plain + KEY_OPENING + 4, o->done);
    int rc = db_put_reserve(txn, TABLE_OPENED, slice_of(label, LABEL_BYTES), sizeof(plain) + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap(v, WRAP_OPENED, slice_of(label, LABEL_BYTES), slice_of(plain, sizeof(plain)), row);
    return rc;
}

static int
opened_add(struct vault *v, struct db_txn *txn, const struct opening *o, struct err *err)
{
    uint8_t label[LABEL_BYTES];
    struct opening there;
    int rc = opened_get(v, txn, o, label, &there, err);
    there.count = rc == 0 ? add_capped(there.count, o->count) : 0;
    there.done |= o->done;
    return rc == 0 ? opened_put(v, txn, label, &there, err) : rc;
}

int
openings_note(struct vault *v, const struct opening *o, size_t n, struct err *err)
{
    struct db_txn *txn;
    if (n == 0)
        return 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = opened_add(v, txn, &o[i], err);
    return end(txn, rc, true, err);
}

struct listing {
    struct opening *v;
    size_t n, cap;
};

static int
listing_add(struct listing *l, const struct opening *o, struct err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : LABELS_FIRST;
        struct opening *more = reallocarray(l->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "vault: out of memory");
        l->v = more;
        l->cap = cap;
    }
    l->v[l->n++] = *o;
    return 0;
}

int
openings_list(struct vault *v, const struct opening *after, struct civil_date before, struct opening *ret, size_t max,
              size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct db_cursor *c = NULL;
    struct slice key, row;
    struct listing l = {0};
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(txn, TABLE_OPENED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &row, err); rc == 0; rc = db_cursor_next(c, &key, &row, err)) {
        struct opening o;
        rc = opened_decode(v, key, row, &o, err);
        if (rc == 0 && (date_is_none(before) || o.day.days < before.days) && (!after || opening_compare(&o, after) > 0))
            rc = listing_add(&l, &o, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    db_abort(&txn);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    if (rc == 0) {
        err_clear(err);
        if (l.n > 1)
            qsort(l.v, l.n, sizeof(*l.v), opening_compare);
        *ret_n = l.n < max ? l.n : max;
        if (*ret_n > 0)
            memcpy(ret, l.v, *ret_n * sizeof(*ret));
    }
    free(l.v);
    return rc;
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
        uint8_t label[LABEL_BYTES];
        struct opening there;
        rc = opened_get(v, txn, &o[i], label, &there, err);
        if (rc != 0 || there.count == 0)
            continue;
        changed = true;
        bool all = there.count <= o[i].count;
        there.count -= all ? 0 : o[i].count;
        rc =
            all ? db_del(txn, TABLE_OPENED, slice_of(label, LABEL_BYTES), err) : opened_put(v, txn, label, &there, err);
    }
    return end(txn, rc, changed, err);
}

/* Pending ones are few: they wait for the next turn of the upkeep. One that does not open is nobody's and stays. */
int
openings_erase(struct vault *v, struct db_txn *txn, const struct vault_erase_visitor *visitors, size_t n,
               uint64_t *count, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, row;
    struct labels l = {0};
    if (n == 0)
        return 0;
    int rc = db_cursor_open(txn, TABLE_OPENED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &row, err); rc == 0; rc = db_cursor_next(c, &key, &row, err)) {
        struct opening o;
        struct err none;
        bool wanted = false;
        if (opened_decode(v, key, row, &o, &none) != 0)
            continue;
        for (size_t i = 0; i < n && !wanted; i++)
            wanted = TYPE_EQ(&o.home, &visitors[i].home) && TYPE_EQ(&o.subject, &visitors[i].subject);
        if (wanted && (rc = labels_add(&l, key, err)) != 0)
            break;
    }
    db_cursor_close(&c);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; i < l.n && rc == 0; i++)
        rc = db_del(txn, TABLE_OPENED, slice_of(l.v[i], LABEL_BYTES), err);
    *count += l.n;
    free(l.v);
    return rc;
}

/* ---- at own members ---- */

/* The journal of a subject: entries as they stand in the row. */
struct journal {
    struct subject_id subject;
    uint8_t (*v)[LOOK_ENTRY];
    size_t n;
};

static void
look_label(const struct vault *v, const struct subject_id *subject, uint8_t out[LABEL_BYTES])
{
    vault_label(v, LABEL_LOOKED, slice_of(subject->b, ID_BYTES), out);
}

/* Room for one more; free v. */
static int
journal_open(const struct vault *v, struct slice label, struct slice row, struct journal *ret, struct err *err)
{
    size_t len = row.len < WRAP_OVERHEAD ? 0 : row.len - WRAP_OVERHEAD;
    uint8_t *plain = malloc(len + 1);
    if (!plain)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    bool opens =
        len >= LOOKS_HEAD && label.len == LABEL_BYTES && vault_unwrap(v, WRAP_LOOKED, label, row, plain, len) == 0;
    size_t n = opens ? be32_get(plain + ID_BYTES) : 0;
    if (!opens || n > (len - LOOKS_HEAD) / LOOK_ENTRY) {
        free(plain);
        return err_set(err, ERR_CORRUPT, "vault: a journal of who looked does not open");
    }
    struct journal j = {.n = n, .v = malloc((n + 1) * LOOK_ENTRY)};
    memcpy(j.subject.b, plain, ID_BYTES);
    if (j.v && n > 0)
        memcpy(j.v, plain + LOOKS_HEAD, n * LOOK_ENTRY);
    free(plain);
    if (!j.v)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    *ret = j;
    return 0;
}

static int
journal_read(const struct vault *v, struct db_txn *txn, const struct subject_id *subject, struct journal *ret,
             struct err *err)
{
    uint8_t label[LABEL_BYTES];
    struct slice row;
    look_label(v, subject, label);
    int rc = db_get(txn, TABLE_LOOKED, slice_of(label, sizeof(label)), &row, err);
    if (rc == 0)
        return journal_open(v, slice_of(label, sizeof(label)), row, ret, err);
    if (rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret = (struct journal){.subject = *subject, .v = malloc(LOOK_ENTRY)};
    return ret->v ? 0 : err_set(err, ERR_NOMEM, "vault: out of memory");
}

static int
journal_write(struct vault *v, struct db_txn *txn, const struct journal *j, struct err *err)
{
    uint8_t label[LABEL_BYTES], *row;
    size_t room = (j->n + LOOKS_PAD - 1) / LOOKS_PAD * LOOKS_PAD, len = LOOKS_HEAD + room * LOOK_ENTRY;
    look_label(v, &j->subject, label);
    if (j->n == 0)
        return db_del(txn, TABLE_LOOKED, slice_of(label, sizeof(label)), err);
    uint8_t *plain = calloc(1, len);
    if (!plain)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    memcpy(plain, j->subject.b, ID_BYTES);
    be32_put(plain + ID_BYTES, (uint32_t)j->n);
    memcpy(plain + LOOKS_HEAD, j->v, j->n * LOOK_ENTRY);
    int rc = db_put_reserve(txn, TABLE_LOOKED, slice_of(label, sizeof(label)), len + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap(v, WRAP_LOOKED, slice_of(label, sizeof(label)), slice_of(plain, len), row);
    free(plain);
    return rc;
}

static void
look_entry(const struct look *l, uint8_t out[LOOK_ENTRY])
{
    uint8_t key[KEY_LOOK];
    key_look(key, &l->subject, l->day, &l->actor, l->purpose);
    memcpy(out, key + ID_BYTES, LOOK_KEY);
    be32_put(out + LOOK_KEY, l->count);
}

static void
look_decode(const struct subject_id *subject, const uint8_t entry[LOOK_ENTRY], struct look *ret)
{
    ret->subject = *subject;
    ret->day = key_day_get(entry);
    memcpy(ret->actor.b, entry + 4, ID_BYTES);
    ret->purpose = entry[4 + ID_BYTES];
    ret->count = be32_get(entry + LOOK_KEY);
}

static void
journal_add(struct journal *j, const uint8_t entry[LOOK_ENTRY])
{
    size_t at = 0;
    while (at < j->n && memcmp(j->v[at], entry, LOOK_KEY) < 0)
        at++;
    if (at < j->n && memcmp(j->v[at], entry, LOOK_KEY) == 0) {
        be32_put(j->v[at] + LOOK_KEY, add_capped(be32_get(j->v[at] + LOOK_KEY), be32_get(entry + LOOK_KEY)));
        return;
    }
    memmove(j->v[at + 1], j->v[at], (j->n - at) * LOOK_ENTRY);
    memcpy(j->v[at], entry, LOOK_ENTRY);
    j->n++;
}

static int
look_add(struct vault *v, struct db_txn *txn, const struct look *l, struct err *err)
{
    struct journal j = {0};
    uint8_t entry[LOOK_ENTRY];
    look_entry(l, entry);
    int rc = journal_read(v, txn, &l->subject, &j, err);
    if (rc == 0) {
        journal_add(&j, entry);
        rc = journal_write(v, txn, &j, err);
    }
    free(j.v);
    return rc;
}

int
looks_note(struct vault *v, const struct look *l, size_t n, struct err *err)
{
    struct db_txn *txn;
    if (n == 0)
        return 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = look_add(v, txn, &l[i], err);
    return end(txn, rc, true, err);
}

int
looks_list(struct vault *v, const struct subject_id *subject, struct civil_date from, struct civil_date to,
           const struct look *after, struct look *ret, size_t max, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct journal j = {0};
    uint8_t start[LOOK_ENTRY];
    size_t n = 0;
    if (after)
        look_entry(after, start);
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = journal_read(v, txn, subject, &j, err);
    db_abort(&txn);
    for (size_t i = 0; i < j.n && n < max && rc == 0; i++) {
        struct look l;
        look_decode(subject, j.v[i], &l);
        if ((after && memcmp(j.v[i], start, LOOK_KEY) <= 0) || (!date_is_none(from) && l.day.days < from.days) ||
            (!date_is_none(to) && l.day.days > to.days))
            continue;
        ret[n++] = l;
    }
    free(j.v);
    if (rc == 0)
        *ret_n = n;
    return rc;
}

/* ---- removal ---- */

int
looks_erase(struct vault *v, struct db_txn *txn, const struct subject_id *subjects, size_t n, uint64_t *count,
            struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        uint8_t label[LABEL_BYTES];
        struct journal j = {0};
        struct slice row;
        struct err none;
        look_label(v, &subjects[i], label);
        rc = db_get(txn, TABLE_LOOKED, slice_of(label, sizeof(label)), &row, err);
        if (rc == ERR_NOTFOUND) {
            rc = 0;
            continue;
        }
        if (rc == 0) {
            *count += journal_open(v, slice_of(label, sizeof(label)), row, &j, &none) == 0 ? j.n : 1;
            rc = db_del(txn, TABLE_LOOKED, slice_of(label, sizeof(label)), err);
        }
        free(j.v);
    }
    return rc;
}

static size_t
journal_drop_before(struct journal *j, struct civil_date before)
{
    size_t left = 0, had = j->n;
    for (size_t i = 0; i < j->n; i++) {
        if (key_day_get(j->v[i]).days < before.days)
            continue;
        if (left != i)
            memcpy(j->v[left], j->v[i], LOOK_ENTRY);
        left++;
    }
    j->n = left;
    return had - left;
}

/* Rows with something that ends. One that does not open has nothing that anybody could read. */
static int
looks_ending(struct vault *v, struct db_txn *txn, struct civil_date before, struct labels *ret, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, row;
    int rc = db_cursor_open(txn, TABLE_LOOKED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &row, err); rc == 0; rc = db_cursor_next(c, &key, &row, err)) {
        struct journal j = {0};
        struct err none;
        if (journal_open(v, key, row, &j, &none) != 0)
            continue;
        bool ends = journal_drop_before(&j, before) > 0;
        free(j.v);
        if (ends && (rc = labels_add(ret, key, err)) != 0)
            break;
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
looks_expire(struct vault *v, struct civil_date before, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct labels l = {0};
    size_t n = 0;
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = looks_ending(v, txn, before, &l, err);
    for (size_t i = 0; i < l.n && rc == 0; i++) {
        struct journal j = {0};
        struct slice row;
        rc = db_get(txn, TABLE_LOOKED, slice_of(l.v[i], LABEL_BYTES), &row, err);
        if (rc == 0)
            rc = journal_open(v, slice_of(l.v[i], LABEL_BYTES), row, &j, err);
        if (rc == 0) {
            n += journal_drop_before(&j, before);
            rc = journal_write(v, txn, &j, err);
        }
        free(j.v);
    }
    free(l.v);
    rc = end(txn, rc, n > 0, err);
    if (rc == 0 && ret_n)
        *ret_n = n;
    return rc;
}

/* ---- format 1 ---- */

int
opened_put_old(struct vault *v, struct db_txn *txn, struct slice key, struct slice value, struct err *err)
{
    struct reader r = reader_of(key);
    struct opening o = {0};
    if (key.len != KEY_OPENING || value.len != 8)
        return err_set(err, ERR_CORRUPT, "vault: table %s", table_name(TABLE_OPENINGS));
    reader_copy(&r, o.home.b, HASH_BYTES);
    reader_copy(&r, o.subject.b, ID_BYTES);
    o.day = key_day_get(reader_bytes(&r, 4).data);
    reader_copy(&r, o.actor.b, ID_BYTES);
    reader_copy(&r, o.access.b, ID_BYTES);
    o.count = be32_get(value.data);
    o.done = be32_get(value.data + 4);
    return opened_add(v, txn, &o, err);
}

int
looked_put_old(struct vault *v, struct db_txn *txn, struct slice key, struct slice value, struct err *err)
{
    struct look l;
    struct subject_id subject;
    uint8_t entry[LOOK_ENTRY];
    if (key.len != KEY_LOOK || value.len != 4)
        return err_set(err, ERR_CORRUPT, "vault: table %s", table_name(TABLE_LOOKS));
    memcpy(subject.b, key.data, ID_BYTES);
    memcpy(entry, key.data + ID_BYTES, LOOK_KEY);
    memcpy(entry + LOOK_KEY, value.data, 4);
    look_decode(&subject, entry, &l);
    return look_add(v, txn, &l, err);
}
