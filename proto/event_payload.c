/* Payloads: the registry of kinds, and what each kind's payload must hold. See event.h; docs/PROTOCOL.md §4, §7, §9.
 * Nothing from outside is accepted on the word of the generated decoder alone: message_check walks the wire first. What this
 * encodes it decodes before it hands it out, so that the rules stand in one place. */
#include "proto/event.h"

#include "events.pb-c.h"
#include "proto/budget.h"
#include "proto/event_payload.h"

enum {
    KIND_OWN_MAX = 112,
    KIND_OWN_POSTING_MIN = 224,
    KIND_OWN_POSTING_MAX = 226,
    COMMON_ACTOR = 1,
    COMMON_SUBJECT = 2,
    COMMON_EFFECTIVE = 3,
    COMMON_PRECISION = 4,
    COMMON_SALT = 5,
    COMMON_SUBJECT_UNIT = 6,
    ROOT_STATEMENT = 20,
};

enum subject_rule { SUBJECT_NONE, SUBJECT_REQUIRED };
enum date_rule { DATE_ABSENT, DATE_REQUIRED, DATE_MONTH };

static payload_read_fn read_log_opened;

/* The registry of §9. A kind without a type is reserved: it has a name and no effect. One that is appended has no write. */
static const struct kind_row {
    uint16_t kind;
    const char *name;
    const ProtobufCMessageDescriptor *type;
    enum subject_rule subject;
    enum date_rule date;
    payload_read_fn *read;
    payload_write_fn *write;
    payload_append_fn *append;
} kinds[] = {
    {KIND_LOG_OPENED, "log.opened", &smartnode__log_opened__descriptor, SUBJECT_NONE, DATE_ABSENT, read_log_opened,
     payload_write_log_opened, NULL},
    {KIND_ESCROW_OPENED, "escrow.opened", &smartnode__escrow_opened__descriptor, SUBJECT_NONE, DATE_ABSENT,
     payload_read_escrow, payload_write_escrow, NULL},
    {KIND_PAYLOADS_DROPPED, "payloads.dropped", NULL, SUBJECT_NONE, DATE_ABSENT, NULL, NULL, NULL},
    {KIND_UNIT_DESCRIBED, "unit.described", &smartnode__unit_described__descriptor, SUBJECT_NONE, DATE_REQUIRED,
     payload_read_unit, payload_write_unit, NULL},
    {KIND_OFFICE_OPENED, "office.opened", &smartnode__office__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_office, payload_write_office, NULL},
    {KIND_OFFICE_CHANGED, "office.changed", &smartnode__office__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_office, payload_write_office, NULL},
    {KIND_OFFICE_CLOSED, "office.closed", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL, NULL,
     NULL},
    {KIND_CUSTODIAN_NAMED, "custodian.named", &smartnode__custodian__descriptor, SUBJECT_NONE, DATE_REQUIRED,
     payload_read_custodian, payload_write_custodian, NULL},
    {KIND_UNIT_CLOSED, "unit.closed", &smartnode__custodian__descriptor, SUBJECT_NONE, DATE_REQUIRED,
     payload_read_custodian, payload_write_custodian, NULL},
    {KIND_APPLICATION_RECEIVED, "application.received", &smartnode__application__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_application, payload_write_application, NULL},
    {KIND_APPLICATION_REFUSED, "application.refused", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL, NULL},
    {KIND_MEMBER_ADMITTED, "member.admitted", &smartnode__admission__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_admission, payload_write_admission, NULL},
    {KIND_SHARES_SUBSCRIBED, "shares.subscribed", &smartnode__shares__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_shares, payload_write_shares, NULL},
    {KIND_CATEGORY_CHANGED, "category.changed", &smartnode__category_changed__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_category, payload_write_category, NULL},
    {KIND_DATA_CHANGED, "data.changed", &smartnode__data_changed__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_data, payload_write_data, NULL},
    {KIND_WITHDRAWAL_REQUESTED, "withdrawal.requested", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL, NULL},
    {KIND_WITHDRAWAL_GRANTED, "withdrawal.granted", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL, NULL},
    {KIND_WITHDRAWAL_REFUSED, "withdrawal.refused", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL, NULL},
    {KIND_MEMBER_RESIGNED, "member.resigned", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL,
     NULL, NULL},
    {KIND_MEMBER_EXCLUDED, "member.excluded", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL,
     NULL, NULL},
    {KIND_MEMBER_DECEASED, "member.deceased", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL,
     NULL, NULL},
    {KIND_SHARES_REPAID, "shares.repaid", &smartnode__shares_repaid__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_repaid, payload_write_repaid, NULL},
    {KIND_REPRESENTATIVE_NAMED, "representative.named", &smartnode__representative__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_representative, payload_write_representative, NULL},
    {KIND_REPRESENTATIVE_ENDED, "representative.ended", &smartnode__representative__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_representative, payload_write_representative, NULL},
    {KIND_MEMBER_MERGED, "member.merged", &smartnode__merged__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_merged, payload_write_merged, NULL},
    {KIND_MEMBER_ABSORBED, "member.absorbed", &smartnode__absorbed__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_absorbed, payload_write_absorbed, NULL},
    {KIND_CONSENT_GIVEN, "consent.given", &smartnode__consent_given__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_consent_given, payload_write_consent_given, NULL},
    {KIND_CONSENT_WITHDRAWN, "consent.withdrawn", &smartnode__consent_withdrawn__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_consent_withdrawn, payload_write_consent_withdrawn, NULL},
    {KIND_ENTRY_CANCELLED, "entry.cancelled", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL,
     NULL, NULL},
    {KIND_HANDOVER_OFFERED, "handover.offered", &smartnode__handover_offered__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_offered, payload_write_offered, NULL},
    {KIND_HANDOVER_ACCEPTED, "handover.accepted", &smartnode__handover_accepted__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_accepted, payload_write_accepted, NULL},
    {KIND_HANDOVER_COMPLETED, "handover.completed", &smartnode__handover_completed__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_completed, payload_write_completed, NULL},
    {KIND_HANDOVER_WITHDRAWN, "handover.withdrawn", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL, NULL},
    {KIND_HANDOVER_RECEIVED, "handover.received", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL,
     NULL, NULL},
    {KIND_DOUBLE_DECLARED, "double.declared", &smartnode__double_declared__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_declared, payload_write_declared, NULL},
    {KIND_DOUBLE_SETTLED, "double.settled", &smartnode__double_settled__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_settled, payload_write_settled, NULL},
    {KIND_ACCESS_GRANTED, "access.granted", &smartnode__access_granted__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_granted, payload_write_granted, NULL},
    {KIND_ACCESS_REVOKED, "access.revoked", &smartnode__access_revoked__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_revoked, payload_write_revoked, NULL},
    {KIND_PASS_ISSUED, "pass.issued", &smartnode__pass_issued__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_pass, payload_write_pass, NULL},
    {KIND_ACCESS_RENEWED, "access.renewed", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL, NULL,
     NULL},
    {KIND_GUEST_RECORDED, "guest.recorded", &smartnode__guest_recorded__descriptor, SUBJECT_NONE, DATE_MONTH,
     payload_read_guest, payload_write_guest, NULL},
    {KIND_ERASURE_ORDERED, "erasure.ordered", &smartnode__erasure_ordered__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     payload_read_erasure, NULL, payload_append_erasure},
    {KIND_COPIES_DESTROYED, "copies.destroyed", &smartnode__copies_destroyed__descriptor, SUBJECT_NONE, DATE_REQUIRED,
     payload_read_destroyed, payload_write_destroyed, NULL},
    {KIND_RESTRICTION_ORDERED, "restriction.ordered", &smartnode__restriction_ordered__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_restriction, payload_write_restriction, NULL},
    {KIND_RESTRICTION_LIFTED, "restriction.lifted", &smartnode__restriction_lifted__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, payload_read_lifted, payload_write_lifted, NULL},
    {KIND_ACTIVITY_OPENED, "activity.opened", &smartnode__activity__descriptor, SUBJECT_REQUIRED, DATE_MONTH,
     payload_read_activity, payload_write_activity, NULL},
    {KIND_ACTIVITY_CHANGED, "activity.changed", &smartnode__activity__descriptor, SUBJECT_REQUIRED, DATE_MONTH,
     payload_read_activity, payload_write_activity, NULL},
    {KIND_ACTIVITY_CLOSED, "activity.closed", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_MONTH, NULL, NULL,
     NULL},
    {KIND_ACTIVITY_CANCELLED, "activity.cancelled", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_MONTH, NULL,
     NULL, NULL},
    {KIND_INVOICE_ISSUED, "invoice.issued", &smartnode__invoice__descriptor, SUBJECT_REQUIRED, DATE_MONTH,
     payload_read_invoice, payload_write_invoice, NULL},
    {KIND_INVOICE_CREDITED, "invoice.credited", &smartnode__credit_note__descriptor, SUBJECT_REQUIRED, DATE_MONTH,
     payload_read_credit, payload_write_credit, NULL},
    {KIND_INVOICE_CANCELLED, "invoice.cancelled", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_MONTH, NULL,
     NULL, NULL},
    {KIND_PERSON_ACTIVE, "person.active", &smartnode__person_active__descriptor, SUBJECT_REQUIRED, DATE_MONTH,
     payload_read_active, NULL, payload_append_active},
    {KIND_POSTING_ISSUED, "posting.issued", &smartnode__posting__descriptor, SUBJECT_REQUIRED, DATE_MONTH,
     payload_read_posting, payload_write_posting, NULL},
    {KIND_POSTING_CHANGED, "posting.changed", &smartnode__posting__descriptor, SUBJECT_REQUIRED, DATE_MONTH,
     payload_read_posting, payload_write_posting, NULL},
    {KIND_POSTING_CANCELLED, "posting.cancelled", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_MONTH, NULL,
     NULL, NULL},
    {KIND_PERIOD_CLOSED, "period.closed", &smartnode__period_closed__descriptor, SUBJECT_NONE, DATE_REQUIRED,
     payload_read_closed, NULL, payload_append_closed},
};

