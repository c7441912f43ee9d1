/* Events: headers (one strict encoding), payloads, frames. docs/PROTOCOL.md §3, §4, §7, §9.
 * Headers and payloads are kept as the bytes that were signed; the structs here are what was read from them. Generated
 * protobuf types stay inside event_*.c. No randomness, clock or storage. Any thread. */
#ifndef SMARTNODE_PROTO_EVENT_H
#define SMARTNODE_PROTO_EVENT_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"
#include "proto/crypto.h"

enum {
    HEADER_BYTES_MAX = 2048,
    PAYLOAD_BYTES_MAX = 65536,
    HEADER_REFS_MAX = 8,
    HEADER_CAPSULES_MAX = 16,
    RUN_EVENTS_MAX = 256,
    RUN_BYTES_MAX = 262144,
    FRAME_BYTES_MAX = HEADER_BYTES_MAX + PAYLOAD_BYTES_MAX + 2 * VARINT_MAX,
    UNIT_LANGUAGES_MAX = 8,
    STANDING_MAX = 256,
    VOID_KEYS_MAX = 64,
    PROGRAM_BYTES_MAX = 64,
    SHARES_MAX = 1000000, /* in one event */
    SHARE_PRICE_MINOR_MAX = 1000000000,
    SHARES_HELD_MAX = 1000000000,
    ACTIVITY_CELLS_MAX = 64, /* in one person.active */
    FIGURES_MAX = 400,       /* in one period.closed */
    TEXT_VERSION_MAX = 64,   /* bytes of a consent's text version */
    RATE_BP_MAX = 10000,
    POSTING_MONTHS_MAX = 24,
    ERASURE_CLASSES_MAX = 8,
    ERASED_PLACES_MAX = 100, /* in one erasure.ordered */
    STALE_HOURS_MAX = 8784,  /* a leap year */
    ACCESS_CLASSES_ALL = 15, /* classes 1 to 4, bit class - 1 */
};

/* Registry of kinds, §9. */
enum event_kind {
    KIND_LOG_OPENED = 1,
    KIND_ESCROW_OPENED = 2,
    KIND_PAYLOADS_DROPPED = 3,
    KIND_UNIT_DESCRIBED = 16,
    KIND_OFFICE_OPENED = 17,
    KIND_OFFICE_CHANGED = 18,
    KIND_OFFICE_CLOSED = 19,
    KIND_CUSTODIAN_NAMED = 20,
    KIND_UNIT_CLOSED = 21,
    KIND_APPLICATION_RECEIVED = 32,
    KIND_APPLICATION_REFUSED = 33,
    KIND_MEMBER_ADMITTED = 34,
    KIND_SHARES_SUBSCRIBED = 35,
    KIND_CATEGORY_CHANGED = 36,
    KIND_DATA_CHANGED = 37,
    KIND_WITHDRAWAL_REQUESTED = 38,
    KIND_WITHDRAWAL_GRANTED = 39,
    KIND_WITHDRAWAL_REFUSED = 40,
    KIND_MEMBER_RESIGNED = 41,
    KIND_MEMBER_EXCLUDED = 42,
    KIND_MEMBER_DECEASED = 43,
    KIND_SHARES_REPAID = 44,
    KIND_REPRESENTATIVE_NAMED = 45,
    KIND_REPRESENTATIVE_ENDED = 46,
    KIND_MEMBER_MERGED = 47,
    KIND_MEMBER_ABSORBED = 48,
    KIND_CONSENT_GIVEN = 49,
    KIND_CONSENT_WITHDRAWN = 50,
    KIND_ENTRY_CANCELLED = 51,
    KIND_HANDOVER_OFFERED = 64,
    KIND_HANDOVER_ACCEPTED = 65,
    KIND_HANDOVER_COMPLETED = 66,
    KIND_HANDOVER_WITHDRAWN = 67,
    KIND_HANDOVER_RECEIVED = 68,
    KIND_DOUBLE_DECLARED = 70,
    KIND_DOUBLE_SETTLED = 71,
    KIND_ACCESS_GRANTED = 80,
    KIND_ACCESS_REVOKED = 81,
    KIND_PASS_ISSUED = 83,
    KIND_ACCESS_RENEWED = 85,
    KIND_GUEST_RECORDED = 86,
    KIND_ERASURE_ORDERED = 96,
    KIND_COPIES_DESTROYED = 97,
    KIND_RESTRICTION_ORDERED = 98,
    KIND_RESTRICTION_LIFTED = 99,
    KIND_ACTIVITY_OPENED = 104,
    KIND_ACTIVITY_CHANGED = 105,
    KIND_ACTIVITY_CLOSED = 106,
    KIND_ACTIVITY_CANCELLED = 107,
    KIND_INVOICE_ISSUED = 108,
    KIND_INVOICE_CREDITED = 109,
    KIND_INVOICE_CANCELLED = 110,
    KIND_PERSON_ACTIVE = 112,
    KIND_POSTING_ISSUED = 224,
    KIND_POSTING_CHANGED = 225,
    KIND_POSTING_CANCELLED = 226,
    KIND_PERIOD_CLOSED = 256,
};

