/* Room in rows. A member's row takes MEMBER_PAST_MAX events and an access's likewise (docs/PROTOCOL.md §10); what comes after has no effect, for
 * ever. What must be possible of everybody whatever was recorded (end of the membership, repayment, moves, restrictions, erasures, the end of
 * access) has a part of it kept: what a desk may leave stops before. docs/OPERATIONS.md "Served abroad". */
#ifndef SMARTNODE_COMMAND_ROOM_H
#define SMARTNODE_COMMAND_ROOM_H

#include "node/command/command.h"

/* Of each the reason. An erasure writes an order for each 14 generations of keys that stay and each 100 events that it takes capsules from, some 80 at
 * these bounds: what is kept in a row takes an erasure of each class and the rest. */
enum {
    ROOM_SEALED = 384,   /* events of a row up to which the end of an access seals anew what is in force */
    ROOM_ORDINARY = 512, /* up to which it takes what may be left */
    ROOM_RENEWED =
        512, /* of an access that stands: up to which others are given beside it, whose ends it is renewed for */
    ROOM_RENEWED_LAST = 992,   /* up to which it is renewed at all: the rest is for its end */
    ROOM_GENERATIONS = 1024,   /* of a member's keys, up to which access is given: each end begins one */
    ROOM_ACCESS_EVENTS = 6144, /* of all accesses of a member, likewise: each end renews what stands beside it */
};

/* Whether a row of n events takes one of this kind: ERR_CONFLICT, field "subject"; the text says what to do. */
int room_in_row(size_t n, uint16_t kind, struct err *err) NODISCARD;

#endif
