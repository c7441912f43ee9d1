/* What the files of erase.h share: erase.c (what goes, the drafts), erase_places.c (which capsules, which keys stay). Private to them. */
#ifndef SMARTNODE_COMMAND_ERASE_PARTS_H
#define SMARTNODE_COMMAND_ERASE_PARTS_H

#include "node/command/erase.h"

enum {
    BIT_IDENTITY = 1 << (CLASS_IDENTITY - 1),
    BIT_CONTACT = 1 << (CLASS_CONTACT - 1),
    BIT_ACTIVITY = 1 << (CLASS_ACTIVITY - 1),
    BIT_NOTE = 1 << (CLASS_NOTE - 1),
    /* nothing without its key */
    BITS_WITH_ACTIVITY = 1 << (CLASS_COUNTING - 1) | 1 << (CLASS_GUEST - 1) | 1 << (CLASS_DOSSIER - 1),
};

/* One request. What is above `member` is of all records of the person, the rest of the one at hand. */
struct ordering {
    const struct command_ctx *ctx;
    const struct erase_request *req;
    struct member_row kept; /* the record that the others were merged into: legal dates run by it */
    struct civil_date last_work, date;
    struct draft *drafts; /* ERASE_DRAFTS_MAX */
    size_t n, n_orders;
    struct subject_id member;
    struct member_row row;
    struct member_state now;
    uint16_t left_over; /* retention_left_over */
    struct erased_record out;
    struct erased_place *places; /* heap, ascending, each event once */
    size_t n_places, cap_places;
    struct draft_escrow *escrow; /* heap: keys that stay and whose key capsules go */
    size_t n_escrow, cap_escrow;
    bool ends_accesses;
    bool
        others_keys; /* something listed is under a key that is not here: of another instance of the node, which counts generations of its own */
};

/* Fills places, ends_accesses and others_keys. Field member: ERR_CONFLICT, something was recorded in the open group. ERR_LIMIT. */
int erase_find_places(struct ordering *o, struct err *err) NODISCARD;
/* Fills escrow: of the member every generation up to `generation`, of representatives, where they are asked for, every one. */
int erase_find_escrow(struct ordering *o, uint32_t generation, struct err *err) NODISCARD;
/* Classes, by bit class − 1, as vault_class_index counts them. */
unsigned erase_vault_classes(uint16_t classes);

#endif
