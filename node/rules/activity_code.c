/* The bytes of an activity row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row    = version (1) ‖ varint entries ‖ entry …
 *   entry  = head, its mark: carries a capsule of class 4 ‖ [facets: kinds 104, 105 of known versions] ‖ references
 *   facets = office (16) ‖ varint (sector × 2 + culture) */
#include "node/rules/activity.h"
#include "node/rules/row_code.h"

enum { ENTRY_REFS_MAX = 2 };
static const struct row_dated all_dated;

void
row_facets_put(struct buf *out, const struct activity_facets *f)
{
    buf_put(out, f->office.b, sizeof(f->office.b));
    buf_put_varint(out, (uint64_t)f->sector << 1 | (f->culture ? 1 : 0));
}

void
row_facets_read(struct reader *in, struct activity_facets *ret)
{
    reader_copy(in, ret->office.b, sizeof(ret->office.b));
    uint64_t v = reader_varint(in);
    in->failed = in->failed || v >> 1 == 0 || v >> 1 > UINT16_MAX;
    ret->sector = (uint16_t)(v >> 1);
    ret->culture = (v & 1) != 0;
}

static bool
has_facets(const struct row_entry *e)
{
    return (e->kind == KIND_ACTIVITY_OPENED || e->kind == KIND_ACTIVITY_CHANGED) &&
           event_kind_known(e->kind, e->kind_version);
}

int
activity_row_encode(const struct activity_row *r, struct buf *out, struct err *err)
{
    row_start_put(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct row_entry *e = (const struct row_entry *)&r->entries[i];
        row_head_put(out, i > 0 ? &r->entries[i - 1].at : NULL, e, r->entries[i].has_links, all_dated);
        if (has_facets(e)) {
            row_facets_put(out, &r->entries[i].facets);
        }
        row_refs_put(out, e);
    }
    return buf_check(out, "activity row", err);
}

static void
read_entry(struct reader *in, const struct row *r, const struct position *before, struct row_entry *head)
{
    struct activity_entry *e = (struct activity_entry *)head;
    (void)r;
    row_head_read(in, before, ENTRY_REFS_MAX, all_dated, head, &e->has_links);
    if (in->failed) {
        return;
    }
    if (has_facets(head)) {
        row_facets_read(in, &e->facets);
    }
    row_refs_read(in, head);
}

int
activity_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *activity,
                    struct activity_row *ret, struct err *err)
{
    struct reader in = reader_of(bytes);
    in.failed = reader_u8(&in) != ROW_VERSION;
    struct row row = {.entry_size = sizeof(*ret->entries), .what = "activity row"};
    int rc = row_entries_read(&in, &row, MEMBER_ENTRIES_MAX, read_entry, err);
    if (rc != 0) {
        return rc;
    }
    activity_row_init(ret, unit, activity);
    ret->n = row.n;
    ret->cap = row.cap;
    ret->entries = row.entries;
    return 0;
}
