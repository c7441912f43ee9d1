/* See parted.h. A row: key = label of member, year and home (of an earlier release of the first two), value = wrapped member 16 ‖ home 32 ‖ year u16 ‖ last month u16 ‖ pseudonym 16. There
 * are few, each for two months at most: what is to be found otherwise than by its label is found by a walk. */
#include "storage/parted.h"

#include <stdlib.h>

#include "proto/person.h"
#include "storage/received.h"
#include "storage/vault_private.h"

enum { PLAIN = ID_BYTES + HASH_BYTES + 2 + 2 + ID_BYTES, KEYS_MAX = 64, LABELS_STEP = 64 };

struct parted {
    struct subject_id member;
    struct unit_id home;
    uint16_t year, last;
    struct subject_id pseudonym;
};

static void
label_of(const struct vault *v, const struct subject_id *member, uint16_t year, const struct unit_id *home,
         uint8_t out[LABEL_BYTES])
{
    uint8_t text[ID_BYTES + 2 + HASH_BYTES];
    memcpy(text, member->b, ID_BYTES);
    be16_put(text + ID_BYTES, year);
    memcpy(text + ID_BYTES + 2, home->b, HASH_BYTES);
    vault_label(v, LABEL_PARTED, slice_of(text, sizeof(text)), out);
}

static int
row_put(struct vault *v, struct db_txn *txn, const struct parted *p, struct err *err)
{
    uint8_t label[LABEL_BYTES], plain[PLAIN], *row;
    label_of(v, &p->member, p->year, &p->home, label);
    memcpy(plain, p->member.b, ID_BYTES);
    memcpy(plain + ID_BYTES, p->home.b, HASH_BYTES);
    be16_put(plain + ID_BYTES + HASH_BYTES, p->year);
    be16_put(plain + ID_BYTES + HASH_BYTES + 2, p->last);
    memcpy(plain + PLAIN - ID_BYTES, p->pseudonym.b, ID_BYTES);
    int rc = db_put_reserve(txn, TABLE_PARTED, slice_of(label, sizeof(label)), PLAIN + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap(v, WRAP_PARTED, slice_of(label, sizeof(label)), slice_of(plain, PLAIN), row);
    sodium_memzero(plain, sizeof(plain));
    return rc;
}

static int
row_open(const struct vault *v, struct slice label, struct slice row, struct parted *ret, struct err *err)
{
    uint8_t plain[PLAIN];
    if (label.len != LABEL_BYTES || vault_unwrap(v, WRAP_PARTED, label, row, plain, sizeof(plain)) != 0)
        return err_set(err, ERR_CORRUPT, "vault: a note of who is to be counted does not open");
    memcpy(ret->member.b, plain, ID_BYTES);
    memcpy(ret->home.b, plain + ID_BYTES, HASH_BYTES);
    ret->year = be16_get(plain + ID_BYTES + HASH_BYTES);
    ret->last = be16_get(plain + ID_BYTES + HASH_BYTES + 2);
    memcpy(ret->pseudonym.b, plain + PLAIN - ID_BYTES, ID_BYTES);
    sodium_memzero(plain, sizeof(plain));
    return 0;
}

/* Of one event. *noted goes up. */
static int
note_event(struct vault *v, struct db_txn *txn, const struct position *from, uint16_t last, struct received_key *keys,
           size_t *noted, struct err *err)
{
    size_t n = 0;
    int rc = received_of_event(v, from, keys, KEYS_MAX, &n, NULL, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct parted p = {keys[i].subject, keys[i].unit, (uint16_t)keys[i].generation, last, {{0}}};
        if (keys[i].class != CLASS_COUNTING)
            continue;
        p.pseudonym = counting_pseudonym(&keys[i].key);
        rc = row_put(v, txn, &p, err);
        (*noted)++;
    }
    sodium_memzero(keys, n * sizeof(*keys));
    return rc;
}

int
parted_note(struct vault *v, const struct position *from, size_t n, uint16_t last, struct err *err)
{
    struct db_txn *txn = NULL;
    size_t noted = 0;
    struct received_key *keys = calloc(KEYS_MAX, sizeof(*keys));
    int rc = keys ? db_begin_write(v->db, &txn, err) : err_set(err, ERR_NOMEM, "vault: out of memory");
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = note_event(v, txn, &from[i], last, keys, &noted, err);
    if (rc == 0 && noted > 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    free(keys);
    return rc;
}

/* By what is in the rows: where the home is not known, and rows of an earlier release. */
static int
walk(const struct vault *v, struct db_txn *txn, const struct subject_id *member, const struct unit_id *home_or_null,
     uint16_t year, struct parted *ret, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice key, row;
    struct err none;
    bool found = false;
    int rc = db_cursor_open(txn, TABLE_PARTED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &row, err); rc == 0 && !found;) {
        found = row_open(v, key, row, ret, &none) == 0 && TYPE_EQ(&ret->member, member) && ret->year == year &&
                (home_or_null == NULL || TYPE_EQ(&ret->home, home_or_null));
        if (!found)
            rc = db_cursor_next(c, &key, &row, err);
    }
    db_cursor_close(&c);
    return rc;
}

int
parted_get(struct vault *v, const struct subject_id *member, const struct unit_id *home_or_null, uint16_t year,
           struct subject_id *ret_pseudonym, struct err *err)
{
    struct db_txn *txn;
    struct slice row;
    struct parted p;
    uint8_t label[LABEL_BYTES];
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = ERR_NOTFOUND;
    if (home_or_null != NULL) {
        label_of(v, member, year, home_or_null, label);
        rc = db_get(txn, TABLE_PARTED, slice_of(label, sizeof(label)), &row, err);
        if (rc == 0)
            rc = row_open(v, slice_of(label, sizeof(label)), row, &p, err);
    }
    if (rc == ERR_NOTFOUND)
        rc = walk(v, txn, member, home_or_null, year, &p, err);
    db_abort(&txn);
    if (rc == 0)
        *ret_pseudonym = p.pseudonym;
    return rc;
}

/* ---- removal ---- */

/* Deletes up to LABELS_STEP rows that are wanted: keys first, a cursor does not outlive a change of its table. One that does not open is of
 * no use to anybody and goes with the others. */
static int
delete_some(const struct vault *v, struct db_txn *txn, bool (*wanted)(const void *arg, const struct parted *p),
            const void *arg, size_t *ret_n, struct err *err)
{
    uint8_t labels[LABELS_STEP][KEY_MAX];
    size_t lens[LABELS_STEP], n = 0;
    struct db_cursor *c = NULL;
    struct slice key, row;
    int rc = db_cursor_open(txn, TABLE_PARTED, &c, err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &row, err); rc == 0 && n < LABELS_STEP;
         rc = db_cursor_next(c, &key, &row, err)) {
        struct parted p;
        struct err none;
        if (key.len > KEY_MAX || (row_open(v, key, row, &p, &none) == 0 && !wanted(arg, &p)))
            continue;
        memcpy(labels[n], key.data, key.len);
        lens[n++] = key.len;
    }
    db_cursor_close(&c);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = db_del(txn, TABLE_PARTED, slice_of(labels[i], lens[i]), err);
    *ret_n = n;
    return rc;
}

