/* The contents of capsules. See person.h, docs/PROTOCOL.md §6. Errors name fields, never what stands in them. */
#include "proto/person.h"

#include <sodium/utils.h>
#include <stdlib.h>

#include "capsules.pb-c.h"
#include "proto/fields.h"

#define TEXT_OF(type, member) FIELD_TEXT_OF(struct type, member.s, PERSON_TEXT_MAX)

static const struct field_rule IDENTITY[] = {
    TEXT_OF(person_identity, member_no),
    TEXT_OF(person_identity, given_name),
    TEXT_OF(person_identity, family_name),
    TEXT_OF(person_identity, legal_name),
    {.as = FIELD_DATE, FIELD_OFFSET(struct person_identity, birth_date)},
    TEXT_OF(person_identity, language),
};
static const struct fields IDENTITY_FIELDS = {&smartnode__identity__descriptor, IDENTITY};
static const struct field_path IDENTITY_PATH = {NULL, "identity"};

static const struct field_rule CONTACT[] = {
    TEXT_OF(person_contact, email),    TEXT_OF(person_contact, phone), TEXT_OF(person_contact, street),
    TEXT_OF(person_contact, postcode), TEXT_OF(person_contact, city),  TEXT_OF(person_contact, country),
};
static const struct fields CONTACT_FIELDS = {&smartnode__contact__descriptor, CONTACT};
static const struct field_path CONTACT_PATH = {NULL, "contact"};

static const struct field_rule BANK[] = {
    TEXT_OF(person_bank, iban),
};
static const struct fields BANK_FIELDS = {&smartnode__bank__descriptor, BANK};
static const struct field_path BANK_PATH = {NULL, "bank"};

static const struct field_rule LINKS[] = {
    FIELD_FIXED_OF(struct activity_links, member),
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct activity_links, unit),
     .has = offsetof(struct activity_links, has_unit),
     .min = HASH_BYTES,
     .max = HASH_BYTES},
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct activity_links, activity),
     .has = offsetof(struct activity_links, has_activity),
     .min = ID_BYTES,
     .max = ID_BYTES},
    TEXT_OF(activity_links, number),
    {.as = FIELD_DATE, FIELD_OFFSET(struct activity_links, day)},
    TEXT_OF(activity_links, client),
    TEXT_OF(activity_links, client_number),
    TEXT_OF(activity_links, text),
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct activity_links, actor),
     .has = offsetof(struct activity_links, has_actor),
     .min = ID_BYTES,
     .max = ID_BYTES},
    {.as = FIELD_DATE, FIELD_OFFSET(struct activity_links, last_day)},
};
static const struct fields LINKS_FIELDS = {&smartnode__activity_links__descriptor, LINKS};
static const struct field_path LINKS_PATH = {NULL, "activity_links"};

static const struct field_rule NOTE[] = {
    FIELD_TEXT_OF(struct person_note, s, NOTE_TEXT_MAX),
};
static const struct fields NOTE_FIELDS = {&smartnode__note__descriptor, NOTE};
static const struct field_path NOTE_PATH = {NULL, "note"};

static const struct field_rule WORK[] = {
    FIELD_FIXED_OF(struct guest_work, entity),
    FIELD_FIXED_OF(struct guest_work, log),
    FIELD_RANGE_OF(FIELD_U64, struct guest_work, seq, 1, INT64_MAX),
    FIELD_RANGE_OF(FIELD_U16, struct guest_work, kind, 1, UINT16_MAX),
};
static const struct fields WORK_FIELDS = {&smartnode__guest_work__descriptor, WORK};

static const struct field_rule GUEST[] = {
    FIELD_FIXED_OF(struct guest_record, member),
    FIELD_FIXED_OF(struct guest_record, unit),
    {.as = FIELD_DATE, .required = true, FIELD_OFFSET(struct guest_record, day)},
    FIELD_FIXED_OF(struct guest_record, actor),
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct guest_record, access),
     .has = offsetof(struct guest_record, has_access),
     .min = ID_BYTES,
     .max = ID_BYTES},
    {.as = FIELD_U32, FIELD_OFFSET(struct guest_record, opened), .min = 1, .max = UINT32_MAX},
    {.as = FIELD_U16, FIELD_OFFSET(struct guest_record, classes), .min = 1, .max = UINT16_MAX},
    {.as = FIELD_FLAG, FIELD_OFFSET(struct guest_record, pass_shown), .min = 1, .max = 1},
    {.as = FIELD_LIST,
     FIELD_OFFSET(struct guest_record, work),
     .max = GUEST_WORK_MAX,
     .element = &WORK_FIELDS,
     .element_bytes = sizeof(struct guest_work),
     .count = offsetof(struct guest_record, n_work)},
    {.as = FIELD_LIST,
     FIELD_OFFSET(struct guest_record, contact),
     .max = 1,
     .element = &CONTACT_FIELDS,
     .element_bytes = sizeof(struct person_contact),
     .count = offsetof(struct guest_record, n_contact)},
    FIELD_TEXT_OF(struct guest_record, text, GUEST_TEXT_MAX),
};
static const struct fields GUEST_FIELDS = {&smartnode__guest_record__descriptor, GUEST};
static const struct field_path GUEST_PATH = {NULL, "guest_record"};

