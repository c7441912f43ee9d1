/* Postings abroad: rows and fold, pure like member.h. docs/PROTOCOL.md §9, §10.
 *
 *   none ── issued ──▶ posted ── changed ──▶ posted
 *
 * What is in clear has months; the days are in capsules. */
#ifndef SMARTNODE_RULES_POSTING_H
#define SMARTNODE_RULES_POSTING_H

#include "node/rules/member.h"

/* Begins as row.h asks. */
struct posting_entry {
    struct position at;
    uint16_t kind, kind_version;
    struct civil_date effective; /* the first of a month */
    enum outcome outcome;
    enum void_reason reason;
    uint8_t n_refs;
    struct event_ref refs[2];
    struct posting_facts facts; /* 224, 225 */
    bool has_links;             /* carries a capsule of class 4 */
};

struct posting_row {
    struct unit_id unit;
    struct subject_id posting;
    size_t n, cap;
    struct posting_entry *entries; /* heap, in the order (depth, log id, seq) */
};

/* As their namesakes in member.h, also in their bounds. */
void posting_row_init(struct posting_row *r, const struct unit_id *unit, const struct subject_id *posting);
void posting_row_release(struct posting_row *r);
int posting_row_encode(const struct posting_row *r, struct buf *out, struct err *err) NODISCARD;
int posting_row_decode(struct slice bytes, const struct unit_id *unit, const struct subject_id *posting,
                       struct posting_row *ret, struct err *err) NODISCARD;
void posting_entry_from_event(const struct position *at, const struct event_header *h, const struct event_payload *p,
                              struct posting_entry *ret);
bool posting_entry_unknown(const struct position *at, const struct event_header *h, const struct event_common *c,
                           struct posting_entry *ret);
int posting_row_add(struct posting_row *r, const struct posting_entry *e, const struct member_world *w,
                    struct missing *ret_missing, struct err *err) NODISCARD;
int posting_row_refold(struct posting_row *r, const struct member_world *w, struct missing *ret_missing,
                       struct err *err) NODISCARD;
int posting_row_try(const struct posting_row *r, const struct posting_entry *e, const struct member_world *w,
                    struct err *err) NODISCARD;

/* A stretch of months in one country. */
struct posting_stay {
    char country[3];
    struct civil_date first_month, last_month; /* the firsts of months; first ≤ last */
};
/* Each begins in a month of its own, and all are within the 25 months that a posting touches, or follow the last of them. */
enum { POSTING_STAYS_MAX = POSTING_MONTHS_MAX + 2 };
struct posting_state {
    bool exists;
    bool cancelled;                               /* was issued, and cancelled since; exists is false */
    struct civil_date said;                       /* month of the last change, or of the issue, that counts */
    struct posting_facts facts;                   /* what that said; of one that was cancelled, what it was before */
    size_t n;                                     /* 0 unless exists */
    struct posting_stay stays[POSTING_STAYS_MAX]; /* without gaps, in the order of time; neighbours differ in country */
    struct position last_change;
};
/* The whole of it, whatever day it is. */
void posting_state_of(const struct posting_row *r, struct posting_state *ret);
/* As their namesakes in invoice.h. */
size_t posting_slot(const struct posting_row *r, size_t i);
bool posting_slot_empty(const struct posting_row *r, size_t i);
bool posting_slot_links(const struct posting_row *r, size_t i, struct position *ret);
/* Index of the issue that counts; of a posting that was cancelled, of what the cancellation emptied. SIZE_MAX: none. */
size_t posting_issue(const struct posting_row *r);
/* The capsule in force of the last slot that has one: it has the last day, reference and text; the first day is in that of the issue. Of
 * a posting that was cancelled, what it said before. */
bool posting_links_position(const struct posting_row *r, struct position *ret);

#endif
