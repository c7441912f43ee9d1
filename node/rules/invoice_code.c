/* The bytes of an invoice row (docs/STORAGE.md; parts of row_code.h). An invoice without credit notes takes 65 to 75:
 *
 *   row    = version (1) ‖ varint entries ‖ entry …
 *   entry  = head, its mark: carries a capsule of class 4; kind 108 has no date, for the invoice's id begins with its month ‖ facts ‖
 *            references
 *   facts  = kind 108: office (16) ‖ varint (sector × 2 + culture) ‖ varint amount ‖ currency (3) ‖ varint rate ‖ varint contribution;
 *            kind 109: varint amount ‖ varint contribution; none for others and unknown versions */
#include "node/rules/invoice.h"
#include "node/rules/row_code.h"

/* Ids in rows come from payloads that were judged (§9) or are of unknown versions, whose dates are written. */
static struct row_dated
dated(const struct subject_id *invoice)
{
    struct row_dated d = {.kind = KIND_INVOICE_ISSUED, .date = month_first(invoice_id_month(invoice))};
    return d;
}

static void
put_facts(struct buf *out, const struct row_entry *head)
{
    const struct invoice_entry *e = (const struct invoice_entry *)head;
    if (e->kind == KIND_INVOICE_ISSUED) {
        row_facets_put(out, &e->facts.facets);
        buf_put_varint(out, (uint64_t)e->facts.amount_minor);
        buf_put(out, e->facts.currency, CURRENCY_MAX - 1);
        buf_put_varint(out, e->facts.rate_bp);
        buf_put_varint(out, (uint64_t)e->facts.contribution_minor);
    } else if (e->kind == KIND_INVOICE_CREDITED) {
        buf_put_varint(out, (uint64_t)e->credit.amount_minor);
        buf_put_varint(out, (uint64_t)e->credit.contribution_minor);
    }
}

static int64_t
read_minor(struct reader *in, int64_t min, int64_t max)
{
    uint64_t v = reader_varint(in);
    in->failed = in->failed || v < (uint64_t)min || v > (uint64_t)max;
    return in->failed ? 0 : (int64_t)v;
}

static void
read_facts(struct reader *in, struct row_entry *head)
{
    struct invoice_entry *e = (struct invoice_entry *)head;
    if (e->kind == KIND_INVOICE_ISSUED) {
        row_facets_read(in, &e->facts.facets);
        e->facts.amount_minor = read_minor(in, 1, DOCUMENT_MINOR_MAX);
        reader_copy(in, e->facts.currency, CURRENCY_MAX - 1);
        in->failed = in->failed || !currency_ok(e->facts.currency);
        e->facts.rate_bp = (uint16_t)read_minor(in, 0, RATE_BP_MAX);
        e->facts.contribution_minor = read_minor(in, 0, e->facts.amount_minor);
    } else if (e->kind == KIND_INVOICE_CREDITED) {
        e->credit.amount_minor = read_minor(in, 1, DOCUMENT_MINOR_MAX);
        e->credit.contribution_minor = read_minor(in, 0, e->credit.amount_minor);
    }
}

static const struct row_layout layout = {
    .type = &invoice_row_type, .entries_max = MEMBER_ENTRIES_MAX, .put = put_facts, .read = read_facts};

int
invoice_row_encode(const struct invoice_row *r, struct buf *out, struct err *err)
{
    struct row row = ROW_OF(&invoice_row_type, r, NULL);
    return row_encode(&row, &layout, dated(&r->invoice), out, err);
}

int
invoice_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *invoice,
                   struct invoice_row *ret, struct err *err)
{
    struct row row;
    int rc = row_decode(bytes, &layout, dated(invoice), &row, err);
    if (rc != 0) {
        return rc;
    }
    invoice_row_init(ret, unit, invoice);
    ROW_BACK(ret, row);
    return 0;
}
