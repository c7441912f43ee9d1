/* Payloads of activities, invoices, counted people and closed periods: kinds 104 to 256. See event_payload.h; docs/PROTOCOL.md §9.
 * The lists of kinds 112 and 256 are read in place and written from the caller's arrays: they are the only ones that are long, and
 * so neither takes memory. */
#include "events.pb-c.h"
#include "proto/budget.h"
#include "proto/event_payload.h"
#include "proto/fields.h"

enum {
    YEAR_FIRST = 1900,
    YEAR_LAST = 2199,
    MONTHS = 12,
    CELL_NUMBER = 8,   /* of kind 112 */
    YEAR_NUMBER = 8,   /* of kind 256 */
    FIGURE_NUMBER = 9, /* of kind 256 */
    CURRENCY_CHARS = 3,
    WIRE_VARINT = 0,
    WIRE_LENGTH = 2,
    TAG_WIRE_BITS = 3,
    /* A rounding to the whole unit of currency, in minor units times basis points. */
    ROUNDING_MAX = 1000000,
};

static const struct field_rule CELL[] = {
    FIELD_FIXED_OF(struct activity_cell, facets.office),
    FIELD_RANGE_OF(FIELD_U16, struct activity_cell, facets.sector, 1, UINT16_MAX),
    {.as = FIELD_FLAG, FIELD_OFFSET(struct activity_cell, facets.culture), .min = 1, .max = 1},
    FIELD_RANGE_OF(FIELD_TEXT, struct activity_cell, currency, CURRENCY_CHARS, CURRENCY_CHARS),
};
static const struct fields CELL_FIELDS = {&smartnode__activity_cell__descriptor, CELL};
static const struct field_path CELL_PATH = {NULL, "cell"};

static const struct field_rule FIGURE[] = {
    FIELD_RANGE_OF(FIELD_U16, struct period_figure, number, 1, UINT16_MAX),
    {.as = FIELD_U8, FIELD_OFFSET(struct period_figure, category), .min = CATEGORY_A, .max = CATEGORY_C},
    {.as = FIELD_TEXT, FIELD_OFFSET(struct period_figure, currency), .min = CURRENCY_CHARS, .max = CURRENCY_CHARS},
    {.as = FIELD_S64, .required = true, FIELD_OFFSET(struct period_figure, value)},
};
static const struct fields FIGURE_FIELDS = {&smartnode__period_figure__descriptor, FIGURE};
static const struct field_path FIGURE_PATH = {NULL, "figure"};

static int cell_read(struct slice bytes, struct activity_cell *ret, struct err *err);
static int figure_read(struct slice bytes, struct period_figure *ret, struct err *err);
static int figure_compare(const struct period_figure *a, const struct period_figure *b);
static int put_message(struct buf *out, uint32_t number, const struct fields *f, const struct field_path *path,
                       const void *from, struct err *err);

int
activity_cell_compare(const struct activity_cell *a, const struct activity_cell *b)
{
    int c = memcmp(a->facets.office.b, b->facets.office.b, ID_BYTES);
    if (c == 0)
        c = (a->facets.sector > b->facets.sector) - (a->facets.sector < b->facets.sector);
    if (c == 0)
        c = a->facets.culture - b->facets.culture;
    return c != 0 ? c : memcmp(a->currency, b->currency, sizeof(a->currency));
}

uint16_t
invoice_id_month(const struct subject_id *id)
{
    return be16_get(id->b);
}

uint16_t
month_number(struct civil_date d)
{
    int year, month, day;
    MUST(d.days >= DATE_MIN.days && d.days <= DATE_MAX.days);
    date_to_ymd(d, &year, &month, &day);
    return (uint16_t)((year - YEAR_FIRST) * MONTHS + month - 1);
}

struct civil_date
month_first(uint16_t number)
{
    return date_from_ymd(YEAR_FIRST + number / MONTHS, number % MONTHS + 1, 1);
}

/* ---- activities ---- */

static int
facets_from(bool has_sector, uint32_t sector, bool has_culture, uint32_t culture, bool has_office,
            const ProtobufCBinaryData *office, struct activity_facets *ret, struct err *err)
{
    if (!has_sector || sector < 1 || sector > UINT16_MAX)
        return payload_field_wrong(err, "sector");
    if (has_culture && culture != 1)
        return payload_field_wrong(err, "culture");
    if (!payload_bytes_are(has_office, office, ret->office.b, ID_BYTES))
        return payload_field_wrong(err, "office");
    ret->sector = (uint16_t)sector;
    ret->culture = has_culture;
    return 0;
}

