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

/* The head of an entry of a place, activity or invoice. dated: kind whose date, in known versions, is not written because the row's key says it
 * (0 = none), and that date. The references, at most refs_max, follow at the end of an entry. */
struct row_dated {
    uint16_t kind;
    struct civil_date date;
};
void row_head_put(struct buf *out, const struct position *before, const struct row_entry *e, bool mark,
                  struct row_dated dated);
void row_head_read(struct reader *in, const struct position *before, size_t refs_max, struct row_dated dated,
                   struct row_entry *ret, bool *ret_mark);
void row_refs_put(struct buf *out, const struct row_entry *e);
void row_refs_read(struct reader *in, struct row_entry *e);

void row_facets_put(struct buf *out, const struct activity_facets *f);
void row_facets_read(struct reader *in, struct activity_facets *ret);

/* The reading of a whole row of this layout: version ‖ varint entries ‖ entry … */
void row_start_put(struct buf *out, size_t n);
typedef void (*row_entry_read)(struct reader *in, const struct row *r, const struct position *before,
                               struct row_entry *ret);
/* r->n and entries are filled from `in`, at most max entries. ERR_CORRUPT, ERR_NOMEM; nothing is left to free then. */
int row_entries_read(struct reader *in, struct row *r, size_t max, row_entry_read read, struct err *err) NODISCARD;

#endif