static const struct field_rule DOSSIER_ACTIVITY[] = {
    FIELD_FIXED_OF(struct dossier_activity, activity),
    FIELD_RANGE_OF(FIELD_U16, struct dossier_activity, sector, 1, UINT16_MAX),
    {.as = FIELD_FLAG, FIELD_OFFSET(struct dossier_activity, culture), .min = 1, .max = 1},
    TEXT_OF(dossier_activity, number),
    TEXT_OF(dossier_activity, title),
    {.as = FIELD_DATE, FIELD_OFFSET(struct dossier_activity, opened)},
};
static const struct fields DOSSIER_ACTIVITY_FIELDS = {&smartnode__dossier_activity__descriptor, DOSSIER_ACTIVITY};

static const struct field_rule DOSSIER[] = {
    {.as = FIELD_DATE, FIELD_OFFSET(struct dossier, first_joined)},
    {.as = FIELD_LIST,
     FIELD_OFFSET(struct dossier, activities),
     .max = DOSSIER_ACTIVITIES_MAX,
     .element = &DOSSIER_ACTIVITY_FIELDS,
     .element_bytes = sizeof(struct dossier_activity),
     .count = offsetof(struct dossier, n_activities)},
    FIELD_TEXT_OF(struct dossier, text, GUEST_TEXT_MAX),
};
static const struct fields DOSSIER_FIELDS = {&smartnode__dossier__descriptor, DOSSIER};
static const struct field_path DOSSIER_PATH = {NULL, "dossier"};

/* As the fields of a key capsule are read: with what is there by use made visible. */
struct key_capsule {
    struct key_capsule_content k;
    bool has_subject, has_escrow_key;
};

enum { KEY_WIRE_MIN = 2 + 2 + 2 + KEY_BYTES };
_Static_assert(sizeof(enum key_use) == sizeof(uint32_t), "uses are stored as 32 bits");

static const struct field_rule DATA_KEY[] = {
    FIELD_RANGE_OF(FIELD_U8, struct keyed_class, class, 1, CAPSULE_CLASS_MAX),
    FIELD_RANGE_OF(FIELD_U32, struct keyed_class, generation, 0, UINT32_MAX),
    FIELD_FIXED_OF(struct keyed_class, key),
};
static const struct fields DATA_KEY_FIELDS = {&smartnode__data_key__descriptor, DATA_KEY};

static const struct field_rule KEY_CAPSULE[] = {
    FIELD_RANGE_OF(FIELD_U32, struct key_capsule, k.use, KEY_USE_ESCROW_DAY, KEY_USE_PASS),
    FIELD_FIXED_OF(struct key_capsule, k.unit),
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct key_capsule, k.subject),
     .has = offsetof(struct key_capsule, has_subject),
     .min = ID_BYTES,
     .max = ID_BYTES},
    {.as = FIELD_LIST,
     FIELD_OFFSET(struct key_capsule, k.keys),
     .min = KEY_WIRE_MIN,
     .max = DATA_KEYS_MAX,
     .element = &DATA_KEY_FIELDS,
     .element_bytes = sizeof(struct keyed_class),
     .count = offsetof(struct key_capsule, k.n_keys)},
    {.as = FIELD_FIXED,
     FIELD_OFFSET(struct key_capsule, k.escrow_key),
     .has = offsetof(struct key_capsule, has_escrow_key),
     .min = KEY_BYTES,
     .max = KEY_BYTES},
};
static const struct fields KEY_CAPSULE_FIELDS = {&smartnode__key_capsule__descriptor, KEY_CAPSULE};
static const struct field_path KEY_CAPSULE_PATH = {NULL, "key_capsule"};

static int check_use(const struct key_capsule *c, struct err *err);
static int check_expected(const struct key_capsule *c, enum key_use use, const struct unit_id *unit,
                          const struct subject_id *subject_or_null, struct err *err);
