/* See taken.h. A row: key = label of the member, value = wrapped member 16 ‖ entries u8 ‖ entries, padded to room for 1, 4, 16, 64 or 256 of them. An entry:
 * activity 16 ‖ month i32 ‖ received i32 ‖ sector u16 ‖ culture u8 ‖ title, filled up with zeros. */
#include "storage/taken.h"

#include <stdlib.h>

#include "storage/vault_private.h"

enum {
    AT_MONTH = ID_BYTES,
    AT_RECEIVED = AT_MONTH + 4,
    AT_SECTOR = AT_RECEIVED + 4,
    AT_CULTURE = AT_SECTOR + 2,
    AT_TITLE = AT_CULTURE + 1,
    ENTRY = AT_TITLE + PERSON_TEXT_MAX,
    HEAD = ID_BYTES + 1,
};

_Static_assert((int)TAKEN_MAX <= UINT8_MAX, "how many there are is one byte");

/* What a row says. */
struct list {
    struct subject_id member;
    size_t n;
    struct taken_activity v[TAKEN_MAX];
};

static struct list *
taken_new(struct err *err)
{
    struct list *l = calloc(1, sizeof(*l));
    if (l == NULL)
        err_set(err, ERR_NOMEM, "vault: out of memory");
    return l;
}

static void
taken_free(struct list *l)
{
    if (l != NULL)
        sodium_memzero(l, sizeof(*l));
    free(l);
}

static void
label_of(const struct vault *v, const struct subject_id *member, uint8_t out[LABEL_BYTES])
{
    vault_label(v, LABEL_TAKEN, slice_of(member->b, ID_BYTES), out);
}

static size_t
room_for(size_t n)
{
    size_t room = 1;
    while (room < n)
        room *= 4;
    return room;
}

static void
entry_put(const struct taken_activity *a, uint8_t out[ENTRY])
{
    memcpy(out, a->key.activity.b, ID_BYTES);
    be32_put(out + AT_MONTH, (uint32_t)a->month.days);
    be32_put(out + AT_RECEIVED, (uint32_t)a->received.days);
    be16_put(out + AT_SECTOR, a->sector);
    out[AT_CULTURE] = a->culture;
    memcpy(out + AT_TITLE, a->title.s, strnlen(a->title.s, PERSON_TEXT_MAX));
}

static void
entry_read(const struct subject_id *member, const uint8_t in[ENTRY], struct taken_activity *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->key.member = *member;
    memcpy(ret->key.activity.b, in, ID_BYTES);
    ret->month.days = (int32_t)be32_get(in + AT_MONTH);
    ret->received.days = (int32_t)be32_get(in + AT_RECEIVED);
    ret->sector = be16_get(in + AT_SECTOR);
    ret->culture = in[AT_CULTURE] != 0;
    memcpy(ret->title.s, in + AT_TITLE, PERSON_TEXT_MAX);
}

static int
row_open(const struct vault *v, struct slice label, struct slice row, struct list *ret, struct err *err)
{
    if (label.len != LABEL_BYTES || row.len < HEAD + ENTRY + WRAP_OVERHEAD ||
        row.len > HEAD + room_for(TAKEN_MAX) * ENTRY + WRAP_OVERHEAD)
        return err_set(err, ERR_CORRUPT, "vault: activities taken along are cut off");
    size_t len = row.len - WRAP_OVERHEAD;
    uint8_t *plain = malloc(len);
    if (plain == NULL)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    bool opens = vault_unwrap(v, WRAP_TAKEN, label, row, plain, len) == 0;
    size_t n = opens ? plain[ID_BYTES] : 0;
    opens = opens && n <= (len - HEAD) / ENTRY && n <= TAKEN_MAX;
    if (opens) {
        memcpy(ret->member.b, plain, ID_BYTES);
        ret->n = n;
        for (size_t i = 0; i < n; i++)
            entry_read(&ret->member, plain + HEAD + i * ENTRY, &ret->v[i]);
    }
    sodium_memzero(plain, len);
    free(plain);
    return opens ? 0 : err_set(err, ERR_CORRUPT, "vault: activities taken along do not open");
}

