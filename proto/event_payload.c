/* Payloads: the registry of kinds, and what each kind's payload must hold. See event.h; docs/PROTOCOL.md §4, §7, §9.
 * Nothing from outside is accepted on the word of the generated decoder alone: message_check walks the wire first. What this
 * encodes it decodes before it hands it out, so that the rules stand in one place. */
#include "proto/event.h"

#include "events.pb-c.h"
#include "proto/budget.h"
#include "proto/event_payload.h"

enum {
    KIND_OWN_MAX = 63, /* kinds up to here speak only of the writer's own */
    CONTRIBUTION_BP_MAX = 10000,
    TIME_ZONE_BYTES_MAX = 64,
    COUNTRY_CHARS = 2,
    LANGUAGE_BYTES_MIN = 2,
    LANGUAGE_BYTES_MAX = 35,
    COMMON_ACTOR = 1,
    COMMON_SUBJECT = 2,
    COMMON_EFFECTIVE = 3,
    COMMON_PRECISION = 4,
    COMMON_SALT = 5,
    COMMON_SUBJECT_UNIT = 6,
    ROOT_STATEMENT = 20,
};

typedef int read_fn(const ProtobufCMessage *m, struct slice bytes, struct event_payload *ret, struct err *err);
typedef void write_fn(const struct event_payload *p, struct payload_message *m);

enum subject_rule { SUBJECT_NONE, SUBJECT_REQUIRED };
enum date_rule { DATE_ABSENT, DATE_REQUIRED };

static read_fn read_log_opened, read_escrow, read_unit, read_office, read_application, read_admission, read_shares,
    read_category, read_data;
static write_fn write_escrow, write_unit, write_office, write_application, write_admission, write_shares,
    write_category, write_data;

/* The registry of §9. A kind without a type is reserved: it has a name and no effect. */
static const struct kind_row {
    uint16_t kind;
    const char *name;
    const ProtobufCMessageDescriptor *type;
    enum subject_rule subject;
    enum date_rule date;
    read_fn *read;
    write_fn *write;
} kinds[] = {
    {KIND_LOG_OPENED, "log.opened", &smartnode__log_opened__descriptor, SUBJECT_NONE, DATE_ABSENT, read_log_opened,
     payload_write_log_opened},
    {KIND_ESCROW_OPENED, "escrow.opened", &smartnode__escrow_opened__descriptor, SUBJECT_NONE, DATE_ABSENT, read_escrow,
     write_escrow},
    {KIND_PAYLOADS_DROPPED, "payloads.dropped", NULL, SUBJECT_NONE, DATE_ABSENT, NULL, NULL},
    {KIND_UNIT_DESCRIBED, "unit.described", &smartnode__unit_described__descriptor, SUBJECT_NONE, DATE_REQUIRED,
     read_unit, write_unit},
    {KIND_OFFICE_OPENED, "office.opened", &smartnode__office__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, read_office,
     write_office},
    {KIND_OFFICE_CHANGED, "office.changed", &smartnode__office__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     read_office, write_office},
    {KIND_OFFICE_CLOSED, "office.closed", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL, NULL},
    {KIND_APPLICATION_RECEIVED, "application.received", &smartnode__application__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, read_application, write_application},
    {KIND_APPLICATION_REFUSED, "application.refused", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL},
    {KIND_MEMBER_ADMITTED, "member.admitted", &smartnode__admission__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     read_admission, write_admission},
    {KIND_SHARES_SUBSCRIBED, "shares.subscribed", &smartnode__shares__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     read_shares, write_shares},
    {KIND_CATEGORY_CHANGED, "category.changed", &smartnode__category_changed__descriptor, SUBJECT_REQUIRED,
     DATE_REQUIRED, read_category, write_category},
    {KIND_DATA_CHANGED, "data.changed", &smartnode__data_changed__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     read_data, write_data},
    {KIND_WITHDRAWAL_REQUESTED, "withdrawal.requested", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL},
    {KIND_WITHDRAWAL_GRANTED, "withdrawal.granted", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL},
    {KIND_WITHDRAWAL_REFUSED, "withdrawal.refused", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED,
     NULL, NULL},
    {KIND_MEMBER_RESIGNED, "member.resigned", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL,
     NULL},
    {KIND_MEMBER_EXCLUDED, "member.excluded", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL,
     NULL},
    {KIND_MEMBER_DECEASED, "member.deceased", &smartnode__common__descriptor, SUBJECT_REQUIRED, DATE_REQUIRED, NULL,
     NULL},
};

