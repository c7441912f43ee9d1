/* Members of other units at this unit: what is opened of them here, by a grant or a pass, and that it was opened. docs/PROTOCOL.md §6
 * "Grants, passes, offers", §9 kind 86. What this node may have of them is decided in entitled.h; here is what a desk does. */
#ifndef SMARTNODE_COMMAND_GUEST_H
#define SMARTNODE_COMMAND_GUEST_H

#include "node/command/command.h"
#include "storage/openings.h"

/* struct opening.done: the classes that were opened, bit (class − 1), and how. */
enum { OPENED_CLASSES = 0x0f, OPENED_BY_PASS = 1 << 4 };

/* Puts on record that somebody of this unit opened a member of another one: kept in the vault, where the upkeep finds it and writes it
 * for the home (kind 86). Of several members of one answer all at once. Call it before the answer leaves: no record, no answer.
 * classes: bit (class − 1). Any thread; one durable commit of the vault. Errors of openings_note. */
struct guest_look {
    struct unit_id home;
    struct subject_id member;
    struct subject_id access; /* the grant's or pass's id */
    struct civil_date day;
    struct actor_id actor;
    unsigned classes;
    bool by_pass; /* a pass was shown */
};
enum { GUEST_LOOKS_MAX = 64 };
/* ERR_LIMIT: more than GUEST_LOOKS_MAX. */
int guest_opening(struct vault *vault, const struct guest_look *looks, size_t n, struct err *err) NODISCARD;

/* How old knowledge of another unit may be before its members stay closed here, unless the operator says otherwise
 * (foreign_days_max in smartnode.conf; 0 = however old). */
enum { FOREIGN_DAYS_DEFAULT = 30 };

/* 0, or ERR_DENIED with a text for the desk: this node has not known all of that unit's events for longer than days_max, or never has.
 * *ret_age_ms (may be NULL): the age, −1 if it never has. known and known_at: what api_deps.unit_known_at said. Pure. */
int guest_knowledge(bool known, struct wall_ms known_at, struct wall_ms now, uint32_t days_max, int64_t *ret_age_ms,
                    struct err *err) NODISCARD;

#endif