/* Without entries the row goes. */
static int
row_put(struct vault *v, struct db_txn *txn, const struct subject_id *member, const struct taken_activity *list,
        size_t n, struct err *err)
{
    uint8_t label[LABEL_BYTES], *row;
    size_t len = HEAD + room_for(n) * ENTRY;
    label_of(v, member, label);
    if (n == 0)
        return db_del(txn, TABLE_TAKEN, slice_of(label, sizeof(label)), err);
    uint8_t *plain = calloc(1, len);
    if (plain == NULL)
        return err_set(err, ERR_NOMEM, "vault: out of memory");
    memcpy(plain, member->b, ID_BYTES);
    plain[ID_BYTES] = (uint8_t)n;
    for (size_t i = 0; i < n; i++)
        entry_put(&list[i], plain + HEAD + i * ENTRY);
    int rc = db_put_reserve(txn, TABLE_TAKEN, slice_of(label, sizeof(label)), len + WRAP_OVERHEAD, &row, err);
    if (rc == 0)
        vault_wrap(v, WRAP_TAKEN, slice_of(label, sizeof(label)), slice_of(plain, len), row);
    sodium_memzero(plain, len);
    free(plain);
    return rc;
}

/* No row: nothing waits, n = 0. */
static int
row_read(const struct vault *v, struct db_txn *txn, const struct subject_id *member, struct list *ret, struct err *err)
{
    uint8_t label[LABEL_BYTES];
    struct slice row;
    label_of(v, member, label);
    ret->n = 0;
    int rc = db_get(txn, TABLE_TAKEN, slice_of(label, sizeof(label)), &row, err);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        return 0;
    }
    return rc == 0 ? row_open(v, slice_of(label, sizeof(label)), row, ret, err) : rc;
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

