/* The register's rules as pure functions over one member's row. docs/PROTOCOL.md §10. The same code tells a desk why a change
 * is impossible (command/), folds events that arrive in any order (apply/), and answers "as of" (view/). No disk, clock, or
 * capsule; every result is a function of the set of entries and the dag.
 *
 * A member row is the list of ALL events about (unit, subject) that this node holds and has reached, valid or not, each with its
 * outcome. Its encoding is replicated state: equal on every node that holds the same events. Layout: docs/STORAGE.md. */
#ifndef SMARTNODE_RULES_MEMBER_H
#define SMARTNODE_RULES_MEMBER_H

#include "node/rules/dag.h"
#include "proto/event.h"

/* MEMBER_ENTRIES_MAX: the row looks at the first so many of an entity in its order, so that one unit's endless side branches cost
 * nobody more than this; honest members have some dozens. HANDOVERS_MAX: of these its entries of kinds 64 to 66, arrivals apart; so a row looks
 * at that many others at most, and rows that look at one another settle soon. */
enum {
    RULES_VERSION = 4,
    MEMBER_PAST_MAX = 1024,
    MEMBER_ENTRIES_MAX = 4096,
    HANDOVERS_MAX = 128,
    MEMBER_ARRIVALS_MAX = 128, /* beside its own entries */
    MEMBER_ROW_MAX = MEMBER_ENTRIES_MAX + MEMBER_ARRIVALS_MAX,
    MEMBER_ROW_BYTES_MAX = 16777216
};

enum outcome {
    OUTCOME_APPLIED = 1,
    OUTCOME_REPLACED = 2, /* a valid correction took its place */
    OUTCOME_VOID = 3,     /* impossible on its own past */
    OUTCOME_CONFLICT = 4, /* valid on its own past, impossible beside concurrent events */
    OUTCOME_WAITING = 5,  /* a referenced event, or one in its past, is not there yet */
    OUTCOME_UNKNOWN =
        6, /* must-understand kind or version that this program does not know, or such a one in its past */
};

/* Why. Numbers are replicated and registered in docs/PROTOCOL.md §10; never reused. */
enum void_reason {
    VOID_NONE = 0,
    VOID_MALFORMED = 1,     /* the payload does not read as its kind */
    VOID_NOT_APPLICANT = 2, /* refusal without an open application */
    VOID_ALREADY_APPLIED = 3,
    VOID_ALREADY_MEMBER = 4,
    VOID_NOT_MEMBER = 5, /* never was, or left before that date */
    VOID_LEFT = 6,
    VOID_DECEASED = 7,
    VOID_SAME_CATEGORY = 8,
    VOID_CATEGORY_PERSON = 9, /* A and B are natural persons */
    VOID_NO_OFFICE = 10,      /* office not opened in the event's past */
    VOID_REQUEST_OPEN = 11,
    VOID_NO_REQUEST = 12,
    VOID_REFERENCE = 13,        /* reference to another entity, kind, chain value, or to a void event */
    VOID_MAKES_IMPOSSIBLE = 14, /* an earlier-written, later-dated event would become impossible */
    VOID_TOO_MANY = 15,         /* MEMBER_PAST_MAX or more in its past */
    VOID_KEY = 16,              /* does not stand (§7); never in a replicated row */
    VOID_OFFICE_EXISTS = 17,
    VOID_OFFICE_CLOSED = 18,
    VOID_SHARES = 19, /* sum of shares out of range */
    VOID_KIND = 20,   /* log.opened not at seq 1 */
    VOID_MERGED = 21, /* into another record */
    VOID_OWED = 22,   /* more is repaid than is owed */
    VOID_NOT_LEGAL = 23,
    VOID_REPRESENTS = 24, /* is a representative already, or one too many */
    VOID_REPRESENTS_NOT = 25,
    VOID_CONSENT_GIVEN = 26, /* one too many */
    VOID_CONSENT_NOT_GIVEN = 27,
    VOID_EXISTS = 28, /* activities, invoices */
    VOID_EXISTS_NOT = 29,
    VOID_CLOSED = 30,
    VOID_CREDIT = 31, /* more is credited than was invoiced */
    VOID_MOVED = 32,  /* to another unit, which is the home now */
    VOID_NO_OFFER = 34,
    VOID_ACCEPTED = 35,
    VOID_NO_DOUBLE = 36,
    VOID_DOUBLE = 37,    /* declared already, or one too many */
    VOID_FIRST_DAY = 38, /* not after the first day of the membership */
    VOID_NEW_HOME = 39,  /* membership is the new home's to say */
    VOID_UNIT_CLOSED = 41,
    VOID_POSTING_LONG = 42, /* longer than 24 months; the greatest (row_outcome_ok) */
};
const char *void_reason_text(enum void_reason r); /* "is already a member", … for people; never NULL */

