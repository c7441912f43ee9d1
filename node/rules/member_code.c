/* The bytes of a member row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row   = version (1) ‖ varint entries ‖ entry …
 *   entry = position ‖ varint kind ‖ flags (1) ‖ more (1) ‖ svarint date ‖ capsule mask (1) ‖ [reason (1)] ‖ [varint kind version]
 *           ‖ [office (16)] ‖ [varint shares ‖ varint price ‖ currency (3)] ‖ references
 *   flags = outcome (bits 0–2), month precision (3), references (4–5), office (6), shares (7)
 *   more  = category (bits 0–1), person type (2–3), kind version other than 1 (4), date absent (5)
 * The reason is there for void and conflict; a date that is absent is not written. */
#include <stdlib.h>

#include "node/rules/row_code.h"

enum {
    FLAG_MONTH = 0x08,
    FLAG_OFFICE = 0x40,
    FLAG_SHARES = 0x80,
    MORE_VERSION = 0x10,
    MORE_NO_DATE = 0x20,
    MORE_MAX = 0x3f,
};

static bool
has_reason(enum outcome o)
{
    return o == OUTCOME_VOID || o == OUTCOME_CONFLICT;
}

static void
put_entry(struct buf *out, const struct position *before, const struct member_entry *e)
{
    bool no_date = date_is_none(e->effective);
    row_position_put(out, before, &e->at);
    buf_put_varint(out, e->kind);
    buf_put_u8(out, (uint8_t)((unsigned)e->outcome | (e->precision == PRECISION_MONTH ? FLAG_MONTH : 0) |
                              (unsigned)e->n_refs << 4 | (e->has_office ? FLAG_OFFICE : 0) |
                              (e->shares > 0 ? FLAG_SHARES : 0)));
    buf_put_u8(out, (uint8_t)(e->category | e->person_type << 2 | (e->kind_version != 1 ? MORE_VERSION : 0) |
                              (no_date ? MORE_NO_DATE : 0)));
    if (!no_date) {
        buf_put_svarint(out, e->effective.days);
    }
    buf_put_u8(out, e->capsule_mask);
    if (has_reason(e->outcome)) {
        buf_put_u8(out, (uint8_t)e->reason);
    }
    if (e->kind_version != 1) {
        buf_put_varint(out, e->kind_version);
    }
    if (e->has_office) {
        buf_put(out, e->office.b, sizeof(e->office.b));
    }
    if (e->shares > 0) {
        buf_put_varint(out, e->shares);
        buf_put_varint(out, (uint64_t)e->share_price_minor);
        buf_put(out, e->currency, CURRENCY_MAX - 1);
    }
    for (uint8_t k = 0; k < e->n_refs; k++) {
        row_ref_put(out, &e->at, &e->refs[k]);
    }
}

int
member_row_encode(const struct member_row *r, struct buf *out, struct err *err)
{
    buf_put_u8(out, ROW_VERSION);
    buf_put_varint(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        put_entry(out, i > 0 ? &r->entries[i - 1].at : NULL, &r->entries[i]);
    }
    return buf_check(out, "member row", err);
}

static void
read_shares(struct reader *in, struct member_entry *e)
{
    e->shares = reader_varint(in);
    uint64_t price = reader_varint(in);
    reader_copy(in, e->currency, CURRENCY_MAX - 1);
    if (e->shares == 0 || e->shares > SHARES_MAX || price > SHARE_PRICE_MINOR_MAX || !currency_ok(e->currency)) {
        in->failed = true;
        return;
    }
    e->share_price_minor = (int64_t)price;
}

static bool
read_entry(struct reader *in, const struct position *before, struct member_entry *e)
{
    memset(e, 0, sizeof(*e));
    row_position_read(in, before, &e->at);
    uint64_t kind = reader_varint(in);
    uint8_t flags = reader_u8(in);
    uint8_t more = reader_u8(in);
    int64_t day = (more & MORE_NO_DATE) != 0 ? DATE_NONE.days : reader_svarint(in);
    e->capsule_mask = reader_u8(in);
    e->kind = (uint16_t)kind;
    e->outcome = (enum outcome)(flags & 7);
    e->precision = (flags & FLAG_MONTH) != 0 ? PRECISION_MONTH : PRECISION_DAY;
    e->n_refs = flags >> 4 & 3;
    e->has_office = (flags & FLAG_OFFICE) != 0;
    e->category = more & 3;
    e->person_type = more >> 2 & 3;
    e->reason = has_reason(e->outcome) ? (enum void_reason)reader_u8(in) : VOID_NONE;
    uint64_t version = (more & MORE_VERSION) != 0 ? reader_varint(in) : 1;
    e->kind_version = (uint16_t)version;
    e->effective.days = (int32_t)day;
    if (in->failed || kind == 0 || kind > UINT16_MAX || version == 0 || version > UINT16_MAX || more > MORE_MAX ||
        ((more & MORE_VERSION) != 0 && version == 1) || !row_outcome_ok(e->outcome, e->reason) ||
        ((more & MORE_NO_DATE) == 0 && (day < DATE_MIN.days || day > DATE_MAX.days))) {
        return false;
    }
    if (e->has_office) {
        reader_copy(in, e->office.b, sizeof(e->office.b));
    }
    if ((flags & FLAG_SHARES) != 0) {
        read_shares(in, e);
    }
    for (uint8_t k = 0; k < e->n_refs; k++) {
        row_ref_read(in, &e->at, &e->refs[k]);
    }
    return !in->failed;
}

int
member_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *subject,
                  struct member_row *ret, struct err *err)
{
    struct reader in = reader_of(bytes);
    uint8_t version = reader_u8(&in);
    uint64_t n = reader_varint(&in);
    if (in.failed || version != ROW_VERSION || n > MEMBER_ENTRIES_MAX) {
        return err_set(err, ERR_CORRUPT, "member row: another layout, or too many entries");
    }
    /* One more than needed: the next event is usually what it is read for. */
    size_t cap = (size_t)n + 1;
    struct member_entry *entries = malloc(cap * sizeof(*entries));
    if (entries == NULL) {
        return err_set(err, ERR_NOMEM, "member row: out of memory");
    }
    for (size_t i = 0; i < n; i++) {
        if (!read_entry(&in, i > 0 ? &entries[i - 1].at : NULL, &entries[i])) {
            in.failed = true;
            break;
        }
    }
    if (!reader_done(&in)) {
        free(entries);
        return err_set(err, ERR_CORRUPT, "member row: its bytes do not make sense");
    }
    member_row_init(ret, unit, subject);
    ret->entries = entries;
    ret->n = (size_t)n;
    ret->cap = cap;
    return 0;
}
