/* All state again from the logs, in chunks that commit by themselves. The cursors of the log rows are the progress: an interrupted
 * rebuild goes on where its last commit ended. TABLE_META "rebuild" → u8: wanted, or begun. Until it is over the rules version is
 * absent (state_clear), so that nobody takes what is there for the state. */
#include <stdlib.h>

#include "node/apply/apply_private.h"

enum rebuild_phase { REBUILD_WANTED = 1, REBUILD_BEGUN = 2 };

static const char MARKER[] = "rebuild";

static struct slice
marker_key(void)
{
    return slice_of(MARKER, sizeof(MARKER) - 1);
}

static int
marker_get(struct db_txn *txn, uint8_t *ret, struct err *err)
{
    struct slice value;
    int rc = db_get(txn, TABLE_META, marker_key(), &value, err);
    if (rc == ERR_NOTFOUND) {
        *ret = 0;
        return 0;
    }
    if (rc == 0 && value.len != 1)
        rc = err_set(err, ERR_CORRUPT, "marker of a rebuild: wrong length");
    if (rc == 0)
        *ret = value.data[0];
    return rc;
}

static int
marker_put(struct db_txn *txn, uint8_t phase, struct err *err)
{
    return db_put(txn, TABLE_META, marker_key(), slice_of(&phase, 1), err);
}

int
rebuild_want(struct db_txn *txn, struct err *err)
{
    return marker_put(txn, REBUILD_WANTED, err);
}

int
apply_rebuild_needed(struct db *db, bool *ret, struct err *err)
{
    struct db_txn *txn;
    uint8_t phase;
    uint32_t version;
    int rc = db_begin_read(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = marker_get(txn, &phase, err);
    if (rc == 0)
        rc = state_rules_version(txn, &version, err);
    if (rc == 0)
        *ret = phase != 0 || version != RULES_VERSION;
    db_abort(&txn);
    return rc;
}

static int
finish(struct db_txn **txn, int rc, struct err *err)
{
    if (rc == 0)
        return db_commit(txn, err);
    db_abort(txn);
    return rc;
}

/* Empties the state, unless that was done before an interruption. */
static int
begin(struct db *db, struct err *err)
{
    struct db_txn *txn;
    uint8_t phase;
    int rc = db_begin_write(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = marker_get(txn, &phase, err);
    if (rc == 0 && phase != REBUILD_BEGUN) {
        rc = state_clear(txn, err);
        if (rc == 0)
            rc = marker_put(txn, REBUILD_BEGUN, err);
    }
    return finish(&txn, rc, err);
}

static int
measure(struct db *db, uint64_t *ret_done, uint64_t *ret_total, struct err *err)
{
    struct db_txn *txn;
    uint32_t n;
    uint64_t done = 0, total = 0;
    int rc = db_begin_read(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = evlog_count(txn, &n, err);
    for (uint32_t no = 1; rc == 0 && no <= n; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc != 0)
            break;
        done += row.applied_seq;
        total += row.head_seq < row.stands_to ? row.head_seq : row.stands_to;
    }
    db_abort(&txn);
    if (rc == 0) {
        *ret_done = done;
        *ret_total = total;
    }
    return rc;
}

static int
chunk(struct db *db, struct state *state, struct apply *a, bool first, bool *ret_more, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(db, &txn, err);
    if (rc != 0)
        return rc;
    state_begin(state, txn);
    if (first)
        rc = standing_all(a, txn, err);
    if (rc == 0)
        rc = apply_log(a, txn, 0, APPLY_EVENTS_PER_STEP, ret_more, err);
    if (rc == 0)
        rc = state_flush(state, err);
    if (rc == 0 && !*ret_more)
        rc = state_set_rules_version(txn, RULES_VERSION, err);
    if (rc == 0 && !*ret_more)
        rc = db_del(txn, TABLE_META, marker_key(), err);
    state_discard(state);
    return finish(&txn, rc, err);
}

int
apply_rebuild(struct db *db, int (*progress)(void *arg, uint64_t done, uint64_t total), void *arg, struct err *err)
{
    struct state *state = NULL;
    struct apply *a = NULL;
    uint64_t done, total;
    bool more = true;
    int rc = begin(db, err);
    if (rc == 0)
        rc = state_new(db, &state, err);
    if (rc == 0)
        rc = apply_new(db, state, &a, err);
    for (bool first = true; rc == 0 && more; first = false) {
        rc = chunk(db, state, a, first, &more, err);
        if (rc != 0 || progress == NULL)
            continue;
        rc = measure(db, &done, &total, err);
        if (rc == 0 && progress(arg, done, total) != 0 && more)
            rc = err_set(err, ERR_UNAVAILABLE, "rebuild: stopped");
    }
    apply_free(&a);
    state_free(&state);
    return rc;
}
