/* What the encodings of rows share. Private to node/rules; the rest of the layouts: *_code.c.
 *
 *   position  = varint (seq − seq of the entry before), if that is of the same log; else 0 ‖ log id (32) ‖ varint seq
 *   reference = role (1) with bit 7 set if to another log than the entry's ‖ [log id (32) of that] ‖ varint seq ‖ chain value (32)
 *   head      = position ‖ varint kind ‖ flags (1) ‖ [varint kind version] ‖ [svarint date] ‖ [reason (1)]
 *   flags     = outcome (bits 0–2), references (3–4), kind version other than 1 (5), date absent (6), mark of the layout (7) */
#ifndef SMARTNODE_RULES_ROW_CODE_H
#define SMARTNODE_RULES_ROW_CODE_H

#include "node/rules/row.h"

/* Of the rows that have had one layout so far; member rows have their own. */
enum { ROW_VERSION = 1 };

/* before: the entry before, NULL for the first. */
void row_position_put(struct buf *out, const struct position *before, const struct position *at);
void row_position_read(struct reader *in, const struct position *before, struct position *ret);
/* at: the entry that holds the reference. */
void row_ref_put(struct buf *out, const struct position *at, const struct event_ref *ref);
void row_ref_read(struct reader *in, const struct position *at, struct event_ref *ret);
/* OUTCOME_APPLIED … OUTCOME_UNKNOWN and a reason that goes with it. */
bool row_outcome_ok(unsigned outcome, unsigned reason);

/* The head of an entry of a place, activity or invoice; its mark: it carries a capsule of class 4 (rows that say so). dated: kind whose date, in known versions, is not written because the row's key says it
 * (0 = none), and that date. */
struct row_dated {
    uint16_t kind;
    struct civil_date date;
};
void row_facets_put(struct buf *out, const struct activity_facets *f);
void row_facets_read(struct reader *in, struct activity_facets *ret);

/* Whether an event of this outcome has a reason. */
static inline bool
row_has_reason(enum outcome o)
{
    return o == OUTCOME_VOID || o == OUTCOME_CONFLICT;
}

/* Rows of places, activities and invoices. Their entries: head ‖ facts ‖ references. */
struct row_layout {
    const struct row_type *type;
    size_t entries_max;
    /* The facts of an entry whose kind and version are known; of others there are none. */
    void (*put)(struct buf *out, const struct row_entry *e);
    void (*read)(struct reader *in, struct row_entry *ret);
};
/* varint entries ‖ entry … */
void row_entries_put(struct buf *out, const struct row *r, const struct row_layout *l, struct row_dated dated);
int row_entries_read(struct reader *in, const struct row_layout *l, struct row_dated dated, struct row *ret,
                     struct err *err) NODISCARD;
/* version ‖ varint entries ‖ entry … */
int row_encode(const struct row *r, const struct row_layout *l, struct row_dated dated, struct buf *out,
               struct err *err) NODISCARD;
int row_decode(struct slice bytes, const struct row_layout *l, struct row_dated dated, struct row *ret,
               struct err *err) NODISCARD;
/* What all reading of rows does: varint entries, at most max, each of them by read into zeros; and then nothing. The type of *ret is
 * given; entries, n and cap are set. ERR_CORRUPT, ERR_NOMEM; nothing is left to free then. */
typedef void (*row_entry_read)(struct reader *in, const void *arg, const struct position *before,
                               struct row_entry *ret);
int row_read(struct reader *in, size_t max, row_entry_read read, const void *arg, struct row *ret,
             struct err *err) NODISCARD;
void row_start_put(struct buf *out, size_t n); /* version ‖ varint entries */

#endif