static const struct kind_row *
row_of(uint16_t kind)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}

static uint16_t hidden_kind, hidden_from; /* tests only */

bool
event_kind_known(uint16_t kind, uint16_t version)
{
    const struct kind_row *row = row_of(kind);
    return row && row->type && version == 1 && kind != hidden_kind && (hidden_from == 0 || kind < hidden_from);
}

void
event_kind_hide(uint16_t kind)
{
    hidden_kind = kind;
}

void
event_kind_hide_from(uint16_t kind)
{
    hidden_from = kind;
}

bool
event_kind_own(uint16_t kind, uint16_t version)
{
    /* §4, known kinds or not. */
    return version == 1 && (kind <= KIND_OWN_MAX || (kind >= KIND_OWN_POSTING_MIN && kind <= KIND_OWN_POSTING_MAX) ||
                            kind == KIND_PERIOD_CLOSED);
}

bool
event_kind_must_understand(uint16_t kind)
{
    switch (kind) {
    case KIND_LOG_OPENED:
    case KIND_MEMBER_MERGED:
    case KIND_MEMBER_ABSORBED:
    case KIND_ENTRY_CANCELLED:
    case KIND_HANDOVER_OFFERED:
    case KIND_HANDOVER_ACCEPTED:
    case KIND_HANDOVER_COMPLETED:
    case KIND_HANDOVER_WITHDRAWN:
    case KIND_HANDOVER_RECEIVED:
    case KIND_DOUBLE_SETTLED:
    case KIND_ERASURE_ORDERED:
    case KIND_RESTRICTION_ORDERED: return true;
    default: return false;
    }
}