static int
delete_all(const struct vault *v, struct db_txn *txn, bool (*wanted)(const void *arg, const struct parted *p),
           const void *arg, size_t *ret_n, struct err *err)
{
    size_t n = LABELS_STEP;
    int rc = 0;
    *ret_n = 0;
    while (rc == 0 && n == LABELS_STEP) {
        rc = delete_some(v, txn, wanted, arg, &n, err);
        *ret_n += n;
    }
    return rc;
}

static bool
is_counted(const void *arg, const struct parted *p)
{
    const uint16_t *month = arg;
    return p->last < *month;
}

int
parted_expire(struct vault *v, uint16_t month, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    size_t n = 0;
    int rc = db_begin_read(v->db, &txn, err);
    if (rc != 0)
        return rc;
    bool any = db_table_entries(txn, TABLE_PARTED) > 0;
    db_abort(&txn);
    if (any) {
        rc = db_begin_write(v->db, &txn, err);
        if (rc != 0)
            return rc;
        rc = delete_all(v, txn, is_counted, &month, &n, err);
        if (rc == 0 && n > 0)
            rc = db_commit(&txn, err);
        else
            db_abort(&txn);
    }
    if (rc == 0 && ret_n != NULL)
        *ret_n = n;
    return rc;
}

struct ordered {
    const struct vault_erase_received *v;
    size_t n;
};

/* Who is to be counted is forgotten with the key for counting, which goes with activity; not with an address. */
static bool
is_ordered(const void *arg, const struct parted *p)
{
    const struct ordered *o = arg;
    const unsigned counting = 1U << vault_class_index(CLASS_COUNTING);
    for (size_t i = 0; i < o->n; i++)
        if ((o->v[i].classes & counting) != 0 && TYPE_EQ(&o->v[i].unit, &p->home) &&
            TYPE_EQ(&o->v[i].subject, &p->member))
            return true;
    return false;
}

int
parted_erase(const struct vault *v, struct db_txn *txn, const struct vault_erase_received *what, size_t n,
             uint64_t *count, struct err *err)
{
    const struct ordered o = {what, n};
    size_t gone = 0;
    int rc = n == 0 ? 0 : delete_all(v, txn, is_ordered, &o, &gone, err);
    *count += gone;
    return rc;
}
