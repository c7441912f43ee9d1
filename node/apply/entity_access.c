/* One event into the row of an access, and its index by member. docs/PROTOCOL.md §10 "Access"; docs/STORAGE.md. The index only grows with
 * the row, so it is put and never taken away but with the state. */
#include "node/apply/apply_private.h"

struct indexing {
    struct db_txn *txn;
    const struct access_row *row;
    struct err *err;
};

static int
index_member(void *arg, const struct subject_id *member)
{
    struct indexing *x = arg;
    uint8_t key[KEY_ACCESS_OF];
    key_access_of(key, member, &x->row->unit, &x->row->access);
    return db_put(x->txn, TABLE_ACCESS_OF, slice_of(key, sizeof(key)), slice_of(NULL, 0), x->err);
}

static int
access_store(struct apply *a, struct slice key, const struct access_row *row, struct err *err)
{
    struct indexing x = {.txn = a->txn, .row = row, .err = err};
    buf_clear(&a->bytes);
    int rc = access_row_encode(row, &a->bytes, err);
    if (rc == 0)
        rc = state_put(a->state, TABLE_ACCESS, key, buf_slice(&a->bytes), err);
    return rc == 0 ? access_members(row, index_member, &x) : rc;
}

static int
access_change(struct apply *a, const struct entity *e, struct slice key, const struct access_entry *add,
              struct access_row *row, struct err *err)
{
    struct missing missing;
    struct member_world world = entity_world(a);
    int rc = marks_of(a, &a->marks_before, e, ROW_ENTRIES(row), err);
    if (rc == 0)
        rc = add != NULL ? access_row_add(row, add, &world, &missing, err)
                         : access_row_refold(row, &world, &missing, err);
    if (rc == 0)
        rc = entity_world_failed(a, err);
    if (rc == 0)
        rc = marks_of(a, &a->marks_after, e, ROW_ENTRIES(row), err);
    if (rc == 0)
        rc = access_store(a, key, row, err);
    return rc == 0 ? marks_apply(a, e, err) : rc;
}

int
entity_access(struct apply *a, const struct entity *e, const struct access_entry *add, enum outcome *ret,
              enum void_reason *ret_reason, struct err *err)
{
    uint8_t raw[KEY_ACCESS];
    struct access_row row;
    struct slice bytes, key = slice_of(raw, sizeof(raw));
    bool found = false;
    key_access(raw, &e->unit, &e->subject);
    access_row_init(&row, &e->unit, &e->subject);
    int rc = state_find(a->state, TABLE_ACCESS, key, &bytes, &found, err);
    if (rc == 0 && found)
        rc = access_row_decode(bytes, &e->unit, &e->subject, &row, err);
    if (rc == 0)
        rc = access_change(a, e, key, add, &row, err);
    if (rc == 0 && add != NULL)
        outcome_of(ROW_ENTRIES(&row), &add->at, ret, ret_reason);
    access_row_release(&row);
    return rc;
}
