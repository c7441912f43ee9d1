/* From stored events to rows: applies what was appended and not yet applied, in one write transaction with it.
 * docs/PROTOCOL.md §7 (predecessors), §8 (waiting), §10 (fold); docs/STORAGE.md. Writer thread only.
 *
 * A log is applied in order of seq; nothing of it before its predecessors are applied up to the named positions. Rows are
 * changed through storage/state.h, so a caller may apply many runs before one flush. */
#ifndef SMARTNODE_APPLY_H
#define SMARTNODE_APPLY_H

#include "node/rules/member.h"
#include "node/rules/place.h"
#include "storage/evlog.h"
#include "storage/state.h"

struct apply;

enum { APPLY_EVENTS_PER_STEP = 65536 };

/* applied and void_events count since apply_new; conflicts and waiting (entities' references and logs) are as of now. */
struct apply_stats {
    uint64_t applied, void_events, conflicts, waiting;
    uint64_t turns; /* of rows whose kin had changed */
};

/* Loads the dag, the waiting index and what root statements say from db. state stays the caller's and outlives it. ERR_NOMEM,
 * ERR_CORRUPT, those of db.h. */
int apply_new(struct db *db, struct state *state, struct apply **ret, struct err *err) NODISCARD;
void apply_free(struct apply **a);

/* Names the unit whose node this is: from then on each month in which its invoices change goes into TABLE_UNCOUNTED, which the caller
 * empties as it counts their people (docs/STORAGE.md). Without it nothing goes there. A rebuild adds nothing. */
void apply_own_unit(struct apply *a, const struct unit_id *unit);

/* Whether events of that unit were applied since the last call, other than by apply_local: they are in the rows, and not in the past of
 * the log that is being written. */
bool apply_own_grew(struct apply *a);

/* Rows of counted people take far more room than the event that makes them (each cell stands in 15 sets, of its month and of the year).
 * grew is told of each event that made some, in the transaction of the call; its error is the call's. A rebuild tells nobody. */
typedef int apply_grew(void *arg, struct db_txn *txn, const struct unit_id *unit, uint64_t people_rows,
                       struct err *err);
void apply_on_growth(struct apply *a, apply_grew *grew, void *arg);

/* In a write transaction to which `state` is attached: applies log_no as far as it can, and every log that waited for it.
 * log_no 0: only what is due, as after a start or *ret_more. Stops after max_events (0 = no limit) with *ret_more = true: what is
 * left goes first in the next call, whatever log it names. Any error is one of storage or memory and names unit, log and seq:
 * abort the transaction, then call apply_reset. A new log of a unit with root statements is measured against them; if that
 * changes what was applied, apply_rebuild_needed says so after the commit. Events that are applied for the first time go into the list of
 * changes (storage/changes.h).
 * For the own log, call it once after evlog_append: others may wait for it (a restored node's). */
int apply_log(struct apply *a, struct db_txn *txn, uint32_t log_no, uint64_t max_events, bool *ret_more,
              struct err *err) NODISCARD;
/* After an aborted transaction: forgets what was learned in it by loading everything anew; work grows with the number of logs. */
int apply_reset(struct apply *a, struct err *err) NODISCARD;

/* Applies the next event of the log that this process writes, before it is stored: seq = row->applied_seq + 1, which it raises in
 * row. The caller stores the run (evlog_append with the same row) before the commit. Until then chain_after is remembered, so
 * that later events of the transaction can refer to this one. ERR_WAITING (event 1: a predecessor is not applied to its head, for it
 * needs a newer program), ERR_UNKNOWN_KIND; all errors as in apply_log. Outcome and reason tell the writer to give up (abort) on an event that its
 * checks let through and that would be void: a desk is never told yes about a void event. */
int apply_local(struct apply *a, struct db_txn *txn, struct log_row *row, struct slice header, struct slice payload,
                const struct chain_value *chain_after, enum outcome *ret, enum void_reason *ret_reason,
                struct err *err) NODISCARD;

/* Root statements (docs/PROTOCOL.md §7): to be called in the transaction that stored a first event which carries one. Recomputes
 * stands_to of every log of the unit from all statements held. *ret_rebuild: something applied does not stand any more; the
 * caller commits and calls apply_rebuild. */
int apply_statements(struct apply *a, struct db_txn *txn, const struct unit_id *unit, bool *ret_rebuild,
                     struct err *err) NODISCARD;
/* The same for a unit that may have made none, where something may meet what is held: a log was begun, frozen, or reached the
 * position where it is cut. Both hold the unit's logs to the branch that stands: a log that a standing position names is thawed on
 * that branch, and on another one cut back to the fork (evlog_truncate: its head may become 0). Rows that the caller read before
 * are out of date. */
int apply_settle(struct apply *a, struct db_txn *txn, const struct unit_id *unit, bool *ret_rebuild,
                 struct err *err) NODISCARD;
/* Whether stands_to, state or head of some log was changed by statements since the last call: the exchange must hear of all logs
 * anew after the commit. */
bool apply_restood(struct apply *a);

/* World for member_row_try and friends, bound to this transaction's view, to which state must be attached. Valid while txn is. */
void apply_world(struct apply *a, struct db_txn *txn, struct member_world *ret);
struct apply_stats apply_stats(const struct apply *a);

/* Rebuilds all state from the logs in chunks (each its own durable commit), calling progress between them; resumable: called
 * again after an interruption it goes on. Used when the rules version changes, after a roll back to a fork, and by verify in a
 * scratch environment. progress may be NULL; returning non-zero from it stops with ERR_UNAVAILABLE. */
int apply_rebuild(struct db *db, int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg,
                  struct err *err) NODISCARD;
/* True if the stored state was built by other rules than RULES_VERSION, or a rebuild was interrupted. */
int apply_rebuild_needed(struct db *db, bool *ret, struct err *err) NODISCARD;

/* The semantic check of the whole environment (tests call it after every operation, `verify` on demand): log rows against runs
 * and hashes and seals, tips, the list of changes, capsules against commitments, fingerprints against rows; and state, views, cursors and waiting index
 * row by row against a rebuild in scratch_dir (an empty directory, left empty; not compared while events are due or a rebuild is).
 * ERR_CORRUPT names the first thing that does not hold ("BE log 3f2a91c0 seq 812: event 812: the payload is another"). deep =
 * false skips hashes and the rebuild; then scratch_dir may be NULL. Any thread; reads one snapshot. */
int apply_check(struct db *db, const char *scratch_dir, bool deep, struct err *err) NODISCARD;

#endif
