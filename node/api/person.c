/* A person of the own unit for an answer. What was opened is wiped by whoever asked. docs/decisions/0004-api-reads-storage.md. */
#include "node/api/request.h"
#include "node/command/person_open.h"
#include "node/command/retention.h"

int
person_load(struct request *r, const struct member_row *row, unsigned classes, struct person_input *ret,
            struct err *err)
{
    r->personal = true;
    return person_open(r->txn, r->api->deps.vault, row, classes, ret, err);
}

int
person_load_at(struct request *r, const struct subject_id *subject, const struct position *at, uint8_t class,
               struct person_input *ret, struct err *err)
{
    r->personal = true;
    return person_open_at(r->txn, r->api->deps.vault, subject, at, class, ret, err);
}

int
person_load_representative(struct request *r, const struct member_row *row, const struct subject_id *person,
                           struct person_input *ret, struct err *err)
{
    r->personal = true;
    return person_open_representative(r->txn, r->api->deps.vault, row, person, ret, err);
}

int
person_why_nothing(struct request *r, const struct member_row *row, unsigned classes, const char **ret, struct err *err)
{
    struct member_state s;
    struct position at;
    bool erased = false, lost = false;
    int rc = 0;
    member_state_at(row, DATE_MAX, &s);
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_BANK; class ++) {
        bool gone = s.erased >> (class - 1) & 1;
        if ((classes & 1U << class) == 0) {
            continue;
        }
        if (!gone && member_capsule_position(row, class, &at)) {
            rc = retention_capsule_erased(r->txn, &at, class, &gone, err);
            lost |= !gone;
        }
        erased |= gone;
    }
    *ret = lost ? "lost" : erased ? "erased" : member_arrival_unreceived(row) != SIZE_MAX ? "not yet here" : "none";
    return rc;
}

static void
put_part(struct json_out *j, const char *key, const struct person_text *t)
{
    if (t->s[0] != '\0') {
        json_put_text(j, key, t->s);
    }
}

void
contact_write(struct json_out *j, const char *key, const struct person_contact *c)
{
    json_key(j, key);
    json_open(j, '{');
    put_part(j, "email", &c->email);
    put_part(j, "phone", &c->phone);
    put_part(j, "street", &c->street);
    put_part(j, "postcode", &c->postcode);
    put_part(j, "city", &c->city);
    put_part(j, "country", &c->country);
    json_close(j, '}');
}

void
person_write(struct json_out *j, const struct person_input *p)
{
    json_key(j, "person");
    json_open(j, '{');
    if (p->has_identity) {
        json_key(j, "identity");
        json_open(j, '{');
        put_part(j, "member_no", &p->identity.member_no);
        put_part(j, "given_name", &p->identity.given_name);
        put_part(j, "family_name", &p->identity.family_name);
        put_part(j, "legal_name", &p->identity.legal_name);
        put_part(j, "language", &p->identity.language);
        if (!date_is_none(p->identity.birth_date)) {
            json_put_date(j, "birth_date", p->identity.birth_date);
        }
        json_close(j, '}');
    }
    if (p->has_contact) {
        contact_write(j, "contact", &p->contact);
    }
    if (p->has_bank) {
        json_key(j, "bank");
        json_open(j, '{');
        put_part(j, "iban", &p->bank.iban);
        json_close(j, '}');
    }
    json_close(j, '}');
}
