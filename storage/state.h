/* State and view rows: a write-back cache over one write transaction, so that bulk work touches each row once, with the
 * fingerprints of docs/PROTOCOL.md §13 kept at every change. Reads outside the writer go to the tables directly (state_read).
 * Tables have generations: after an upgrade of the rules the next generation is built beside the one that is read, then they
 * are switched in one commit. Writer thread only, except state_read and state_fingerprints. */
#ifndef SMARTNODE_STORAGE_STATE_H
#define SMARTNODE_STORAGE_STATE_H

#include "storage/db.h"

struct state;

enum { STATE_COUNTERS_MAX = 20, STATE_CACHE_BYTES_MAX = 256 * 1024 * 1024 };

/* rules_version is stored; state_open returns ERR_VERSION through *ret_rebuild = true if the stored state was built by other
 * rules (or never): the caller clears and rebuilds it. */
int state_new(struct db *db, struct state **ret, struct err *err) NODISCARD;
void state_free(struct state **s);

/* Attaches a write transaction. Every path ends in state_flush (before commit) or state_discard (abort). */
void state_begin(struct state *s, struct db_txn *txn);
/* Row of a replicated table as this transaction sees it; borrowed until the next call on the same key or flush. ERR_NOTFOUND. */
int state_get(struct state *s, enum table t, struct slice key, struct slice *ret, struct err *err) NODISCARD;
int state_put(struct state *s, enum table t, struct slice key, struct slice value, struct err *err) NODISCARD;
int state_del(struct state *s, enum table t, struct slice key, struct err *err) NODISCARD;
/* Adds n deltas to a counters row (created at zero; a row that becomes all zero disappears). Wraps modulo 2^64. */
int state_add(struct state *s, enum table t, struct slice key, const int64_t *deltas, size_t n, struct err *err) NODISCARD;
/* Bytes held in the cache: the caller flushes and goes on when it nears STATE_CACHE_BYTES_MAX. */
size_t state_cached_bytes(const struct state *s);
/* Writes changed rows in key order and the fingerprints; the cache is empty afterwards. */
int state_flush(struct state *s, struct err *err) NODISCARD;
void state_discard(struct state *s);

/* Walks rows with the given key prefix as this transaction sees them; flushes first. Callback returns 0 to go on. */
int state_scan(struct state *s, enum table t, struct slice prefix, int (*row)(void *arg, struct slice key, struct slice value),
               void *arg, struct err *err) NODISCARD;

/* Counters rows: n svarints. */
int counters_decode(struct slice value, int64_t *ret, size_t n, struct err *err) NODISCARD;
void counters_encode(const int64_t *values, size_t n, struct buf *out);

/* Fingerprint of every replicated table as stored (32 bytes each), in the order of their numbers. */
struct fingerprint_row {
    uint32_t table;
    struct hash fingerprint;
};
enum { FINGERPRINTS_MAX = 16 };
int state_fingerprints(struct db_txn *txn, struct fingerprint_row ret[FINGERPRINTS_MAX], size_t *ret_n, struct err *err) NODISCARD;
/* One value for people and the demo: H over all of them. */
struct hash fingerprint_total(const struct fingerprint_row *rows, size_t n);
/* Recomputes from the rows, for check and verify. */
int state_fingerprint_recompute(struct db_txn *txn, enum table t, struct hash *ret, struct err *err) NODISCARD;

/* Rules version the state was built with; 0 if never. Setting it is part of the same commit as the rebuilt rows. */
int state_rules_version(struct db_txn *txn, uint32_t *ret, struct err *err) NODISCARD;
int state_set_rules_version(struct db_txn *txn, uint32_t version, struct err *err) NODISCARD;
/* Empties all replicated tables and their fingerprints, and sets applied_seq of all logs to 0. */
int state_clear(struct db_txn *txn, struct err *err) NODISCARD;

#endif
