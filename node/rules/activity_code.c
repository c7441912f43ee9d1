/* The bytes of an activity row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row    = version (1) ‖ varint entries ‖ entry …
 *   entry  = head, its mark: carries a capsule of class 4 ‖ [facets: kinds 104, 105 of known versions] ‖ references
 *   facets = office (16) ‖ varint (sector × 2 + culture) */
#include "node/rules/activity.h"
#include "node/rules/row_code.h"

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

/* ---- rows ---- */

static bool
has_facets(const struct row_entry *e)
{
    return e->kind == KIND_ACTIVITY_OPENED || e->kind == KIND_ACTIVITY_CHANGED;
}

static void
put_facts(struct buf *out, const struct row_entry *e)
{
    if (has_facets(e)) {
        row_facets_put(out, &((const struct activity_entry *)e)->facets);
    }
}

static void
read_facts(struct reader *in, struct row_entry *e)
{
    if (has_facets(e)) {
        row_facets_read(in, &((struct activity_entry *)e)->facets);
    }
}

static const struct row_layout layout = {
    .type = &activity_row_type, .entries_max = MEMBER_ENTRIES_MAX, .put = put_facts, .read = read_facts};
static const struct row_dated all_dated;

int
activity_row_encode(const struct activity_row *r, struct buf *out, struct err *err)
{
    struct row row = ROW_OF(&activity_row_type, r, NULL);
    return row_encode(&row, &layout, all_dated, out, err);
}

int
activity_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *activity,
                    struct activity_row *ret, struct err *err)
{
    struct row row;
    int rc = row_decode(bytes, &layout, all_dated, &row, err);
    if (rc != 0) {
        return rc;
    }
    activity_row_init(ret, unit, activity);
    ROW_BACK(ret, row);
    return 0;
}
