/* The bytes of rows of counted people and of closed periods (docs/STORAGE.md):
 *
 *   active  = version (1) ‖ varint entries ‖ entry …                                     (ascending by unit, month)
 *   entry   = flags (1) ‖ [unit (32)] ‖ [log id (32)] ‖ varint seq ‖ [varint cells ‖ cell …]
 *   flags   = month of the year − 1 (bits 0–3), as in the entry before: cells (5), log (6), unit (7)
 *   cell    = office (16) ‖ varint (sector × 2 + culture) ‖ currency (3)                 (ascending)
 *
 *   period  = version (1) ‖ log id (32) ‖ varint seq ‖ svarint closed on ‖ varint figures ‖ figure …   (ascending)
 *   figure  = varint (number × 2 + has currency) ‖ category (1) ‖ [currency (3)] ‖ svarint value */
#include <stdlib.h>

#include "node/rules/counting.h"
#include "node/rules/row_code.h"

#include "proto/base/check.h"

enum {
    MONTH_MASK = 0x0f,
    SAME_CELLS = 0x20,
    SAME_LOG = 0x40,
    SAME_UNIT = 0x80,
    FLAGS_ALL = MONTH_MASK | SAME_CELLS | SAME_LOG | SAME_UNIT,
    CURRENCY_LEN = CURRENCY_MAX - 1
};

/* ---- counted people ---- */

static uint16_t
january(uint16_t year)
{
    return month_number(date_from_ymd(year, 1, 1));
}

static bool
cells_equal(const struct active_entry *a, const struct active_entry *b)
{
    for (size_t i = 0; i < a->n && a->n == b->n; i++) {
        if (activity_cell_compare(&a->cells[i], &b->cells[i]) != 0) {
            return false;
        }
    }
    return a->n == b->n;
}

static uint8_t
flags_of(const struct active_row *r, size_t i)
{
    const struct active_entry *e = &r->entries[i];
    unsigned flags = (unsigned)(e->month - january(r->year));
    if (i > 0) {
        flags |= TYPE_EQ(&e->unit, &e[-1].unit) ? SAME_UNIT : 0U;
        flags |= TYPE_EQ(&e->at.log, &e[-1].at.log) ? SAME_LOG : 0U;
        flags |= cells_equal(e, e - 1) ? SAME_CELLS : 0U;
    }
    return (uint8_t)flags;
}

int
active_row_encode(const struct active_row *r, struct buf *out, struct err *err)
{
    row_start_put(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct active_entry *e = &r->entries[i];
        uint8_t flags = flags_of(r, i);
        buf_put_u8(out, flags);
        if ((flags & SAME_UNIT) == 0) {
            buf_put(out, e->unit.b, sizeof(e->unit.b));
        }
        if ((flags & SAME_LOG) == 0) {
            buf_put(out, e->at.log.b, sizeof(e->at.log.b));
        }
        buf_put_varint(out, e->at.seq);
        if ((flags & SAME_CELLS) == 0) {
            buf_put_varint(out, e->n);
            for (size_t k = 0; k < e->n; k++) {
                row_facets_put(out, &e->cells[k].facets);
                buf_put(out, e->cells[k].currency, CURRENCY_LEN);
            }
        }
    }
    return buf_check(out, "row of a counted person", err);
}

/* Cells of an entry into e->cells, allocated; n from the bytes or from the entry before. */
static int
read_cells(struct reader *in, const struct active_entry *before, bool same, struct active_entry *e)
{
    struct activity_cell cells[ACTIVITY_CELLS_MAX];
    uint64_t n = same ? before->n : reader_varint(in);
    if (in->failed || n > ACTIVITY_CELLS_MAX) {
        in->failed = true;
        return 0;
    }
    memset(cells, 0, sizeof(cells));
    for (size_t i = 0; i < n; i++) {
        if (same) {
            cells[i] = before->cells[i];
            continue;
        }
        row_facets_read(in, &cells[i].facets);
        reader_copy(in, cells[i].currency, CURRENCY_LEN);
        in->failed = in->failed || !currency_ok(cells[i].currency) ||
                     (i > 0 && activity_cell_compare(&cells[i - 1], &cells[i]) >= 0);
    }
    if (n == 0 || in->failed) {
        return 0;
    }
    e->cells = malloc(n * sizeof(*e->cells));
    if (e->cells == NULL) {
        return ERR_NOMEM;
    }
    memcpy(e->cells, cells, n * sizeof(*e->cells));
    e->n = (uint8_t)n;
    return 0;
}

