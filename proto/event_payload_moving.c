/* Payloads about members who move: custodians, handovers, doubles, access, erasure: kinds 20, 21 and 64 to 99. See event_payload.h;
 * docs/PROTOCOL.md §9. The list of kind 96 is read in place and written from the caller's array. */
#include "proto/budget.h"
#include "proto/event_payload.h"
#include "proto/fields.h"

enum {
    CLASS_NUMBER = 8, /* fields of kind 96 */
    GROUND_NUMBER = 9,
    GENERATION_NUMBER = 10,
    PLACE_NUMBER = 11,
    WIRE_VARINT = 0,
    WIRE_LENGTH = 2,
    TAG_WIRE_BITS = 3,
};

static const struct field_rule PLACE[] = {
    FIELD_FIXED_OF(struct erased_place, log),
    FIELD_RANGE_OF(FIELD_U64, struct erased_place, seq, 1, INT64_MAX),
    FIELD_RANGE_OF(FIELD_U16, struct erased_place, indexes, 1, UINT16_MAX),
};
static const struct fields PLACE_FIELDS = {&smartnode__erased_place__descriptor, PLACE};
static const struct field_path PLACE_PATH = {NULL, "capsule"};

static int unit_named(bool has, const ProtobufCBinaryData *b, const char *field, struct unit_id *ret, struct err *err);
static int range_from(bool has, uint32_t v, uint32_t max, const char *field, struct err *err);
static int class_add(uint32_t class, struct erasure *ret, struct err *err);
static int classes_from(size_t n, const uint32_t *classes, struct erasure *ret, struct err *err);
static size_t classes_write(const struct erasure *e, uint32_t *ret);

int
event_payload_check_writer(const struct event_payload *p, const struct unit_id *writer, struct err *err)
{
    const struct {
        uint16_t kind;
        const char *field;
        const struct unit_id *named;
    } rules[] = {
        {KIND_CUSTODIAN_NAMED, "custodian", &p->custodian.unit}, {KIND_UNIT_CLOSED, "custodian", &p->custodian.unit},
        {KIND_HANDOVER_OFFERED, "to", &p->handover.other},       {KIND_HANDOVER_ACCEPTED, "from", &p->handover.other},
        {KIND_HANDOVER_COMPLETED, "to", &p->handover.other},     {KIND_DOUBLE_DECLARED, "other_unit", &p->doubled.unit},
        {KIND_DOUBLE_SETTLED, "other_unit", &p->doubled.unit},   {KIND_ACCESS_GRANTED, "host", &p->access.host},
        {KIND_GUEST_RECORDED, "home", &p->guest.home},
    };
    if (p->kind == KIND_CUSTODIAN_NAMED && !p->custodian.has_unit)
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(rules); i++)
        if (rules[i].kind == p->kind && TYPE_EQ(rules[i].named, writer))
            return payload_field_wrong(err, rules[i].field);
    return 0;
}

/* ---- custodians ---- */

int
payload_read_custodian(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Custodian *c = (const Smartnode__Custodian *)m;
    if (!c->has_custodian && ret->kind == KIND_CUSTODIAN_NAMED)
        return 0;
    ret->custodian.has_unit = true;
    return unit_named(c->has_custodian, &c->custodian, "custodian", &ret->custodian.unit, err);
}

void
payload_write_custodian(const struct event_payload *p, struct payload_message *m)
{
    m->custodian.has_custodian = p->custodian.has_unit;
    m->custodian.custodian = payload_bin(p->custodian.unit.b, HASH_BYTES);
}

/* ---- handovers ---- */

int
payload_read_offered(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__HandoverOffered *h = (const Smartnode__HandoverOffered *)m;
    if (!h->has_proposed_on || !payload_date_ok(h->proposed_on))
        return payload_field_wrong(err, "proposed_on");
    ret->handover.proposed = (struct civil_date){h->proposed_on};
    return unit_named(h->has_to, &h->to, "to", &ret->handover.other, err);
}

void
payload_write_offered(const struct event_payload *p, struct payload_message *m)
{
    m->offered.has_to = m->offered.has_proposed_on = 1;
    m->offered.to = payload_bin(p->handover.other.b, HASH_BYTES);
    m->offered.proposed_on = p->handover.proposed.days;
}

