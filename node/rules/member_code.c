/* The bytes of a member row (docs/STORAGE.md; parts of row_code.h):
 *
 *   row   = version (1) ‖ varint entries ‖ entry …
 *   entry = position ‖ varint kind ‖ flags (1) ‖ more (1) ‖ svarint date ‖ capsule mask (1) ‖ [reason (1)] ‖ [varint kind version]
 *           ‖ [office (16)] ‖ [varint shares ‖ varint price or amount ‖ currency (3)] ‖ [other (16)]
 *           ‖ [varint purpose ‖ length (1) ‖ text version] ‖ [moving] ‖ references
 *   flags = outcome (bits 0–2), month precision (3), references (4–5), office (6), shares (7)
 *   more  = category (bits 0–1), person type (2–3), kind version other than 1 (4), date absent (5), other (6), owed (7)
 *   moving (known kinds 64–71, 96, 98, 99) = flags (1) ‖ [home (32)] ‖ [origin reason (1)] ‖ varint purpose ‖ varint classes ‖ ground (1)
 *           ‖ [svarint until]; flags = home (bit 0), arrival (1), voted (2), until (3), activities (4–5), settled (6–7)
 * The reason is there for void and conflict; a date that is absent is not written. Kinds 34 and 35 have the price of a share, others the
 * amount for all; a purpose is there in version 1 of kinds 49 and 50. */
#include "node/rules/member_step.h"
#include "node/rules/row_code.h"

enum {
    MEMBER_ROW_VERSION = 3,
    FLAG_MONTH = 0x08,
    FLAG_OFFICE = 0x40,
    FLAG_SHARES = 0x80,
    MORE_VERSION = 0x10,
    MORE_NO_DATE = 0x20,
    MORE_OTHER = 0x40,
    MORE_OWED = 0x80,
    MOVING_HOME = 0x01,
    MOVING_ARRIVAL = 0x02,
    MOVING_VOTED = 0x04,
    MOVING_UNTIL = 0x08,
};

static bool
has_price(uint16_t kind)
{
    return kind == KIND_MEMBER_ADMITTED || kind == KIND_SHARES_SUBSCRIBED || kind == KIND_HANDOVER_ACCEPTED ||
           kind == KIND_HANDOVER_COMPLETED;
}

static bool
has_moving(uint16_t kind, uint16_t version)
{
    return version == 1 && member_moving_kind(kind);
}

static bool
has_purpose(uint16_t kind, uint16_t version)
{
    return (kind == KIND_CONSENT_GIVEN || kind == KIND_CONSENT_WITHDRAWN) && version == 1;
}

static void
put_moving(struct buf *out, const struct member_entry *e)
{
    bool until = !date_is_none(e->until);
    buf_put_u8(out, (uint8_t)((e->has_home ? MOVING_HOME : 0) | (e->arrival ? MOVING_ARRIVAL : 0) |
                              (e->voted ? MOVING_VOTED : 0) | (until ? MOVING_UNTIL : 0) | (e->activities & 3) << 4 |
                              (e->settled & 3) << 6));
    if (e->has_home) {
        buf_put(out, e->home.b, sizeof(e->home.b));
    }
    if (e->arrival) {
        buf_put_u8(out, e->origin_reason);
    }
    buf_put_varint(out, e->purpose);
    buf_put_varint(out, e->classes);
    buf_put_u8(out, e->ground);
    if (until) {
        buf_put_svarint(out, e->until.days);
    }
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
    buf_put_u8(out,
               (uint8_t)(e->category | e->person_type << 2 | (e->kind_version != 1 ? MORE_VERSION : 0) |
                         (no_date ? MORE_NO_DATE : 0) | (e->has_other ? MORE_OTHER : 0) | (e->owed ? MORE_OWED : 0)));
    if (!no_date) {
        buf_put_svarint(out, e->effective.days);
    }
    buf_put_u8(out, e->capsule_mask);
    if (row_has_reason(e->outcome)) {
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
        buf_put_varint(out, (uint64_t)(has_price(e->kind) ? e->share_price_minor : e->amount_minor));
        buf_put(out, e->currency, CURRENCY_MAX - 1);
    }
    if (e->has_other) {
        buf_put(out, e->other.b, sizeof(e->other.b));
    }
    if (has_purpose(e->kind, e->kind_version)) {
        size_t len = strlen(e->text_version);
        buf_put_varint(out, e->purpose);
        buf_put_u8(out, (uint8_t)len);
        buf_put(out, e->text_version, len);
    }
    if (has_moving(e->kind, e->kind_version)) {
        put_moving(out, e);
    }
    for (uint8_t k = 0; k < e->n_refs; k++) {
        row_ref_put(out, &e->at, &e->refs[k]);
    }
}