/* Begins as row.h asks. */
struct member_entry {
    struct position at;
    uint16_t kind, kind_version;
    struct civil_date effective;
    enum outcome outcome;
    enum void_reason reason;
    uint8_t n_refs; /* those of roles that the kind takes; a role twice shows the breach of §8 */
    struct event_ref refs[3];
    enum date_precision precision;
    uint8_t category, person_type; /* 0 if the kind has none */
    uint8_t capsule_mask; /* bit (class − 1) for classes 1–5, 6 for 8, 7 for 15: which capsules the event carries */
    bool has_office;
    struct office_id office;
    uint64_t shares;
    int64_t share_price_minor; /* 34, 35 */
    int64_t amount_minor;      /* 44, 48 */
    bool owed;                 /* 48 */
    char currency[CURRENCY_MAX];
    bool has_other;
    struct subject_id other; /* 45–48; 70, 71: the other unit's record */
    uint16_t purpose;        /* 49, 50; 71: why; 0 if the kind has none */
    char text_version[TEXT_VERSION_MAX + 1];
    /* Kinds 64 to 71, 96 to 99. */
    bool has_home;
    struct unit_id home;     /* 64, 66: to; 65: from; 70, 71: of the other record; an arrival: where it was completed */
    bool arrival;            /* a completion of another unit's row, as it has its effect in this one */
    uint8_t origin_reason;   /* of an arrival: enum void_reason why it has no effect there; 0 = it has */
    bool voted;              /* 66 */
    uint8_t activities;      /* 66: 1 closed, 2 taken along */
    uint8_t settled;         /* 71: enum double_outcome */
    uint8_t ground;          /* 96, 98 */
    uint16_t classes;        /* 96, 98, 99: bit class − 1 */
    struct civil_date until; /* of these kinds: 64: proposed day; 98: the legal date; DATE_NONE = none, until lifted */
};

struct member_row {
    struct unit_id unit;
    struct subject_id subject;
    size_t n, cap;
    struct member_entry *entries; /* heap, in the order (depth, log id, seq) */
};

void member_row_init(struct member_row *r, const struct unit_id *unit, const struct subject_id *subject);
void member_row_release(struct member_row *r);
/* The one encoding of a row. Encode: ERR_NOMEM. Decode: ERR_CORRUPT, ERR_NOMEM; a released or initialised row. */
int member_row_encode(const struct member_row *r, struct buf *out, struct err *err) NODISCARD;
int member_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *subject,
                      struct member_row *ret, struct err *err) NODISCARD;

/* What the fold must ask about the world outside the row. Answers must be functions of the event set. */
struct member_world {
    const struct dag *dag;
    void *arg;
    /* Chain value after a held and applied position; ERR_NOTFOUND if not held. */
    int (*chain_at)(void *arg, const struct position *at, struct chain_value *ret);
    /* Whether the unit has a well-formed office.opened of office before `at` by position (office_opened_before). */
    bool (*office_known)(void *arg, const struct unit_id *unit, const struct office_id *office,
                         const struct position *at);
    /* The event at a position as it stands in the row (unit of its log, subject): ERR_NOTFOUND if it is no event of that subject. NULL: no
     * row has kin. */
    int (*kin)(void *arg, const struct subject_id *subject, const struct position *at, struct unit_id *ret_unit,
               struct member_entry *ret);
};

/* Whether events of the kind, which is known, are entries of members. */
bool member_kind(uint16_t kind);
/* Entry from a decoded event. outcome is left APPLIED. kind: member_kind. */
void member_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                             struct member_entry *ret);
/* An entry for an event of this entity whose kind or version is unknown. False if it is not must-understand: such an event has
 * no effect and stands in no row. */
bool member_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                          struct member_entry *ret);

/* Adds e and recomputes the outcomes of all entries (O(n) when e comes after all others by position). Already there, or beyond the
 * first MEMBER_ENTRIES_MAX: nothing. Errors are ERR_NOMEM and what chain_at returned, and leave the row as it was; impossible events
 * become VOID entries. *ret_missing receives a position that some entry waits for, if any (has = false otherwise). */
