/* Activities: rows and fold, pure like member.h. docs/PROTOCOL.md §9, §10.
 *
 *   none ── opened ──▶ open ── changed ──▶ open ── closed ──▶ closed */
#ifndef SMARTNODE_RULES_ACTIVITY_H
#define SMARTNODE_RULES_ACTIVITY_H

#include "node/rules/member.h"

/* Begins as row.h asks. */
struct activity_entry {
    struct position at;
    uint16_t kind, kind_version;
    struct civil_date effective; /* the first of a month */
    enum outcome outcome;
    enum void_reason reason;
    uint8_t n_refs;
    struct event_ref refs[2];
    struct activity_facets facets; /* 104, 105 */
    bool has_links;                /* carries a capsule of class 4 */
};

struct activity_row {
    struct unit_id unit;
    struct subject_id activity;
    size_t n, cap;
    struct activity_entry *entries; /* heap, in the order (depth, log id, seq) */
};

/* As their namesakes in member.h, also in their bounds. */
void activity_row_init(struct activity_row *r, const struct unit_id *unit, const struct subject_id *activity);
void activity_row_release(struct activity_row *r);
int activity_row_encode(const struct activity_row *r, struct buf *out, struct err *err) NODISCARD;
int activity_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *activity,
                        struct activity_row *ret, struct err *err) NODISCARD;
void activity_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                               struct activity_entry *ret);
bool activity_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                            struct activity_entry *ret);
int activity_row_add(struct activity_row *r, const struct activity_entry *e, const struct member_world *w,
                     struct missing *ret_missing, struct err *err) NODISCARD;
int activity_row_refold(struct activity_row *r, const struct member_world *w, struct missing *ret_missing,
                        struct err *err) NODISCARD;
int activity_row_try(const struct activity_row *r, const struct activity_entry *e, const struct member_world *w,
                     struct err *err) NODISCARD;

struct activity_state {
    bool exists, open;
    struct activity_facets facets;
    struct civil_date opened, closed; /* months; DATE_NONE */
    struct position last_change;
};
/* State on a day: of the months up to its own. */
void activity_state_at(const struct activity_row *r, struct civil_date as_of, struct activity_state *ret);
/* As their namesakes in invoice.h. */
size_t activity_slot(const struct activity_row *r, size_t i);
bool activity_slot_empty(const struct activity_row *r, size_t i);
bool activity_slot_links(const struct activity_row *r, size_t i, struct position *ret);
/* As member_capsule_position, of class 4; of an activity that was cancelled, what it said before. */
bool activity_links_position(const struct activity_row *r, struct position *ret);

/* What activities and invoices add to a cell of a month (and of its year). */
enum work_count {
    WORK_OPENED,
    WORK_CLOSED,
    WORK_OPEN, /* +1 in the month of opening, −1 in that of closing, and between cells when one changes */
    WORK_INVOICES,
    WORK_TURNOVER,     /* minor units */
    WORK_CONTRIBUTION, /* minor units */
    WORK_CREDIT_NOTES,
    WORK_CREDITED,
    WORK_CONTRIBUTION_BACK,
    WORK_RECORD_KEYS, /* of activities that are open and invoices that were issued in the cell (PROTOCOL.md §2) */
    WORK_N
};
struct work_contribution {
    struct civil_date month;
    struct activity_facets facets;
    char currency[CURRENCY_MAX]; /* empty for activities */
    int64_t v[WORK_N];
};
/* In the order of the fold; several of one month and cell are to be added up. What emit returns other than 0 ends it and is returned. */
int activity_contributions(const struct activity_row *r, int (*emit)(void *arg, const struct work_contribution *c),
                           void *arg);

#endif