static int
read_active(struct reader *in, struct active_row *r)
{
    struct active_entry *e = &r->entries[r->n];
    const struct active_entry *before = r->n > 0 ? e - 1 : NULL;
    uint8_t flags = reader_u8(in);
    bool alone = (flags & (SAME_UNIT | SAME_LOG | SAME_CELLS)) != 0 && before == NULL;
    if ((flags & ~FLAGS_ALL) != 0 || (flags & MONTH_MASK) > 11 || alone) {
        in->failed = true;
        return 0;
    }
    memset(e, 0, sizeof(*e));
    e->month = (uint16_t)(january(r->year) + (flags & MONTH_MASK));
    if ((flags & SAME_UNIT) != 0) {
        e->unit = before->unit;
    } else {
        reader_copy(in, e->unit.b, sizeof(e->unit.b));
    }
    if ((flags & SAME_LOG) != 0) {
        e->at.log = before->at.log;
    } else {
        reader_copy(in, e->at.log.b, sizeof(e->at.log.b));
    }
    e->at.seq = reader_varint(in);
    int rc = read_cells(in, before, (flags & SAME_CELLS) != 0, e);
    if (rc != 0 || in->failed) {
        return rc;
    }
    r->n++;
    int order = before == NULL ? -1 : memcmp(before->unit.b, e->unit.b, sizeof(e->unit.b));
    in->failed = e->at.seq == 0 || e->at.seq > INT64_MAX || order > 0 || (order == 0 && before->month >= e->month) ||
                 flags_of(r, r->n - 1) != flags;
    return 0;
}

int
active_row_decode(struct slice bytes, uint16_t year, const struct subject_id *pseudonym, struct active_row *ret,
                  struct err *err)
{
    struct active_row r;
    struct reader in = reader_of(bytes);
    active_row_init(&r, year, pseudonym);
    uint8_t version = reader_u8(&in);
    uint64_t n = reader_varint(&in);
    if (in.failed || version != ROW_VERSION || n > (uint64_t)ACTIVE_UNITS_MAX * 12) {
        return err_set(err, ERR_CORRUPT, "row of a counted person: another layout, or too many entries");
    }
    r.cap = (size_t)n + 1;
    r.entries = malloc(r.cap * sizeof(*r.entries));
    int rc = r.entries == NULL ? ERR_NOMEM : 0;
    for (uint64_t i = 0; i < n && rc == 0 && !in.failed; i++) {
        rc = read_active(&in, &r);
    }
    if (rc == 0 && reader_done(&in) && active_row_units(&r) <= ACTIVE_UNITS_MAX) {
        *ret = r;
        return 0;
    }
    active_row_release(&r);
    return rc != 0 ? err_set(err, ERR_NOMEM, "row of a counted person: out of memory")
                   : err_set(err, ERR_CORRUPT, "row of a counted person: its bytes do not make sense");
}

/* ---- closed periods ---- */

int
period_row_encode(const struct period_row *r, struct buf *out, struct err *err)
{
    MUST(r->has);
    buf_put_u8(out, ROW_VERSION);
    buf_put(out, r->at.log.b, sizeof(r->at.log.b));
    buf_put_varint(out, r->at.seq);
    buf_put_svarint(out, r->closed_on.days);
    buf_put_varint(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct period_figure *f = &r->figures[i];
        bool currency = f->currency[0] != '\0';
        buf_put_varint(out, (uint64_t)f->number << 1 | (currency ? 1 : 0));
        buf_put_u8(out, f->category);
        buf_put(out, f->currency, currency ? CURRENCY_LEN : 0);
        buf_put_svarint(out, f->value);
    }
    return buf_check(out, "closed period", err);
}

static bool
ascending(const struct period_figure *a, const struct period_figure *b)
{
    if (a->number != b->number) {
        return a->number < b->number;
    }
    return a->category != b->category ? a->category < b->category : memcmp(a->currency, b->currency, CURRENCY_MAX) < 0;
}

static void
read_figure(struct reader *in, struct period_figure *f)
{
    memset(f, 0, sizeof(*f));
    uint64_t number = reader_varint(in);
    in->failed = in->failed || number >> 1 == 0 || number >> 1 > UINT16_MAX;
    f->number = (uint16_t)(number >> 1);
    f->category = reader_u8(in);
    if ((number & 1) != 0) {
        reader_copy(in, f->currency, CURRENCY_LEN);
        in->failed = in->failed || !currency_ok(f->currency);
    }
    f->value = reader_svarint(in);
}

int
period_row_decode(struct slice bytes, const struct unit_id *unit, uint16_t year, struct period_row *ret,
                  struct err *err)
{
    struct period_row r;
    struct reader in = reader_of(bytes);
    period_row_init(&r, unit, year);
    r.has = true;
    uint8_t version = reader_u8(&in);
    reader_copy(&in, r.at.log.b, sizeof(r.at.log.b));
    r.at.seq = reader_varint(&in);
    int64_t day = reader_svarint(&in);
    uint64_t n = reader_varint(&in);
    if (in.failed || version != ROW_VERSION || r.at.seq == 0 || r.at.seq > INT64_MAX || day < DATE_MIN.days ||
        day > DATE_MAX.days || n == 0 || n > FIGURES_MAX) {
        return err_set(err, ERR_CORRUPT, "closed period: another layout, or too many figures");
    }
    r.closed_on.days = (int32_t)day;
    r.figures = malloc((size_t)n * sizeof(*r.figures));
    if (r.figures == NULL) {
        return err_set(err, ERR_NOMEM, "closed period: out of memory");
    }
    for (; r.n < n && !in.failed; r.n++) {
        read_figure(&in, &r.figures[r.n]);
        in.failed = in.failed || (r.n > 0 && !ascending(&r.figures[r.n - 1], &r.figures[r.n]));
    }
    if (!reader_done(&in)) {
        period_row_release(&r);
        return err_set(err, ERR_CORRUPT, "closed period: its bytes do not make sense");
    }
    *ret = r;
    return 0;
}
