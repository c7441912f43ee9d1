/* From a request or an imported row to a checked event. A command reads state through the writer's transaction, checks with
 * the very rules that apply uses, and returns a draft: facets, references, capsules to be. Nothing is written here; the writer
 * (node/host/writer.h) gives position, clock, salt and seal, and stores. docs/ARCHITECTURE.md "A write".
 * Every refusal is an err with the field at fault and a text for the person at the desk; nothing has changed then. */
#ifndef SMARTNODE_COMMAND_H
#define SMARTNODE_COMMAND_H

#include "node/rules/counting.h"
#include "node/rules/invoice.h"
#include "node/rules/member.h"
#include "node/rules/place.h"
#include "node/rules/posting.h"
#include "proto/person.h"
#include "storage/evlog.h"
#include "storage/state.h"
#include "storage/vault.h"

struct strays;

/* What a command may look at. Borrowed for the call. */
struct command_ctx {
    struct db_txn *txn;
    struct state *state; /* NULL on a read transaction: then rows come from the tables */
    const struct member_world *world;
    struct vault *vault;
    struct unit_id unit;
    char unit_code[UNIT_CODE_MAX];
    struct actor_id actor;
    struct civil_date today; /* in the unit's own time zone: only for defaults and for "birth date in the future" */
    struct strays *strays;   /* strays.h; NULL: none are remembered */
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *random_arg;
};

enum { DRAFT_CAPSULES_MAX = HEADER_CAPSULES_MAX };

struct draft_capsule {
    uint8_t class;
    struct buf plain; /* encoded person_*; wiped on release */
    bool has_key; /* sealed with this key, which another unit gave, instead of one of key_subject's; wiped on release */
    struct data_key key;
};

/* Keys of a member that the writer seals to another unit, or to a pass, as key capsules of use 3 or 4 (§6) when it writes the event: those
 * that are the newest then, a generation that begins in the same commit among them. */
enum { DRAFT_SEALED_MAX = 16 };
struct draft_seal {
    uint8_t use; /* KEY_USE_GRANT, KEY_USE_PASS; 0 = nothing is sealed */
    struct box_public to;
    struct subject_id member;       /* of this unit */
    uint16_t classes;               /* bit (class − 1), within ACCESS_CLASSES_ALL; class 4 goes along unasked */
    uint16_t first_year, last_year; /* of the year keys */
    uint8_t n_older;                /* keys of earlier generations, for capsules that are under these */
    struct {
        uint8_t class;
        uint32_t generation;
    } older[DRAFT_SEALED_MAX];
};

/* Keys of one generation, of all but the classes that go, are escrowed anew because the key capsule that held them goes. */
struct draft_escrow {
    struct subject_id subject;
    uint32_t generation;
    uint64_t slot;
    unsigned gone; /* 1 << vault_class_index */
};

/* One event to be. */
struct draft {
    uint16_t kind;
    struct event_payload payload; /* salt is filled by the writer */
    uint8_t n_refs;
    struct event_ref refs[3]; /* chain values filled in */
    uint8_t n_capsules;
    struct draft_capsule capsules[DRAFT_CAPSULES_MAX];
    bool new_keys;          /* key_subject needs a key slot and a key capsule */
    bool fresh_keys;        /* key_subject gets a new generation of all classes but counting, whatever it has */
    uint16_t fresh_without; /* bit (class − 1): and but these, which are erased in the same commit */
    struct draft_seal seal;
    struct subject_id subject;
    struct subject_id
        key_subject; /* whose keys the capsules are sealed with: the subject, a representative, the member of an invoice */
    /* Entries of the vault that must be there before the event is: whose it is (wherever a class 4 capsule is: kinds 104, 105, 108, 109, 224, 225). */
    bool has_link;
    struct subject_id link_member;
    struct activity_cell *cells;   /* kind 112: heap, what payload.active points to */
    struct period_figure *figures; /* kind 256: heap */
    struct erased_place *places;   /* kind 96: heap */
    struct draft_escrow *escrow;   /* kind 96: heap; a key capsule for each */
    size_t n_escrow;
};
void draft_release(struct draft *d);

/* Personal data as entered; absent parts are empty. Validated: UTF-8, length, birth date not in the future, e-mail has one @, IBAN
 * check digits, country code; natural persons have a family name, legal persons a legal name. */
