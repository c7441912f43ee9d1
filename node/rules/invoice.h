/* Invoices and their credit notes: rows and fold, pure like member.h. docs/PROTOCOL.md §9, §10.
 *
 *   none ── issued ──▶ issued ── credited (up to the amount) ──▶ issued */
#ifndef SMARTNODE_RULES_INVOICE_H
#define SMARTNODE_RULES_INVOICE_H

#include "node/rules/activity.h"

/* Begins as row.h asks. */
struct invoice_entry {
    struct position at;
    uint16_t kind, kind_version;
    struct civil_date effective; /* the first of a month; of kind 108 the month of the invoice's id */
    enum outcome outcome;
    enum void_reason reason;
    uint8_t n_refs;
    struct event_ref refs[2];
    struct invoice_facts facts; /* 108 */
    struct credit_facts credit; /* 109 */
    bool has_links;
};

/* Nearly all rows have one entry: its encoding is the size of the table (docs/STORAGE.md). */
struct invoice_row {
    struct unit_id unit;
    struct subject_id invoice;
    size_t n, cap;
    struct invoice_entry *entries;
};

/* As their namesakes in member.h. */
void invoice_row_init(struct invoice_row *r, const struct unit_id *unit, const struct subject_id *invoice);
void invoice_row_release(struct invoice_row *r);
int invoice_row_encode(const struct invoice_row *r, struct buf *out, struct err *err) NODISCARD;
int invoice_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *invoice,
                       struct invoice_row *ret, struct err *err) NODISCARD;
void invoice_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                              struct invoice_entry *ret);
bool invoice_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                           struct invoice_entry *ret);
int invoice_row_add(struct invoice_row *r, const struct invoice_entry *e, const struct member_world *w,
                    struct missing *ret_missing, struct err *err) NODISCARD;
int invoice_row_refold(struct invoice_row *r, const struct member_world *w, struct missing *ret_missing,
                       struct err *err) NODISCARD;
int invoice_row_try(const struct invoice_row *r, const struct invoice_entry *e, const struct member_world *w,
                    struct err *err) NODISCARD;

struct invoice_state {
    /* cancelled: an issue is there (so it exists), but its slot is empty; facts are those of the issue then, nothing is credited. */
    bool exists, cancelled;
    struct invoice_facts facts;
    struct civil_date month;
    struct credit_facts credited; /* in all */
    uint32_t credit_notes;
    struct position last_change;
};
void invoice_state_at(const struct invoice_row *r, struct civil_date as_of, struct invoice_state *ret);
/* The first entry of the slot of entry i, which must be valid; and whether a cancellation fills that slot. */
size_t invoice_slot(const struct invoice_row *r, size_t i);
bool invoice_slot_empty(const struct invoice_row *r, size_t i);
/* Position of the class 4 capsule in force of the slot of entry i (the issue, or a credit note). */
bool invoice_links_position(const struct invoice_row *r, size_t i, struct position *ret);
/* As activity_contributions. Credit notes in the cell of their invoice, in their own month. */
int invoice_contributions(const struct invoice_row *r, int (*emit)(void *arg, const struct work_contribution *c),
                          void *arg);

#endif
