/* One person with a record in each of two units: declared, then settled by each unit about its own record. docs/PROTOCOL.md §9 kinds 70 and 71,
 * §10 "Doubles". Either is undone by command_cancel. Nothing passes between the units but these events: each speaks of its own record alone. */
#ifndef SMARTNODE_COMMAND_DOUBLE_H
#define SMARTNODE_COMMAND_DOUBLE_H

#include "node/command/command.h"

enum double_action { DOUBLE_DECLARE = 1, DOUBLE_SETTLE };

struct double_request {
    enum double_action action;
    struct subject_id member;    /* of this unit */
    struct unit_id unit;         /* of the other record */
    struct subject_id other;     /* the other record */
    uint8_t outcome;             /* SETTLE: enum double_outcome */
    uint16_t reason;             /* SETTLE: of the registry (names.h), 1 … 65,535 */
    struct civil_date effective; /* DATE_NONE = today */
    bool adjusts_closed;         /* SETTLE: the date lies in a closed year, and that is meant */
    bool has_note;
    struct person_note note; /* class 5 capsule */
    bool has_if_match;
    struct position if_match; /* the member's row */
};

/* Settled as DOUBLE_THIS_GIVEN_UP the membership ends on that day, and its shares are owed. Errors: ERR_INVALID (unit, other, outcome, reason,
 * effective_on, note), ERR_NOTFOUND (subject; other: no such record is known here), ERR_CONFLICT (what the rules refuse: declared already, not declared;
 * subject, other), those of storage. ret: the caller's to release after success. */
int command_double(const struct command_ctx *ctx, const struct double_request *req, struct draft *ret,
                   struct err *err) NODISCARD;

/* A pair of records of which one is this unit's, and what each unit said of it. */
struct double_side {
    bool declared;
    uint8_t settled; /* enum double_outcome; 0 = not yet */
    struct civil_date
        joined_on; /* first day of the current or last membership, of who moved that at the first home; DATE_NONE = never a member */
};
struct double_view {
    struct subject_id member; /* of this unit */
    struct unit_id unit;
    struct subject_id other;
    struct double_side ours, theirs;
    bool ours_stays; /* by the rule of §10: the earlier joining, then the lesser (unit, subject) */
};
/* All pairs that this unit or the other one declared, settled ones too, in the order of the table after `after` (NULL = the first), at most max. Read
 * transactions too. */
struct double_after {
    uint8_t key[2 * (HASH_BYTES + ID_BYTES)];
};
int doubles_list(const struct command_ctx *ctx, const struct double_after *after, struct double_view *ret, size_t max,
                 size_t *ret_n, struct double_after *ret_last, struct err *err) NODISCARD;
/* What this unit said about one pair. */
int double_side_of(const struct command_ctx *ctx, const struct subject_id *member, const struct unit_id *unit,
                   const struct subject_id *other, struct double_side *ret, struct err *err) NODISCARD;

#endif
