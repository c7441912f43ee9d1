/* The bytes of a posting row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row    = version (1) ‖ varint entries ‖ entry …
 *   entry  = head, its mark: carries a capsule of class 4 ‖ [facts: kinds 224, 225 of known versions] ‖ references
 *   facts  = country (2) ‖ varint number of the last month (PROTOCOL.md §2) */
#include "node/rules/posting.h"
#include "node/rules/row_code.h"

enum { COUNTRY_CHARS = 2 };

static bool
has_facts(const struct row_entry *e)
{
    return e->kind == KIND_POSTING_ISSUED || e->kind == KIND_POSTING_CHANGED;
}

static void
put_facts(struct buf *out, const struct row_entry *e)
{
    if (has_facts(e)) {
        const struct posting_facts *f = &((const struct posting_entry *)e)->facts;
        buf_put(out, f->country, COUNTRY_CHARS);
        buf_put_varint(out, month_number(f->last_month));
    }
}

static void
read_facts(struct reader *in, struct row_entry *e)
{
    if (!has_facts(e)) {
        return;
    }
    struct posting_facts *f = &((struct posting_entry *)e)->facts;
    reader_copy(in, f->country, COUNTRY_CHARS);
    uint64_t last = reader_varint(in), last_max = month_number(DATE_MAX);
    /* What the fold computes with: a payload that was taken has both dates in bounds. */
    in->failed = in->failed || last > last_max || e->effective.days < DATE_MIN.days ||
                 e->effective.days > DATE_MAX.days || date_month_start(e->effective).days != e->effective.days ||
                 last < month_number(e->effective) || last > month_number(e->effective) + (uint64_t)POSTING_MONTHS_MAX;
    f->last_month = in->failed ? DATE_NONE : month_first((uint16_t)last);
}

static const struct row_layout layout = {
    .type = &posting_row_type, .entries_max = MEMBER_ENTRIES_MAX, .put = put_facts, .read = read_facts};
static const struct row_dated all_dated;

int
posting_row_encode(const struct posting_row *r, struct buf *out, struct err *err)
{
    struct row row = ROW_OF(&posting_row_type, r, NULL);
    return row_encode(&row, &layout, all_dated, out, err);
}

int
posting_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *posting,
                   struct posting_row *ret, struct err *err)
{
    struct row row;
    int rc = row_decode(bytes, &layout, all_dated, &row, err);
    if (rc != 0) {
        return rc;
    }
    posting_row_init(ret, unit, posting);
    ROW_BACK(ret, row);
    return 0;
}
