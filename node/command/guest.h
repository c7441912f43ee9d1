/* Members of other units at this unit: what is opened of them here, by a grant or a pass, and that it was opened. docs/PROTOCOL.md §6
 * "Grants, passes, offers", §9 kind 86. What this node may have of them is decided in entitled.h; here is what a desk does. */
#ifndef SMARTNODE_COMMAND_GUEST_H
#define SMARTNODE_COMMAND_GUEST_H

#include "node/command/command.h"
#include "storage/openings.h"
#include "storage/received.h"

/* struct opening.done: the classes that were opened, bit (class − 1), and how. */
enum { OPENED_CLASSES = 0x0f, OPENED_BY_PASS = 1 << 4 };

/* Puts on record that somebody of this unit opened a member of another one: kept in the vault, where the upkeep finds it and writes it
 * for the home (kind 86). Of several members of one answer all at once. Call it before the answer leaves: no record, no answer.
 * classes: bit (class − 1). Any thread; one durable commit of the vault. Errors of openings_note. */
struct guest_look {
    struct unit_id home;
    struct subject_id member;
    struct subject_id access; /* the grant's or pass's id; of an offer the member's */
    struct civil_date day;
    struct actor_id actor;
    unsigned classes;
    bool by_pass; /* a pass was shown */
};
enum { GUEST_LOOKS_MAX = 64 };
/* ERR_LIMIT: more than GUEST_LOOKS_MAX. */
int guest_opening(struct vault *vault, const struct guest_look *looks, size_t n, struct err *err) NODISCARD;

/* The key under which this unit records what a visitor does here: the newest class 4 key that her home gave by a grant or a pass which
 * stands today, as ctx's transaction has it: between its end and the sweep that destroys its keys (guests.h) nothing is done with them. What was done
 * for her before she moved here goes on with what the completion gave. unit: her home; NULL = whichever gave one. ERR_CONFLICT naming `field`: there is
 * none. Wipe ret_key. */
int guest_key(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *member,
              const char *field, struct unit_id *ret_unit, struct data_key *ret_key, struct err *err) NODISCARD;
/* The grant or pass by which a key came: whom the event that gave it is about. ERR_NOTFOUND: that event is not held. */
int guest_access_of_key(const struct command_ctx *ctx, const struct received_key *key, struct subject_id *ret,
                        struct err *err) NODISCARD;
/* Whether the grant or pass by which a key came stands today. Not of a handover's keys: false. */
int guest_key_stands(const struct command_ctx *ctx, const struct received_key *key, bool *ret,
                     struct err *err) NODISCARD;
/* Whether some unit has, or had, a member of this id. */
bool guest_known(const struct command_ctx *ctx, const struct subject_id *member);

/* What of another unit's member is open here today, by grants that stand, or because she is offered to this unit or moved here and is not received
 * yet (then identity and contact, by which the desk knows who it is): classes of `classes` (bits 1 << class) whose capsules are held and whose keys her
 * home gave; a class that she may not be shown in, or that is not here yet, is absent. Nothing is put on record: guest_opening.
 * ERR_DENIED, with a text for the desk: nothing of that stands. Wipe ret. Errors of storage. */
struct guest_opened {
    bool moving;               /* by a handover */
    struct subject_id access;  /* the grant; of a handover the member's id */
    unsigned granted, classes; /* bit (class − 1): what may be opened; what was opened */
};
int guest_person(const struct command_ctx *ctx, const struct member_row *row, unsigned classes,
                 struct person_input *ret, struct guest_opened *ret_opened, struct err *err) NODISCARD;

/* A contact as a visitor says it should be: a proposal to her home, which alone can make it so. contact: all of it, as it should be. */
struct guest_proposal {
    struct unit_id home;
    struct subject_id member;
    struct person_contact contact;
    char text[GUEST_TEXT_MAX + 1]; /* why; may be empty */
};
/* Kind 86 with one record. Fields: member, those of person_check, text. ERR_CONFLICT, field "member": nothing stands that allows it. */
int command_guest_proposal(const struct command_ctx *ctx, const struct guest_proposal *req, struct draft *ret,
                           struct err *err) NODISCARD;

/* An event of kind 86 for one home, with n records (1 … 16), each sealed with the key of its member; their unit is the home.
 * ERR_NOTFOUND: of one of them no key of class 4 is held any more. */
int guest_draft(const struct command_ctx *ctx, const struct unit_id *home, const struct guest_record *records, size_t n,
                struct draft *ret, struct err *err) NODISCARD;
/* Kind 97: what the event at a position, in another unit's log, ended is destroyed here. ERR_NOTFOUND: it is not held. */
int guest_confirmation(const struct command_ctx *ctx, const struct position *ended, struct draft *ret,
                       struct err *err) NODISCARD;
/* The grant or pass by which the key came that guest_key would give; where none stands any more, the newest that is here. ERR_NOTFOUND. */
int guest_access(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *member,
                 struct subject_id *ret, struct err *err) NODISCARD;

/* Classes, bit (class − 1), that an own member's home has erased since a host wrote a record of her: written before the order, by the clocks
 * of both events, or about a day before that of the erasure. Of an order in the open group, that it came later. row: of the member. */
int guest_erased_since(const struct command_ctx *ctx, const struct member_row *row, const struct position *at,
                       struct civil_date day, uint16_t *ret, struct position *ret_by, struct err *err) NODISCARD;
/* What a record proposes, and why, goes; that somebody looked or did something stays. */
void guest_record_forget_contact(struct guest_record *r);
/* With any of these the whole record goes, with contact what it proposes. */
enum {
    GUEST_GOES_WITH = 1 << (CLASS_IDENTITY - 1) | 1 << (CLASS_GUEST - 1),
    GUEST_CONTACT_GOES_WITH = GUEST_GOES_WITH | 1 << (CLASS_CONTACT - 1),
};

/* How old knowledge of another unit may be before its members stay closed here, unless the operator says otherwise
 * (foreign_days_max in smartnode.conf; 0 = however old). */
enum { FOREIGN_DAYS_DEFAULT = 30 };

/* 0, or ERR_DENIED with a text for the desk: this node has not known all of that unit's events for longer than days_max, or never has.
 * *ret_age_ms (may be NULL): the age, −1 if it never has. known and known_at: what api_deps.unit_known_at said. Pure. */
int guest_knowledge(bool known, struct wall_ms known_at, struct wall_ms now, uint32_t days_max, int64_t *ret_age_ms,
                    struct err *err) NODISCARD;

#endif