/* Terms are those of an admission under other numbers, judged by the same rules. */
#define TERMS_FROM(admission, h)                                         \
    do {                                                                 \
        (admission)->has_category = (h)->has_category;                   \
        (admission)->category = (h)->category;                           \
        (admission)->has_person_type = (h)->has_person_type;             \
        (admission)->person_type = (h)->person_type;                     \
        (admission)->has_office = (h)->has_office;                       \
        (admission)->office = (h)->office;                               \
        (admission)->has_shares = (h)->has_shares;                       \
        (admission)->shares = (h)->shares;                               \
        (admission)->has_share_price_minor = (h)->has_share_price_minor; \
        (admission)->share_price_minor = (h)->share_price_minor;         \
        (admission)->currency = (h)->currency;                           \
    } while (0)

static int
terms_read(const Smartnode__Admission *a, struct event_payload *ret, struct err *err)
{
    struct event_payload p = {.kind = KIND_MEMBER_ADMITTED};
    int rc = payload_read_admission(&a->base, slice_of(NULL, 0), &p, err);
    if (rc == 0)
        ret->handover.terms = p.admission;
    return rc;
}

int
payload_read_accepted(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__HandoverAccepted *h = (const Smartnode__HandoverAccepted *)m;
    Smartnode__Admission terms = SMARTNODE__ADMISSION__INIT;
    TERMS_FROM(&terms, h);
    ret->handover.proposed = DATE_NONE;
    int rc = terms_read(&terms, ret, err);
    return rc != 0 ? rc : unit_named(h->has_from, &h->from, "from", &ret->handover.other, err);
}

void
payload_write_accepted(const struct event_payload *p, struct payload_message *m)
{
    struct event_payload admission = {.admission = p->handover.terms};
    struct payload_message terms;
    smartnode__admission__init(&terms.admission);
    payload_write_admission(&admission, &terms);
    TERMS_FROM(&m->accepted, &terms.admission);
    /* What the message borrows must be the caller's. */
    m->accepted.office = payload_bin(p->handover.terms.office.b, ID_BYTES);
    m->accepted.currency = payload_text(p->handover.terms.currency);
    m->accepted.has_from = 1;
    m->accepted.from = payload_bin(p->handover.other.b, HASH_BYTES);
}

int
payload_read_completed(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__HandoverCompleted *h = (const Smartnode__HandoverCompleted *)m;
    Smartnode__Admission terms = SMARTNODE__ADMISSION__INIT;
    TERMS_FROM(&terms, h);
    ret->handover.proposed = DATE_NONE;
    int rc = terms_read(&terms, ret, err);
    if (rc == 0)
        rc = unit_named(h->has_to, &h->to, "to", &ret->handover.other, err);
    if (rc == 0 && h->has_voted && h->voted != 1)
        rc = payload_field_wrong(err, "voted");
    if (rc == 0)
        rc = range_from(h->has_activities, h->activities, ACTIVITIES_TAKEN_ALONG, "activities", err);
    ret->handover.voted = h->has_voted;
    ret->handover.activities = (uint8_t)h->activities;
    return rc;
}

void
payload_write_completed(const struct event_payload *p, struct payload_message *m)
{
    struct event_payload admission = {.admission = p->handover.terms};
    struct payload_message terms;
    smartnode__admission__init(&terms.admission);
    payload_write_admission(&admission, &terms);
    TERMS_FROM(&m->completed, &terms.admission);
    m->completed.office = payload_bin(p->handover.terms.office.b, ID_BYTES);
    m->completed.currency = payload_text(p->handover.terms.currency);
    m->completed.has_to = m->completed.has_activities = 1;
    m->completed.to = payload_bin(p->handover.other.b, HASH_BYTES);
    m->completed.has_voted = m->completed.voted = p->handover.voted;
    m->completed.activities = p->handover.activities;
}

/* ---- doubles ---- */

static int
double_from(bool has_unit, const ProtobufCBinaryData *unit, bool has_other, const ProtobufCBinaryData *other,
            struct double_record *ret, struct err *err)
{
    if (!payload_bytes_are(has_other, other, ret->subject.b, ID_BYTES))
        return payload_field_wrong(err, "other");
    return unit_named(has_unit, unit, "other_unit", &ret->unit, err);
}

int
payload_read_declared(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__DoubleDeclared *d = (const Smartnode__DoubleDeclared *)m;
    return double_from(d->has_other_unit, &d->other_unit, d->has_other, &d->other, &ret->doubled, err);
}