static const struct kind_row *
row_of(uint16_t kind)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++)
        if (kinds[i].kind == kind)
            return &kinds[i];
    return NULL;
}

static uint16_t hidden_kind; /* tests only */

bool
event_kind_known(uint16_t kind, uint16_t version)
{
    const struct kind_row *row = row_of(kind);
    return row && row->type && version == 1 && kind != hidden_kind;
}

void
event_kind_hide(uint16_t kind)
{
    hidden_kind = kind;
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

ProtobufCBinaryData
payload_bin(const void *p, size_t len)
{
    return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)p};
}

static char *
text(const char *s)
{
    return (char *)(uintptr_t)s;
}

static bool
date_in_range(int64_t days)
{
    return days >= DATE_MIN.days && days <= DATE_MAX.days;
}

static bool
country_ok(const char *s)
{
    return s[0] >= 'A' && s[0] <= 'Z' && s[1] >= 'A' && s[1] <= 'Z' && s[2] == '\0';
}

/* Letters, digits and `more`. Names of languages and time zones are not looked up: registries differ from node to node. */
static bool
name_chars(const char *s, const char *more)
{
    for (; *s; s++)
        if (!(*s >= 'a' && *s <= 'z') && !(*s >= 'A' && *s <= 'Z') && !(*s >= '0' && *s <= '9') && !strchr(more, *s))
            return false;
    return true;
}

static bool
money_ok(protobuf_c_boolean has, int64_t minor)
{
    return has && minor >= 1 && minor <= SHARE_PRICE_MINOR_MAX;
}

static bool
shares_ok(protobuf_c_boolean has, uint64_t shares)
{
    return has && shares >= 1 && shares <= SHARES_MAX;
}

/* ---- fields 1 to 5 ---- */

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
            if (!date_in_range(zigzag))
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

/* What a kind asks of fields 1 to 4 beyond that. */
static int
common_fits(const struct kind_row *row, const struct event_common *c, struct err *err)
{
    if (row->date == DATE_REQUIRED && !c->has_actor)
        return payload_field_wrong(err, "actor");
    if (c->has_subject != (row->subject == SUBJECT_REQUIRED))
        return payload_field_wrong(err, "subject");
    if (c->has_effective != (row->date == DATE_REQUIRED))
        return payload_field_wrong(err, "effective_on");
    if (c->has_subject_unit && row->kind <= KIND_OWN_MAX)
        return payload_field_wrong(err, "subject_unit");
    return 0;
}

/* ---- kinds ---- */

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

static int
read_escrow(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__EscrowOpened *e = (const Smartnode__EscrowOpened *)m;
    if (!e->has_day || !date_in_range(e->day))
        return payload_field_wrong(err, "day");
    ret->escrow_day = (struct civil_date){e->day};
    return 0;
}

static void
write_escrow(const struct event_payload *p, struct payload_message *m)
{
    m->escrow.has_day = 1;
    m->escrow.day = p->escrow_day.days;
}

static int
read_unit(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__UnitDescribed *u = (const Smartnode__UnitDescribed *)m;
    struct unit_described *d = &ret->unit;
    if (!payload_text_is(u->name, d->name.s, 1, NAME_BYTES_MAX))
        return payload_field_wrong(err, "name");
    if (!payload_text_is(u->country, d->country, COUNTRY_CHARS, COUNTRY_CHARS) || !country_ok(d->country))
        return payload_field_wrong(err, "country");
    if (!payload_text_is(u->currency, d->currency, 3, 3) || !currency_ok(d->currency))
        return payload_field_wrong(err, "currency");
    if (u->n_language < 1 || u->n_language > UNIT_LANGUAGES_MAX)
        return payload_field_wrong(err, "language");
    for (size_t i = 0; i < u->n_language; i++)
        if (!payload_text_is(u->language[i], d->languages[i], LANGUAGE_BYTES_MIN, LANGUAGE_BYTES_MAX) ||
            !name_chars(d->languages[i], "-"))
            return payload_field_wrong(err, "language");
    d->n_languages = (uint8_t)u->n_language;
    if (!payload_text_is(u->time_zone, d->time_zone.s, 1, TIME_ZONE_BYTES_MAX) || !name_chars(d->time_zone.s, "_+/-"))
        return payload_field_wrong(err, "time_zone");
    if (!u->has_contribution_bp || u->contribution_bp > CONTRIBUTION_BP_MAX)
        return payload_field_wrong(err, "contribution_bp");
    d->contribution_bp = u->contribution_bp;
    if (!money_ok(u->has_share_price_minor, u->share_price_minor))
        return payload_field_wrong(err, "share_price_minor");
    d->share_price_minor = u->share_price_minor;
    return 0;
}

