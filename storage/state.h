/* State and view rows: a write-back cache over one write transaction, so that bulk work touches each row once, with the
 * fingerprints of docs/PROTOCOL.md §13 kept at every change. Reads outside the writer go to the tables directly (db.h).
 * After an upgrade of the rules the state is rebuilt from the logs: state_clear, everything applied again, and
 * state_set_rules_version in the last commit, so that an interrupted rebuild is seen.
 * Writer thread only, except what takes a transaction of the caller's. Errors of these functions stick to the transaction,
 * ERR_NOTFOUND excepted: ERR_NOMEM, ERR_CORRUPT, and those of db.h. */
#ifndef SMARTNODE_STORAGE_STATE_H
#define SMARTNODE_STORAGE_STATE_H

#include "storage/db.h"

struct state;

enum { STATE_COUNTERS_MAX = 20, STATE_CACHE_BYTES_MAX = 256 * 1024 * 1024 };

/* ERR_NOMEM. db outlives it. */
int state_new(struct db *db, struct state **ret, struct err *err) NODISCARD;
void state_free(struct state **s);

/* Attaches a write transaction, until the next state_begin or state_discard. Every path ends in state_flush (before commit) or
 * state_discard (abort). A flush that failed must be followed by state_discard and an abort. */
void state_begin(struct state *s, struct db_txn *txn);
/* Row of a replicated table as this transaction sees it; borrowed until the next call on the same key or flush. ERR_NOTFOUND. */
int state_get(struct state *s, enum table t, struct slice key, struct slice *ret, struct err *err) NODISCARD;
/* The same where a row that is not there is nothing to tell about: *ret_found. */
int state_find(struct state *s, enum table t, struct slice key, struct slice *ret, bool *ret_found,
               struct err *err) NODISCARD;
int state_put(struct state *s, enum table t, struct slice key, struct slice value, struct err *err) NODISCARD;
int state_del(struct state *s, enum table t, struct slice key, struct err *err) NODISCARD;
/* Adds n deltas to a counters row (created at zero; a row that becomes all zero disappears). Wraps modulo 2^64. Rows of one
 * table all have the same n, at most STATE_COUNTERS_MAX (MUST). */
int state_add(struct state *s, enum table t, struct slice key, const int64_t *deltas, size_t n,
              struct err *err) NODISCARD;
/* Rows that state_add made, less those that it let disappear, since state_new: what one call adds is the difference. */
int64_t state_rows_added(const struct state *s);
/* Bytes held in the cache: the caller flushes and goes on when it nears STATE_CACHE_BYTES_MAX. */
size_t state_cached_bytes(const struct state *s);
/* Writes changed rows in key order and the fingerprints; the cache is empty afterwards. */
int state_flush(struct state *s, struct err *err) NODISCARD;
void state_discard(struct state *s);

/* Walks rows with the given key prefix as this transaction sees them; flushes first if any of the table have changed. Callback returns 0 to go on, ERR_NOTFOUND to
 * end the walk with 0, anything else to end it with that. It may get and put, but not flush or scan. */
int state_scan(struct state *s, enum table t, struct slice prefix,
               int (*row)(void *arg, struct slice key, struct slice value), void *arg, struct err *err) NODISCARD;

/* Counters rows: n svarints. */
int counters_decode(struct slice value, int64_t *ret, size_t n, struct err *err) NODISCARD;
void counters_encode(const int64_t *values, size_t n, struct buf *out);

/* Fingerprint of every replicated table as stored (32 bytes each), in the order of their numbers. */
struct fingerprint_row {
    uint32_t table;
    struct hash fingerprint;
};
enum { FINGERPRINTS_MAX = 24 };
int state_fingerprints(struct db_txn *txn, struct fingerprint_row ret[FINGERPRINTS_MAX], size_t *ret_n,
                       struct err *err) NODISCARD;
/* One value for people and the demo: H over all of them. */
struct hash fingerprint_total(const struct fingerprint_row *rows, size_t n);
/* Recomputes from the rows, for check and verify. */
int state_fingerprint_recompute(struct db_txn *txn, enum table t, struct hash *ret, struct err *err) NODISCARD;

/* Rules version the state was built with; 0 if never. Setting it is part of the same commit as the rebuilt rows. */
int state_rules_version(struct db_txn *txn, uint32_t *ret, struct err *err) NODISCARD;
int state_set_rules_version(struct db_txn *txn, uint32_t version, struct err *err) NODISCARD;
/* Empties all replicated tables and their fingerprints, the waiting index, the index of access and the rules version, and sets applied_seq and depth
 * of all logs to 0. No state may be attached to txn with rows in its cache. */
int state_clear(struct db_txn *txn, struct err *err) NODISCARD;

#endif
