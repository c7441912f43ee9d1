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
posting_change(struct apply *a, const struct entity *e, struct slice key, const struct posting_entry *add,
               struct posting_row *row, struct err *err)
{
    struct missing missing;
    struct member_world world = entity_world(a);
    int rc = marks_of(a, &a->marks_before, e, ROW_ENTRIES(row), err);
    if (rc == 0)
        rc = add != NULL ? posting_row_add(row, add, &world, &missing, err)
                         : posting_row_refold(row, &world, &missing, err);
    if (rc == 0)
        rc = entity_world_failed(a, err);
    if (rc == 0)
        rc = marks_of(a, &a->marks_after, e, ROW_ENTRIES(row), err);
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
    if (rc == 0 && add != NULL)
        outcome_of(ROW_ENTRIES(&row), &add->at, ret, ret_reason);
    posting_row_release(&row);
    return rc;
}