static void
write_unit(const struct event_payload *p, struct payload_message *m)
{
    const struct unit_described *d = &p->unit;
    Smartnode__UnitDescribed *u = &m->unit;
    u->name = text(d->name.s);
    u->country = text(d->country);
    u->currency = text(d->currency);
    MUST(d->n_languages <= UNIT_LANGUAGES_MAX);
    for (size_t i = 0; i < d->n_languages; i++)
        m->languages[i] = text(d->languages[i]);
    u->n_language = d->n_languages;
    u->language = m->languages;
    u->time_zone = text(d->time_zone.s);
    u->has_contribution_bp = 1;
    u->contribution_bp = d->contribution_bp;
    u->has_share_price_minor = 1;
    u->share_price_minor = d->share_price_minor;
}

static int
read_office(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Office *o = (const Smartnode__Office *)m;
    if (!payload_text_is(o->name, ret->office.name.s, 1, NAME_BYTES_MAX))
        return payload_field_wrong(err, "name");
    if (!payload_text_is(o->city, ret->office.city.s, 1, NAME_BYTES_MAX))
        return payload_field_wrong(err, "city");
    if (!payload_text_is(o->country, ret->office.country, COUNTRY_CHARS, COUNTRY_CHARS) ||
        !country_ok(ret->office.country))
        return payload_field_wrong(err, "country");
    return 0;
}

static void
write_office(const struct event_payload *p, struct payload_message *m)
{
    m->office.name = text(p->office.name.s);
    m->office.city = text(p->office.city.s);
    m->office.country = text(p->office.country);
}

static int
category_from(protobuf_c_boolean has, uint32_t v, uint8_t *ret, struct err *err)
{
    if (!has || v < CATEGORY_A || v > CATEGORY_C)
        return payload_field_wrong(err, "category");
    *ret = (uint8_t)v;
    return 0;
}

/* Only category C may be a legal person. */
static int
person_type_from(protobuf_c_boolean has, uint32_t v, uint8_t category, uint8_t *ret, struct err *err)
{
    if (!has || v < PERSON_NATURAL || v > PERSON_LEGAL || (v == PERSON_LEGAL && category != CATEGORY_C))
        return payload_field_wrong(err, "person_type");
    *ret = (uint8_t)v;
    return 0;
}

static int
read_application(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Application *a = (const Smartnode__Application *)m;
    int rc = category_from(a->has_category, a->category, &ret->admission.category, err);
    if (rc == 0)
        rc = person_type_from(a->has_person_type, a->person_type, ret->admission.category, &ret->admission.person_type,
                              err);
    if (rc == 0 && !payload_bytes_are(a->has_office, &a->office, ret->admission.office.b, ID_BYTES))
        rc = payload_field_wrong(err, "office");
    return rc;
}

static void
write_application(const struct event_payload *p, struct payload_message *m)
{
    Smartnode__Application *a = &m->application;
    a->has_category = a->has_person_type = a->has_office = 1;
    a->category = p->admission.category;
    a->person_type = p->admission.person_type;
    a->office = payload_bin(p->admission.office.b, ID_BYTES);
}

static int
read_admission(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Admission *a = (const Smartnode__Admission *)m;
    struct admission *d = &ret->admission;
    int rc = category_from(a->has_category, a->category, &d->category, err);
    if (rc == 0)
        rc = person_type_from(a->has_person_type, a->person_type, d->category, &d->person_type, err);
    if (rc != 0)
        return rc;
    if (!payload_bytes_are(a->has_office, &a->office, d->office.b, ID_BYTES))
        return payload_field_wrong(err, "office");
    if (!shares_ok(a->has_shares, a->shares))
        return payload_field_wrong(err, "shares");
    if (!money_ok(a->has_share_price_minor, a->share_price_minor))
        return payload_field_wrong(err, "share_price_minor");
    if (!payload_text_is(a->currency, d->currency, 3, 3) || !currency_ok(d->currency))
        return payload_field_wrong(err, "currency");
    d->shares = a->shares;
    d->share_price_minor = a->share_price_minor;
    return 0;
}

