/* Activities entry by entry, and invoices with their credit notes. See export.h. */
#include <stdlib.h>

#include "node/command/names.h"
#include "node/command/rows.h"
#include "node/exchange/export_private.h"
#include "node/view/view.h"

enum { PAGE = 256 };

/* An entry in its order: by day, then by what it was recorded as first. */
struct place {
    int32_t day;
    size_t slot, entry;
};

static int
compare_places(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->day != y->day)
        return x->day < y->day ? -1 : 1;
    return x->slot < y->slot ? -1 : x->slot > y->slot;
}

/* What an entry's capsule says; nothing where it is gone. */
static int
read_links(struct exporter *x, const struct subject_id *entity, bool has, const struct position *at,
           struct activity_links *ret, struct err *err)
{
    memset(ret, 0, sizeof(*ret));
    ret->day = DATE_NONE;
    if (!has)
        return 0;
    bool hidden = false;
    int rc = work_links_read(&x->ctx, entity, at, ret, err);
    if (rc == 0)
        rc = export_hides(x, &ret->member, CLASS_ACTIVITY, &hidden, err);
    if (rc == 0 && !hidden)
        return 0;
    person_wipe(ret, sizeof(*ret));
    memset(ret, 0, sizeof(*ret));
    ret->day = DATE_NONE;
    return rc == ERR_NOTFOUND || rc == ERR_CORRUPT ? 0 : rc;
}

/* The day, as far as it is known and still of the event's month. */
static struct civil_date
day_of(const struct activity_links *l, struct civil_date month)
{
    return !date_is_none(l->day) && date_month_start(l->day).days == month.days ? l->day : month;
}

static void
put_facets(struct sheet *s, const struct activity_facets *f)
{
    char name[NUMBERED_NAME_MAX];
    sheet_text(s, COLUMN_SECTOR, sector_name(f->sector, name));
    sheet_bool(s, COLUMN_CULTURE, f->culture);
    sheet_id(s, COLUMN_OFFICE, f->office.b);
}

/* ---- activities ---- */

static const char *
activity_op(uint16_t kind)
{
    return import_verb_name(kind == KIND_ACTIVITY_OPENED    ? VERB_ACTIVITY_OPEN
                            : kind == KIND_ACTIVITY_CHANGED ? VERB_ACTIVITY_CHANGE
                                                            : VERB_ACTIVITY_CLOSE);
}

/* Whose member a visitor is. */
static void
put_member_unit(struct exporter *x, const struct vault_link *link, const struct activity_links *now)
{
    static const struct unit_id unsaid;
    struct unit_id unit = TYPE_EQ(&link->unit, &unsaid) && now->has_unit ? now->unit : link->unit;
    struct slice value;
    struct err ignored;
    struct place_row row;
    if ((link->flags & LINK_OTHER_UNIT) == 0 ||
        rows_get(&x->ctx, TABLE_UNITS, slice_of(unit.b, sizeof(unit.b)), &value, &ignored) != 0 ||
        place_row_decode(value, &unit, NULL, &row, &ignored) != 0)
        return;
    sheet_text(&x->sheet, COLUMN_MEMBER_UNIT, row.unit_code);
    place_row_release(&row);
}

/* link: NULL where whose it is is restricted. */
static int
write_activity_entry(struct exporter *x, const struct activity_row *row, size_t i, const struct vault_link *link,
                     const struct activity_links *now, struct err *err)
{
    const struct activity_entry *e = &row->entries[i];
    struct sheet *s = &x->sheet;
    struct activity_links links;
    struct position at;
    bool opens = e->kind == KIND_ACTIVITY_OPENED, has = activity_slot_links(row, i, &at);
    int rc = read_links(x, &row->activity, has, &at, &links, err);
    if (rc != 0)
        return rc;
    sheet_id(s, COLUMN_ACTIVITY, row->activity.b);
    sheet_text(s, COLUMN_OP, activity_op(e->kind));
    sheet_date(s, COLUMN_EFFECTIVE_ON, day_of(&links, e->effective));
    if (opens) {
        sheet_text(s, COLUMN_ACTIVITY_NO, now->number.s);
        if (link)
            sheet_id(s, COLUMN_ID, link->member.b);
        if (link)
            put_member_unit(x, link, now);
        x->nameless += !link;
    }
    if (e->kind != KIND_ACTIVITY_CLOSED) {
        put_facets(s, &e->facets);
        sheet_text(s, COLUMN_TEXT, links.text.s);
    }
    person_wipe(&links, sizeof(links));
    return export_row(x, err);
}

