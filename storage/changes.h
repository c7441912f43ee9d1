/* The list of changes: every event in the order in which this node applied it first, own and peers' logs alike, numbered from 1.
 * What pulls changes resumes by number. docs/STORAGE.md "Chunk of the list of changes". Local: another node lists in another order.
 *
 * A row of TABLE_CHANGES is a chunk of consecutive events of one log, keyed by the number of its last one; a log that goes on extends
 * the last row. Numbers are never used again: when a log is cut back to a fork the numbers of what went are gaps, and new numbers
 * at the end say that these events were withdrawn. A rebuild of the state lists nothing again.
 *
 * A number alone would not do for a client that is ahead of a restored disk, so a mark goes with a tag: eight bytes of a hash over
 * all that is listed up to the number. Two lists with the same mark are the same up to there. Writer thread for what writes. */
#ifndef SMARTNODE_STORAGE_CHANGES_H
#define SMARTNODE_STORAGE_CHANGES_H

#include "storage/evlog.h"

enum changes_type {
    CHANGES_EVENTS = 1,
    CHANGES_GONE,      /* were listed here, and cut off since: nothing is to be told at these numbers */
    CHANGES_WITHDRAWN, /* tells that events listed before are gone */
};

enum { CHANGES_TAG_BYTES = 8 };

struct changes_mark {
    uint64_t number; /* 0 = before the first */
    uint8_t tag[CHANGES_TAG_BYTES];
};

/* Numbers last − count + 1 … last stand for seqs first … first + count − 1 of the log. */
struct changes_row {
    uint64_t last, count, first;
    uint32_t log_no;
    uint8_t type;                      /* enum changes_type */
    uint8_t before[CHANGES_TAG_BYTES]; /* tag of the number before the row's first */
};

/* Lists the events of a log up to `upto` that were not listed before; those must be held. Nothing to do is fine. Errors as in db.h,
 * ERR_CORRUPT. */
int changes_list(struct db_txn *txn, const struct log_row *row, uint64_t upto, struct err *err) NODISCARD;
/* The same for all logs up to what is applied: where an earlier release, which kept no list, has applied. */
int changes_list_all(struct db_txn *txn, struct err *err) NODISCARD;
/* Events of the log beyond `last` are about to be removed (evlog_truncate calls it). Work grows with the list back to that event. */
int changes_withdraw(struct db_txn *txn, const struct log_row *row, uint64_t last, struct err *err) NODISCARD;

/* The end of the list. */
int changes_end(struct db_txn *txn, struct changes_mark *ret, struct err *err) NODISCARD;
/* The row that holds a number ≥ 1; ERR_NOTFOUND beyond the end. */
int changes_at(struct db_txn *txn, uint64_t number, struct changes_row *ret, struct err *err) NODISCARD;
/* Tag of a number of the row, whose log is `log`; chains: see evlog_chain_at_kept. ERR_NOTFOUND at a number that is gone. */
int changes_tag(struct db_txn *txn, const struct changes_row *row, const struct log_row *log, uint64_t number,
                struct evlog_chains *chains, size_t n_chains, uint8_t ret[CHANGES_TAG_BYTES],
                struct err *err) NODISCARD;
/* Whether the list holds this mark. */
int changes_holds(struct db_txn *txn, const struct changes_mark *mark, bool *ret, struct err *err) NODISCARD;

/* That rows follow each other without gap, list each event held and applied once, in order, and no others. ERR_CORRUPT. */
int changes_check(struct db_txn *txn, struct err *err) NODISCARD;

#endif
