/* Activities, invoices, counted people, the share register and closed periods as a read transaction sees them. See view.h. */
#include "node/view/view_private.h"

static int
not_there(const char *field, const char *what, struct err *err)
{
    return err_field(err, ERR_NOTFOUND, field, "no such %s", what);
}

/* ---- one row ---- */

int
view_activity(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *activity,
              struct activity_row *ret, struct err *err)
{
    uint8_t key[KEY_ACTIVITY];
    struct slice value;
    key_activity(key, unit, activity);
    int rc = db_get(txn, TABLE_ACTIVITIES, slice_of(key, sizeof(key)), &value, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? not_there("activity", "activity", err) : rc;
    activity_row_init(ret, unit, activity);
    return activity_row_decode(value, unit, activity, ret, err);
}

int
view_invoice(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *invoice, struct invoice_row *ret,
             struct err *err)
{
    uint8_t key[KEY_INVOICE];
    struct slice value;
    key_invoice(key, unit, invoice);
    int rc = db_get(txn, TABLE_INVOICES, slice_of(key, sizeof(key)), &value, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? not_there("invoice", "invoice", err) : rc;
    invoice_row_init(ret, unit, invoice);
    return invoice_row_decode(value, unit, invoice, ret, err);
}

int
view_active(struct db_txn *txn, uint16_t year, const struct subject_id *pseudonym, struct active_row *ret,
            struct err *err)
{
    uint8_t key[KEY_ACTIVE];
    struct slice value;
    key_active(key, year, pseudonym);
    int rc = db_get(txn, TABLE_ACTIVE, slice_of(key, sizeof(key)), &value, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? not_there("pseudonym", "pseudonym in this year", err) : rc;
    active_row_init(ret, year, pseudonym);
    return active_row_decode(value, year, pseudonym, ret, err);
}

int
view_period(struct db_txn *txn, const struct unit_id *unit, uint16_t year, struct period_row *ret, struct err *err)
{
    uint8_t key[KEY_PERIOD_ROW];
    struct slice value;
    key_period_row(key, unit, year);
    int rc = db_get(txn, TABLE_PERIODS, slice_of(key, sizeof(key)), &value, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? not_there("year", "closed period", err) : rc;
    period_row_init(ret, unit, year);
    return period_row_decode(value, unit, year, ret, err);
}

/* ---- lists ---- */

enum { PREFIX_MAX = HASH_BYTES + KEY_UNCOUNTED };

/* A page of a table whose keys are unit ‖ id. */
struct page {
    struct db_txn *txn;
    enum table table;
    uint8_t prefix[PREFIX_MAX];
    size_t prefix_len;
    const struct subject_id *after;
    size_t max;
    int (*take)(void *rows, size_t n, const struct subject_id *id, struct slice value, struct err *err);
    void (*release)(void *rows, size_t n);
};

static int
page_read(const struct page *p, void *rows, size_t *ret_n, struct err *err)
{
    uint8_t behind[KEY_INVOICE + 1] = {0}; /* a byte longer than the key of `after` */
    struct slice from = slice_of(p->prefix, p->prefix_len);
    struct db_cursor *c;
    struct slice key, value;
    size_t n = 0;
    if (p->after != NULL) {
        memcpy(behind, p->prefix, HASH_BYTES);
        memcpy(behind + HASH_BYTES, p->after->b, ID_BYTES);
        if (memcmp(behind, p->prefix, p->prefix_len) >= 0)
            from = slice_of(behind, sizeof(behind));
    }
    int rc = db_cursor_open(p->txn, p->table, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, from, &key, &value, err); rc == 0 && n < p->max;
         rc = db_cursor_next(c, &key, &value, err)) {
        struct subject_id id;
        if (key.len != KEY_INVOICE) {
            rc = err_set(err, ERR_CORRUPT, "%s: a key of wrong length", table_name(p->table));
            break;
        }
        if (memcmp(key.data, p->prefix, p->prefix_len) != 0)
            break;
        memcpy(id.b, key.data + HASH_BYTES, sizeof(id.b));
        rc = p->take(rows, n, &id, value, err);
        if (rc != 0)
            break;
        n++;
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        p->release(rows, n);
        return rc;
    }
    *ret_n = n;
    return 0;
}

static void
page_start(struct page *p, struct db_txn *txn, enum table t, const struct unit_id *unit)
{
    *p = (struct page){.txn = txn, .table = t, .prefix_len = sizeof(unit->b)};
    memcpy(p->prefix, unit->b, sizeof(unit->b));
}

struct activities {
    const struct unit_id *unit;
    struct activity_row *v;
};

static int
take_activity(void *rows, size_t n, const struct subject_id *id, struct slice value, struct err *err)
{
    const struct activities *a = rows;
    activity_row_init(&a->v[n], a->unit, id);
    return activity_row_decode(value, a->unit, id, &a->v[n], err);
}

static void
release_activities(void *rows, size_t n)
{
    const struct activities *a = rows;
    while (n > 0)
        activity_row_release(&a->v[--n]);
}

int
view_activities(struct db_txn *txn, const struct unit_id *unit, const struct subject_id *after, size_t max,
                struct activity_row *ret, size_t *ret_n, struct err *err)
{
    struct activities rows = {unit, ret};
    struct page p;
    page_start(&p, txn, TABLE_ACTIVITIES, unit);
    p.after = after;
    p.max = max;
    p.take = take_activity;
    p.release = release_activities;
    return page_read(&p, &rows, ret_n, err);
}

struct invoices {
    const struct unit_id *unit;
    struct invoice_row *v;
};

static int
take_invoice(void *rows, size_t n, const struct subject_id *id, struct slice value, struct err *err)
{
    const struct invoices *a = rows;
    invoice_row_init(&a->v[n], a->unit, id);
    return invoice_row_decode(value, a->unit, id, &a->v[n], err);
}

static void
release_invoices(void *rows, size_t n)
{
    const struct invoices *a = rows;
    while (n > 0)
        invoice_row_release(&a->v[--n]);
}

int
view_invoices(struct db_txn *txn, const struct unit_id *unit, uint16_t month, const struct subject_id *after,
              size_t max, struct invoice_row *ret, size_t *ret_n, struct err *err)
{
    struct invoices rows = {unit, ret};
    struct page p;
    page_start(&p, txn, TABLE_INVOICES, unit);
    if (month != 0) {
        be16_put(p.prefix + p.prefix_len, month);
        p.prefix_len += sizeof(month);
    }
    p.after = after;
    p.max = max;
    p.take = take_invoice;
    p.release = release_invoices;
    return page_read(&p, &rows, ret_n, err);
}

/* ---- the share register ---- */

static int
share_operation(struct db_txn *txn, const struct unit_id *unit, struct slice key, struct slice value,
                struct share_operation *ret, struct err *err)
{
    struct member_row row;
    struct err why;
    bool found = false;
    if (key.len != KEY_SHARE_OP || value.len != sizeof(ret->subject.b))
        return err_set(err, ERR_CORRUPT, "%s: a row of wrong length", table_name(TABLE_SHARE_OPS));
    *ret = (struct share_operation){.number = 0};
    memcpy(ret->key, key.data, sizeof(ret->key));
    memcpy(ret->at.log.b, key.data + HASH_BYTES + sizeof(uint32_t), HASH_BYTES);
    ret->at.seq = be64_get(key.data + HASH_BYTES + sizeof(uint32_t) + HASH_BYTES);
    memcpy(ret->subject.b, value.data, value.len);
    int rc = view_member(txn, &ret->subject, unit, &row, &why);
    if (rc != 0 && rc != ERR_NOTFOUND) {
        if (err != NULL)
            *err = why;
        return rc;
    }
    for (size_t i = 0; rc == 0 && i < row.n && !found; i++) {
        const struct member_entry *e = &row.entries[i];
        found = e->at.seq == ret->at.seq && TYPE_EQ(&e->at.log, &ret->at.log);
        if (!found)
            continue;
        ret->kind = e->kind;
        ret->n_lines = member_share_lines(&row, i, ret->lines, ARRAY_LEN(ret->lines));
    }
    if (rc == 0)
        member_row_release(&row);
    return found ? 0 : err_set(err, ERR_CORRUPT, "%s: one of no event", table_name(TABLE_SHARE_OPS));
}

int
view_share_operations(struct db_txn *txn, const struct unit_id *unit, uint64_t after, const uint8_t key[KEY_SHARE_OP],
                      size_t max, struct share_operation *ret, size_t *ret_n, struct err *err)
{
    uint8_t from[KEY_SHARE_OP + 1] = {0}; /* a byte longer than the key: just behind it */
    struct db_cursor *c;
    struct slice at, value;
    size_t n = 0;
    memcpy(from, unit->b, sizeof(unit->b));
    if (key != NULL)
        memcpy(from + sizeof(unit->b), key + sizeof(unit->b), KEY_SHARE_OP - sizeof(unit->b));
    int rc = db_cursor_open(txn, TABLE_SHARE_OPS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(from, key != NULL ? sizeof(from) : sizeof(unit->b)), &at, &value, err);
         rc == 0 && n < max; rc = db_cursor_next(c, &at, &value, err)) {
        if (at.len < sizeof(unit->b) || memcmp(at.data, unit->b, sizeof(unit->b)) != 0)
            break;
        rc = share_operation(txn, unit, at, value, &ret[n], err);
        if (rc != 0)
            break;
        ret[n].number = after + n + 1;
        n++;
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    *ret_n = n;
    return 0;
}