static int
write_activity(struct exporter *x, const struct activity_row *row, struct err *err)
{
    struct place *places = calloc(row->n + 1, sizeof(*places));
    struct activity_links now;
    struct vault_link link;
    struct position at;
    size_t n = 0;
    if (!places)
        return err_set(err, ERR_NOMEM, "export: out of memory");
    for (size_t i = 0; i < row->n; i++) {
        const struct activity_entry *e = &row->entries[i];
        bool of_work =
            e->kind == KIND_ACTIVITY_OPENED || e->kind == KIND_ACTIVITY_CHANGED || e->kind == KIND_ACTIVITY_CLOSED;
        if (of_work && e->outcome == OUTCOME_APPLIED && !activity_slot_empty(row, i))
            places[n++] = (struct place){e->effective.days, activity_slot(row, i), i};
    }
    qsort(places, n, sizeof(*places), compare_places);
    memset(&now, 0, sizeof(now));
    int rc = n > 0 ? vault_link_get(x->d->vault, &row->activity, &link, err) : ERR_NOTFOUND;
    bool has = rc == 0 && activity_links_position(row, &at), hidden = false;
    if (rc == 0)
        rc = export_hides(x, &link.member, CLASS_ACTIVITY, &hidden, err);
    if (rc == 0)
        rc = read_links(x, &row->activity, has, &at, &now, err);
    for (size_t k = 0; rc == 0 && k < n; k++)
        rc = write_activity_entry(x, row, places[k].entry, hidden ? NULL : &link, &now, err);
    x->nameless += rc == ERR_NOTFOUND && n > 0;
    free(places);
    person_wipe(&now, sizeof(now));
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
write_activities(struct exporter *x, struct err *err)
{
    struct activity_row *rows = calloc(PAGE, sizeof(*rows));
    struct subject_id after;
    bool started = false;
    size_t n = PAGE;
    int rc = rows ? 0 : err_set(err, ERR_NOMEM, "export: out of memory");
    while (rc == 0 && n == PAGE) {
        rc = view_activities(x->txn, &x->ctx.unit, started ? &after : NULL, PAGE, rows, &n, err);
        bool read = rc == 0;
        for (size_t i = 0; read && i < n; i++) {
            if (rc == 0)
                rc = write_activity(x, &rows[i], err);
            after = rows[i].activity;
            activity_row_release(&rows[i]);
        }
        started = true;
    }
    free(rows);
    return rc;
}

const struct export_file export_activities_file = {
    "activity_operations",
    TABLE_OF_ACTIVITIES,
    10,
    {COLUMN_ACTIVITY, COLUMN_ACTIVITY_NO, COLUMN_OP, COLUMN_EFFECTIVE_ON, COLUMN_ID, COLUMN_MEMBER_UNIT, COLUMN_SECTOR,
     COLUMN_CULTURE, COLUMN_OFFICE, COLUMN_TEXT},
    write_activities,
};

/* ---- invoices ---- */

static void
put_links(struct sheet *s, const struct activity_links *l, struct civil_date month)
{
    sheet_date(s, COLUMN_DATE, day_of(l, month));
    sheet_text(s, COLUMN_INVOICE_NO, l->number.s);
    sheet_text(s, COLUMN_CLIENT, l->client.s);
    sheet_text(s, COLUMN_CLIENT_NUMBER, l->client_number.s);
    sheet_text(s, COLUMN_TEXT, l->text.s);
}

static int
write_issue(struct exporter *x, const struct invoice_row *row, size_t i, const struct invoice_state *now,
            struct err *err)
{
    struct sheet *s = &x->sheet;
    const struct invoice_facts *f = &now->facts;
    struct activity_links links;
    struct position at;
    bool has = invoice_links_position(row, i, &at);
    int rc = read_links(x, &row->invoice, has, &at, &links, err);
    if (rc != 0)
        return rc;
    sheet_id(s, COLUMN_INVOICE, row->invoice.b);
    sheet_text(s, COLUMN_OP, import_verb_name(VERB_INVOICE));
    if (links.has_activity)
        sheet_id(s, COLUMN_ACTIVITY, links.activity.b);
    x->nameless += !links.has_activity;
    put_links(s, &links, now->month);
    put_facets(s, &f->facets);
    sheet_money(s, COLUMN_AMOUNT, f->amount_minor, f->currency);
    sheet_text(s, COLUMN_CURRENCY, f->currency);
    sheet_rate(s, COLUMN_RATE, f->rate_bp);
    sheet_money(s, COLUMN_CONTRIBUTION, f->contribution_minor, f->currency);
    if (now->cancelled)
        sheet_bool(s, COLUMN_CANCELLED, true);
    person_wipe(&links, sizeof(links));
    return export_row(x, err);
}

static int
write_credit(struct exporter *x, const struct invoice_row *row, size_t i, const struct invoice_state *now,
             struct err *err)
{
    struct sheet *s = &x->sheet;
    const struct invoice_entry *e = &row->entries[i];
    const char *currency = now->facts.currency;
    struct activity_links links;
    struct position at;
    bool has = invoice_links_position(row, i, &at);
    int rc = read_links(x, &row->invoice, has, &at, &links, err);
    if (rc != 0)
        return rc;
    sheet_id(s, COLUMN_INVOICE, row->invoice.b);
    sheet_text(s, COLUMN_OP, import_verb_name(VERB_CREDIT));
    put_links(s, &links, e->effective);
    sheet_money(s, COLUMN_AMOUNT, e->credit.amount_minor, currency);
    sheet_text(s, COLUMN_CURRENCY, currency);
    sheet_money(s, COLUMN_CONTRIBUTION, e->credit.contribution_minor, currency);
    person_wipe(&links, sizeof(links));
    return export_row(x, err);
}

/* The issue that stands; of a cancelled one the last that stood. */
static size_t
issue_of(const struct invoice_row *row)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < row->n; i++) {
        const struct invoice_entry *e = &row->entries[i];
        bool valid = e->outcome == OUTCOME_APPLIED || e->outcome == OUTCOME_REPLACED;
        if (e->kind == KIND_INVOICE_ISSUED && valid)
            found = found == SIZE_MAX || row->entries[found].outcome != OUTCOME_APPLIED ? i : found;
    }
    return found;
}

