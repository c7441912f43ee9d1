/* What rows of members, places, activities and invoices share above the fold: entries from events, kept in their order, adding,
 * refolding, the desk's question, slots. An entry of any of them begins with the fields of struct row_entry; the rest is its own. A
 * struct row is a view that the owner's struct is copied to and from. Private to node/rules. */
#ifndef SMARTNODE_RULES_ROW_H
#define SMARTNODE_RULES_ROW_H

#include "node/rules/activity.h"
#include "node/rules/entry.h"
#include "node/rules/fold.h"

struct row;
/* The text for a reason, an error; 0 to leave it to the common ones (references, what would become impossible, too many, office). */
typedef int (*row_say)(const struct row *r, const struct row_entry *e, enum void_reason reason, struct err *err);

/* What all rows of one kind of entity have in common. */
struct row_type {
    const struct fold_rules *rules;
    const char *what;   /* "place row" */
    const char *refers; /* what its references are there for: "to correct or to cancel" */
    size_t entry_size;
    size_t refs_max; /* room in an entry */
    size_t links_at; /* offset in an entry of the bool "carries a capsule of class 4"; 0 = no such */
    row_say say;
};
extern const struct row_type member_row_type, place_row_type, activity_row_type, invoice_row_type, posting_row_type,
    access_row_type;

struct row {
    const struct row_type *type;
    const void *ctx; /* the owner's row, for the rules' `outside` and for `say` */
    void *state;     /* for the rules' `start` and `step` */
    size_t n, cap;
    void *entries;
};
/* View of an owner's row, and back what it changed. */
#define ROW_OF(row_type, owner, fold_state) \
    ((struct row){.type = (row_type),       \
                  .ctx = (owner),           \
                  .state = (fold_state),    \
                  .n = (owner)->n,          \
                  .cap = (owner)->cap,      \
                  .entries = (owner)->entries})
#define ROW_BACK(owner, row) ((owner)->n = (row).n, (owner)->cap = (row).cap, (owner)->entries = (row).entries)

struct row_entry *row_at(const struct row *r, size_t i);
/* The part of an entry that every type has, from an event; the rest is zero, outcome APPLIED. */
void row_entry_from_event(const struct row_type *t, const struct position *at, const struct event_header *h,
                          const struct event_common *c, struct row_entry *ret);
/* As member_entry_unknown. */
bool row_entry_unknown(const struct row_type *t, const struct position *at, const struct event_header *h,
                       const struct event_common *c, struct row_entry *ret);
/* For the rules of entities whose kinds take no role beside 2. */
uint8_t row_no_role(uint16_t kind, bool *ret_required, uint16_t *ret_target);
/* Where an entry of this position belongs; *ret_there: it is at the index before. */
size_t row_place_of(const struct row *r, const struct dag *dag, const struct position *at, bool *ret_there);
int row_insert(struct row *r, size_t i, const void *entry, struct err *err) NODISCARD;
void row_remove(struct row *r, size_t i);
/* Folds the first n; newest: index of an entry that was just put in, FOLD_NONE for everything anew. Outcomes are written back only
 * when all went well. */
int row_fold(struct row *r, size_t n, uint32_t newest, const struct member_world *w, struct missing *ret_missing,
             struct err *err) NODISCARD;
/* As member_row_add. */
int row_add(struct row *r, const void *entry, const struct member_world *w, struct missing *ret_missing,
            struct err *err) NODISCARD;
/* As member_row_try, after the first n entries. ret_after: NULL, or the row with the entry in it as it would be, its entries the
 * caller's to free after success. */
int row_try(const struct row *r, size_t n, const void *entry, const struct member_world *w, struct row *ret_after,
            struct err *err) NODISCARD;

/* Index of the entry at the position; r->n if there is none. */
size_t row_index_of(const struct row *r, const struct log_id *log, uint64_t seq);
/* Index of the first event of the slot of a valid entry. */
size_t row_slot_of(const struct row *r, size_t i);
/* Whether a cancellation fills the slot of entry i. */
bool row_slot_empty(const struct row *r, size_t i);
/* The applied entries (cancellations among them: they do nothing) in the order of the fold. keys: room for r->n. */
size_t row_order(const struct row *r, uint64_t *keys);
size_t row_order_at(uint64_t key); /* index of the entry */
size_t row_order_slot(uint64_t key);

/* The capsule of class 4 in force of a slot: that of its last event that stands or was replaced and carries one. */
bool row_links_of(const struct row *r, size_t slot, struct position *ret);
bool facets_equal(const struct activity_facets *a, const struct activity_facets *b);

#endif