struct person_input {
    bool has_identity, has_contact, has_bank;
    struct person_identity identity;
    struct person_contact contact;
    struct person_bank bank;
};

enum member_action {
    ACTION_APPLY,
    ACTION_REFUSE,
    ACTION_ADMIT,
    ACTION_SUBSCRIBE,
    ACTION_CHANGE_CATEGORY,
    ACTION_CHANGE_DATA,
    ACTION_REQUEST_WITHDRAWAL,
    ACTION_GRANT_WITHDRAWAL,
    ACTION_REFUSE_WITHDRAWAL,
    ACTION_RESIGN,
    ACTION_EXCLUDE,
    ACTION_DECEASE,
    ACTION_REPAY,
    ACTION_NAME_REPRESENTATIVE,
    ACTION_END_REPRESENTATIVE,
    ACTION_GIVE_CONSENT,
    ACTION_WITHDRAW_CONSENT,
};

struct member_request {
    enum member_action action;
    bool has_subject; /* APPLY and ADMIT may create one, also of an id given here that is new */
    struct subject_id subject;
    struct civil_date effective; /* DATE_NONE = today */
    uint8_t category, person_type;
    bool has_office;
    struct office_id office; /* resolved by office_find from id or name */
    bool has_shares;
    uint64_t shares;
    struct person_input person; /* of the member; ACTION_NAME_REPRESENTATIVE: of the representative */
    bool has_amount;
    int64_t amount_minor; /* REPAY; absent = what is owed for the shares, the oldest first */
    bool has_price;       /* ADMIT, SUBSCRIBE: paid at another price than the unit's of that day */
    int64_t share_price_minor;
    char currency[CURRENCY_MAX]; /* REPAY; empty = the only one owed. Of a price; empty = the unit's */
    bool has_other;
    struct subject_id other; /* representative: END; NAME of one of this member's before, or an id that is new here */
    struct consent consent;
    bool has_corrects;
    struct position
        corrects; /* the event whose place this one takes (§8 role 2); what is not given stays as it was there */
    bool
        adjusts_closed; /* the date lies in a closed year, and that is meant; else ERR_CONFLICT, field "effective_on" */
    bool has_note;
    struct person_note note; /* class 5 capsule on the event */
    bool has_if_match;
    struct position if_match; /* ETag: last_change the client saw */
};

/* Share price and currency come from the unit.described in force on the effective date (ERR_CONFLICT, field "unit", if none), unless given.
 * ADMIT names the open application, if there is one, and takes from it category, person type and office that are not given.
 * Person: identity is needed of someone new; one capsule for each class given; without content, someone new gets none for
 * contact and bank, and a known member's class is emptied by it. A representative's name is needed unless the member had that one
 * before; he has no bank account here, and no note goes with his naming. CHANGE_DATA may bring nothing but a note.
 * A correction without a date keeps that of the event corrected, with its precision. An event that was corrected since cannot be
 * corrected (its correction can); one that was cancelled can, which brings it back.
 * Fields of errors: those of person_check (person.h) and action, subject, effective_on, category, person_type, office, shares,
 * share_price_minor, amount_minor, currency, representative, purpose, text_version, note, corrects, person, unit, if-match.
 * Errors: ERR_INVALID (field), ERR_NOTFOUND (member, office), ERR_CONFLICT (impossible, or stale ETag: field "if-match"), and
 * those of storage, after which the transaction is to be aborted. ret is untouched on failure; else the caller's to release. */
int command_member(const struct command_ctx *ctx, const struct member_request *req, struct draft *ret,
                   struct err *err) NODISCARD;

/* Blind index fields and their tokens: names are folded (NFKD, marks stripped, case folded) and split into words; every word is
 * a token and so is its prefix of three letters; e-mail, member number (letters and digits), birth date whole, of a phone number
 * the last eight digits; and the buckets of §12.8, as a natural and as a legal person. Tokens beyond INDEX_TOKENS_MAX are left out. ERR_INVALID: not UTF-8 (not after person_check). */