static int
row_is(const struct vault *v, struct db_txn *txn, const struct subject_id *member, bool *ret, struct err *err)
{
    uint8_t label[LABEL_BYTES];
    struct slice row;
    label_of(v, member, label);
    int rc = db_get(txn, TABLE_TAKEN, slice_of(label, sizeof(label)), &row, err);
    *ret = rc == 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
taken_put(struct vault *v, const struct subject_id *member, const struct taken_activity *list, size_t n,
          struct err *err)
{
    struct db_txn *txn;
    bool there = false;
    MUST(n <= TAKEN_MAX);
    int rc = db_begin_write(v->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = row_is(v, txn, member, &there, err);
    if (rc == 0 && (there || n > 0))
        rc = row_put(v, txn, member, list, n, err);
    return finish(&txn, rc, there || n > 0, err);
}

/* The list of a member, read. */
static int
taken_read(struct vault *v, const struct subject_id *member, struct list **ret, struct err *err)
{
    struct db_txn *txn = NULL;
    struct list *l = taken_new(err);
    int rc = l != NULL ? db_begin_read(v->db, &txn, err) : ERR_NOMEM;
    if (rc == 0)
        rc = row_read(v, txn, member, l, err);
    db_abort(&txn);
    if (rc == 0)
        *ret = l;
    else
        taken_free(l);
    return rc;
}

int
taken_list(struct vault *v, const struct subject_id *member, struct taken_activity *ret, size_t *ret_n, struct err *err)
{
    struct list *l;
    int rc = taken_read(v, member, &l, err);
    if (rc != 0)
        return rc;
    memcpy(ret, l->v, l->n * sizeof(*ret));
    *ret_n = l->n;
    taken_free(l);
    return 0;
}

int
taken_members(struct vault *v, const struct subject_id *after, struct subject_id *ret, size_t max, size_t *ret_n,
              struct err *err)
{
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice label, row;
    uint8_t from[LABEL_BYTES + 1] = {0}; /* one byte more: what comes next */
    size_t n = 0;
    struct list *l = taken_new(err);
    int rc = l != NULL ? db_begin_read(v->db, &txn, err) : ERR_NOMEM;
    if (after != NULL)
        label_of(v, after, from);
    if (rc == 0)
        rc = db_cursor_open(txn, TABLE_TAKEN, &c, err);
    if (rc == 0)
        rc = after != NULL ? db_cursor_seek(c, slice_of(from, sizeof(from)), &label, &row, err)
                           : db_cursor_first(c, &label, &row, err);
    while (rc == 0 && n < max) {
        struct err none;
        rc = row_open(v, label, row, l, &none);
        if (rc == 0)
            ret[n++] = l->member;
        else if (rc != ERR_CORRUPT)
            *err = none;
        rc = rc == 0 || rc == ERR_CORRUPT ? db_cursor_next(c, &label, &row, err) : rc;
    }
    db_cursor_close(&c);
    db_abort(&txn);
    taken_free(l);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret_n = n;
    return 0;
}

int
taken_get(struct vault *v, const struct taken_key *key, struct taken_activity *ret, struct err *err)
{
    struct list *l;
    int rc = taken_read(v, &key->member, &l, err);
    if (rc != 0)
        return rc;
    size_t i = 0;
    while (i < l->n && !TYPE_EQ(&l->v[i].key.activity, &key->activity))
        i++;
    if (i < l->n)
        *ret = l->v[i];
    else
        rc = err_set(err, ERR_NOTFOUND, "vault: no such activity was taken along");
    taken_free(l);
    return rc;
}

int
taken_count(struct vault *v, const struct subject_id *member, size_t *ret, struct err *err)
{
    struct list *l;
    int rc = taken_read(v, member, &l, err);
    if (rc != 0)
        return rc;
    *ret = l->n;
    taken_free(l);
    return 0;
}

static int
delete_one(struct vault *v, struct db_txn *txn, const struct taken_key *key, struct list *l, size_t *gone,
           struct err *err)
{
    int rc = row_read(v, txn, &key->member, l, err);
    size_t i = 0;
    while (rc == 0 && i < l->n && !TYPE_EQ(&l->v[i].key.activity, &key->activity))
        i++;
    if (rc == ERR_CORRUPT) { /* nobody's */
        err_clear(err);
        return 0;
    }
    if (rc != 0 || i == l->n)
        return rc;
    memmove(&l->v[i], &l->v[i + 1], (l->n - i - 1) * sizeof(l->v[0]));
    (*gone)++;
    return row_put(v, txn, &key->member, l->v, l->n - 1, err);
}

int
taken_del(struct vault *v, const struct taken_key *keys, size_t n, size_t *ret_n, struct err *err)
{
    struct db_txn *txn = NULL;
    struct list *l = NULL;
    size_t gone = 0;
    int rc = 0;
    if (n > 0) {
        l = taken_new(err);
        rc = l != NULL ? db_begin_write(v->db, &txn, err) : ERR_NOMEM;
    }
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = delete_one(v, txn, &keys[i], l, &gone, err);
    rc = finish(&txn, rc, gone > 0, err);
    taken_free(l);
    if (rc == 0 && ret_n != NULL)
        *ret_n = gone;
    return rc;
}

int
taken_del_member(struct vault *v, const struct subject_id *member, size_t *ret_n, struct err *err)
{
    struct db_txn *txn;
    struct list *l = taken_new(err);
    bool there = false;
    int rc = l != NULL ? db_begin_write(v->db, &txn, err) : ERR_NOMEM;
    if (rc != 0) {
        taken_free(l);
        return rc;
    }
    rc = row_is(v, txn, member, &there, err);
    if (rc == 0 && there) {
        struct err none;
        if (row_read(v, txn, member, l, &none) != 0)
            l->n = 1; /* it does not open, and goes all the same */
        rc = row_put(v, txn, member, NULL, 0, err);
    }
    size_t gone = there ? l->n : 0;
    rc = finish(&txn, rc, there, err);
    taken_free(l);
    if (rc == 0 && ret_n != NULL)
        *ret_n = gone;
    return rc;
}
