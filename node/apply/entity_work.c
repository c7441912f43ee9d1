/* One event into one row of work: activities, invoices, counted people, closed periods. docs/PROTOCOL.md §10. Nearly all invoices
 * are one event: its row is put, a month and a year of one cell are added to, and no more. */
#include "node/apply/apply_private.h"

/* ---- activities and invoices ---- */

struct work {
    enum entity_type type;
    union {
        struct activity_row activity;
        struct invoice_row invoice;
    };
};

static struct row_entries
entries_of(const struct work *w)
{
    return w->type == ENTITY_ACTIVITY ? ROW_ENTRIES(&w->activity) : ROW_ENTRIES(&w->invoice);
}

static enum table
table_of(const struct work *w)
{
    return w->type == ENTITY_ACTIVITY ? TABLE_ACTIVITIES : TABLE_INVOICES;
}

static void
work_release(struct work *w)
{
    if (w->type == ENTITY_ACTIVITY)
        activity_row_release(&w->activity);
    else
        invoice_row_release(&w->invoice);
}

static int
work_load(struct apply *a, const struct entity *e, struct slice key, struct work *w, struct err *err)
{
    struct slice bytes;
    if (e->type == ENTITY_ACTIVITY)
        activity_row_init(&w->activity, &e->unit, &e->subject);
    else
        invoice_row_init(&w->invoice, &e->unit, &e->subject);
    bool found = false;
    int rc = state_find(a->state, table_of(w), key, &bytes, &found, err);
    if (rc != 0 || !found)
        return rc;
    if (e->type == ENTITY_ACTIVITY)
        rc = activity_row_decode(bytes, &e->unit, &e->subject, &w->activity, err);
    else
        rc = invoice_row_decode(bytes, &e->unit, &e->subject, &w->invoice, err);
    return rc;
}

static int
work_fold(struct apply *a, struct work *w, const void *add, struct err *err)
{
    struct member_world world = entity_world(a);
    struct missing missing;
    int rc;
    if (w->type == ENTITY_ACTIVITY)
        rc = add != NULL ? activity_row_add(&w->activity, add, &world, &missing, err)
                         : activity_row_refold(&w->activity, &world, &missing, err);
    else
        rc = add != NULL ? invoice_row_add(&w->invoice, add, &world, &missing, err)
                         : invoice_row_refold(&w->invoice, &world, &missing, err);
    return rc == 0 ? entity_world_failed(a, err) : rc;
}

static int
work_views(const struct work *w, struct list *ret, struct err *err)
{
    return w->type == ENTITY_ACTIVITY ? views_of_activity(&w->activity, ret, err)
                                      : views_of_invoice(&w->invoice, ret, err);
}

static int
work_store(struct apply *a, struct slice key, const struct work *w, struct err *err)
{
    buf_clear(&a->bytes);
    int rc = w->type == ENTITY_ACTIVITY ? activity_row_encode(&w->activity, &a->bytes, err)
                                        : invoice_row_encode(&w->invoice, &a->bytes, err);
    return rc == 0 ? state_put(a->state, table_of(w), key, buf_slice(&a->bytes), err) : rc;
}

static int
work_change(struct apply *a, const struct entity *e, struct slice key, const void *add, struct work *w, struct err *err)
{
    int rc = work_views(w, a->before, err);
    if (rc == 0)
        rc = marks_of(a, &a->marks_before, e, entries_of(w), err);
    if (rc == 0)
        rc = work_fold(a, w, add, err);
    if (rc == 0)
        rc = work_views(w, a->after, err);
    if (rc == 0)
        rc = marks_of(a, &a->marks_after, e, entries_of(w), err);
    if (rc == 0)
        rc = work_store(a, key, w, err);
    if (rc == 0)
        rc = views_apply(a, VIEW_WORK, e, err);
    return rc == 0 ? marks_apply(a, e, err) : rc;
}

/* ---- months to be counted ---- */

/* Also over the mark of a count that is under way: what it read is not what is there now. */
static int
uncounted_put(struct db_txn *txn, uint16_t month, struct err *err)
{
    uint8_t key[KEY_UNCOUNTED];
    struct slice there;
    be16_put(key, month);
    int rc = db_get(txn, TABLE_UNCOUNTED, slice_of(key, sizeof(key)), &there, err);
    if (rc == 0 && there.len == 0)
        return 0;
    return rc == 0 || rc == ERR_NOTFOUND
               ? db_put(txn, TABLE_UNCOUNTED, slice_of(key, sizeof(key)), slice_of(NULL, 0), err)
               : rc;
}

/* The month of the invoice, and of the credit note or cancellation, if that is another. */
static int
uncounted_of(struct apply *a, const struct entity *e, const struct invoice_entry *add, struct err *err)
{
    uint16_t month = invoice_id_month(&e->subject);
    if (e->type != ENTITY_INVOICE || !a->has_own || !TYPE_EQ(&a->own, &e->unit))
        return 0;
    int rc = uncounted_put(a->txn, month, err);
    if (rc == 0 && add != NULL && !date_is_none(add->effective) && month_number(add->effective) != month)
        rc = uncounted_put(a->txn, month_number(add->effective), err);
    return rc;
}