enum index_field {
    INDEX_NAME = 1,
    INDEX_NAME_PREFIX = 2,
    INDEX_EMAIL = 3,
    INDEX_PHONE = 4,
    INDEX_MEMBER_NO = 5,
    INDEX_BIRTH = 6,
    INDEX_INVOICE_NO = 7,
    INDEX_ACTIVITY_NO = 8,
    INDEX_WORK_OF = 9, /* the member's id → activities and invoices */
    INDEX_POSTING_NO = 10,
    INDEX_POSTINGS_OF = 11, /* the member's id → postings */
    INDEX_BUCKET = 20,      /* where other units' questions look for the member (lookup.h) */
};
enum { INDEX_TOKENS_MAX = 64 };
struct index_token {
    uint8_t field;
    uint8_t token[VAULT_TOKEN_BYTES];
};

/* Empties the slot of an event of the member, an activity, an invoice or a posting (§8 role 9). Refused if what comes later would become
 * impossible: ERR_CONFLICT says which event. Fields: event, effective_on, if-match. */
struct cancel_request {
    enum { CANCEL_MEMBER, CANCEL_ACTIVITY, CANCEL_INVOICE, CANCEL_POSTING } what;
    struct subject_id subject;
    struct position event;
    bool adjusts_closed, has_if_match;
    struct position if_match;
};
int command_cancel(const struct command_ctx *ctx, const struct cancel_request *req, struct draft *ret,
                   struct err *err) NODISCARD;

/* Two records of one person: `from` is given up, `into` kept. Two drafts, for one commit: member.merged, then member.absorbed. Shares held
 * or owed in more than one currency: ERR_CONFLICT (repay first). Undo: the two cancellations, in the order in which they are to be
 * written; `into` zero: whatever record it was merged into. Fields: from, into, effective_on. */
enum { MERGE_DRAFTS = 2 };
struct merge_request {
    struct subject_id from, into;
    struct civil_date effective;
    bool undo, adjusts_closed, has_if_match;
    struct position if_match; /* of `from` */
};
int command_merge(const struct command_ctx *ctx, const struct merge_request *req, struct draft ret[MERGE_DRAFTS],
                  struct err *err) NODISCARD;

/* Activities. The member must have been one of this unit's on some day of the month of opening. Facets that are not given: the member's
 * office, no culture; of a change, those in force in the month; of a correction, those of the event corrected, whose date it keeps too if
 * none is given. A capsule is written only where its content changes; a change of facets alone needs no key. The number must be new in the
 * unit: ERR_CONFLICT, field "number". Fields: member, activity, sector, office, effective_on, number, text, corrects, if-match. */
enum work_action { WORK_OPEN_ACTIVITY, WORK_CHANGE_ACTIVITY, WORK_CLOSE_ACTIVITY };
struct activity_request {
    enum work_action action;
    bool has_activity; /* OPEN may create one, also of an id given here that is new */
    bool has_unit;     /* the member's, where it is another unit's: a visitor (guest.h); office must be given then */
    struct unit_id unit;
    struct subject_id activity, member; /* member zero, but for a new activity: not said; else it must be theirs */
    struct civil_date
        effective; /* a day or the first of a month; DATE_NONE = today. The event has its month, the capsule the day */
    bool has_sector, has_culture, culture, has_office;
    uint16_t sector;
    struct office_id office;
    bool has_number, has_text;
    struct person_text number, text; /* the unit's own number; title */
    bool as_recorded;                /* see below */
    bool has_corrects, adjusts_closed, has_if_match;
    struct position corrects, if_match;
};
int command_activity(const struct command_ctx *ctx, const struct activity_request *req, struct draft *ret,
                     struct err *err) NODISCARD;

/* as_recorded, here and for invoices: what a node recorded and exported is recorded again. It was right when it was written; that the member
 * left, or the activity closed, with an earlier date was recorded later. So neither is asked for. */
/* Invoices and credit notes. Of an invoice: an activity that is open on some day of the month, of somebody who was a member then; the
 * activity's facets where they are not given; rate and currency of the unit's description in force on the day (or the first one of the
 * month), the contribution by that rate, rounded half away from zero, unless given. Of a credit note: all that is left if no amount is given;
 * the contribution so that what is given back in all is in proportion, rounded likewise, and all of it with the last. What a correction
 * does not say stays as it was; a changed amount or rate brings the contribution along. A number must be new among the unit's invoices and
 * credit notes, those aside that were cancelled: ERR_CONFLICT, field "number". Fields: activity, invoice, date, amount_minor, currency, rate_bp,
 * contribution_minor, sector, office, number, client, client_number, text, unit, corrects, if-match. */
