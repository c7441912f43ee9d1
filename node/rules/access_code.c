/* The bytes of an access row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row    = version (1) ‖ varint entries ‖ entry …
 *   entry  = head ‖ [facts: kinds 80 to 85 of known versions]
 *   facts  = key capsules (1), a bit for each index ‖ of 80 and 83: given ‖ of 81: reason (1)
 *   given  = member (16) ‖ varint classes ‖ until (1 = there is one; then svarint) ‖ of 80: host (32) ‖ varint purpose
 *                                                                            ‖ of 83: varint hours ‖ key (32) */
#include "node/rules/access.h"
#include "node/rules/row_code.h"

static void
put_given(struct buf *out, uint16_t kind, const struct access *f)
{
    buf_put(out, f->member.b, sizeof(f->member.b));
    buf_put_varint(out, f->classes);
    buf_put_u8(out, !date_is_none(f->until));
    if (!date_is_none(f->until)) {
        buf_put_svarint(out, f->until.days);
    }
    if (kind == KIND_ACCESS_GRANTED) {
        buf_put(out, f->host.b, sizeof(f->host.b));
        buf_put_varint(out, f->purpose);
    } else {
        buf_put_varint(out, f->stale_hours_max);
        buf_put(out, f->pass_key.b, sizeof(f->pass_key.b));
    }
}

static void
read_given(struct reader *in, uint16_t kind, struct access *ret)
{
    reader_copy(in, ret->member.b, sizeof(ret->member.b));
    uint64_t classes = reader_varint(in);
    ret->classes = (uint16_t)classes;
    uint8_t has_until = reader_u8(in);
    int64_t until = has_until == 1 ? reader_svarint(in) : DATE_NONE.days;
    in->failed = in->failed || has_until > 1 || (has_until == 1 && (until < DATE_MIN.days || until > DATE_MAX.days));
    ret->until.days = (int32_t)until;
    uint64_t number;
    if (kind == KIND_ACCESS_GRANTED) {
        reader_copy(in, ret->host.b, sizeof(ret->host.b));
        number = reader_varint(in);
        ret->purpose = (uint16_t)number;
    } else {
        number = reader_varint(in);
        ret->stale_hours_max = (uint16_t)number;
        reader_copy(in, ret->pass_key.b, sizeof(ret->pass_key.b));
    }
    in->failed = in->failed || number > UINT16_MAX || classes > UINT16_MAX;
}

static void
put_facts(struct buf *out, const struct row_entry *entry)
{
    const struct access_entry *e = (const struct access_entry *)entry;
    buf_put_u8(out, e->keys);
    if (e->kind == KIND_ACCESS_GRANTED || e->kind == KIND_PASS_ISSUED) {
        put_given(out, e->kind, &e->facts);
    } else if (e->kind == KIND_ACCESS_REVOKED) {
        buf_put_u8(out, e->facts.reason);
    }
}

static void
read_facts(struct reader *in, struct row_entry *entry)
{
    struct access_entry *e = (struct access_entry *)entry;
    e->keys = reader_u8(in);
    if (e->kind == KIND_ACCESS_GRANTED || e->kind == KIND_PASS_ISSUED) {
        read_given(in, e->kind, &e->facts);
    } else if (e->kind == KIND_ACCESS_REVOKED) {
        e->facts.reason = reader_u8(in);
    }
}

static const struct row_layout layout = {
    .type = &access_row_type, .entries_max = MEMBER_ENTRIES_MAX, .put = put_facts, .read = read_facts};
static const struct row_dated all_dated;

int
access_row_encode(const struct access_row *r, struct buf *out, struct err *err)
{
    struct row row = ROW_OF(&access_row_type, r, NULL);
    return row_encode(&row, &layout, all_dated, out, err);
}

int
access_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *access,
                  struct access_row *ret, struct err *err)
{
    struct row row;
    int rc = row_decode(bytes, &layout, all_dated, &row, err);
    if (rc != 0) {
        return rc;
    }
    access_row_init(ret, unit, access);
    ROW_BACK(ret, row);
    return 0;
}