static int read_plain(const struct fields *f, const struct field_path *path, struct slice bytes, void *scratch,
                      void *ret, size_t len, struct err *err);

int
person_identity_encode(const struct person_identity *p, struct buf *out, struct err *err)
{
    return fields_write(&IDENTITY_FIELDS, &IDENTITY_PATH, p, out, err);
}

int
person_identity_decode(struct slice bytes, struct person_identity *ret, struct err *err)
{
    struct person_identity p = {0};
    return read_plain(&IDENTITY_FIELDS, &IDENTITY_PATH, bytes, &p, ret, sizeof(p), err);
}

int
person_contact_encode(const struct person_contact *p, struct buf *out, struct err *err)
{
    return fields_write(&CONTACT_FIELDS, &CONTACT_PATH, p, out, err);
}

int
person_contact_decode(struct slice bytes, struct person_contact *ret, struct err *err)
{
    struct person_contact p = {0};
    return read_plain(&CONTACT_FIELDS, &CONTACT_PATH, bytes, &p, ret, sizeof(p), err);
}

int
person_bank_encode(const struct person_bank *p, struct buf *out, struct err *err)
{
    return fields_write(&BANK_FIELDS, &BANK_PATH, p, out, err);
}

int
person_bank_decode(struct slice bytes, struct person_bank *ret, struct err *err)
{
    struct person_bank p = {0};
    return read_plain(&BANK_FIELDS, &BANK_PATH, bytes, &p, ret, sizeof(p), err);
}

int
activity_links_encode(const struct activity_links *p, struct buf *out, struct err *err)
{
    return fields_write(&LINKS_FIELDS, &LINKS_PATH, p, out, err);
}

int
activity_links_decode(struct slice bytes, struct activity_links *ret, struct err *err)
{
    struct activity_links p = {0};
    return read_plain(&LINKS_FIELDS, &LINKS_PATH, bytes, &p, ret, sizeof(p), err);
}

int
person_note_encode(const struct person_note *p, struct buf *out, struct err *err)
{
    return fields_write(&NOTE_FIELDS, &NOTE_PATH, p, out, err);
}

int
person_note_decode(struct slice bytes, struct person_note *ret, struct err *err)
{
    struct person_note p = {0};
    return read_plain(&NOTE_FIELDS, &NOTE_PATH, bytes, &p, ret, sizeof(p), err);
}

int
guest_record_encode(const struct guest_record *p, struct buf *out, struct err *err)
{
    return fields_write(&GUEST_FIELDS, &GUEST_PATH, p, out, err);
}

int
guest_record_decode(struct slice bytes, struct guest_record *ret, struct err *err)
{
    struct guest_record p = {0};
    return read_plain(&GUEST_FIELDS, &GUEST_PATH, bytes, &p, ret, sizeof(p), err);
}

int
dossier_encode(const struct dossier *p, struct buf *out, struct err *err)
{
    return fields_write(&DOSSIER_FIELDS, &DOSSIER_PATH, p, out, err);
}

/* Too large for a stack that may hold another one already. */
int
dossier_decode(struct slice bytes, struct dossier *ret, struct err *err)
{
    struct dossier *p = calloc(1, sizeof(*p));
    if (!p)
        return fields_fail(&DOSSIER_PATH, NULL, ERR_NOMEM, "no memory", err);
    int rc = read_plain(&DOSSIER_FIELDS, &DOSSIER_PATH, bytes, p, ret, sizeof(*p), err);
    free(p);
    return rc;
}

void
counting_year_key(const struct data_key *counting_key, uint16_t year, struct data_key *ret)
{
    uint8_t number[2];
    be16_put(number, year);
    const struct slice parts[] = {slice_of(counting_key->b, sizeof(counting_key->b)), slice_of(number, sizeof(number))};
    struct hash h = crypto_hash_parts("smart.year-key", parts, ARRAY_LEN(parts));
    memcpy(ret->b, h.b, sizeof(ret->b));
    person_wipe(&h, sizeof(h));
}

struct subject_id
counting_pseudonym(const struct data_key *year_key)
{
    struct hash h = crypto_hash1("smart.pseudonym", slice_of(year_key->b, sizeof(year_key->b)));
    struct subject_id id;
    memcpy(id.b, h.b, sizeof(id.b));
    return id;
}