void
payload_write_declared(const struct event_payload *p, struct payload_message *m)
{
    m->declared.has_other_unit = m->declared.has_other = 1;
    m->declared.other_unit = payload_bin(p->doubled.unit.b, HASH_BYTES);
    m->declared.other = payload_bin(p->doubled.subject.b, ID_BYTES);
}

int
payload_read_settled(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__DoubleSettled *d = (const Smartnode__DoubleSettled *)m;
    int rc = double_from(d->has_other_unit, &d->other_unit, d->has_other, &d->other, &ret->doubled, err);
    if (rc == 0)
        rc = range_from(d->has_outcome, d->outcome, DOUBLE_OTHER_GIVEN_UP, "outcome", err);
    if (rc == 0)
        rc = range_from(d->has_reason, d->reason, UINT16_MAX, "reason", err);
    ret->doubled.outcome = (uint8_t)d->outcome;
    ret->doubled.reason = (uint16_t)d->reason;
    return rc;
}

void
payload_write_settled(const struct event_payload *p, struct payload_message *m)
{
    m->settled.has_other_unit = m->settled.has_other = m->settled.has_outcome = m->settled.has_reason = 1;
    m->settled.other_unit = payload_bin(p->doubled.unit.b, HASH_BYTES);
    m->settled.other = payload_bin(p->doubled.subject.b, ID_BYTES);
    m->settled.outcome = p->doubled.outcome;
    m->settled.reason = p->doubled.reason;
}

/* ---- access ---- */

static int
access_from(bool has_member, const ProtobufCBinaryData *member, bool has_classes, uint32_t classes, struct access *ret,
            struct err *err)
{
    if (!payload_bytes_are(has_member, member, ret->member.b, ID_BYTES))
        return payload_field_wrong(err, "member");
    ret->classes = (uint16_t)classes;
    return range_from(has_classes, classes, ACCESS_CLASSES_ALL, "classes", err);
}

int
payload_read_granted(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__AccessGranted *g = (const Smartnode__AccessGranted *)m;
    struct access *a = &ret->access;
    int rc = access_from(g->has_member, &g->member, g->has_classes, g->classes, a, err);
    if (rc == 0)
        rc = unit_named(g->has_host, &g->host, "host", &a->host, err);
    if (rc == 0)
        rc = range_from(g->has_purpose, g->purpose, UINT16_MAX, "purpose", err);
    if (rc == 0 && g->has_until && !payload_date_ok(g->until))
        rc = payload_field_wrong(err, "until");
    a->purpose = (uint16_t)g->purpose;
    a->until = g->has_until ? (struct civil_date){g->until} : DATE_NONE;
    return rc;
}

void
payload_write_granted(const struct event_payload *p, struct payload_message *m)
{
    const struct access *a = &p->access;
    m->granted.has_member = m->granted.has_host = m->granted.has_classes = m->granted.has_purpose = 1;
    m->granted.member = payload_bin(a->member.b, ID_BYTES);
    m->granted.host = payload_bin(a->host.b, HASH_BYTES);
    m->granted.classes = a->classes;
    m->granted.purpose = a->purpose;
    m->granted.has_until = !date_is_none(a->until);
    m->granted.until = a->until.days;
}

int
payload_read_revoked(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__AccessRevoked *r = (const Smartnode__AccessRevoked *)m;
    ret->access.until = DATE_NONE;
    ret->access.reason = (uint8_t)r->reason;
    return range_from(r->has_reason, r->reason, UINT8_MAX, "reason", err);
}

void
payload_write_revoked(const struct event_payload *p, struct payload_message *m)
{
    m->revoked.has_reason = 1;
    m->revoked.reason = p->access.reason;
}

int
payload_read_pass(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__PassIssued *g = (const Smartnode__PassIssued *)m;
    struct access *a = &ret->access;
    int rc = access_from(g->has_member, &g->member, g->has_classes, g->classes, a, err);
    if (rc == 0 && (!g->has_until || !payload_date_ok(g->until)))
        rc = payload_field_wrong(err, "until");
    if (rc == 0)
        rc = range_from(g->has_stale_hours, g->stale_hours, STALE_HOURS_MAX, "stale_hours", err);
    if (rc == 0 && !payload_bytes_are(g->has_pass_key, &g->pass_key, a->pass_key.b, KEY_BYTES))
        rc = payload_field_wrong(err, "pass_key");
    a->until = (struct civil_date){g->until};
    a->stale_hours_max = (uint16_t)g->stale_hours;
    return rc;
}

