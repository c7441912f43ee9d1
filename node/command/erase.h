/* Ordering an erasure, a restriction until a legal date, the lifting of one. docs/PROTOCOL.md §9 kinds 96, 98, 99; §10 "Erasure". What is
 * ordered is carried out by every node that applies it (node/host/erasing.h). */
#ifndef SMARTNODE_COMMAND_ERASE_H
#define SMARTNODE_COMMAND_ERASE_H

#include "node/command/access.h"
#include "node/command/retention.h"

enum erase_action { ERASE_ORDER = 1, ERASE_RESTRICT, ERASE_LIFT };

struct erase_request {
    enum erase_action action;
    struct subject_id member;
    uint16_t
        classes; /* bit (class − 1) of 1 to 5; what goes with activity links (counting, guest records, dossiers) goes too */
    uint8_t ground;       /* enum erasure_ground; 0 = asked by the person */
    bool due_only;        /* retention: of the classes asked for, those whose date has come; of the rest nothing */
    bool representatives; /* of a legal person: identity and contact of everybody who ever acted for it, too */
    bool one_record;      /* of a person with several records that were merged: of the one named alone */
    struct civil_date effective; /* DATE_NONE = today */
    struct civil_date until;     /* RESTRICT: DATE_NONE = until it is lifted */
    bool has_note;               /* who asked, and how: a capsule of class 5 with the first event */
    struct person_note note;
    struct retention_rules rules;
    bool has_if_match;
    struct position if_match;
};

/* What came of it. */
enum { ERASE_RECORDS_MAX = 8 };
struct erased_record {
    struct subject_id member;
    uint16_t erased, restricted; /* bit (class − 1) */
    struct civil_date until[8];  /* of what is restricted, by class − 1; DATE_NONE = until lifted */
    uint32_t capsules;           /* that go */
};
struct erase_outcome {
    size_t n; /* records of the person; the one named is the last */
    struct erased_record records[ERASE_RECORDS_MAX];
    uint32_t events;
};

/* Accesses end, keys of a new generation for what stays, restrictions, orders of up to ERASED_PLACES_MAX events' capsules and 14 generations of
 * keys that stay each. By the bounds of room.h some 80 for a member; twice that, for what an earlier version let come together. */
enum { ERASE_ORDERS_MAX = 160, ERASE_DRAFTS_MAX = 2 * (ACCESS_DRAFTS_MAX + 8) + ERASE_ORDERS_MAX };

/* Records of the person whose record this is: the one kept first, then those that were merged into it, and into those. ERR_NOTFOUND, field
 * "member"; ERR_LIMIT: more than ERASE_RECORDS_MAX. */
int erase_records(const struct command_ctx *ctx, const struct subject_id *member,
                  struct subject_id ret[ERASE_RECORDS_MAX], size_t *ret_n, struct err *err) NODISCARD;

/* Drafts in the order in which they are to be written, in one commit: of every record of the person, that named last. Legal dates are those of
 * the record kept.
 *
 * ORDER: contact, bank and notes go. Identity and activity links go once their legal date has come, and are restricted until then; while the
 * membership lasts (or an application is open) they stay: ERR_CONFLICT, field "classes". With ground 3 or 4 (wrongly held, an authority's
 * order) everything goes at once. Grants and passes that give a key of one of the classes end (one of activity each does), and what stays
 * gets keys of a new generation, which the others are given. Nothing due with due_only, or nothing there: ERR_CONFLICT, field "classes".
 * Fields: member, classes, ground, until, note, effective_on, if-match. ret: ERASE_DRAFTS_MAX, the caller's to release after success. */
int command_erase(const struct command_ctx *ctx, const struct erase_request *req, struct draft *ret, size_t *ret_n,
                  struct erase_outcome *ret_outcome, struct err *err) NODISCARD;

#endif