/* §9: 10^12, 10^15. */
#define DOCUMENT_MINOR_MAX INT64_C(1000000000000)
#define REPAID_MINOR_MAX INT64_C(1000000000000000)

enum ref_role {
    REF_PREDECESSOR = 1,
    REF_CORRECTS = 2,
    REF_APPLICATION = 3,
    REF_REQUEST = 4,
    REF_OFFER = 5,
    REF_ACCEPTANCE = 6,
    REF_COMPLETION = 7,
    REF_CANCELS = 9,
    REF_CONFIRMS = 11
};
enum category { CATEGORY_A = 1, CATEGORY_B = 2, CATEGORY_C = 3 };
enum person_type { PERSON_NATURAL = 1, PERSON_LEGAL = 2 };
enum date_precision { PRECISION_DAY = 0, PRECISION_MONTH = 1 };

struct event_ref {
    uint8_t role;
    struct log_id log;
    uint64_t seq;
    struct chain_value chain;
};

struct capsule_commitment {
    uint8_t class;
    struct hash hash;
    uint32_t bytes;
};

struct event_header {
    uint8_t suite;
    uint64_t seq;
    struct hlc clock;
    uint16_t kind;
    uint16_t kind_version;
    bool must_understand;
    uint8_t n_refs;
    uint8_t n_capsules;
    struct event_ref refs[HEADER_REFS_MAX];
    struct hash payload_hash;
    uint32_t payload_bytes;
    struct capsule_commitment capsules[HEADER_CAPSULES_MAX];
};

/* Appends the one encoding. ERR_INVALID for values out of §3's bounds, ERR_LIMIT over HEADER_BYTES_MAX. */
int event_header_encode(const struct event_header *h, struct buf *out, struct err *err) NODISCARD;
/* Reads exactly one header. ERR_INVALID for any other encoding, ERR_VERSION for an unknown suite. */
int event_header_decode(struct slice bytes, struct event_header *ret, struct err *err) NODISCARD;
/* First reference of a role, or NULL. */
const struct event_ref *event_header_ref(const struct event_header *h, enum ref_role role);

/* A clear string in an event: UTF-8 without control characters, at most NAME_BYTES_MAX bytes and a NUL. */
struct name {
    char s[NAME_BYTES_MAX + 1];
};

struct event_common {
    bool has_actor, has_subject, has_effective, has_salt;
    struct actor_id actor;
    struct subject_id subject;   /* a member or an office */
    struct civil_date effective; /* DATE_NONE if absent */
    enum date_precision precision;
    uint8_t salt[ID_BYTES];
    bool has_subject_unit;
    struct unit_id subject_unit; /* field 6; malformed where event_kind_own */
};

struct standing_position {
    struct log_id log;
    uint64_t seq;
    struct chain_value chain;
};

struct root_statement {
    struct unit_id unit;
    struct federation_id federation;
    bool production;
    uint8_t log_nonce[32];
    struct sign_public signing_key; /* of the log that carries it */
    uint64_t serial;
    uint16_t n_void_keys, n_standing;
    struct sign_public *void_keys; /* heap; release with root_statement_release */
    struct standing_position *standing;
};