struct missing {
    bool has;
    struct position at;
};
int member_row_add(struct member_row *r, const struct member_entry *e, const struct member_world *w,
                   struct missing *ret_missing, struct err *err) NODISCARD;
/* Recomputes after something outside arrived (a waited-for target). */
int member_row_refold(struct member_row *r, const struct member_world *w, struct missing *ret_missing,
                      struct err *err) NODISCARD;

/* Would e, written now after everything in the row (at = the writer's next position), be valid? 0, or ERR_CONFLICT, ERR_INVALID,
 * ERR_NOTFOUND (office) with a text for the desk and the field at fault, or ERR_NOMEM. Nothing changes. */
int member_row_try(const struct member_row *r, const struct member_entry *e, const struct member_world *w,
                   struct err *err) NODISCARD;
/* The same, and the row as it would be, for what is to be written behind e. Release ret. */
int member_row_after(const struct member_row *r, const struct member_entry *e, const struct member_world *w,
                     struct member_row *ret, struct err *err) NODISCARD;

/* Beside member_row_try, of which it has the errors too: a record that was merged has passed on what it held and was owed, and no rule
 * compares the two halves (§10). An entry of before that would change what passed on is refused, or shares would come from nowhere:
 * ERR_CONFLICT, field "subject". */
int member_row_try_passed(const struct member_row *r, const struct member_entry *e, const struct member_world *w,
                          struct err *err) NODISCARD;

/* ---- members who move: §10 "Handover" ---- */

/* Whether the row has events of a handover: it then looks at other units' rows of the subject, and they at it. */
bool member_row_has_kin(const struct member_row *r);
/* The face of a row: what other rows of the subject see of it. Its own first HANDOVERS_MAX entries of kinds 64 to 66, those in
 * known versions.
 * *ret: a row to be released; without entries if there are none. ERR_NOMEM. */
int member_row_face(const struct member_row *r, struct member_row *ret, struct err *err) NODISCARD;
/* Units that a face names: their rows look at it, and the row looks at theirs. Which ones rests on the set of events alone. Returns how many,
 * each once. */
size_t member_face_kin(const struct member_row *face, struct unit_id ret[HANDOVERS_MAX]);
/* Whether the row of a unit sees the same in two faces of one row. */
bool member_face_same(const struct member_row *a, const struct member_row *b, const struct unit_id *seen_by);
/* Adds to *candidates, a row, the completions that may be arrivals, valid or not, by the faces of the row they arrive in and of a kin: of all
 * together the first MEMBER_ARRIVALS_MAX in the order of rows. ERR_NOMEM. */
int member_arrivals_add(struct member_row *candidates, const struct member_row *to, const struct member_row *from,
                        const struct dag *dag, struct err *err) NODISCARD;
/* Makes the arrivals in the row those of the candidates that are valid. *ret_changed: whether anything differs; the row is to be folded again
 * then. ERR_NOMEM. */
int member_row_arrive(struct member_row *to, const struct member_row *candidates, const struct dag *dag,
                      bool *ret_changed, struct err *err) NODISCARD;
/* What a unit has open about a member who moves: replicated (table 19), never renumbered. */
enum handover_step {
    HANDOVER_NONE = 0,
    HANDOVER_OFFERED = 1,  /* to offer_to; it has to accept, or this unit to complete */
    HANDOVER_ACCEPTED = 2, /* accepted_from has to complete */
    HANDOVER_ARRIVED = 3,  /* this unit has to say that it received the member */
};
enum handover_step member_handover_step(const struct member_row *r);
/* Position of the valid acceptance in `to` of the offer at a position, the newest in the order of the row; false if there is none. */
bool member_acceptance_of(const struct member_row *to, const struct position *offer, struct position *ret);
/* Index of an effective arrival that no effective kind 68 names: the unit must say first that it received the member. SIZE_MAX: none. */
size_t member_arrival_unreceived(const struct member_row *r);

enum member_status {
    STATUS_NONE = 0,
    STATUS_APPLIED = 1,
    STATUS_REFUSED = 2,
    STATUS_MEMBER = 3,
    STATUS_LEFT = 4,
    STATUS_MERGED = 5
};
enum left_reason {
    LEFT_NONE = 0,
    LEFT_RESIGNED = 1,
    LEFT_WITHDRAWN = 2,
    LEFT_EXCLUDED = 3,
    LEFT_DECEASED = 4,
    LEFT_MOVED = 5,
    LEFT_DOUBLE = 6, /* one person, two records: this one was given up */
};