struct invoice_request {
    bool credit;      /* a credit note on `invoice` */
    bool has_invoice; /* of an issue: an id that is new; it begins with the month (invoice_id_month) */
    struct subject_id invoice, activity;
    bool has_activity;
    struct civil_date effective;
    bool has_amount, has_rate, has_contribution;
    int64_t amount_minor, contribution_minor;
    uint32_t rate_bp;
    char currency[CURRENCY_MAX]; /* empty = the unit's */
    bool has_sector, has_culture, culture, has_office;
    uint16_t sector;
    struct office_id office;
    bool has_number, has_client, has_client_number, has_text;
    struct person_text number, client, client_number, text;
    bool as_recorded;
    bool has_corrects, adjusts_closed, has_if_match;
    struct position corrects, if_match;
};
int command_invoice(const struct command_ctx *ctx, const struct invoice_request *req, struct draft *ret,
                    struct err *err) NODISCARD;

/* Opens what the class 4 capsule of the event at a position says (ERR_NOTFOUND: erased, or never there; wipe ret); and looks up by the
 * unit's own number, of invoices also that of a credit note: ERR_NOTFOUND, field "number"; something cancelled only where nothing else
 * has it. World and state of ctx are not needed, here and below. */
int work_links_read(const struct command_ctx *ctx, const struct subject_id *entity, const struct position *at,
                    struct activity_links *ret, struct err *err) NODISCARD;
int work_find(const struct command_ctx *ctx, enum index_field field, const char *number, struct subject_id *ret,
              struct err *err) NODISCARD;
/* Activities and invoices of a member (and of records merged into it) in the order of ids. */
int work_of_member(const struct command_ctx *ctx, const struct subject_id *member, const struct subject_id *after,
                   size_t max, struct subject_id *ret, size_t *ret_n, struct err *err) NODISCARD;

/* Postings. Of a new one: member, country, first and last day. A change holds from a month on (that of `effective`, else that of what was
 * said last); another first day corrects the issue, whose event need not be named. What is not given stays as it was. Refused are, as no
 * rule of the fold can: more than 24 months by day, the unit's own country, somebody who was no member on the first day, days on which the
 * member is posted already (as_recorded: none of these), and a reference that another posting has. Fields: member, posting, country, from,
 * to, effective_on, reference, text, corrects, if-match. */
struct posting_request {
    enum { POSTING_ISSUE, POSTING_CHANGE } action;
    bool has_posting;                  /* ISSUE may create one, also of an id given here that is new */
    struct subject_id posting, member; /* member zero, but for a new posting: not said; else it must be theirs */
    char country[3];                   /* empty = not said */
    struct civil_date from, to;        /* days; DATE_NONE = not said */
    struct civil_date effective;       /* of a change: a day or the first of a month; DATE_NONE */
    bool has_reference, has_text;
    struct person_text reference, text;
    bool as_recorded;
    bool has_corrects, has_if_match;
    struct position corrects, if_match;
};
int command_posting(const struct command_ctx *ctx, const struct posting_request *req, struct draft *ret,
                    struct err *err) NODISCARD;
/* First and last day: of the capsules, or where these cannot be read of the months. ERR_NOTFOUND: there is no posting (any more). */
int posting_days(const struct command_ctx *ctx, const struct posting_row *row, struct civil_date *ret_first,
                 struct civil_date *ret_last, struct err *err) NODISCARD;
/* A posting of the member, beside `except`, that has a day of these; ret: only if *ret_found. */
int posting_overlap(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date from,
                    struct civil_date to, const struct subject_id *except, struct subject_id *ret, bool *ret_found,
                    struct err *err) NODISCARD;
/* The same, of the record that the member was merged into, if so. */
int posting_kept_overlap(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date from,
                         struct civil_date to, const struct subject_id *except, struct subject_id *ret, bool *ret_found,
                         struct err *err) NODISCARD;
