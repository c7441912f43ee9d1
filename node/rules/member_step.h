/* The table of docs/PROTOCOL.md §10 as one step function, and the order in which a row is replayed. Private to node/rules. */
#ifndef SMARTNODE_RULES_MEMBER_STEP_H
#define SMARTNODE_RULES_MEMBER_STEP_H

#include "node/rules/fold.h"

struct member_fold {
    struct member_state s;
    uint32_t request; /* slot of the open request */
};

extern const struct fold_rules member_rules;

void member_fold_start(struct member_fold *f);
/* slot: of e; other: of the target of its role 3 or 4, FOLD_NONE without. A reason leaves f as it was. */
enum void_reason member_step(struct member_fold *f, const struct member_entry *e, uint32_t slot, uint32_t other);

/* Index of the first event of the slot of a valid entry. */
uint32_t member_slot_of(const struct member_row *r, uint32_t i);
/* The applied entries of a row in the order of the fold. */
struct member_order {
    size_t n;
    uint64_t keys[MEMBER_ENTRIES_MAX];
};
void member_order_of(const struct member_row *r, struct member_order *ret);
const struct member_entry *member_order_at(const struct member_row *r, const struct member_order *o, size_t i);
/* Steps f by the i-th of the order. */
void member_order_step(const struct member_row *r, const struct member_order *o, size_t i, struct member_fold *f);

#endif
