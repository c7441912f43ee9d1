/* What the folds of members and of places share: the past inside a row, references, slots, validity, outcome. docs/PROTOCOL.md §8, §10.
 * Private to node/rules. The rules of a kind of entity come in as a table of functions; this part knows no state of theirs. */
#ifndef SMARTNODE_RULES_FOLD_H
#define SMARTNODE_RULES_FOLD_H

#include "node/rules/member.h"

enum { FOLD_NONE = UINT32_MAX, FOLD_REFS_MAX = 3, FOLD_SMALL = 24 };

/* One event as the fold sees it. The first part is given, the second computed. */
struct fold_item {
    const struct position *at;
    const void *entry; /* of the room's own type, for step and office */
    uint16_t kind, kind_version;
    int32_t day;
    uint8_t n_refs;
    const struct event_ref *refs;
    /* An event of another row that has its effect in this one too (§10 "Handover"): valid here because it is there, and skipped for
     * arrival_reason if that is not VOID_NONE. */
    bool arrival;
    bool departure; /* one that is an arrival elsewhere */
    bool surplus;   /* one too many of those that are scarce: void, whatever it says */
    enum void_reason arrival_reason;

    uint32_t target[FOLD_REFS_MAX]; /* index in the row by position, FOLD_NONE */
    uint32_t root;                  /* the slot's first event */
    enum outcome outcome;
    enum void_reason reason;
};

/* What a kind refers to, beside role 2. */
struct fold_role {
    uint8_t role;
    bool required;
    bool kin;        /* the target is an event of another row: judged by `kin`, and no part of the past */
    uint16_t target; /* its kind */
};
enum { FOLD_ROLES_MAX = 2 };
struct fold;

struct fold_rules {
    /* The kind that cancels (0 = none): it takes role 9 alone and belongs to the slot of its target, which it empties when it fills it.
     * The fold knows all about it: role, outside and step are never asked for it. known is. */
    uint16_t cancels;
    bool (*known)(uint16_t kind, uint16_t version);
    /* Role beside 2 that a kind takes (0 = none), whether it must be there, and the kind of its target. All other kinds take role 2. */
    uint8_t (*role)(uint16_t kind, bool *ret_required, uint16_t *ret_target);
    /* Entries of which only the first scarce_max in the order of the row are looked at; NULL: none. Which ones that are rests on the set alone. */
    bool (*scarce)(const void *entry);
    size_t scarce_max;
    /* The six that follow may be NULL. Kinds that nobody corrects or cancels. */
    bool (*fixed)(uint16_t kind);
    /* The roles of a kind that has not just one target in its own row; 0: as `role` says. */
    size_t (*roles)(uint16_t kind, struct fold_role ret[FOLD_ROLES_MAX]);
    /* What the target of a kin role makes of the event: OUTCOME_APPLIED (lets it stand), OUTCOME_WAITING, OUTCOME_VOID. Errors are those of
     * the world. */
    int (*kin)(const void *ctx, const struct fold_item *item, const struct event_ref *ref, const struct member_world *w,
               enum outcome *ret);
    /* Whether an entry is an arrival, and the reason why it has no effect in its own row (VOID_NONE: it has). */
    bool (*arrival)(const void *entry, enum void_reason *ret);
    /* Whether an entry is an arrival in another row. */
    bool (*departure)(const void *entry);
    /* What item i may not do for what is in its past (f->in) and effective there (f->before is 0). NULL = everything. */
    enum void_reason (*past)(const struct fold *f, uint32_t i);
    /* Whether what the event names outside the row was there in its past; VOID_NONE if so. */
    enum void_reason (*outside)(const void *ctx, const struct fold_item *item, const struct member_world *w);
    void (*start)(void *state);
    /* One step; VOID_NONE and a new state, or a reason and the old one. other: slot of the target of the role beside 2. */
    enum void_reason (*step)(void *state, const struct fold_item *item, uint32_t other);
};

struct fold {
    const struct fold_rules *rules;
    const struct member_world *world;
    const void *ctx;
    void *state;
    size_t n;
    struct fold_item *items;
    /* scratch of n each */
    uint64_t *keys;
    uint32_t *filler;
    uint8_t *in, *before, *after;
    struct missing missing;
    bool before_of_in, after_of_in; /* whether fold_judge folded the past of its item, and that with the item in it */
    uint32_t impossible;            /* what would become impossible, where the reason of the item judged last is that */
    void *memory;
    struct fold_item small_items[FOLD_SMALL];
    uint64_t small_keys[FOLD_SMALL];
    uint32_t small_filler[FOLD_SMALL];
    uint8_t small_bytes[3 * FOLD_SMALL];
};

/* Order of a row: depth, log id, seq. */
int fold_compare(const struct dag *dag, const struct position *a, const struct position *b);
/* Whether the reference names the slot that the event is in: what it corrects, or cancels. Of references that fold_refs_take took. */
bool fold_ref_of_slot(const struct event_ref *ref);
/* Whether every role stands once and the required one is there (§8). */
bool fold_refs_ok(const struct fold_rules *rules, uint16_t kind, const struct event_ref *refs, size_t n);
/* Takes from a header the references that the kind takes, up to max; a second one of a role is kept to show the breach. */
uint8_t fold_refs_take(const struct fold_rules *rules, const struct event_header *h, struct event_ref *ret, size_t max);
/* Key of a slot in the order of the fold: day, slot's first event; the filler rides along in the low 16 bits. Early: arrivals. */
uint64_t fold_key(int32_t day, uint32_t root, uint32_t filler);
uint64_t fold_key_early(int32_t day, uint32_t root, uint32_t filler);
void fold_sort(uint64_t *keys, size_t n);
/* Puts arrivals of which a departure of the same day is the lesser by (log id, seq) at the end of that day, so that what moves a member
 * rests only on what is less by (day, log id, seq), in whatever rows, and circles end. keys: sorted; departures are among them. */
struct fold_trip {
    const struct position *at;
    bool departure;
};
void fold_sort_trips(uint64_t *keys, size_t n, const void *ctx,
                     struct fold_trip (*trip)(const void *ctx, uint32_t filler));

int fold_init(struct fold *f, const struct fold_rules *rules, const struct member_world *w, const void *ctx,
              void *state, size_t n, struct err *err) NODISCARD;
void fold_release(struct fold *f);
/* Finds targets by position and, over valid events, the slots. After the items are filled. */
void fold_link(struct fold *f);
/* Judges item `last` (after fold_link; every other item is in its past and has its stored outcome) and sets the outcomes of all.
 * *ret_done = false and nothing changed if something in the row waits or is unknown. Errors are those of chain_at. */
int fold_append(struct fold *f, uint32_t last, bool *ret_done, struct err *err) NODISCARD;
/* Outcomes of all items. newest: one that was just put in beside others whose outcomes are known; FOLD_NONE: everything anew.
 * f->missing: a position that some item waits for. Errors: ERR_NOMEM and those of chain_at. */
int fold_update(struct fold *f, uint32_t newest, struct err *err) NODISCARD;

#endif