int
key_capsule_encode(const struct key_capsule_content *k, struct buf *out, struct err *err)
{
    bool day = k->use == KEY_USE_ESCROW_DAY;
    struct key_capsule c = {.k = *k, .has_subject = !day, .has_escrow_key = day};
    int rc = check_use(&c, err);
    if (rc == 0)
        rc = fields_write(&KEY_CAPSULE_FIELDS, &KEY_CAPSULE_PATH, &c, out, err);
    person_wipe(&c, sizeof(c));
    return rc;
}

/* any_subject: whoever it is. */
static int
decode_key_capsule(struct slice bytes, enum key_use use, const struct unit_id *unit,
                   const struct subject_id *subject_or_null, bool any_subject, struct key_capsule_content *ret,
                   struct err *err)
{
    struct key_capsule c = {0};
    int rc = bytes.len > CAPSULE_BYTES_MAX
                 ? fields_fail(&KEY_CAPSULE_PATH, NULL, ERR_LIMIT, "larger than a capsule", err)
                 : fields_read(&KEY_CAPSULE_FIELDS, &KEY_CAPSULE_PATH, bytes, &c, err);
    if (rc == 0)
        rc = check_use(&c, err);
    if (rc == 0)
        rc = check_expected(&c, use, unit, any_subject ? &c.k.subject : subject_or_null, err);
    if (rc == 0)
        *ret = c.k;
    person_wipe(&c, sizeof(c));
    return rc;
}

int
key_capsule_decode(struct slice bytes, enum key_use use, const struct unit_id *unit,
                   const struct subject_id *subject_or_null, struct key_capsule_content *ret, struct err *err)
{
    return decode_key_capsule(bytes, use, unit, subject_or_null, false, ret, err);
}

int
key_capsule_decode_escrow(struct slice bytes, const struct unit_id *unit, struct key_capsule_content *ret,
                          struct err *err)
{
    return decode_key_capsule(bytes, KEY_USE_ESCROW_DATA, unit, NULL, true, ret, err);
}

void
person_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

/* Reads into scratch, copies to ret if all is well, and wipes scratch. */
static int
read_plain(const struct fields *f, const struct field_path *path, struct slice bytes, void *scratch, void *ret,
           size_t len, struct err *err)
{
    int rc = bytes.len > CAPSULE_BYTES_MAX ? fields_fail(path, NULL, ERR_LIMIT, "larger than a capsule", err)
                                           : fields_read(f, path, bytes, scratch, err);
    if (rc == 0)
        memcpy(ret, scratch, len);
    person_wipe(scratch, len);
    return rc;
}

/* A day's key stands alone; all other uses carry the keys of one subject. What leaves the unit never has the counting key itself. */
static int
check_use(const struct key_capsule *c, struct err *err)
{
    bool day = c->k.use == KEY_USE_ESCROW_DAY;
    if (c->has_subject == day)
        return fields_fail(&KEY_CAPSULE_PATH, "subject", ERR_INVALID, "does not go with the use", err);
    if (c->has_escrow_key != day)
        return fields_fail(&KEY_CAPSULE_PATH, "escrow_key", ERR_INVALID, "does not go with the use", err);
    if ((c->k.n_keys == 0) != day)
        return fields_fail(&KEY_CAPSULE_PATH, "key", ERR_INVALID, "does not go with the use", err);
    bool passed_on = c->k.use == KEY_USE_GRANT || c->k.use == KEY_USE_PASS;
    for (size_t i = 0; passed_on && i < c->k.n_keys && i < DATA_KEYS_MAX; i++)
        if (c->k.keys[i].class == CLASS_COUNTING &&
            (c->k.keys[i].generation < YEAR_KEY_MIN || c->k.keys[i].generation > YEAR_KEY_MAX))
            return fields_fail(&KEY_CAPSULE_PATH, "key", ERR_INVALID, "a year key of no year", err);
    return 0;
}

static int
check_expected(const struct key_capsule *c, enum key_use use, const struct unit_id *unit,
               const struct subject_id *subject_or_null, struct err *err)
{
    if (c->k.use != use)
        return fields_fail(&KEY_CAPSULE_PATH, "use", ERR_INVALID, "not the one expected", err);
    if (!TYPE_EQ(&c->k.unit, unit))
        return fields_fail(&KEY_CAPSULE_PATH, "unit_id", ERR_INVALID, "not the one expected", err);
    if (c->has_subject && (!subject_or_null || !TYPE_EQ(&c->k.subject, subject_or_null)))
        return fields_fail(&KEY_CAPSULE_PATH, "subject", ERR_INVALID, "not the one expected", err);
    return 0;
}