const char *
event_kind_name(uint16_t kind)
{
    const struct kind_row *row = row_of(kind);
    return row ? row->name : "unknown";
}

uint16_t
event_kind_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].kind;
    return 0;
}

/* ---- fields ---- */

int
payload_field_wrong(struct err *err, const char *field)
{
    return err_field(err, ERR_INVALID, field, "%s: missing, or not what it must be", field);
}

bool
payload_bytes_are(protobuf_c_boolean has, const ProtobufCBinaryData *b, void *out, size_t len)
{
    if (!has || b->len != len)
        return false;
    memcpy(out, b->data, len);
    return true;
}

/* message_check has refused control characters, so that strlen sees all of it. */
bool
payload_text_is(const char *s, char *out, size_t min, size_t max)
{
    size_t len = s ? strlen(s) : 0;
    if (!s || len < min || len > max)
        return false;
    memcpy(out, s, len + 1);
    return true;
}

char *
payload_text(const char *s)
{
    return (char *)(uintptr_t)s;
}

ProtobufCBinaryData
payload_bin(const void *p, size_t len)
{
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)p};
}

bool
payload_date_ok(int64_t days)
{
    return days >= DATE_MIN.days && days <= DATE_MAX.days;
}

/* ---- fields 1 to 6 ---- */

