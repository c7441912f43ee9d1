/* A person of the own unit in clear: row → position of the capsule → capsule → key slot → plaintext. Everything that was opened is
 * wiped by whoever asked. docs/decisions/0004-api-reads-storage.md. */
#include "node/api/request.h"

enum { SLOTS_MAX = 16, SLOT_KEY_BYTES = ID_BYTES + 4 };

/* What stays the same from class to class of one person. */
struct opener {
    struct request *r;
    bool has_event;
    struct position at; /* of the event whose header is here */
    uint32_t log_no;
    struct event_header header;
    size_t n_slots;
    struct slot_keys slots[SLOTS_MAX]; /* oldest generation first */
};

/* Slots of the newest generations whose keys are still there. */
static int
slots_load(struct opener *o, const struct subject_id *subject, struct err *err)
{
    uint8_t key[SLOT_KEY_BYTES] = {0};
    struct slice k, v;
    struct db_cursor *c = NULL;

    memcpy(key, subject->b, ID_BYTES);
    int rc = db_cursor_open(o->r->txn, TABLE_KEYSLOTS, &c, err);
    if (rc == 0) {
        rc = db_cursor_seek(c, slice_of(key, sizeof(key)), &k, &v, err);
    }
    while (rc == 0 && k.len == SLOT_KEY_BYTES && memcmp(k.data, key, ID_BYTES) == 0 && v.len == 8) {
        if (o->n_slots == SLOTS_MAX) {
            memmove(&o->slots[0], &o->slots[1], (SLOTS_MAX - 1) * sizeof(o->slots[0]));
            o->n_slots--;
        }
        rc = vault_slot(o->r->api->deps.vault, be64_get(v.data), &o->slots[o->n_slots], err);
        if (rc == 0) {
            o->n_slots++;
        }
        if (rc == 0 || rc == ERR_NOTFOUND) {
            rc = db_cursor_next(c, &k, &v, err);
        }
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
event_load(struct opener *o, const struct position *at, struct err *err)
{
    struct log_row log;
    struct stored_event event;

    if (o->has_event && o->at.seq == at->seq && TYPE_EQ(&o->at.log, &at->log)) {
        return 0;
    }
    int rc = evlog_find(o->r->txn, &at->log, &log, err);
    if (rc == 0) {
        rc = evlog_event(o->r->txn, log.no, at->seq, &event, err);
    }
    if (rc == 0) {
        rc = event_header_decode(event.header, &o->header, err);
    }
    o->has_event = rc == 0;
    o->at = *at;
    o->log_no = log.no;
    return rc;
}

static int
capsule_at(struct opener *o, const struct position *at, uint8_t class, struct slice *ret, struct err *err)
{
    int rc = event_load(o, at, err);
    for (uint8_t i = 0; rc == 0 && i < o->header.n_capsules; i++) {
        if (o->header.capsules[i].class == class) {
            return capsules_get(o->r->txn, o->log_no, at->seq, i, ret, err);
        }
    }
    return rc != 0 ? rc : ERR_NOTFOUND;
}

/* Newest keys first; ERR_NOTFOUND if none fits, which is what an erasure leaves. */
static int
class_open(struct opener *o, const struct position *at, uint8_t class, struct buf *plain, struct err *err)
{
    struct slice capsule;
    int index = vault_class_index(class);
    int rc = capsule_at(o, at, class, &capsule, err);

    if (rc != 0) {
        return rc;
    }
    for (size_t i = o->n_slots; i > 0 && index >= 0; i--) {
        buf_clear(plain);
        rc = capsule_open(&o->slots[i - 1].keys[index], class, capsule, plain, err);
        if (rc != ERR_DENIED) {
            return rc;
        }
    }
    return ERR_NOTFOUND;
}

static int
part_load(struct opener *o, const struct position *at, uint8_t class, struct buf *plain, struct person_input *p,
          struct err *err)
{
    int rc = class_open(o, at, class, plain, err);

    if (rc == ERR_NOTFOUND) {
        return 0;
    }
    if (rc != 0) {
        return rc;
    }
    switch (class) {
    case CLASS_IDENTITY:
        rc = person_identity_decode(buf_slice(plain), &p->identity, err);
        p->has_identity = rc == 0;
        break;
    case CLASS_CONTACT:
        rc = person_contact_decode(buf_slice(plain), &p->contact, err);
        p->has_contact = rc == 0;
        break;
    default:
        rc = person_bank_decode(buf_slice(plain), &p->bank, err);
        p->has_bank = rc == 0;
        break;
    }
    return rc;
}

/* Opens, for the classes of the mask, the capsules at the positions that `place` gives, with the keys of subject. */
static int
load(struct request *r, const struct subject_id *subject, unsigned class_mask,
     bool (*place)(const void *arg, uint8_t class, struct position *ret), const void *arg, struct person_input *ret,
     struct err *err)
{
    uint8_t room[4096];
    struct opener o;
    struct buf plain;
    struct position at;

    o.r = r;
    o.has_event = false;
    o.n_slots = 0;
    ret->has_identity = ret->has_contact = ret->has_bank = false;
    if (r->api->deps.vault == NULL) {
        return 0;
    }
    buf_fixed(&plain, room, sizeof(room));
    int rc = slots_load(&o, subject, err);
    for (uint8_t class = CLASS_IDENTITY; rc == 0 && class <= CLASS_BANK; class ++) {
        if (class_mask & 1U << class && place(arg, class, &at)) {
            rc = part_load(&o, &at, class, &plain, ret, err);
        }
    }
    buf_free(&plain);
    person_wipe(room, sizeof(room));
    person_wipe(o.slots, o.n_slots * sizeof(o.slots[0]));
    if (rc != 0) {
        person_wipe(ret, sizeof(*ret));
    }
    r->personal = true;
    return rc;
}

static bool
place_in_force(const void *arg, uint8_t class, struct position *ret)
{
    return member_capsule_position(arg, class, ret);
}

int
person_load(struct request *r, const struct member_row *row, unsigned class_mask, struct person_input *ret,
            struct err *err)
{
    return load(r, &row->subject, class_mask, place_in_force, row, ret, err);
}

static bool
place_given(const void *arg, uint8_t class, struct position *ret)
{
    (void)class;
    memcpy(ret, arg, sizeof(*ret));
    return true;
}

int
person_load_at(struct request *r, const struct subject_id *subject, const struct position *at, uint8_t class,
               struct person_input *ret, struct err *err)
{
    return load(r, subject, 1U << class, place_given, at, ret, err);
}

struct representative {
    const struct member_row *row;
    const struct subject_id *person;
};

static bool
place_of_representative(const void *arg, uint8_t class, struct position *ret)
{
    const struct representative *p = arg;
    return member_representative_capsule(p->row, p->person, class, ret);
}

int
person_load_representative(struct request *r, const struct member_row *row, const struct subject_id *person,
                           struct person_input *ret, struct err *err)
{
    struct representative p = {row, person};
    return load(r, person, 1U << CLASS_IDENTITY | 1U << CLASS_CONTACT, place_of_representative, &p, ret, err);
}

static void
put_part(struct json_out *j, const char *key, const struct person_text *t)
{
    if (t->s[0] != '\0') {
        json_put_text(j, key, t->s);
    }
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
        json_key(j, "contact");
        json_open(j, '{');
        put_part(j, "email", &p->contact.email);
        put_part(j, "phone", &p->contact.phone);
        put_part(j, "street", &p->contact.street);
        put_part(j, "postcode", &p->contact.postcode);
        put_part(j, "city", &p->contact.city);
        put_part(j, "country", &p->contact.country);
        json_close(j, '}');
    }
    if (p->has_bank) {
        json_key(j, "bank");
        json_open(j, '{');
        put_part(j, "iban", &p->bank.iban);
        json_close(j, '}');
    }
    json_close(j, '}');
}