struct log_opened {
    struct unit_id unit;
    char unit_code[UNIT_CODE_MAX];
    struct federation_id federation;
    bool production;
    uint8_t nonce[32];
    struct sign_public root_key;
    struct sign_public signing_key;
    struct box_public exchange_key;
    struct box_public transport_key;
    struct box_public recovery_key;
    uint64_t serial;
    struct seal certificate;
    bool has_root_statement;
    struct slice root_statement; /* borrowed from the payload bytes when decoded; from the caller when encoding */
    struct seal root_signature;
    char program[PROGRAM_BYTES_MAX + 1];
};

struct unit_described {
    struct name name;
    char country[3];
    char currency[CURRENCY_MAX];
    uint8_t n_languages;
    char languages[UNIT_LANGUAGES_MAX][36]; /* BCP 47 */
    struct name time_zone;
    uint32_t contribution_bp;
    int64_t share_price_minor;
};

struct office_facts {
    struct name name, city;
    char country[3];
};

struct admission {
    uint8_t category, person_type;
    struct office_id office;
    uint64_t shares;           /* 0 in an application */
    int64_t share_price_minor; /* 0 in an application */
    char currency[CURRENCY_MAX];
};

struct share_subscription {
    uint64_t shares;
    int64_t share_price_minor;
    char currency[CURRENCY_MAX];
};

/* Kind 44, and what kind 48 brings (shares 0 = nothing). */
struct share_amount {
    uint64_t shares;
    int64_t amount_minor;
    char currency[CURRENCY_MAX];
    bool owed; /* kind 48 */
};

struct consent {
    uint16_t purpose;
    char text_version[TEXT_VERSION_MAX + 1]; /* empty = not said; kind 49 */
};

/* What is in clear of work: kinds 104, 105, 108, and the cells of 112. */
struct activity_facets {
    struct office_id office;
    uint16_t sector;
    bool culture;
};

struct invoice_facts {
    struct activity_facets facets;
    int64_t amount_minor; /* without tax */
    char currency[CURRENCY_MAX];
    uint16_t rate_bp;
    int64_t contribution_minor;
};

struct credit_facts {
    int64_t amount_minor, contribution_minor;
};

/* What is in clear of a posting: kinds 224, 225. */
struct posting_facts {
    char country[3];              /* the host's */
    struct civil_date last_month; /* the first of a month, at most POSTING_MONTHS_MAX months after effective_on */
};

struct activity_cell {
    struct activity_facets facets;
    char currency[CURRENCY_MAX];
};
/* The order of §9: office, sector, culture, currency. */
int activity_cell_compare(const struct activity_cell *a, const struct activity_cell *b);

/* Figures of a closed period: registry in §9. */
enum figure_number {
    FIGURE_MEMBERS = 1,
    FIGURE_JOINED,
    FIGURE_RESIGNED,
    FIGURE_WITHDRAWN,
    FIGURE_EXCLUDED,
    FIGURE_DECEASED,
    FIGURE_MOVED_IN,
    FIGURE_MOVED_OUT,
    FIGURE_CHANGED_IN,
    FIGURE_CHANGED_OUT,
    FIGURE_APPLIED,
    FIGURE_REFUSED,
    FIGURE_REQUESTED,
    FIGURE_REQUEST_REFUSED,
    FIGURE_MERGED,
    FIGURE_SHARES = 32,
    FIGURE_CAPITAL,
    FIGURE_SHARES_SUBSCRIBED,
    FIGURE_CAPITAL_SUBSCRIBED,
    FIGURE_SHARES_ENDED,
    FIGURE_CAPITAL_ENDED,
    FIGURE_SHARES_REPAID,
    FIGURE_CAPITAL_REPAID,
    FIGURE_INVOICES = 64,
    FIGURE_TURNOVER,
    FIGURE_CONTRIBUTION,
    FIGURE_CREDIT_NOTES,
    FIGURE_CREDITED,
    FIGURE_CONTRIBUTION_BACK,
    FIGURE_ACTIVE_PEOPLE,
};
struct period_figure {
    uint16_t number;
    uint8_t category;            /* 0 = all */
    char currency[CURRENCY_MAX]; /* empty = none */
    int64_t value;
};

/* Kinds 20 and 21: who writes for the unit once it is gone. */
struct custodian {
    bool has_unit; /* kind 20 without: nobody any more */
    struct unit_id unit;
};