void
payload_write_pass(const struct event_payload *p, struct payload_message *m)
{
    const struct access *a = &p->access;
    Smartnode__PassIssued *g = &m->pass;
    g->has_member = g->has_classes = g->has_until = g->has_stale_hours = g->has_pass_key = 1;
    g->member = payload_bin(a->member.b, ID_BYTES);
    g->classes = a->classes;
    g->until = a->until.days;
    g->stale_hours = a->stale_hours_max;
    g->pass_key = payload_bin(a->pass_key.b, KEY_BYTES);
}

int
payload_read_guest(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__GuestRecorded *g = (const Smartnode__GuestRecorded *)m;
    return unit_named(g->has_home, &g->home, "home", &ret->guest.home, err);
}

void
payload_write_guest(const struct event_payload *p, struct payload_message *m)
{
    m->guest.has_home = 1;
    m->guest.home = payload_bin(p->guest.home.b, HASH_BYTES);
}

/* ---- erasure and restriction ---- */

int
erased_place_compare(const struct erased_place *a, const struct erased_place *b)
{
    int c = memcmp(a->log.b, b->log.b, HASH_BYTES);
    return c != 0 ? c : (a->seq > b->seq) - (a->seq < b->seq);
}

int
payload_read_erasure(const ProtobufCMessage *m UNUSED, struct slice bytes, struct event_payload *ret, struct err *err)
{
    struct erasure *e = &ret->erasure;
    struct erased_place place, last;
    struct reader r = reader_of(bytes);
    struct wire_field f;
    int rc = 0;
    uint64_t ground = 0;
    e->until = DATE_NONE;
    while (rc == 0 && wire_field_next(&r, &f)) {
        switch (f.number) {
        case CLASS_NUMBER: rc = class_add((uint32_t)f.value, e, err); break;
        case GROUND_NUMBER: ground = f.value; break;
        case GENERATION_NUMBER:
            e->has_generation = true;
            e->generation = (uint32_t)f.value;
            break;
        case PLACE_NUMBER:
            place = (struct erased_place){0};
            rc = fields_read(&PLACE_FIELDS, &PLACE_PATH, f.bytes, &place, err);
            if (rc == 0 &&
                (e->n_places == ERASED_PLACES_MAX || (e->n_places > 0 && erased_place_compare(&last, &place) >= 0)))
                rc = payload_field_wrong(err, "capsule");
            last = place;
            e->n_places++;
            break;
        default: break;
        }
    }
    if (rc == 0 && e->n_classes == 0)
        rc = payload_field_wrong(err, "class");
    if (rc == 0)
        rc = range_from(true, (uint32_t)ground, UINT8_MAX, "ground", err);
    e->ground = (uint8_t)ground;
    return rc;
}

int
payload_append_erasure(const struct event_payload *p, struct buf *out, struct err *err)
{
    const struct erasure *e = &p->erasure;
    MUST(e->n_classes <= ERASURE_CLASSES_MAX);
    for (size_t i = 0; i < e->n_classes; i++) {
        buf_put_varint(out, CLASS_NUMBER << TAG_WIRE_BITS | WIRE_VARINT);
        buf_put_varint(out, e->classes[i]);
    }
    buf_put_varint(out, GROUND_NUMBER << TAG_WIRE_BITS | WIRE_VARINT);
    buf_put_varint(out, e->ground);
    if (e->has_generation) {
        buf_put_varint(out, GENERATION_NUMBER << TAG_WIRE_BITS | WIRE_VARINT);
        buf_put_varint(out, e->generation);
    }
    for (size_t i = 0; i < e->n_places; i++) {
        size_t len;
        int rc = fields_check(&PLACE_FIELDS, &PLACE_PATH, &e->places[i], &len, err);
        if (rc != 0)
            return rc;
        buf_put_varint(out, PLACE_NUMBER << TAG_WIRE_BITS | WIRE_LENGTH);
        buf_put_varint(out, len);
        fields_put(&PLACE_FIELDS, &e->places[i], out);
    }
    return 0;
}

size_t
erased_places_read(struct slice payload, struct erased_place *ret)
{
    struct reader r = reader_of(payload);
    struct wire_field f;
    size_t n = 0;
    while (n < ERASED_PLACES_MAX && wire_field_next(&r, &f)) {
        struct erased_place place = {0};
        if (f.number == PLACE_NUMBER && f.wire_type == WIRE_LENGTH &&
            fields_read(&PLACE_FIELDS, &PLACE_PATH, f.bytes, &place, NULL) == 0)
            ret[n++] = place;
    }
    return n;
}