int
payload_read_activity(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Activity *a = (const Smartnode__Activity *)m;
    return facets_from(a->has_sector, a->sector, a->has_culture, a->culture, a->has_office, &a->office, &ret->activity,
                       err);
}

void
payload_write_activity(const struct event_payload *p, struct payload_message *m)
{
    m->activity.has_sector = m->activity.has_office = 1;
    m->activity.sector = p->activity.sector;
    m->activity.has_culture = m->activity.culture = p->activity.culture;
    m->activity.office = payload_bin(p->activity.office.b, ID_BYTES);
}

/* ---- invoices ---- */

static int
contribution_from(bool has_amount, int64_t amount, bool has_contribution, int64_t contribution, struct err *err)
{
    if (!has_amount || amount < 1 || amount > DOCUMENT_MINOR_MAX)
        return payload_field_wrong(err, "amount_minor");
    if (!has_contribution || contribution < 0 || contribution > amount)
        return payload_field_wrong(err, "contribution_minor");
    return 0;
}

int
payload_read_invoice(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Invoice *i = (const Smartnode__Invoice *)m;
    struct invoice_facts *d = &ret->invoice;
    int rc =
        facets_from(i->has_sector, i->sector, i->has_culture, i->culture, i->has_office, &i->office, &d->facets, err);
    if (rc == 0)
        rc = contribution_from(i->has_amount_minor, i->amount_minor, i->has_contribution_minor, i->contribution_minor,
                               err);
    if (rc != 0)
        return rc;
    if (!payload_text_is(i->currency, d->currency, CURRENCY_CHARS, CURRENCY_CHARS) || !currency_ok(d->currency))
        return payload_field_wrong(err, "currency");
    if (!i->has_rate_bp || i->rate_bp > RATE_BP_MAX)
        return payload_field_wrong(err, "rate_bp");
    int64_t off = i->contribution_minor * RATE_BP_MAX - i->amount_minor * i->rate_bp;
    if (off >= ROUNDING_MAX || off <= -ROUNDING_MAX)
        return payload_field_wrong(err, "contribution_minor");
    if (invoice_id_month(&ret->common.subject) != month_number(ret->common.effective))
        return payload_field_wrong(err, "subject");
    d->amount_minor = i->amount_minor;
    d->rate_bp = (uint16_t)i->rate_bp;
    d->contribution_minor = i->contribution_minor;
    return 0;
}

void
payload_write_invoice(const struct event_payload *p, struct payload_message *m)
{
    const struct invoice_facts *d = &p->invoice;
    Smartnode__Invoice *i = &m->invoice;
    i->has_sector = i->has_office = i->has_amount_minor = i->has_rate_bp = i->has_contribution_minor = 1;
    i->sector = d->facets.sector;
    i->has_culture = i->culture = d->facets.culture;
    i->office = payload_bin(d->facets.office.b, ID_BYTES);
    i->amount_minor = d->amount_minor;
    i->currency = payload_text(d->currency);
    i->rate_bp = d->rate_bp;
    i->contribution_minor = d->contribution_minor;
}

int
payload_read_credit(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__CreditNote *c = (const Smartnode__CreditNote *)m;
    int rc =
        contribution_from(c->has_amount_minor, c->amount_minor, c->has_contribution_minor, c->contribution_minor, err);
    ret->credit.amount_minor = c->amount_minor;
    ret->credit.contribution_minor = c->contribution_minor;
    return rc;
}

void
payload_write_credit(const struct event_payload *p, struct payload_message *m)
{
    m->credit.has_amount_minor = m->credit.has_contribution_minor = 1;
    m->credit.amount_minor = p->credit.amount_minor;
    m->credit.contribution_minor = p->credit.contribution_minor;
}

/* ---- lists ---- */

int
payload_read_active(const ProtobufCMessage *m UNUSED, struct slice bytes, struct event_payload *ret, struct err *err)
{
    struct activity_cell cell, last;
    struct reader r = reader_of(bytes);
    struct wire_field f;
    size_t n = 0;
    while (wire_field_next(&r, &f)) {
        if (f.number != CELL_NUMBER)
            continue;
        int rc = cell_read(f.bytes, &cell, err);
        if (rc != 0)
            return rc;
        if (n == ACTIVITY_CELLS_MAX || (n > 0 && activity_cell_compare(&last, &cell) >= 0))
            return payload_field_wrong(err, "cell");
        last = cell;
        n++;
    }
    ret->active.n = n;
    return 0;
}

