/* Postings abroad, entry by entry. See export.h. */
#include <stdlib.h>

#include "node/exchange/export_private.h"
#include "node/view/view.h"

/* An entry in its order: by month, then by what it was recorded as first. */
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

/* The day, as far as it is known and still of the month; else the month's first or last. */
static struct civil_date
day_of(struct civil_date day, struct civil_date month, bool last)
{
    if (!date_is_none(day) && date_month_start(day).days == month.days)
        return day;
    return last ? (struct civil_date){month_first((uint16_t)(month_number(month) + 1)).days - 1} : month;
}

/* link: NULL where whose it is is restricted; then what the log has in clear is written, and nothing else. */
static int
write_entry(struct exporter *x, const struct posting_row *row, size_t i, const struct vault_link *link, struct err *err)
{
    const struct posting_entry *e = &row->entries[i];
    struct sheet *s = &x->sheet;
    struct activity_links links;
    struct position at;
    bool issue = e->kind == KIND_POSTING_ISSUED;
    int rc = link && posting_slot_links(row, i, &at) ? work_links_read(&x->ctx, &row->posting, &at, &links, err)
                                                     : ERR_NOTFOUND;
    if (rc != 0 && rc != ERR_NOTFOUND && rc != ERR_CORRUPT)
        return rc;
    if (rc != 0)
        links = (struct activity_links){.day = DATE_NONE, .last_day = DATE_NONE};
    x->nameless += !link;
    sheet_id(s, COLUMN_POSTING, row->posting.b);
    sheet_text(s, COLUMN_REFERENCE, links.number.s);
    sheet_text(s, COLUMN_OP, import_verb_name(issue ? VERB_POSTING_ISSUE : VERB_POSTING_CHANGE));
    if (issue) {
        if (link)
            sheet_id(s, COLUMN_ID, link->member.b);
        sheet_date(s, COLUMN_FROM, day_of(links.day, e->effective, false));
    } else {
        sheet_date(s, COLUMN_EFFECTIVE_ON, e->effective);
    }
    sheet_text(s, COLUMN_COUNTRY, e->facts.country);
    sheet_date(s, COLUMN_TO, day_of(links.last_day, e->facts.last_month, true));
    sheet_text(s, COLUMN_TEXT, links.text.s);
    person_wipe(&links, sizeof(links));
    return export_row(x, err);
}

static int
write_posting(void *arg, const struct posting_row *row, struct err *err)
{
    struct exporter *x = arg;
    struct place *places = calloc(row->n + 1, sizeof(*places));
    struct vault_link link;
    struct err why = {0};
    size_t n = 0;
    if (!places)
        return err_set(err, ERR_NOMEM, "export: out of memory");
    for (size_t i = 0; i < row->n; i++) {
        const struct posting_entry *e = &row->entries[i];
        bool says = e->kind == KIND_POSTING_ISSUED || e->kind == KIND_POSTING_CHANGED;
        if (says && e->outcome == OUTCOME_APPLIED)
            places[n++] = (struct place){e->effective.days, posting_slot(row, i), i};
    }
    qsort(places, n, sizeof(*places), compare_places);
    int rc = n > 0 ? vault_link_get(x->d->vault, &row->posting, &link, &why) : 0;
    if (rc == ERR_NOTFOUND) { /* whose it is is not known any more */
        x->nameless++;
        n = 0;
        rc = 0;
    }
    bool hidden = false;
    if (rc == 0 && n > 0)
        rc = export_hides(x, &link.member, CLASS_ACTIVITY, &hidden, &why);
    for (size_t k = 0; rc == 0 && k < n; k++)
        rc = write_entry(x, row, places[k].entry, hidden ? NULL : &link, &why);
    free(places);
    if (rc != 0)
        *err = why;
    return rc;
}

static int
write_postings(struct exporter *x, struct err *err)
{
    return view_postings(x->txn, &x->ctx.unit, NULL, write_posting, x, err);
}

const struct export_file export_postings_file = {
    "postings",
    TABLE_OF_POSTINGS,
    9,
    {COLUMN_POSTING, COLUMN_REFERENCE, COLUMN_OP, COLUMN_ID, COLUMN_COUNTRY, COLUMN_FROM, COLUMN_TO,
     COLUMN_EFFECTIVE_ON, COLUMN_TEXT},
    write_postings,
};