/* §10. CURRENCIES_OWED_MAX: of what one person holds and is owed together. */
enum {
    REPRESENTATIVES_MAX = 16,
    CONSENTS_MAX = 32,
    CURRENCIES_OWED_MAX = 4,
    DOUBLES_MAX = 8,
    COMPLETIONS_MAX = 16, /* in the past of an event: moves away from one unit */
    CLASSES_MAX = 8,
};

struct member_owed {
    char currency[CURRENCY_MAX];
    uint64_t shares;
    int64_t amount_minor;
};
struct member_consent {
    uint16_t purpose;
    struct civil_date given_on;
};

struct member_double {
    struct unit_id unit;
    struct subject_id subject;
    uint8_t settled; /* enum double_outcome; 0 = not yet */
};

struct member_state {
    enum member_status status;
    enum left_reason left_reason;
    bool request_open;
    uint8_t category, person_type;
    struct office_id office;
    struct civil_date joined_on, left_on; /* of the current or last membership; DATE_NONE */
    uint64_t shares;
    int64_t capital_minor; /* paid for the shares held, as far as in this currency: that of the last subscription */
    char currency[CURRENCY_MAX];
    uint8_t n_owed, n_representatives, n_consents;
    struct member_owed owed[CURRENCIES_OWED_MAX]; /* to be repaid, in the order in which it came to be owed */
    struct subject_id representatives[REPRESENTATIVES_MAX];
    struct member_consent consents[CONSENTS_MAX];
    struct subject_id merged_into; /* STATUS_MERGED */
    bool offer_open;               /* a handover to offer_to was offered on offered_at */
    struct unit_id offer_to;
    struct civil_date offer_day; /* proposed */
    struct position offered_at;
    bool accepted; /* another unit's offer, which it has not completed yet */
    struct unit_id accepted_from;
    struct position accepted_at, accepted_offer;
    struct unit_id moved_to, came_from; /* of the last completion (LEFT_MOVED) and arrival; zeros if there was none */
    bool voted;                         /* the last arrival said that the member voted in its year before */
    uint16_t erased, restricted;        /* classes, bit class − 1 */
    struct civil_date restricted_until[CLASSES_MAX]; /* by class − 1; DATE_NONE = until lifted */
    uint8_t n_doubles;
    struct member_double doubles[DOUBLES_MAX];
    struct position last_change; /* event that the ETag names: the entry latest in (depth, log, seq) */
};
/* State on a day (effective dates ≤ as_of; DATE_MAX = all). */
void member_state_at(const struct member_row *r, struct civil_date as_of, struct member_state *ret);
/* What is held on a day, by currency in the order in which it came in; returns how many. */
size_t member_held_at(const struct member_row *r, struct civil_date as_of, struct member_owed ret[CURRENCIES_OWED_MAX]);
/* What is to be repaid on a day for so many of the shares owed in a currency: what was paid for them, the oldest first; for all that are
 * owed, all that is left. False if fewer are owed. */
bool member_owed_for(const struct member_row *r, struct civil_date as_of, const char *currency, uint64_t shares,
                     int64_t *ret_minor);
/* Index of the entry that fills the slot of entry i: i itself, its correction, or a cancellation. i must be valid (applied, replaced,
 * conflict). */
size_t member_slot_filler(const struct member_row *r, size_t i);
/* Index of the entry at a position; SIZE_MAX if the row has none. */
size_t member_entry_find(const struct member_row *r, const struct position *at);
/* Position of the capsule of a class in force: of the last slot in the order of the fold of which an event carries one, the newest
 * (a correction that carries none leaves the one before it); false if none. */
bool member_capsule_position(const struct member_row *r, uint8_t class, struct position *ret);
/* The same for a representative: §6, the capsules of class 1, 2 and 15 of kind 45 are of the person named there, never of the member. */
bool member_representative_capsule(const struct member_row *r, const struct subject_id *representative, uint8_t class,
                                   struct position *ret);
/* Every capsule of a class about the member (names that were, notes), also of events that were corrected, cancelled or conflict: in the
 * order of the fold, of a slot the oldest first. Returns how many there are and fills the first max. */