int
payload_read_destroyed(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__CopiesDestroyed *d = (const Smartnode__CopiesDestroyed *)m;
    ret->destroyed = (struct destroyed){DATE_NONE, DATE_NONE};
    if (d->has_backup_on && !payload_date_ok(d->backup_on))
        return payload_field_wrong(err, "backup_on");
    if (d->has_backup_gone_on != d->has_backup_on ||
        (d->has_backup_on && (!payload_date_ok(d->backup_gone_on) || d->backup_gone_on < d->backup_on)))
        return payload_field_wrong(err, "backup_gone_on");
    if (d->has_backup_on)
        ret->destroyed = (struct destroyed){{d->backup_on}, {d->backup_gone_on}};
    return 0;
}

void
payload_write_destroyed(const struct event_payload *p, struct payload_message *m)
{
    m->destroyed.has_backup_on = !date_is_none(p->destroyed.backup_on);
    m->destroyed.backup_on = p->destroyed.backup_on.days;
    m->destroyed.has_backup_gone_on = !date_is_none(p->destroyed.backup_gone_on);
    m->destroyed.backup_gone_on = p->destroyed.backup_gone_on.days;
}

int
payload_read_restriction(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret,
                         struct err *err)
{
    const Smartnode__RestrictionOrdered *o = (const Smartnode__RestrictionOrdered *)m;
    struct erasure *e = &ret->erasure;
    int rc = classes_from(o->n_class_, o->class_, e, err);
    if (rc == 0)
        rc = range_from(o->has_ground, o->ground, UINT8_MAX, "ground", err);
    if (rc == 0 && o->has_until && !payload_date_ok(o->until))
        rc = payload_field_wrong(err, "until");
    e->ground = (uint8_t)o->ground;
    e->until = o->has_until ? (struct civil_date){o->until} : DATE_NONE;
    return rc;
}

void
payload_write_restriction(const struct event_payload *p, struct payload_message *m)
{
    m->restriction.n_class_ = classes_write(&p->erasure, m->classes);
    m->restriction.class_ = m->classes;
    m->restriction.has_ground = 1;
    m->restriction.ground = p->erasure.ground;
    m->restriction.has_until = !date_is_none(p->erasure.until);
    m->restriction.until = p->erasure.until.days;
}

int
payload_read_lifted(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__RestrictionLifted *l = (const Smartnode__RestrictionLifted *)m;
    ret->erasure.until = DATE_NONE;
    return classes_from(l->n_class_, l->class_, &ret->erasure, err);
}

void
payload_write_lifted(const struct event_payload *p, struct payload_message *m)
{
    m->lifted.n_class_ = classes_write(&p->erasure, m->classes);
    m->lifted.class_ = m->classes;
}

/* ---- parts ---- */

static int
unit_named(bool has, const ProtobufCBinaryData *b, const char *field, struct unit_id *ret, struct err *err)
{
    return payload_bytes_are(has, b, ret->b, HASH_BYTES) ? 0 : payload_field_wrong(err, field);
}

static int
range_from(bool has, uint32_t v, uint32_t max, const char *field, struct err *err)
{
    return has && v >= 1 && v <= max ? 0 : payload_field_wrong(err, field);
}

/* Strictly ascending, so that one set of classes is written in one way. */
static int
class_add(uint32_t class, struct erasure *ret, struct err *err)
{
    if (class < 1 || class > CAPSULE_CLASS_MAX || ret->n_classes == ERASURE_CLASSES_MAX ||
        (ret->n_classes > 0 && ret->classes[ret->n_classes - 1] >= class))
        return payload_field_wrong(err, "class");
    ret->classes[ret->n_classes++] = (uint8_t) class;
    return 0;
}

static int
classes_from(size_t n, const uint32_t *classes, struct erasure *ret, struct err *err)
{
    int rc = n > 0 ? 0 : payload_field_wrong(err, "class");
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = class_add(classes[i], ret, err);
    return rc;
}

static size_t
classes_write(const struct erasure *e, uint32_t *ret)
{
    MUST(e->n_classes <= ERASURE_CLASSES_MAX);
    for (size_t i = 0; i < e->n_classes; i++)
        ret[i] = e->classes[i];
    return e->n_classes;
}
