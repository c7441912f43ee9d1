/* Payloads of units, offices and the register: kinds 2 to 63. See event_payload.h; docs/PROTOCOL.md §9. */
#include "events.pb-c.h"
#include "proto/event_payload.h"

enum {
    CONTRIBUTION_BP_MAX = 10000,
    TIME_ZONE_BYTES_MAX = 64,
    COUNTRY_CHARS = 2,
    LANGUAGE_BYTES_MIN = 2,
    LANGUAGE_BYTES_MAX = 35,
};

bool
payload_country_ok(const char *s)
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

int
payload_read_escrow(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__EscrowOpened *e = (const Smartnode__EscrowOpened *)m;
    if (!e->has_day || !payload_date_ok(e->day))
        return payload_field_wrong(err, "day");
    ret->escrow_day = (struct civil_date){e->day};
    return 0;
}

void
payload_write_escrow(const struct event_payload *p, struct payload_message *m)
{
    m->escrow.has_day = 1;
    m->escrow.day = p->escrow_day.days;
}

int
payload_read_unit(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__UnitDescribed *u = (const Smartnode__UnitDescribed *)m;
    struct unit_described *d = &ret->unit;
    if (!payload_text_is(u->name, d->name.s, 1, NAME_BYTES_MAX))
        return payload_field_wrong(err, "name");
    if (!payload_text_is(u->country, d->country, COUNTRY_CHARS, COUNTRY_CHARS) || !payload_country_ok(d->country))
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

void
payload_write_unit(const struct event_payload *p, struct payload_message *m)
{
    const struct unit_described *d = &p->unit;
    Smartnode__UnitDescribed *u = &m->unit;
    u->name = payload_text(d->name.s);
    u->country = payload_text(d->country);
    u->currency = payload_text(d->currency);
    MUST(d->n_languages <= UNIT_LANGUAGES_MAX);
    for (size_t i = 0; i < d->n_languages; i++)
        m->languages[i] = payload_text(d->languages[i]);
    u->n_language = d->n_languages;
    u->language = m->languages;
    u->time_zone = payload_text(d->time_zone.s);
    u->has_contribution_bp = 1;
    u->contribution_bp = d->contribution_bp;
    u->has_share_price_minor = 1;
    u->share_price_minor = d->share_price_minor;
}

int
payload_read_office(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Office *o = (const Smartnode__Office *)m;
    if (!payload_text_is(o->name, ret->office.name.s, 1, NAME_BYTES_MAX))
        return payload_field_wrong(err, "name");
    if (!payload_text_is(o->city, ret->office.city.s, 1, NAME_BYTES_MAX))
        return payload_field_wrong(err, "city");
    if (!payload_text_is(o->country, ret->office.country, COUNTRY_CHARS, COUNTRY_CHARS) ||
        !payload_country_ok(ret->office.country))
        return payload_field_wrong(err, "country");
    return 0;
}

void
payload_write_office(const struct event_payload *p, struct payload_message *m)
{
    m->office.name = payload_text(p->office.name.s);
    m->office.city = payload_text(p->office.city.s);
    m->office.country = payload_text(p->office.country);
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

int
payload_read_application(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret,
                         struct err *err)
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

void
payload_write_application(const struct event_payload *p, struct payload_message *m)
{
    Smartnode__Application *a = &m->application;
    a->has_category = a->has_person_type = a->has_office = 1;
    a->category = p->admission.category;
    a->person_type = p->admission.person_type;
    a->office = payload_bin(p->admission.office.b, ID_BYTES);
}

int
payload_read_admission(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
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

void
payload_write_admission(const struct event_payload *p, struct payload_message *m)
{
    Smartnode__Admission *a = &m->admission;
    a->has_category = a->has_person_type = a->has_office = a->has_shares = a->has_share_price_minor = 1;
    a->category = p->admission.category;
    a->person_type = p->admission.person_type;
    a->office = payload_bin(p->admission.office.b, ID_BYTES);
    a->shares = p->admission.shares;
    a->share_price_minor = p->admission.share_price_minor;
    a->currency = payload_text(p->admission.currency);
}

int
payload_read_shares(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
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

void
payload_write_shares(const struct event_payload *p, struct payload_message *m)
{
    m->shares.has_shares = m->shares.has_share_price_minor = 1;
    m->shares.shares = p->shares.shares;
    m->shares.share_price_minor = p->shares.share_price_minor;
    m->shares.currency = payload_text(p->shares.currency);
}

int
payload_read_category(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__CategoryChanged *c = (const Smartnode__CategoryChanged *)m;
    return category_from(c->has_category, c->category, &ret->category, err);
}

void
payload_write_category(const struct event_payload *p, struct payload_message *m)
{
    m->category.has_category = 1;
    m->category.category = p->category;
}

int
payload_read_data(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__DataChanged *d = (const Smartnode__DataChanged *)m;
    if (d->has_office && !payload_bytes_are(1, &d->office, ret->data.office.b, ID_BYTES))
        return payload_field_wrong(err, "office");
    ret->data.has_office = d->has_office;
    return 0;
}

void
payload_write_data(const struct event_payload *p, struct payload_message *m)
{
    m->data.has_office = p->data.has_office;
    m->data.office = payload_bin(p->data.office.b, ID_BYTES);
}

/* A repayment or merger may be of all that somebody holds, which came in several subscriptions. */
static int
amount_from(protobuf_c_boolean has_shares, uint64_t shares, protobuf_c_boolean has_amount, int64_t amount,
            const char *currency, struct share_amount *ret, struct err *err)
{
    if (!has_shares || shares < 1 || shares > SHARES_HELD_MAX)
        return payload_field_wrong(err, "shares");
    if (!has_amount || amount < 0 || amount > REPAID_MINOR_MAX)
        return payload_field_wrong(err, "amount_minor");
    if (!payload_text_is(currency, ret->currency, 3, 3) || !currency_ok(ret->currency))
        return payload_field_wrong(err, "currency");
    ret->shares = shares;
    ret->amount_minor = amount;
    return 0;
}

int
payload_read_repaid(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__SharesRepaid *s = (const Smartnode__SharesRepaid *)m;
    return amount_from(s->has_shares, s->shares, s->has_amount_minor, s->amount_minor, s->currency, &ret->repaid, err);
}

void
payload_write_repaid(const struct event_payload *p, struct payload_message *m)
{
    m->repaid.has_shares = m->repaid.has_amount_minor = 1;
    m->repaid.shares = p->repaid.shares;
    m->repaid.amount_minor = p->repaid.amount_minor;
    m->repaid.currency = payload_text(p->repaid.currency);
}

/* The other person or record of kinds 45 to 48, never the subject itself. */
static int
other_from(protobuf_c_boolean has, const ProtobufCBinaryData *b, const char *field, const struct event_payload *p,
           struct subject_id *ret, struct err *err)
{
    if (!payload_bytes_are(has, b, ret->b, ID_BYTES) || TYPE_EQ(ret, &p->common.subject))
        return payload_field_wrong(err, field);
    return 0;
}

int
payload_read_representative(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret,
                            struct err *err)
{
    const Smartnode__Representative *r = (const Smartnode__Representative *)m;
    return other_from(r->has_person, &r->person, "person", ret, &ret->other, err);
}

void
payload_write_representative(const struct event_payload *p, struct payload_message *m)
{
    m->representative.has_person = 1;
    m->representative.person = payload_bin(p->other.b, ID_BYTES);
}

int
payload_read_merged(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Merged *r = (const Smartnode__Merged *)m;
    return other_from(r->has_into, &r->into, "into", ret, &ret->other, err);
}

void
payload_write_merged(const struct event_payload *p, struct payload_message *m)
{
    m->merged.has_into = 1;
    m->merged.into = payload_bin(p->other.b, ID_BYTES);
}

int
payload_read_absorbed(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret, struct err *err)
{
    const Smartnode__Absorbed *a = (const Smartnode__Absorbed *)m;
    int rc = other_from(a->has_from, &a->from, "from", ret, &ret->absorbed.from, err);
    if (rc != 0 || (!a->has_shares && !a->has_amount_minor && !a->currency && !a->has_owed))
        return rc;
    rc = amount_from(a->has_shares, a->shares, a->has_amount_minor, a->amount_minor, a->currency,
                     &ret->absorbed.brought, err);
    if (rc == 0 && a->has_owed && a->owed != 1)
        rc = payload_field_wrong(err, "owed");
    ret->absorbed.brought.owed = a->has_owed;
    return rc;
}

void
payload_write_absorbed(const struct event_payload *p, struct payload_message *m)
{
    const struct share_amount *b = &p->absorbed.brought;
    Smartnode__Absorbed *a = &m->absorbed;
    a->has_from = 1;
    a->from = payload_bin(p->absorbed.from.b, ID_BYTES);
    a->has_owed = a->owed = b->owed;
    /* Whatever is there is written, so that nothing of a half-filled struct gets lost without a word. */
    if (b->shares == 0 && b->amount_minor == 0 && b->currency[0] == '\0')
        return;
    a->has_shares = a->has_amount_minor = 1;
    a->shares = b->shares;
    a->amount_minor = b->amount_minor;
    a->currency = payload_text(b->currency);
}

static int
purpose_from(protobuf_c_boolean has, uint32_t v, uint16_t *ret, struct err *err)
{
    if (!has || v < 1 || v > UINT16_MAX)
        return payload_field_wrong(err, "purpose");
    *ret = (uint16_t)v;
    return 0;
}

int
payload_read_consent_given(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret,
                           struct err *err)
{
    const Smartnode__ConsentGiven *c = (const Smartnode__ConsentGiven *)m;
    int rc = purpose_from(c->has_purpose, c->purpose, &ret->consent.purpose, err);
    if (rc == 0 && c->text_version && !payload_text_is(c->text_version, ret->consent.text_version, 1, TEXT_VERSION_MAX))
        rc = payload_field_wrong(err, "text_version");
    return rc;
}

void
payload_write_consent_given(const struct event_payload *p, struct payload_message *m)
{
    m->consent_given.has_purpose = 1;
    m->consent_given.purpose = p->consent.purpose;
    if (p->consent.text_version[0])
        m->consent_given.text_version = payload_text(p->consent.text_version);
}

int
payload_read_consent_withdrawn(const ProtobufCMessage *m, struct slice bytes UNUSED, struct event_payload *ret,
                               struct err *err)
{
    const Smartnode__ConsentWithdrawn *c = (const Smartnode__ConsentWithdrawn *)m;
    return purpose_from(c->has_purpose, c->purpose, &ret->consent.purpose, err);
}

void
payload_write_consent_withdrawn(const struct event_payload *p, struct payload_message *m)
{
    m->consent_withdrawn.has_purpose = 1;
    m->consent_withdrawn.purpose = p->consent.purpose;
}