static void
write_admission(const struct event_payload *p, struct payload_message *m)
{
    Smartnode__Admission *a = &m->admission;
    a->has_category = a->has_person_type = a->has_office = a->has_shares = a->has_share_price_minor = 1;
    a->category = p->admission.category;
    a->person_type = p->admission.person_type;
    a->office = payload_bin(p->admission.office.b, ID_BYTES);
    a->shares = p->admission.shares;
    a->share_price_minor = p->admission.share_price_minor;
    a->currency = text(p->admission.currency);
}

static int
read_shares(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Shares *s = (const Smartnode__Shares *)m;
    if (!shares_ok(s->has_shares, s->shares))
        return payload_field_wrong(err, "shares");
    if (!money_ok(s->has_share_price_minor, s->share_price_minor))
        return payload_field_wrong(err, "share_price_minor");
    if (!payload_text_is(s->currency, ret->shares.currency, 3, 3) || !currency_ok(ret->shares.currency))
        return payload_field_wrong(err, "currency");
    ret->shares.shares = s->shares;
    ret->shares.share_price_minor = s->share_price_minor;
    return 0;
}

static void
write_shares(const struct event_payload *p, struct payload_message *m)
{
    m->shares.has_shares = m->shares.has_share_price_minor = 1;
    m->shares.shares = p->shares.shares;
    m->shares.share_price_minor = p->shares.share_price_minor;
    m->shares.currency = text(p->shares.currency);
}

static int
read_category(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__CategoryChanged *c = (const Smartnode__CategoryChanged *)m;
    return category_from(c->has_category, c->category, &ret->category, err);
}

static void
write_category(const struct event_payload *p, struct payload_message *m)
{
    m->category.has_category = 1;
    m->category.category = p->category;
}

static int
read_data(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__DataChanged *d = (const Smartnode__DataChanged *)m;
    if (d->has_office && !payload_bytes_are(1, &d->office, ret->data.office.b, ID_BYTES))
        return payload_field_wrong(err, "office");
    ret->data.has_office = d->has_office;
    return 0;
}

static void
write_data(const struct event_payload *p, struct payload_message *m)
{
    m->data.has_office = p->data.has_office;
    m->data.office = payload_bin(p->data.office.b, ID_BYTES);
}

/* ---- payloads ---- */

static int
decode_of(const struct kind_row *row, struct slice bytes, struct event_payload *ret, struct err *err)
{
    struct event_payload p = {.kind = row->kind};
    if (bytes.len > PAYLOAD_BYTES_MAX)
        return err_set(err, ERR_INVALID, "payload: larger than %d bytes", PAYLOAD_BYTES_MAX);
    int rc = event_common_decode(bytes, &p.common, err);
    if (rc == 0)
        rc = common_fits(row, &p.common, err);
    /* Checked before unpacking, so that the verdict on a payload never depends on the memory there is. */
    if (rc == 0)
        rc = message_check(row->type, bytes, PAYLOAD_FIELDS_MAX, err);
    if (rc == ERR_LIMIT)
        return err_set(err, ERR_INVALID, "payload: more than %d fields", PAYLOAD_FIELDS_MAX);
    if (rc != 0)
        return rc;
    if (row->read) {
        struct budget budget;
        ProtobufCMessage *m;
        budget_init(&budget, bytes.len);
        rc = message_unpack(row->type, bytes, PAYLOAD_FIELDS_MAX, &budget, &m, err);
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
    /* Field 6 belongs to no kind that is written here. */
    MUST(!c->has_subject_unit);
    m->salt = payload_bin(c->salt, ID_BYTES);
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
    int rc = buf_check(out, "payload", err);
    if (rc != 0)
        return rc;
    struct event_payload check;
    rc = decode_of(row, slice_of(out->data + before, out->len - before), &check, err);
    if (rc != 0) {
        out->len = before;
        return err_wrap(err, "%s", row->name);
    }
    return 0;
}
