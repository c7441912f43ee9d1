/* What rows of places, activities and invoices share above the fold: entries kept in their order, adding, refolding, the desk's
 * question, slots. An entry of any of them begins with the fields of struct row_entry; the rest is its own. A struct row is a view
 * that the owner's struct is copied to and from. Private to node/rules. */
#ifndef SMARTNODE_RULES_ROW_H
#define SMARTNODE_RULES_ROW_H

#include "node/rules/activity.h"
#include "node/rules/fold.h"

struct row_entry {
    struct position at;
    uint16_t kind, kind_version;
    struct civil_date effective;
    enum outcome outcome;
    enum void_reason reason;
    uint8_t n_refs;
    struct event_ref refs[];
};
#define ROW_ENTRY_FIELD(type, field) (offsetof(type, field) == offsetof(struct row_entry, field))
#define ROW_ENTRY_BEGINS(type)                                                                                        \
    _Static_assert(ROW_ENTRY_FIELD(type, at) && ROW_ENTRY_FIELD(type, kind) && ROW_ENTRY_FIELD(type, kind_version) && \
                       ROW_ENTRY_FIELD(type, effective) && ROW_ENTRY_FIELD(type, outcome) &&                          \
                       ROW_ENTRY_FIELD(type, reason) && ROW_ENTRY_FIELD(type, n_refs) && ROW_ENTRY_FIELD(type, refs), \
                   "an entry begins with the fields of struct row_entry")

struct row {
    const struct fold_rules *rules;
    const void *ctx; /* the owner's row, for the rules' `outside` */
    void *state;     /* for the rules' `start` and `step` */
    size_t entry_size;
    const char *what; /* "place row" */
    size_t n, cap;
    void *entries;
};

struct row_entry *row_at(const struct row *r, size_t i);
/* Head of an entry from an event; the rest is zero, outcome APPLIED, no references. */
void row_entry_start(struct row_entry *ret, size_t size, const struct position *at, const struct event_header *h,
                     const struct event_common *c);
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
/* As member_row_try, after the first n entries. say: the text for a reason, an error; 0 to leave it to the common ones (references, what
 * would become impossible, too many, office). */
typedef int (*row_say)(const struct row *r, const struct row_entry *e, enum void_reason reason, struct err *err);
int row_try(const struct row *r, size_t n, const void *entry, const struct member_world *w, row_say say,
            struct err *err) NODISCARD;

/* Index of the first event of the slot of a valid entry. */
size_t row_slot_of(const struct row *r, size_t i);
/* Whether a cancellation fills the slot of entry i. */
bool row_slot_empty(const struct row *r, size_t i);
/* The applied entries (cancellations among them: they do nothing) in the order of the fold. keys: room for r->n. */
size_t row_order(const struct row *r, uint64_t *keys);
size_t row_order_at(uint64_t key); /* index of the entry */
size_t row_order_slot(uint64_t key);

/* Capsules of class 4, and which of a slot is in force: that of its last event that stands or was replaced and carries one.
 * mark_offset: of the entries' bool. */
bool row_has_links(const struct event_header *h);
bool row_links_of(const struct row *r, size_t slot, size_t mark_offset, struct position *ret);
bool facets_equal(const struct activity_facets *a, const struct activity_facets *b);

#endif
