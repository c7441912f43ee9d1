/* What members ask of their unit by the portal (to move, to be called, to have something corrected): a table of the vault, until the desk has dealt
 * with it. Nothing is recorded in the log before the desk acts. What is asked is personal data: rows are wrapped, and go with the vault's rewriting once
 * they are deleted.
 * Threads: put and del by the writer's thread, each by any. */
#ifndef SMARTNODE_STORAGE_ASKS_H
#define SMARTNODE_STORAGE_ASKS_H

#include "storage/vault.h"

enum ask_what { ASK_MOVE = 1, ASK_OTHER = 2 };
/* ASKS_MAX: open ones of one member. */
enum { ASK_TEXT_MAX = 1024, ASKS_MAX = 16 };

struct ask {
    struct subject_id member, id;
    uint8_t what;  /* enum ask_what */
    bool has_unit; /* MOVE: to which */
    struct unit_id unit;
    struct civil_date day; /* MOVE: when; DATE_NONE = not said */
    struct wall_ms asked_at;
    char text[ASK_TEXT_MAX + 1];
};

/* One vault commit; of the same id again nothing. ERR_LIMIT, field "requests": the member has ASKS_MAX open. ERR_FULL. */
int asks_put(struct vault *v, const struct ask *ask, struct err *err) NODISCARD;
/* Those of a member (NULL = of all) in the order of (member, id) after `after` (NULL = from the start), at most max. Wipe them.
 * ERR_CORRUPT: one does not open. */
int asks_list(struct vault *v, const struct subject_id *member, const struct ask *after, struct ask *ret, size_t max,
              size_t *ret_n, struct err *err) NODISCARD;
/* Dealt with: one of a member, or all if id is NULL. One vault commit, none if nothing is there. *ret_n (may be NULL). */
int asks_del(struct vault *v, const struct subject_id *member, const struct subject_id *id_or_null, size_t *ret_n,
             struct err *err) NODISCARD;

#endif