int
member_row_encode(const struct member_row *r, struct buf *out, struct err *err)
{
    buf_put_u8(out, MEMBER_ROW_VERSION);
    buf_put_varint(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        put_entry(out, i > 0 ? &r->entries[i - 1].at : NULL, &r->entries[i]);
    }
    return buf_check(out, "member row", err);
}

static void
read_shares(struct reader *in, struct member_entry *e)
{
    bool price = has_price(e->kind);
    e->shares = reader_varint(in);
    uint64_t money = reader_varint(in);
    reader_copy(in, e->currency, CURRENCY_MAX - 1);
    if (e->shares == 0 || e->shares > (price ? SHARES_MAX : SHARES_HELD_MAX) ||
        money > (uint64_t)(price ? SHARE_PRICE_MINOR_MAX : REPAID_MINOR_MAX) || !currency_ok(e->currency)) {
        in->failed = true;
        return;
    }
    *(price ? &e->share_price_minor : &e->amount_minor) = (int64_t)money;
}

static void
read_purpose(struct reader *in, struct member_entry *e)
{
    uint64_t purpose = reader_varint(in);
    uint8_t len = reader_u8(in);
    if (purpose == 0 || purpose > UINT16_MAX || len > TEXT_VERSION_MAX) {
        in->failed = true;
        return;
    }
    e->purpose = (uint16_t)purpose;
    reader_copy(in, (uint8_t *)e->text_version, len);
    in->failed = in->failed || memchr(e->text_version, 0, len) != NULL;
}

static void
read_moving(struct reader *in, struct member_entry *e)
{
    uint8_t flags = reader_u8(in);
    e->has_home = (flags & MOVING_HOME) != 0;
    e->arrival = (flags & MOVING_ARRIVAL) != 0;
    e->voted = (flags & MOVING_VOTED) != 0;
    e->activities = flags >> 4 & 3;
    e->settled = flags >> 6 & 3;
    if (e->has_home) {
        reader_copy(in, e->home.b, sizeof(e->home.b));
    }
    e->origin_reason = e->arrival ? reader_u8(in) : 0;
    uint64_t purpose = reader_varint(in), classes = reader_varint(in);
    e->ground = reader_u8(in);
    int64_t until = (flags & MOVING_UNTIL) != 0 ? reader_svarint(in) : DATE_NONE.days;
    if (purpose > UINT16_MAX || classes > UINT16_MAX ||
        ((flags & MOVING_UNTIL) != 0 && (until < DATE_MIN.days || until > DATE_MAX.days)) ||
        (e->arrival && (e->kind != KIND_HANDOVER_COMPLETED || !e->has_home))) {
        in->failed = true;
        return;
    }
    e->purpose = (uint16_t)purpose;
    e->classes = (uint16_t)classes;
    e->until.days = (int32_t)until;
}

static void
read_entry(struct reader *in, const void *arg, const struct position *before, struct row_entry *head)
{
    struct member_entry *e = (struct member_entry *)head;
    (void)arg;
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
    e->reason = row_has_reason(e->outcome) ? (enum void_reason)reader_u8(in) : VOID_NONE;
    uint64_t version = (more & MORE_VERSION) != 0 ? reader_varint(in) : 1;
    e->kind_version = (uint16_t)version;
    e->effective.days = (int32_t)day;
    if (in->failed || kind == 0 || kind > UINT16_MAX || version == 0 || version > UINT16_MAX ||
        ((more & MORE_VERSION) != 0 && version == 1) || !row_outcome_ok(e->outcome, e->reason) ||
        ((more & MORE_NO_DATE) == 0 && (day < DATE_MIN.days || day > DATE_MAX.days))) {
        in->failed = true;
        return;
    }
    if (e->has_office) {
        reader_copy(in, e->office.b, sizeof(e->office.b));
    }
    if ((flags & FLAG_SHARES) != 0) {
        read_shares(in, e);
    }
    e->has_other = (more & MORE_OTHER) != 0;
    e->owed = (more & MORE_OWED) != 0;
    if (e->has_other) {
        reader_copy(in, e->other.b, sizeof(e->other.b));
    }
    if (has_purpose(e->kind, e->kind_version)) {
        read_purpose(in, e);
    }
    if (has_moving(e->kind, e->kind_version)) {
        read_moving(in, e);
    }
    for (uint8_t k = 0; k < e->n_refs; k++) {
        row_ref_read(in, &e->at, &e->refs[k]);
    }
}

int
member_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *subject,
                  struct member_row *ret, struct err *err)
{
    struct reader in = reader_of(bytes);
    struct row row = {.type = &member_row_type};
    in.failed = reader_u8(&in) != MEMBER_ROW_VERSION;
    int rc = row_read(&in, MEMBER_ROW_MAX, read_entry, NULL, &row, err);
    if (rc != 0) {
        return rc;
    }
    member_row_init(ret, unit, subject);
    ROW_BACK(ret, row);
    return 0;
}