/* As work_of_member, of postings. */
int postings_of_member(const struct command_ctx *ctx, const struct subject_id *member, const struct subject_id *after,
                       size_t max, struct subject_id *ret, size_t *ret_n, struct err *err) NODISCARD;

/* Counting a month (kind 112): what the invoices of the month say of each person against what was said before; drafts in the order of the
 * pseudonyms, those after `after` (NULL = the first), at most max. *ret_n < max: the month is done. Persons whose keys are gone stay as
 * they are, and invoices that are linked to nobody here speak of nobody. On a transaction with state attached it flushes. Work grows with
 * the invoices of the month, at each call. ret: the caller's to release after success. */
int command_count(const struct command_ctx *ctx, uint16_t month, const struct subject_id *after, size_t max,
                  struct draft *ret, size_t *ret_n, struct err *err) NODISCARD;
/* Fixes a year's figures (kind 256), which the caller has from the reports (report_figures of node/view; in a transaction with state
 * attached, after state_flush). ERR_CONFLICT: the year is not over, is closed already and not meant to be closed again, or has months that
 * are not counted yet. ERR_INVALID. Field "year". */
struct close_request {
    uint16_t year;
    bool again; /* a year that is closed: the new figures take the place of those published before */
    /* An import: the figures as they were published then; NULL = those of now, closed today. Borrowed. ERR_CONFLICT, field "closed_on":
     * the year was not over then. */
    const struct period_figure *published;
    size_t n_published;
    struct civil_date closed_on;
};
int command_close_period(const struct command_ctx *ctx, const struct close_request *req,
                         const struct period_figure *figures, size_t n, struct draft *ret, struct err *err) NODISCARD;

/* Office by hex id or by name (exact, folded) among the unit's offices; of several of one name the open one. ERR_NOTFOUND,
 * ERR_INVALID, ERR_CONFLICT (ambiguous), field "office". By name it walks all offices and flushes the row cache: an import keeps
 * what it found. */
int office_find(const struct command_ctx *ctx, const char *text, struct office_id *ret, struct err *err) NODISCARD;
/* id: NULL = a new one is drawn; ERR_CONFLICT, field "office", if it is there. */
int command_office_open(const struct command_ctx *ctx, const struct office_id *id_or_null,
                        const struct office_facts *facts, struct civil_date effective, struct draft *ret,
                        struct err *err) NODISCARD;
int command_office_change(const struct command_ctx *ctx, const struct office_id *office,
                          const struct office_facts *facts, struct civil_date effective, struct draft *ret,
                          struct err *err) NODISCARD;
int command_office_close(const struct command_ctx *ctx, const struct office_id *office, struct civil_date effective,
                         struct draft *ret, struct err *err) NODISCARD;
int command_unit_describe(const struct command_ctx *ctx, const struct unit_described *unit, struct civil_date effective,
                          struct draft *ret, struct err *err) NODISCARD;

int index_tokens(const struct vault *v, const struct person_input *p, struct index_token ret[INDEX_TOKENS_MAX],
                 size_t *ret_n, struct err *err) NODISCARD;
/* Token of the unit's own number of an activity (INDEX_ACTIVITY_NO), of an invoice or credit note (INDEX_INVOICE_NO) or of a posting
 * (INDEX_POSTING_NO): its letters and digits, folded. ERR_INVALID: none in it, or not UTF-8. And of a member (INDEX_WORK_OF,
 * INDEX_POSTINGS_OF). Entries of these are made where links are (vault_links_stage): their subject is the activity, invoice or posting. */
int index_work_number(const struct vault *v, enum index_field field, const char *number, uint8_t ret[VAULT_TOKEN_BYTES],
                      struct err *err) NODISCARD;
void index_work_of(const struct vault *v, const struct subject_id *member, uint8_t ret[VAULT_TOKEN_BYTES]);
void index_postings_of(const struct vault *v, const struct subject_id *member, uint8_t ret[VAULT_TOKEN_BYTES]);
/* Tokens of a search text ("Maes jan", an e-mail, a number, a date): all must match. Three letters find what begins so, other words
 * the very word. ERR_INVALID, field "q": nothing to look for. */
int index_query(const struct vault *v, const char *text, struct index_token ret[INDEX_TOKENS_MAX], size_t *ret_n,
                struct err *err) NODISCARD;

#endif