struct capsule_place {
    struct position at;
    struct civil_date effective; /* of the slot now; what came in force on that day */
    bool in_force;               /* the one that counts of its slot; the rest is what it replaced */
};
size_t member_capsule_history(const struct member_row *r, uint8_t class, struct capsule_place *ret, size_t max);

/* Contributions to the views: what the member adds to each cell. */
enum count {
    COUNT_MEMBERS,
    COUNT_JOINED,
    COUNT_RESIGNED,
    COUNT_WITHDRAWN,
    COUNT_EXCLUDED,
    COUNT_DECEASED,
    COUNT_MOVED_IN,
    COUNT_MOVED_OUT,
    COUNT_CHANGED_IN,
    COUNT_CHANGED_OUT, /* category changed: gross, both cells */
    COUNT_RELOCATED_IN,
    COUNT_RELOCATED_OUT, /* office changed: likewise */
    COUNT_MERGED,        /* a duplicate record given up: no member less in the world, one less in the count */
    COUNT_APPLIED,
    COUNT_REFUSED,
    COUNT_REQUESTED,
    COUNT_REQUEST_REFUSED,
    COUNT_RECORD_KEYS,
    COUNTS_N
};
/* IN: subscribed; OUT: ended by leaving; MERGED: taken over from, and given up to, another record of the unit (net: zero where both stand).
 * Capital shown = IN − OUT + MERGED_IN − MERGED_OUT. REPAID: paid out after leaving; FORGONE: owed, but settled for less. Owed = OUT −
 * REPAID − FORGONE. */
enum {
    CAPITAL_SHARES_IN,
    CAPITAL_SHARES_OUT,
    CAPITAL_MINOR_IN,
    CAPITAL_MINOR_OUT,
    CAPITAL_SHARES_MERGED_IN,
    CAPITAL_SHARES_MERGED_OUT,
    CAPITAL_MINOR_MERGED_IN,
    CAPITAL_MINOR_MERGED_OUT,
    CAPITAL_SHARES_REPAID,
    CAPITAL_MINOR_REPAID,
    CAPITAL_MINOR_FORGONE,
    CAPITAL_N
};
/* The capital shown: shares and minor units, of CAPITAL_N counters. */
int64_t capital_shares(const int64_t *v);
int64_t capital_minor(const int64_t *v);

struct contribution {
    struct civil_date day;
    bool is_capital;
    struct office_id office;       /* counts */
    uint8_t category, person_type; /* counts */
    char currency[CURRENCY_MAX];   /* capital */
    int64_t v[COUNTS_N];           /* COUNTS_N or CAPITAL_N of them */
};
/* Calls emit for each contribution of the row, in a fixed order. COUNT_MEMBERS is +1 on joining and −1 on leaving; a change of
 * cell is −1 in the old and +1 in the new. COUNT_RECORD_KEYS moves with it by the member's record key. */
int member_contributions(const struct member_row *r, int (*emit)(void *arg, const struct contribution *c), void *arg);
/* Whether a row only got something to add by the event at a position: it came last in the row and in the fold, takes no other's place, and
 * the n entries that were there have the outcomes of before. Then its part, which member_last_contributions emits, follows what the row
 * emitted without it. */
bool member_last_adds(const struct member_row *r, const struct position *at, const enum outcome *before, size_t n);
int member_last_contributions(const struct member_row *r, int (*emit)(void *arg, const struct contribution *c),
                              void *arg);
int64_t member_record_key(const struct subject_id *s);

/* Whether an event of this kind is an operation on shares, with a line in the share register: 34, 35, 39, 41–44, 47, 48, and 51 where it
 * cancels such a one. Void, waiting and unknown events have none. */
bool member_share_operation(const struct member_row *r, const struct member_entry *e);
/* A line of the share register: what the event changed when it was recorded is its own; what it stands for now is here. A line that was
 * corrected or cancelled since, and one that the fold skips, stands for nothing (zeros): the lines of a unit sum to its capital. */
struct share_line {
    struct civil_date effective;
    char currency[CURRENCY_MAX];
    int64_t shares, minor;               /* added to, taken from what is held; signed */
    int64_t repaid_shares, repaid_minor; /* kind 44 */
    bool stands;
};
/* Lines that event i of the row stands for (a leaving: one for each currency; at least one), at most max. */
size_t member_share_lines(const struct member_row *r, size_t i, struct share_line *ret, size_t max);

#endif