enum open_activities { ACTIVITIES_CLOSED = 1, ACTIVITIES_TAKEN_ALONG = 2 };
/* Kinds 64 to 66. */
struct handover {
    struct unit_id other;       /* 64, 66: the new home; 65: the old one */
    struct civil_date proposed; /* 64 */
    struct admission terms;     /* 65, 66 */
    bool voted;                 /* 66: this year, at the old home */
    uint8_t activities;         /* 66: enum open_activities */
};

enum double_outcome { DOUBLE_TWO_PERSONS = 1, DOUBLE_THIS_GIVEN_UP = 2, DOUBLE_OTHER_GIVEN_UP = 3 };
/* Kinds 70, 71: the other record. */
struct double_record {
    struct unit_id unit;
    struct subject_id subject;
    uint8_t outcome; /* 71: enum double_outcome */
    uint16_t reason; /* 71 */
};

/* Reasons and grounds without a name are valid too, so that an older program ends and erases what a newer one says. */
enum access_end {
    ACCESS_END_ASKED = 1,
    ACCESS_END_LOST = 2,
    ACCESS_END_MOVED = 3,
    ACCESS_END_LEFT = 4,
    ACCESS_END_ERASED = 5,
    ACCESS_END_UNIT = 6,
    ACCESS_END_NOT_NEEDED = 7
};
/* Kinds 80, 81, 83: a grant to one host, or a pass. The subject is the access itself. */
struct access {
    struct subject_id member;   /* 80, 83 */
    struct unit_id host;        /* 80 */
    uint16_t classes;           /* 80, 83: bit class - 1, within ACCESS_CLASSES_ALL */
    uint16_t purpose;           /* 80 */
    struct civil_date until;    /* 80: DATE_NONE until revoked; 83 */
    uint16_t stale_hours_max;   /* 83: how old what a host knows of the home may be */
    struct box_public pass_key; /* 83 */
    uint8_t reason;             /* 81: enum access_end, or another but 0 */
};

/* Kind 86. */
struct guest {
    struct unit_id home;
};

/* Capsules of one event that an erasure takes away: bit index. */
struct erased_place {
    struct log_id log;
    uint64_t seq;
    uint16_t indexes;
};
/* By log id, then seq: the order of §9. */
int erased_place_compare(const struct erased_place *a, const struct erased_place *b);

enum erasure_ground {
    GROUND_ASKED = 1,
    GROUND_LEGAL_DATE = 2,
    GROUND_WRONGLY_HELD = 3,
    GROUND_AUTHORITY = 4,
    GROUND_CONSENT = 5
};
/* Kinds 96, 98 and 99. */
struct erasure {
    uint8_t n_classes;
    uint8_t classes[ERASURE_CLASSES_MAX]; /* ascending */
    uint8_t ground;                       /* 96, 98: enum erasure_ground, or another but 0 */
    bool has_generation;                  /* 96; else keys of all generations go */
    uint32_t generation;
    struct civil_date until; /* 98: DATE_NONE until lifted */
    size_t n_places;         /* 96; a decoded payload has the number only: erased_places_read */
    const struct erased_place *places;
};

/* Kind 97: DATE_NONE both if no backup holds it. */
struct destroyed {
    struct civil_date backup_on;      /* day of the newest vault backup that may still hold it */
    struct civil_date backup_gone_on; /* on or after that day */
};

/* Month that an invoice id begins with: (year − 1900) × 12 + month − 1 (§2). The date is the first of the month. */
uint16_t invoice_id_month(const struct subject_id *id);
uint16_t month_number(struct civil_date d); /* a date of §2 (MUST) */
struct civil_date month_first(uint16_t number);