int
event_common_decode(struct slice bytes, struct event_common *ret, struct err *err)
{
    int rc = message_check(&smartnode__common__descriptor, bytes, SIZE_MAX, err);
    if (rc != 0)
        return rc;
    struct event_common c = {.effective = DATE_NONE};
    struct reader r = reader_of(bytes);
    struct wire_field f;
    while (wire_field_next(&r, &f)) {
        ProtobufCBinaryData b = payload_bin(f.bytes.data, f.bytes.len);
        int64_t zigzag = (int64_t)(f.value >> 1) ^ -(int64_t)(f.value & 1);
        switch (f.number) {
        case COMMON_ACTOR:
            if (!payload_bytes_are(1, &b, c.actor.b, ID_BYTES))
                return payload_field_wrong(err, "actor");
            c.has_actor = true;
            break;
        case COMMON_SUBJECT:
            if (!payload_bytes_are(1, &b, c.subject.b, ID_BYTES))
                return payload_field_wrong(err, "subject");
            c.has_subject = true;
            break;
        case COMMON_EFFECTIVE:
            if (!payload_date_ok(zigzag))
                return payload_field_wrong(err, "effective_on");
            c.effective = (struct civil_date){(int32_t)zigzag};
            c.has_effective = true;
            break;
        case COMMON_PRECISION:
            if (f.value != PRECISION_MONTH)
                return payload_field_wrong(err, "precision");
            c.precision = PRECISION_MONTH;
            break;
        case COMMON_SALT:
            if (!payload_bytes_are(1, &b, c.salt, ID_BYTES))
                return payload_field_wrong(err, "salt");
            c.has_salt = true;
            break;
        case COMMON_SUBJECT_UNIT:
            if (!payload_bytes_are(1, &b, c.subject_unit.b, HASH_BYTES))
                return payload_field_wrong(err, "subject_unit");
            c.has_subject_unit = true;
            break;
        default: break;
        }
    }
    if (!c.has_salt)
        return payload_field_wrong(err, "salt");
    if (c.precision == PRECISION_MONTH && (!c.has_effective || date_month_start(c.effective).days != c.effective.days))
        return payload_field_wrong(err, "precision");
    *ret = c;
    return 0;
}

/* What a kind asks of them beyond that. */
static int
common_fits(const struct kind_row *row, const struct event_common *c, struct err *err)
{
    if (row->date != DATE_ABSENT && !c->has_actor)
        return payload_field_wrong(err, "actor");
    if (c->has_subject != (row->subject == SUBJECT_REQUIRED))
        return payload_field_wrong(err, "subject");
    if (c->has_effective != (row->date != DATE_ABSENT))
        return payload_field_wrong(err, "effective_on");
    if (row->date == DATE_MONTH && c->precision != PRECISION_MONTH)
        return payload_field_wrong(err, "precision");
    if (c->has_subject_unit && event_kind_own(row->kind, 1))
        return payload_field_wrong(err, "subject_unit");
    return 0;
}

/* ---- kind 1 ---- */

