/* The table of docs/PROTOCOL.md §10 as one step function, and the order in which a row is replayed. Private to node/rules. */
#ifndef SMARTNODE_RULES_MEMBER_STEP_H
#define SMARTNODE_RULES_MEMBER_STEP_H

#include "node/rules/row.h"

struct member_fold {
    struct member_state s;
    uint32_t request; /* slot of the open request */
    uint32_t offer;   /* slot of the open offer */
    uint8_t n_held;
    struct member_owed held[CURRENCIES_OWED_MAX]; /* by currency, in the order in which they came in; s.shares in all */
};

/* No member any more: what was held is owed. */
void member_leave(struct member_fold *f, const struct member_entry *e, enum left_reason reason);
/* Why somebody who is no member cannot do what members do. */
enum void_reason member_not(const struct member_state *s);
/* Kinds 64 to 71 and 96 to 99 (member_moving.c). As member_step; `merged` and `deceased` are among the states. */
enum void_reason member_moving_step(struct member_fold *f, const struct member_entry *e, uint32_t slot, uint32_t other);
bool member_moving_kind(uint16_t kind);
bool member_moving_scarce(const void *entry);                                      /* HANDOVERS_MAX */
const struct event_ref *member_ref_of(const struct member_entry *e, uint8_t role); /* the first; NULL if none */
/* Of fold_rules. */
size_t member_moving_roles(uint16_t kind, struct fold_role ret[FOLD_ROLES_MAX]);
int member_moving_kin(const void *ctx, const struct fold_item *item, const struct event_ref *ref,
                      const struct member_world *w, enum outcome *ret);
enum void_reason member_moving_past(const struct fold *f, uint32_t i);

/* Shares and money by currency (member_shares.c). */
struct member_owed *member_money_find(struct member_owed *list, size_t n, const char *currency);
/* There is room: CURRENCIES_OWED_MAX, or member_money_fits. */
void member_money_add(struct member_owed *list, uint8_t *n, const char *currency, uint64_t shares, int64_t minor);
/* Whether so much more can be held or owed: the bounds of §10 count both together, so that leaving is always possible. */
bool member_money_fits(struct member_fold *f, const char *currency, uint64_t shares, int64_t minor);
/* The most of one currency: SHARES_HELD_MAX at SHARE_PRICE_MINOR_MAX. */
#define MEMBER_MINOR_MAX INT64_C(1000000000000000000)

extern const struct fold_rules member_rules;

void member_fold_start(struct member_fold *f);
/* slot: of e; other: of the target of its role 3 or 4, FOLD_NONE without. A reason leaves f as it was. */
enum void_reason member_step(struct member_fold *f, const struct member_entry *e, uint32_t slot, uint32_t other);

bool member_departs(const void *entry); /* of fold_rules: it ends a home */

/* ---- member_replay.c */
/* Index of the first event of the slot of a valid entry. */
uint32_t member_slot_of(const struct member_row *r, uint32_t i);
/* The filler of the slot of that first event. */
uint32_t member_filler_of(const struct member_row *r, uint32_t slot);
/* Index of the entry at the position; FOLD_NONE if there is none. */
uint32_t member_index_of(const struct member_row *r, const struct log_id *log, uint64_t seq);
bool member_entry_brings_shares(const struct member_entry *e); /* 34, 35 */
/* The applied entries of a row in the order of the fold, cancellations among them. */
struct member_order {
    size_t n;
    uint64_t keys[MEMBER_ROW_MAX];
};
void member_order_of(const struct member_row *r, struct member_order *ret);
const struct member_entry *member_order_at(const struct member_row *r, const struct member_order *o, size_t i);
/* Steps f by the i-th of the order. */
void member_order_step(const struct member_row *r, const struct member_order *o, size_t i, struct member_fold *f);
/* *f: what the row comes to by the end of that day. */
void member_fold_to(const struct member_row *r, struct civil_date as_of, struct member_fold *ret);

/* What a record passed on when it was merged into another one (member_shares.c). */
struct member_passed {
    struct subject_id into;
    size_t n_held, n_owed;
    struct member_owed held[CURRENCIES_OWED_MAX], owed[CURRENCIES_OWED_MAX];
};
bool member_passed_on(const struct member_row *r, struct member_passed *ret); /* false: it was not merged */
bool member_passed_equal(const struct member_passed *a, const struct member_passed *b);

#endif