struct event_payload {
    struct event_common common;
    uint16_t kind;
    union {
        struct log_opened log_opened;
        struct civil_date escrow_day;
        struct unit_described unit;
        struct office_facts office; /* kinds 17, 18 */
        struct admission admission; /* kinds 32, 34 */
        struct share_subscription shares;
        uint8_t category; /* kind 36 */
        struct {
            bool has_office;
            struct office_id office;
        } data;                     /* kind 37 */
        struct share_amount repaid; /* kind 44 */
        struct subject_id other;    /* kinds 45, 46: the representative; 47: the record kept */
        struct {
            struct subject_id from;
            struct share_amount brought;
        } absorbed;                      /* kind 48 */
        struct consent consent;          /* kinds 49, 50 */
        struct activity_facets activity; /* kinds 104, 105 */
        struct invoice_facts invoice;    /* kind 108 */
        struct credit_facts credit;      /* kind 109 */
        struct posting_facts posting;    /* kinds 224, 225 */
        struct custodian custodian;      /* kinds 20, 21 */
        struct handover handover;        /* kinds 64 to 66 */
        struct double_record doubled;    /* kinds 70, 71 */
        struct access access;            /* kinds 80, 81, 83 */
        struct guest guest;              /* kind 86 */
        struct erasure erasure;          /* kinds 96, 98, 99 */
        struct destroyed destroyed;      /* kind 97 */
        /* Lists are not in the struct, for it is on every path: encoding takes the caller's arrays; a decoded payload has n and is read
         * with active_cells_read, closed_figures_read, erased_places_read. */
        struct {
            size_t n;
            const struct activity_cell *cells;
        } active; /* kind 112 */
        struct {
            uint16_t year;
            size_t n;
            const struct period_figure *figures;
        } closed; /* kind 256 */
    };
};

/* True for (kind, version) pairs that this program gives an effect. */
bool event_kind_known(uint16_t kind, uint16_t version);
/* True for (kind, version) pairs, known or not, that speak only of the writer's own: field 6 is malformed in them (§4). */
bool event_kind_own(uint16_t kind, uint16_t version);
/* True for kinds that are written with the must-understand bit, because what follows in the entity rests on them (§9). */
bool event_kind_must_understand(uint16_t kind);
/* For tests of upgrades: from now on the process does not know this kind, as a program of before it was numbered. 0: knows all again. */
void event_kind_hide(uint16_t kind);
/* The same for this kind and all of greater numbers. 0: knows all again. */
void event_kind_hide_from(uint16_t kind);
/* Registry name ("member.admitted"), or "unknown". Kind from its name: 0 if there is none. */
const char *event_kind_name(uint16_t kind);
uint16_t event_kind_from_name(const char *name);

/* Appends the payload; checks what §9 asks for (required fields, bounds). ERR_INVALID names the field. */
int event_payload_encode(const struct event_payload *p, struct buf *out, struct err *err) NODISCARD;
/* Reads a payload of a known kind with all its rules. ERR_INVALID = malformed (the event is void), ERR_UNKNOWN_KIND,
 * ERR_NOMEM over the memory budget. Slices in ret borrow from bytes. */
int event_payload_decode(uint16_t kind, uint16_t version, struct slice bytes, struct event_payload *ret,
                         struct err *err) NODISCARD;
/* What is malformed only in the log of this unit: a unit named that must not be the writer's own. For a
 * decoded payload, and before encoding one. ERR_INVALID names the field. */
int event_payload_check_writer(const struct event_payload *p, const struct unit_id *writer, struct err *err) NODISCARD;
/* The lists of a payload of kind 112, 256 or 96 that event_payload_decode took; ret: ACTIVITY_CELLS_MAX, FIGURES_MAX, ERASED_PLACES_MAX.
 * Number read. */
size_t active_cells_read(struct slice payload, struct activity_cell *ret);
size_t closed_figures_read(struct slice payload, struct period_figure *ret);
size_t erased_places_read(struct slice payload, struct erased_place *ret);
/* Reads fields 1–6 of any payload, known kind or not. ERR_INVALID if malformed. */
int event_common_decode(struct slice bytes, struct event_common *ret, struct err *err) NODISCARD;

int root_statement_encode(const struct root_statement *s, struct buf *out, struct err *err) NODISCARD;
int root_statement_decode(struct slice bytes, struct root_statement *ret, struct err *err) NODISCARD;
void root_statement_release(struct root_statement *s);

/* Frames (§5). An empty payload slice means dropped. */
void event_frame_put(struct buf *out, struct slice header, struct slice payload);
/* Next frame; slices borrow. False and r->failed at a malformed one; false without at the end. */
bool event_frame_next(struct reader *r, struct slice *ret_header, struct slice *ret_payload);

#endif