int
uncounted_all(struct apply *a UNUSED, struct db_txn *txn, const struct unit_id *unit, struct err *err)
{
    uint8_t from[HASH_BYTES + 2] = {0};
    int rc = 0;
    memcpy(from, unit->b, HASH_BYTES);
    for (uint32_t next = 0; rc == 0 && next <= UINT16_MAX;) {
        struct db_cursor *c;
        struct slice key, value;
        be16_put(from + HASH_BYTES, (uint16_t)next);
        rc = db_cursor_open(txn, TABLE_INVOICES, &c, err);
        if (rc != 0)
            return rc;
        rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err);
        bool one = rc == 0 && key.len == KEY_INVOICE && memcmp(key.data, unit->b, HASH_BYTES) == 0;
        uint16_t month = one ? be16_get(key.data + HASH_BYTES) : 0;
        db_cursor_close(&c);
        if (!one)
            break;
        rc = uncounted_put(txn, month, err);
        next = month + 1u;
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
entity_work(struct apply *a, const struct entity *e, const void *add, enum outcome *ret, enum void_reason *ret_reason,
            struct err *err)
{
    uint8_t raw[KEY_INVOICE];
    struct work w = {.type = e->type};
    struct slice key = slice_of(raw, sizeof(raw));
    if (e->type == ENTITY_ACTIVITY)
        key_activity(raw, &e->unit, &e->subject);
    else
        key_invoice(raw, &e->unit, &e->subject);
    int rc = work_load(a, e, key, &w, err);
    if (rc == 0)
        rc = work_change(a, e, key, add, &w, err);
    if (rc == 0)
        rc = uncounted_of(a, e, add, err);
    if (rc == 0 && add != NULL)
        outcome_of(entries_of(&w), &((const struct row_entry *)add)->at, ret, ret_reason);
    work_release(&w);
    return rc;
}

/* ---- counted people ---- */

static int
active_change(struct apply *a, const struct event *e, const struct event_payload *p, struct slice key,
              struct active_row *row, struct err *err)
{
    size_t n = active_cells_read(e->payload, a->cells);
    uint16_t month = month_number(p->common.effective);
    /* In a full row a unit may take the place of another, with all its months. */
    uint16_t touched = active_row_units(row) < ACTIVE_UNITS_MAX ? month : 0;
    int rc = views_of_active(row, touched, a->before, err);
    if (rc == 0)
        rc = active_row_add(row, e->unit, &e->at, month, a->cells, n, a->dag, err);
    if (rc == 0)
        rc = views_of_active(row, touched, a->after, err);
    buf_clear(&a->bytes);
    if (rc == 0)
        rc = active_row_encode(row, &a->bytes, err);
    if (rc == 0)
        rc = state_put(a->state, TABLE_ACTIVE, key, buf_slice(&a->bytes), err);
    return rc == 0 ? views_apply(a, VIEW_PEOPLE, NULL, err) : rc;
}

int
entity_active(struct apply *a, const struct event *e, const struct event_payload *p, struct err *err)
{
    uint8_t raw[KEY_ACTIVE];
    struct slice bytes, key = slice_of(raw, sizeof(raw));
    struct active_row row;
    int64_t rows = state_rows_added(a->state);
    int year, month, day;
    date_to_ymd(p->common.effective, &year, &month, &day);
    key_active(raw, (uint16_t)year, &p->common.subject);
    active_row_init(&row, (uint16_t)year, &p->common.subject);
    int rc = state_get(a->state, TABLE_ACTIVE, key, &bytes, err);
    if (rc == 0)
        rc = active_row_decode(bytes, (uint16_t)year, &p->common.subject, &row, err);
    else if (rc == ERR_NOTFOUND)
        rc = 0;
    if (rc == 0)
        rc = active_change(a, e, p, key, &row, err);
    active_row_release(&row);
    /* An own word that came back from elsewhere may be the last one without being the right one: the month is counted again. */
    if (rc == 0 && a->has_own && !a->local && TYPE_EQ(&a->own, e->unit))
        rc = uncounted_put(a->txn, month_number(p->common.effective), err);
    rows = state_rows_added(a->state) - rows;
    if (rc == 0 && rows > 0 && a->grew != NULL)
        rc = a->grew(a->grew_arg, a->txn, e->unit, (uint64_t)rows, err);
    return rc;
}

/* ---- closed periods ---- */

int
entity_period(struct apply *a, const struct event *e, const struct event_payload *p, struct err *err)
{
    uint8_t raw[KEY_PERIOD_ROW];
    struct slice bytes, key = slice_of(raw, sizeof(raw));
    struct period_row row;
    size_t n = closed_figures_read(e->payload, a->figures);
    key_period_row(raw, e->unit, p->closed.year);
    period_row_init(&row, e->unit, p->closed.year);
    int rc = state_get(a->state, TABLE_PERIODS, key, &bytes, err);
    if (rc == 0)
        rc = period_row_decode(bytes, e->unit, p->closed.year, &row, err);
    else if (rc == ERR_NOTFOUND)
        rc = 0;
    if (rc == 0)
        rc = period_row_add(&row, &e->at, p->common.effective, a->figures, n, a->dag, err);
    buf_clear(&a->bytes);
    if (rc == 0)
        rc = period_row_encode(&row, &a->bytes, err);
    if (rc == 0)
        rc = state_put(a->state, TABLE_PERIODS, key, buf_slice(&a->bytes), err);
    period_row_release(&row);
    return rc;
}
