/* What fold.c and fold_all.c share. Private to these two. */
#ifndef SMARTNODE_RULES_FOLD_PARTS_H
#define SMARTNODE_RULES_FOLD_PARTS_H

#include "node/rules/fold.h"

enum { SKIPPED_NOT_FILLER = 255 };

/* Applied, replaced, conflict. */
bool fold_valid(const struct fold_item *item);
void fold_set(struct fold_item *item, enum outcome outcome, enum void_reason reason);
/* ERR_NOTFOUND if the target is not held; *ret_same: whether the chain value named is the one at its position. */
int fold_target_held(const struct fold *f, const struct event_ref *ref, bool *ret_same) NODISCARD;
/* Folds the items with in[i] set: ret[i] = 0 effective, a reason if skipped, SKIPPED_NOT_FILLER for the rest. final: arrivals that have no
 * effect in their own row have none here. Validity is judged without that: it rests on the past alone, and what an arrival comes to does not. */
void fold_run(struct fold *f, bool final, uint8_t *ret);
/* The outcomes of the items in in[] from what fold_run found. */
void fold_take_outcomes(struct fold *f, const uint8_t *result);
/* Decides the validity of item i. in[]: the valid events of its past; count: how many of any outcome; unknown, waiting:
 * whether one of its past is. before[]: the fold of in[], if has_before. Leaves in after[] the fold with the item if valid. */
int fold_judge(struct fold *f, uint32_t i, size_t count, bool unknown, bool waiting, bool has_before) NODISCARD;
int fold_unreadable(int rc, struct err *err);
/* Outcomes of all items from the set alone. Errors as fold_update. */
int fold_all(struct fold *f, struct err *err) NODISCARD;

#endif
