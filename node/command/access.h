/* Access of other units to a member of this one: grants to a host, passes, their end, and keys of later generations for those that stand.
 * docs/PROTOCOL.md §6 "Grants, passes, offers", §9 kinds 80 to 85. Checks with the rules of node/rules/access.h.
 *
 * Whoever ends an access that stood also ends what its keys open: a new generation of the member's keys begins in the same commit, with
 * the data that is in force sealed again, and every other access that stands gets the new keys. */
#ifndef SMARTNODE_COMMAND_ACCESS_H
#define SMARTNODE_COMMAND_ACCESS_H

#include "node/command/command.h"
#include "node/rules/access.h"

enum {
    ACCESS_STANDING_MAX =
        16,               /* grants and passes of one member that may stand at a time: each end writes as many events */
    ACCESS_OPEN_MAX = 32, /* what a unit that was split can have at most by then; of more, the rest is not looked at */
    ACCESS_DRAFTS_MAX = ACCESS_OPEN_MAX + 2,
    ACCESS_REST_MAX = 72,        /* renewals beside what is given, of 16 keys each: for ROOM_GENERATIONS */
    ACCESS_AHEAD_DAYS_MAX = 366, /* how far ahead one may begin */
    PASS_DAYS_DEFAULT = 365,     /* validity where none is asked for: the day of issue and so many more */
    PASS_DAYS_MAX = 1096,        /* three years */
    STALE_HOURS_DEFAULT = 720,   /* 30 days */
    ACCESS_NEXT_YEAR_MONTH = 12, /* from this month on the next year's key goes along */
};

enum access_action {
    ACCESS_GRANT = 1,
    ACCESS_ISSUE, /* a pass */
    ACCESS_REVOKE,
    ACCESS_RENEW,   /* of one access, what it lacks of year keys: upkeep's; nothing is written where nothing is due */
    ACCESS_END_ALL, /* of a member, with `reason`: upkeep's, of who is no member any more */
};

struct access_request {
    enum access_action action;
    struct subject_id member; /* of REVOKE and RENEW: zero, or the access must be this member's */
    bool has_access;          /* GRANT and ISSUE may say which id is to be made; the others need one */
    struct subject_id access;
    struct unit_id host;        /* GRANT */
    uint16_t classes;           /* bit (class − 1) */
    uint16_t purpose;           /* GRANT */
    struct civil_date from;     /* DATE_NONE = today */
    struct civil_date until;    /* DATE_NONE: of a grant until it is revoked, of a pass PASS_DAYS_DEFAULT */
    uint16_t stale_hours_max;   /* ISSUE; 0 = STALE_HOURS_DEFAULT */
    struct box_public pass_key; /* ISSUE */
    uint8_t reason;             /* REVOKE, END_ALL: enum access_end; 0 = asked by the member */
};

/* Drafts in the order in which they are to be written, in one commit. Subject of the first: the access (of END_ALL the first one ended).
 * *ret_n = 0: nothing to do (RENEW, END_ALL).
 * Errors: ERR_INVALID (access, host, classes, purpose, from, until, stale_hours, reason), ERR_NOTFOUND (member, access, host: nothing
 * of that unit is held here), ERR_CONFLICT (member: is none, or has too many; access: revoked, or over), and those of storage.
 * ret: ACCESS_DRAFTS_MAX or 1 + ACCESS_REST_MAX of them, the caller's to release after success. */
int command_access(const struct command_ctx *ctx, const struct access_request *req, struct draft *ret, size_t *ret_n,
                   struct err *err) NODISCARD;

/* For what else ends an access, in the commit of its own events (handover, erasure): revocations of all that are open, then, with new_keys,
 * the new generation. At most ACCESS_DRAFTS_MAX; *ret_n = 0 if none is open. */
int access_end_all(const struct command_ctx *ctx, const struct subject_id *member, uint8_t reason, bool new_keys,
                   struct draft *ret, size_t *ret_n, struct err *err) NODISCARD;
/* For an erasure or a restriction, in its commit: of those that are open, whatever gives a key of one of the classes `naming` (bit class − 1;
 * one of activity each does) ends; the others get the keys of the new generation, which has none of the classes `without` and seals nothing
 * of them anew: they are erased. As access_end_all. */
int access_end_naming(const struct command_ctx *ctx, const struct subject_id *member, uint16_t naming, uint16_t without,
                      struct draft *ret, size_t *ret_n, struct err *err) NODISCARD;
/* Whether it gives a key of one of the classes: class 4 it always does. */
bool access_gives(const struct access_state *s, uint16_t classes);
/* After a new generation began otherwise: its keys for every access that is open. At most ACCESS_OPEN_MAX. */
int access_renew_all(const struct command_ctx *ctx, const struct subject_id *member, struct draft *ret, size_t *ret_n,
                     struct err *err) NODISCARD;
/* The draft (kind 37) that begins a new generation of the member's keys and seals anew what is in force of identity, contact, bank, of all
 * classes but `without`. Nothing (*ret = false) for a record that was merged, if every class is without, or if the row has no room for it
 * (room.h): then the keys begin with another event of the commit. */
int access_new_generation(const struct command_ctx *ctx, const struct member_row *row, uint16_t without,
                          struct draft *ret_draft, bool *ret, struct err *err) NODISCARD;

/* What stayed under earlier keys for want of room goes along with a change of data: to the draft, which has capsules of other classes, those of
 * classes 1 to 3 in force under another generation than the newest. */
int access_seal_stale(const struct command_ctx *ctx, const struct member_row *row, struct draft *d,
                      struct err *err) NODISCARD;

/* Accesses of a member, of whichever unit, in the order of (unit, id) after `after` (NULL = from the start), at most max. Ids only: rows
 * by access_load. */
struct access_key {
    struct unit_id unit;
    struct subject_id access;
};
int access_of_member(struct db_txn *txn, const struct subject_id *member, const struct access_key *after,
                     struct access_key *ret, size_t max, size_t *ret_n, struct err *err) NODISCARD;
/* Row of an access of a unit. ERR_NOTFOUND, field "access". Release it. */
int access_load(const struct command_ctx *ctx, const struct access_key *key, struct access_row *ret,
                struct err *err) NODISCARD;

/* Whether an access that stands lacks the key of a year that it should have on a day: year keys are given for the year of an event and,
 * from December on, for the next. */
bool access_year_due(const struct access_state *s, struct civil_date today);

/* Exchange key to which is sealed what is meant for a unit: of event 1 of the newest of its logs held. ERR_NOTFOUND, field "host". */
int unit_exchange_key(struct db_txn *txn, const struct unit_id *unit, struct box_public *ret,
                      struct err *err) NODISCARD;

#endif
