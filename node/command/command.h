/* From a request or an imported row to a checked event. A command reads state through the writer's transaction, checks with
 * the very rules that apply uses, and returns a draft: facets, references, capsules to be. Nothing is written here; the writer
 * (node/host/writer.h) gives position, clock, salt and seal, and stores. docs/ARCHITECTURE.md "A write".
 * Every refusal is an err with the field at fault and a text for the person at the desk; nothing has changed then. */
#ifndef SMARTNODE_COMMAND_H
#define SMARTNODE_COMMAND_H

#include "node/rules/member.h"
#include "node/rules/place.h"
#include "proto/person.h"
#include "storage/evlog.h"
#include "storage/state.h"
#include "storage/vault.h"

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
    void (*random)(void *arg, uint8_t *out, size_t len);
    void *random_arg;
};

enum { DRAFT_CAPSULES_MAX = 5 };

struct draft_capsule {
    uint8_t class;
    struct buf plain; /* encoded person_*; wiped on release */
};

/* One event to be. */
struct draft {
    uint16_t kind;
    struct event_payload payload; /* salt is filled by the writer */
    uint8_t n_refs;
    struct event_ref refs[3]; /* chain values filled in */
    uint8_t n_capsules;
    struct draft_capsule capsules[DRAFT_CAPSULES_MAX];
    bool new_keys; /* subject needs a key slot and a key capsule */
    struct subject_id subject;
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
};

struct member_request {
    enum member_action action;
    bool has_subject; /* APPLY and ADMIT may create one */
    struct subject_id subject;
    struct civil_date effective; /* DATE_NONE = today */
    uint8_t category, person_type;
    bool has_office;
    struct office_id office; /* resolved by office_find from id or name */
    bool has_shares;
    uint64_t shares;
    struct person_input person;
    bool has_if_match;
    struct position if_match; /* ETag: last_change the client saw */
};

/* Share price and currency come from the unit.described in force on the effective date (ERR_CONFLICT, field "unit", if none).
 * ADMIT names the open application, if there is one, and takes from it category, person type and office that are not given.
 * Person: identity is needed of someone new; one capsule for each class given; without content, someone new gets none for
 * contact and bank, and a known member's class is emptied by it. Fields of errors: those of person_check (person.h) and action,
 * subject, effective_on, category, person_type, office, shares, person, unit, if-match.
 * Errors: ERR_INVALID (field), ERR_NOTFOUND (member, office), ERR_CONFLICT (impossible, or stale ETag: field "if-match"), and
 * those of storage, after which the transaction is to be aborted. ret is untouched on failure; else the caller's to release. */
int command_member(const struct command_ctx *ctx, const struct member_request *req, struct draft *ret,
                   struct err *err) NODISCARD;

/* Office by hex id or by name (exact, folded) among the unit's offices; of several of one name the open one. ERR_NOTFOUND,
 * ERR_INVALID, ERR_CONFLICT (ambiguous), field "office". By name it walks all offices and flushes the row cache: an import keeps
 * what it found. */
int office_find(const struct command_ctx *ctx, const char *text, struct office_id *ret, struct err *err) NODISCARD;
int command_office_open(const struct command_ctx *ctx, const struct office_facts *facts, struct civil_date effective,
                        struct draft *ret, struct err *err) NODISCARD;
int command_office_change(const struct command_ctx *ctx, const struct office_id *office,
                          const struct office_facts *facts, struct civil_date effective, struct draft *ret,
                          struct err *err) NODISCARD;
int command_office_close(const struct command_ctx *ctx, const struct office_id *office, struct civil_date effective,
                         struct draft *ret, struct err *err) NODISCARD;
int command_unit_describe(const struct command_ctx *ctx, const struct unit_described *unit, struct civil_date effective,
                          struct draft *ret, struct err *err) NODISCARD;

/* Blind index fields and their tokens: names are folded (NFKD, marks stripped, case folded) and split into words; every word is
 * a token and so is its prefix of three letters; e-mail, member number (letters and digits), birth date whole, of a phone number
 * the last eight digits. Tokens beyond INDEX_TOKENS_MAX are left out. ERR_INVALID: not UTF-8 (not after person_check). */
enum index_field {
    INDEX_NAME = 1,
    INDEX_NAME_PREFIX = 2,
    INDEX_EMAIL = 3,
    INDEX_PHONE = 4,
    INDEX_MEMBER_NO = 5,
    INDEX_BIRTH = 6
};
enum { INDEX_TOKENS_MAX = 64 };
struct index_token {
    uint8_t field;
    uint8_t token[VAULT_TOKEN_BYTES];
};
int index_tokens(const struct vault *v, const struct person_input *p, struct index_token ret[INDEX_TOKENS_MAX],
                 size_t *ret_n, struct err *err) NODISCARD;
/* Tokens of a search text ("Maes jan", an e-mail, a number, a date): all must match. Three letters find what begins so, other words
 * the very word. ERR_INVALID, field "q": nothing to look for. */
int index_query(const struct vault *v, const char *text, struct index_token ret[INDEX_TOKENS_MAX], size_t *ret_n,
                struct err *err) NODISCARD;

#endif