static int
write_invoice(struct exporter *x, const struct invoice_row *row, struct err *err)
{
    struct invoice_state now;
    size_t issue = issue_of(row), n = 0;
    invoice_state_at(row, DATE_MAX, &now);
    if (!now.exists || issue == SIZE_MAX)
        return 0;
    struct place *credits = calloc(row->n, sizeof(*credits));
    if (!credits)
        return err_set(err, ERR_NOMEM, "export: out of memory");
    for (size_t i = 0; i < row->n && !now.cancelled; i++) {
        const struct invoice_entry *e = &row->entries[i];
        if (e->kind == KIND_INVOICE_CREDITED && e->outcome == OUTCOME_APPLIED && !invoice_slot_empty(row, i))
            credits[n++] = (struct place){e->effective.days, invoice_slot(row, i), i};
    }
    qsort(credits, n, sizeof(*credits), compare_places);
    int rc = write_issue(x, row, issue, &now, err);
    for (size_t k = 0; rc == 0 && k < n; k++)
        rc = write_credit(x, row, credits[k].entry, &now, err);
    free(credits);
    return rc;
}

static int
write_invoices(struct exporter *x, struct err *err)
{
    struct invoice_row *rows = calloc(PAGE, sizeof(*rows));
    struct subject_id after;
    bool started = false;
    size_t n = PAGE;
    int rc = rows ? 0 : err_set(err, ERR_NOMEM, "export: out of memory");
    while (rc == 0 && n == PAGE) {
        rc = view_invoices(x->txn, &x->ctx.unit, 0, started ? &after : NULL, PAGE, rows, &n, err);
        bool read = rc == 0;
        for (size_t i = 0; read && i < n; i++) {
            if (rc == 0)
                rc = write_invoice(x, &rows[i], err);
            after = rows[i].invoice;
            invoice_row_release(&rows[i]);
        }
        started = true;
    }
    free(rows);
    return rc;
}

const struct export_file export_invoices_file = {
    "invoices",
    TABLE_OF_INVOICES,
    16,
    {COLUMN_INVOICE, COLUMN_INVOICE_NO, COLUMN_OP, COLUMN_ACTIVITY, COLUMN_DATE, COLUMN_SECTOR, COLUMN_CULTURE,
     COLUMN_OFFICE, COLUMN_AMOUNT, COLUMN_CURRENCY, COLUMN_RATE, COLUMN_CONTRIBUTION, COLUMN_CLIENT,
     COLUMN_CLIENT_NUMBER, COLUMN_TEXT, COLUMN_CANCELLED},
    write_invoices,
};