static int
read_log_opened(const ProtobufCMessage *m, struct slice bytes, struct event_payload *ret, struct err *err)
{
    int rc = payload_read_log_opened((const Smartnode__LogOpened *)m, &ret->log_opened, err);
    if (rc != 0 || !ret->log_opened.has_root_statement)
        return rc;
    /* Borrowed from the payload, because the message is freed. */
    struct reader r = reader_of(bytes);
    struct wire_field f;
    while (wire_field_next(&r, &f))
        if (f.number == ROOT_STATEMENT)
            ret->log_opened.root_statement = f.bytes;
    return 0;
}

/* ---- payloads ---- */

static int
decode_of(const struct kind_row *row, struct slice bytes, struct event_payload *ret, struct err *err)
{
    struct event_payload p = {.kind = row->kind};
    size_t fields_max = row->kind == KIND_PERIOD_CLOSED ? PERIOD_FIELDS_MAX : PAYLOAD_FIELDS_MAX;
    if (bytes.len > PAYLOAD_BYTES_MAX)
        return err_set(err, ERR_INVALID, "payload: larger than %d bytes", PAYLOAD_BYTES_MAX);
    int rc = event_common_decode(bytes, &p.common, err);
    if (rc == 0)
        rc = common_fits(row, &p.common, err);
    /* Checked before unpacking, so that the verdict on a payload never depends on the memory there is. */
    if (rc == 0)
        rc = message_check(row->type, bytes, fields_max, err);
    if (rc == ERR_LIMIT)
        return err_set(err, ERR_INVALID, "payload: more than %zu fields", fields_max);
    if (rc != 0)
        return rc;
    if (row->append) {
        rc = row->read(NULL, bytes, &p, err);
    } else if (row->read) {
        struct budget budget;
        ProtobufCMessage *m;
        budget_init(&budget, bytes.len);
        rc = message_unpack(row->type, bytes, fields_max, &budget, &m, err);
        if (rc != 0)
            return rc;
        rc = row->read(m, bytes, &p, err);
        message_free(m, &budget);
    }
    if (rc == 0)
        *ret = p;
    return rc;
}

int
event_payload_decode(uint16_t kind, uint16_t version, struct slice bytes, struct event_payload *ret, struct err *err)
{
    if (!event_kind_known(kind, version))
        return err_set(err, ERR_UNKNOWN_KIND, "kind %u of version %u is not known", (unsigned)kind, (unsigned)version);
    int rc = decode_of(row_of(kind), bytes, ret, err);
    return rc == 0 ? 0 : err_wrap(err, "%s", event_kind_name(kind));
}

/* Every generated payload begins as Common does (asserted in event_payload.h). */
static void
write_common(const struct event_common *c, Smartnode__Common *m)
{
    m->has_actor = c->has_actor;
    m->actor = payload_bin(c->actor.b, ID_BYTES);
    m->has_subject = c->has_subject;
    m->subject = payload_bin(c->subject.b, ID_BYTES);
    m->has_effective_on = c->has_effective;
    m->effective_on = c->effective.days;
    m->has_precision = c->precision != PRECISION_DAY;
    m->precision = c->precision;
    m->has_salt = c->has_salt;
    m->salt = payload_bin(c->salt, ID_BYTES);
    m->has_subject_unit = c->has_subject_unit;
    m->subject_unit = payload_bin(c->subject_unit.b, HASH_BYTES);
}

int
event_payload_encode(const struct event_payload *p, struct buf *out, struct err *err)
{
    if (!event_kind_known(p->kind, 1))
        return err_set(err, ERR_UNKNOWN_KIND, "kind %u is not known", (unsigned)p->kind);
    const struct kind_row *row = row_of(p->kind);
    struct payload_message m;
    MUST(row->type->sizeof_message <= sizeof(m.room));
    row->type->message_init(&m.base);
    write_common(&p->common, &m.common);
    if (row->write)
        row->write(p, &m);
    size_t before = out->len;
    message_pack(&m.base, out);
    int rc = row->append ? row->append(p, out, err) : 0;
    if (rc == 0)
        rc = buf_check(out, "payload", err);
    struct event_payload check;
    if (rc == 0)
        rc = decode_of(row, slice_of(out->data + before, out->len - before), &check, err);
    if (rc != 0) {
        out->len = before;
        return err_wrap(err, "%s", row->name);
    }
    return 0;
}
