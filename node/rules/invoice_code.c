/* The bytes of an invoice row (docs/STORAGE.md; parts of row_code.h). An invoice without credit notes takes 65 to 75:
 *
 *   row    = version (1) ‖ varint entries ‖ entry …
 *   entry  = head, its mark: carries a capsule of class 4; kind 108 has no date, for the invoice's id begins with its month ‖ facts ‖
 *            references
 *   facts  = kind 108: office (16) ‖ varint (sector × 2 + culture) ‖ varint amount ‖ currency (3) ‖ varint rate ‖ varint contribution;
 *            kind 109: varint amount ‖ varint contribution; none for others and unknown versions */
#include "node/rules/invoice.h"
#include "node/rules/row_code.h"

enum { ENTRY_REFS_MAX = 2 };

/* Ids in rows come from payloads that were judged (§9) or are of unknown versions, whose dates are written. */
static struct row_dated
dated(const struct invoice_row *r)
{
    struct row_dated d = {.kind = KIND_INVOICE_ISSUED, .date = month_first(invoice_id_month(&r->invoice))};
    return d;
}

static void
put_facts(struct buf *out, const struct invoice_entry *e)
{
    if (!event_kind_known(e->kind, e->kind_version)) {
        return;
    }
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

int
invoice_row_encode(const struct invoice_row *r, struct buf *out, struct err *err)
{
    row_start_put(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct row_entry *e = (const struct row_entry *)&r->entries[i];
        row_head_put(out, i > 0 ? &r->entries[i - 1].at : NULL, e, r->entries[i].has_links, dated(r));
        put_facts(out, &r->entries[i]);
        row_refs_put(out, e);
    }
    return buf_check(out, "invoice row", err);
}

static int64_t
read_minor(struct reader *in, int64_t min, int64_t max)
{
    uint64_t v = reader_varint(in);
    in->failed = in->failed || v < (uint64_t)min || v > (uint64_t)max;
    return in->failed ? 0 : (int64_t)v;
}

static void
read_facts(struct reader *in, struct invoice_entry *e)
{
    if (!event_kind_known(e->kind, e->kind_version)) {
        return;
    }
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

static void
read_entry(struct reader *in, const struct row *r, const struct position *before, struct row_entry *head)
{
    struct invoice_entry *e = (struct invoice_entry *)head;
    row_head_read(in, before, ENTRY_REFS_MAX, dated(r->ctx), head, &e->has_links);
    if (in->failed) {
        return;
    }
    read_facts(in, e);
    row_refs_read(in, head);
}

int
invoice_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *invoice,
                   struct invoice_row *ret, struct err *err)
{
    struct invoice_row read;
    struct reader in = reader_of(bytes);
    in.failed = reader_u8(&in) != ROW_VERSION;
    invoice_row_init(&read, unit, invoice);
    struct row row = {.ctx = &read, .entry_size = sizeof(*read.entries), .what = "invoice row"};
    int rc = row_entries_read(&in, &row, MEMBER_ENTRIES_MAX, read_entry, err);
    if (rc != 0) {
        return rc;
    }
    read.n = row.n;
    read.cap = row.cap;
    read.entries = row.entries;
    *ret = read;
    return 0;
}