int
payload_append_active(const struct event_payload *p, struct buf *out, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->active.n; i++)
        rc = put_message(out, CELL_NUMBER, &CELL_FIELDS, &CELL_PATH, &p->active.cells[i], err);
    return rc;
}

int
payload_read_closed(const ProtobufCMessage *m UNUSED, struct slice bytes, struct event_payload *ret, struct err *err)
{
    struct period_figure figure, last;
    struct reader r = reader_of(bytes);
    struct wire_field f;
    size_t n = 0;
    uint64_t year = 0;
    while (wire_field_next(&r, &f)) {
        if (f.number == YEAR_NUMBER)
            year = f.value;
        if (f.number != FIGURE_NUMBER)
            continue;
        int rc = figure_read(f.bytes, &figure, err);
        if (rc != 0)
            return rc;
        if (n == FIGURES_MAX || (n > 0 && figure_compare(&last, &figure) >= 0))
            return payload_field_wrong(err, "figure");
        last = figure;
        n++;
    }
    if (year < YEAR_FIRST || year > YEAR_LAST)
        return payload_field_wrong(err, "year");
    if (n == 0)
        return payload_field_wrong(err, "figure");
    ret->closed.year = (uint16_t)year;
    ret->closed.n = n;
    return 0;
}

int
payload_append_closed(const struct event_payload *p, struct buf *out, struct err *err)
{
    buf_put_varint(out, YEAR_NUMBER << TAG_WIRE_BITS | WIRE_VARINT);
    buf_put_varint(out, p->closed.year);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < p->closed.n; i++)
        rc = put_message(out, FIGURE_NUMBER, &FIGURE_FIELDS, &FIGURE_PATH, &p->closed.figures[i], err);
    return rc;
}

size_t
active_cells_read(struct slice payload, struct activity_cell *ret)
{
    struct reader r = reader_of(payload);
    struct wire_field f;
    size_t n = 0;
    while (n < ACTIVITY_CELLS_MAX && wire_field_next(&r, &f))
        if (f.number == CELL_NUMBER && f.wire_type == WIRE_LENGTH && cell_read(f.bytes, &ret[n], NULL) == 0)
            n++;
    return n;
}

size_t
closed_figures_read(struct slice payload, struct period_figure *ret)
{
    struct reader r = reader_of(payload);
    struct wire_field f;
    size_t n = 0;
    while (n < FIGURES_MAX && wire_field_next(&r, &f))
        if (f.number == FIGURE_NUMBER && f.wire_type == WIRE_LENGTH && figure_read(f.bytes, &ret[n], NULL) == 0)
            n++;
    return n;
}

static int
cell_read(struct slice bytes, struct activity_cell *ret, struct err *err)
{
    struct activity_cell cell = {0};
    int rc = fields_read(&CELL_FIELDS, &CELL_PATH, bytes, &cell, err);
    if (rc == 0 && !currency_ok(cell.currency))
        rc = payload_field_wrong(err, "cell.currency");
    if (rc == 0)
        *ret = cell;
    return rc;
}

static int
figure_read(struct slice bytes, struct period_figure *ret, struct err *err)
{
    struct period_figure figure = {0};
    int rc = fields_read(&FIGURE_FIELDS, &FIGURE_PATH, bytes, &figure, err);
    if (rc == 0 && figure.currency[0] && !currency_ok(figure.currency))
        rc = payload_field_wrong(err, "figure.currency");
    if (rc == 0)
        *ret = figure;
    return rc;
}

/* Absent category and currency are zero and empty, so that they come first. */
static int
figure_compare(const struct period_figure *a, const struct period_figure *b)
{
    if (a->number != b->number)
        return a->number < b->number ? -1 : 1;
    if (a->category != b->category)
        return a->category < b->category ? -1 : 1;
    return memcmp(a->currency, b->currency, sizeof(a->currency));
}

static int
put_message(struct buf *out, uint32_t number, const struct fields *f, const struct field_path *path, const void *from,
            struct err *err)
{
    size_t len;
    int rc = fields_check(f, path, from, &len, err);
    if (rc != 0)
        return rc;
    buf_put_varint(out, number << TAG_WIRE_BITS | WIRE_LENGTH);
    buf_put_varint(out, len);
    fields_put(f, from, out);
    return 0;
}
