/* The contents of capsules: what is known of a person, by class. docs/PROTOCOL.md §6, proto/schema/capsules.proto.
 * These structs hold personal data in clear: wipe them (person_wipe) and keep them off logs and errors. Pure. */
#ifndef SMARTNODE_PROTO_PERSON_H
#define SMARTNODE_PROTO_PERSON_H

#include "proto/event.h"

enum {
    PERSON_TEXT_MAX = 256,
    NOTE_TEXT_MAX = 4096,
    DATA_KEYS_MAX = 8,
    GUEST_WORK_MAX = 64,
    GUEST_TEXT_MAX = 1024, /* also of a dossier */
    DOSSIER_ACTIVITIES_MAX = 64,
    YEAR_KEY_MIN = 1900, /* generations of class 6 keys in uses 3 and 4 */
    YEAR_KEY_MAX = 2199,
};

struct person_text {
    char s[PERSON_TEXT_MAX + 1];
};

struct person_identity {
    struct person_text member_no, given_name, family_name, legal_name, language;
    struct civil_date birth_date; /* DATE_NONE if unknown */
};

struct person_contact {
    struct person_text email, phone, street, postcode, city, country;
};

struct person_bank {
    struct person_text iban;
};

/* Class 4: what an activity, invoice, credit note or posting is about (§6). */
struct activity_links {
    struct subject_id member;
    bool has_unit; /* of the member; else the writing unit's */
    struct unit_id unit;
    bool has_activity;
    struct subject_id activity;
    struct civil_date day;      /* DATE_NONE if unknown; of a posting its first */
    struct civil_date last_day; /* of a posting; DATE_NONE */
    struct person_text number, client, client_number, text;
    bool has_actor;
    struct actor_id actor; /* who did it: the event's own actor is the unit (§9) */
};

struct person_note {
    char s[NOTE_TEXT_MAX + 1];
};

struct guest_work {
    uint8_t entity[ID_BYTES]; /* activity, invoice, posting */
    struct log_id log;
    uint64_t seq;
    uint16_t kind;
};

/* Class 7: what a host did with one visitor's data on one day (kind 86). */
struct guest_record {
    struct subject_id member;
    struct unit_id unit;   /* of the member */
    struct civil_date day; /* always there */
    struct actor_id actor; /* who of the host */
    bool has_access;
    struct subject_id access; /* grant or pass; absent in an emergency, which text explains */
    uint32_t opened;          /* how often */
    uint16_t classes;         /* opened; bit class - 1 */
    bool pass_shown;
    size_t n_work;
    struct guest_work work[GUEST_WORK_MAX];
    size_t n_contact; /* 1 if the contact data should be other than it is, else 0 */
    struct person_contact contact;
    char text[GUEST_TEXT_MAX + 1];
};

struct dossier_activity {
    struct subject_id activity;
    uint16_t sector;
    bool culture;
    struct person_text number, title;
    struct civil_date opened; /* DATE_NONE if unknown */
};

/* Class 8: what goes along with a member who moves (kinds 64, 66). More activities are in more capsules. About 35 KB. */
struct dossier {
    struct civil_date first_joined; /* any unit; DATE_NONE if unknown */
    size_t n_activities;
    struct dossier_activity activities[DOSSIER_ACTIVITIES_MAX];
    char text[GUEST_TEXT_MAX + 1];
};

struct keyed_class {
    uint8_t class;
    uint32_t generation;
    struct data_key key;
};

/* Encode appends to out (at most CAPSULE_BYTES_MAX); decode refuses malformed text (ERR_INVALID). */
int person_identity_encode(const struct person_identity *p, struct buf *out, struct err *err) NODISCARD;
int person_identity_decode(struct slice bytes, struct person_identity *ret, struct err *err) NODISCARD;
int person_contact_encode(const struct person_contact *p, struct buf *out, struct err *err) NODISCARD;
int person_contact_decode(struct slice bytes, struct person_contact *ret, struct err *err) NODISCARD;
int person_bank_encode(const struct person_bank *p, struct buf *out, struct err *err) NODISCARD;
int person_bank_decode(struct slice bytes, struct person_bank *ret, struct err *err) NODISCARD;
int activity_links_encode(const struct activity_links *p, struct buf *out, struct err *err) NODISCARD;
int activity_links_decode(struct slice bytes, struct activity_links *ret, struct err *err) NODISCARD;
int person_note_encode(const struct person_note *p, struct buf *out, struct err *err) NODISCARD;
int person_note_decode(struct slice bytes, struct person_note *ret, struct err *err) NODISCARD;
/* Too long a list is ERR_LIMIT. */
int guest_record_encode(const struct guest_record *p, struct buf *out, struct err *err) NODISCARD;
int guest_record_decode(struct slice bytes, struct guest_record *ret, struct err *err) NODISCARD;
/* Decode also ERR_NOMEM. */
int dossier_encode(const struct dossier *p, struct buf *out, struct err *err) NODISCARD;
int dossier_decode(struct slice bytes, struct dossier *ret, struct err *err) NODISCARD;

/* Counting (§6): the key that a grant passes on, and the pseudonym that kind 112 has as its subject. */
void counting_year_key(const struct data_key *counting_key, uint16_t year, struct data_key *ret);
struct subject_id counting_pseudonym(const struct data_key *year_key);

/* Plaintext of a key capsule (class 15). In uses 3 and 4 a key of class 6 is a year key and its generation the year; in use 2 it is the
 * counting key itself. */
enum key_use { KEY_USE_ESCROW_DAY = 1, KEY_USE_ESCROW_DATA = 2, KEY_USE_GRANT = 3, KEY_USE_PASS = 4 };
struct key_capsule_content {
    enum key_use use;
    struct unit_id unit;
    struct subject_id subject; /* not for use 1 */
    size_t n_keys;
    struct keyed_class keys[DATA_KEYS_MAX];
    struct data_key escrow_key; /* use 1 */
};
int key_capsule_encode(const struct key_capsule_content *k, struct buf *out, struct err *err) NODISCARD;
/* ERR_INVALID also for a year key of no year, another use or unit, or (uses 2–4) subject, than expected; NULL expects no subject (use 1). */
int key_capsule_decode(struct slice bytes, enum key_use use, const struct unit_id *unit,
                       const struct subject_id *subject_or_null, struct key_capsule_content *ret,
                       struct err *err) NODISCARD;
/* The same of an escrow of data keys (use 2), whichever member's: the subject is in *ret. ERR_INVALID: not one of this unit. */
int key_capsule_decode_escrow(struct slice bytes, const struct unit_id *unit, struct key_capsule_content *ret,
                              struct err *err) NODISCARD;
void person_wipe(void *p, size_t len);

#endif
