/* One event into one posting's row. docs/PROTOCOL.md §10. Postings are few, and reports read their rows: there is no view of them. */
#include "node/apply/apply_private.h"

static int
posting_load(struct apply *a, const struct entity *e, struct slice key, struct posting_row *row, struct err *err)
{
    struct slice bytes;
    posting_row_init(row, &e->unit, &e->subject);
    int rc = state_get(a->state, TABLE_POSTINGS, key, &bytes, err);
    if (rc == ERR_NOTFOUND)
        return 0;
    return rc == 0 ? posting_row_decode(bytes, &e->unit, &e->subject, row, err) : rc;
}

static int
posting_store(struct apply *a, struct slice key, const struct posting_row *row, struct err *err)
{
    buf_clear(&a->bytes);
    int rc = posting_row_encode(row, &a->bytes, err);
    return rc == 0 ? state_put(a->state, TABLE_POSTINGS, key, buf_slice(&a->bytes), err) : rc;
}

static int
posting_marks(struct apply *a, struct marks *m, const struct entity *e, const struct posting_row *row, struct err *err)
{
    m->n = 0;
    for (size_t i = 0; i < row->n; i++) {
        const struct posting_entry *x = &row->entries[i];
        if (x->outcome != OUTCOME_CONFLICT && x->outcome != OUTCOME_WAITING)
            continue;
        int rc = marks_add(a, m, e, &x->at, x->outcome, x->reason, x->refs, x->n_refs, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int
posting_change(struct apply *a, const struct entity *e, struct slice key, const struct posting_entry *add,
               struct posting_row *row, struct err *err)
{
    struct missing missing;
    struct member_world world = entity_world(a);
    int rc = posting_marks(a, &a->marks_before, e, row, err);
    if (rc == 0)
        rc = add != NULL ? posting_row_add(row, add, &world, &missing, err)
                         : posting_row_refold(row, &world, &missing, err);
    if (rc == 0)
        rc = entity_world_failed(a, err);
    if (rc == 0)
        rc = posting_marks(a, &a->marks_after, e, row, err);
    if (rc == 0)
        rc = posting_store(a, key, row, err);
    return rc == 0 ? marks_apply(a, e, err) : rc;
}

int
entity_posting(struct apply *a, const struct entity *e, const struct posting_entry *add, enum outcome *ret,
               enum void_reason *ret_reason, struct err *err)
{
    uint8_t raw[KEY_POSTING];
    struct posting_row row;
    struct slice key = slice_of(raw, sizeof(raw));
    key_posting(raw, &e->unit, &e->subject);
    int rc = posting_load(a, e, key, &row, err);
    if (rc == 0)
        rc = posting_change(a, e, key, add, &row, err);
    for (size_t i = row.n; rc == 0 && add != NULL && i-- > 0;) {
        if (TYPE_EQ(&row.entries[i].at.log, &add->at.log) && row.entries[i].at.seq == add->at.seq) {
            *ret = row.entries[i].outcome;
            *ret_reason = row.entries[i].reason;
            break;
        }
    }
    posting_row_release(&row);
    return rc;
}
