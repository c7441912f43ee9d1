/* What comes from peers into a group: runs, and proofs that freeze a log. See engine.h. */
#include "node/host/engine_private.h"
#include "node/host/recover.h"

/* A statement may have cut the log being written. The row that the group's seal stores must say so too; if its history was on another
 * branch than the one that stands, nothing more goes into it. */
static int
own_settled(struct engine *e, struct err *err)
{
    struct log_row stored;
    if (!e->own.open)
        return 0;
    int rc = evlog_get(e->txn, e->own.row.no, &stored, err);
    if (rc != 0)
        return rc;
    if (stored.head_seq >= e->own.row.head_seq) {
        e->own.row.stands_to = stored.stands_to;
        return 0;
    }
    if (e->own.n_runs > 0)
        return err_set(err, ERR_FORK, "a root statement takes back the log that this commit writes to");
    ownlog_close(&e->own);
    return 0;
}

/* Statements and what was just stored. The row is read again; what is left of it may be less than the run. */
static int
settle(struct engine *e, struct log_row *row, const struct run *run, const struct log_opened *opened, struct err *err)
{
    bool rebuild = false;
    uint64_t last = run->first + run->count - 1;
    int rc;
    if (opened && opened->has_root_statement)
        rc = apply_statements(e->apply, e->txn, &row->unit, &rebuild, err);
    else if (opened || (row->stands_to >= run->first && row->stands_to <= last))
        rc = apply_settle(e->apply, e->txn, &row->unit, &rebuild, err);
    else
        return 0;
    e->began_log = true; /* the commit asks whether a rebuild is wanted */
    if (rc == 0)
        rc = own_settled(e, err);
    return rc == 0 ? evlog_get(e->txn, row->no, row, err) : rc;
}

/* A run that came twice is as good as stored. */
static int
holds_run(struct engine *e, const struct log_row *row, const struct run *run, const struct chain_value *chain_after,
          bool *ret, struct err *err)
{
    uint64_t last = run->first + run->count - 1;
    struct chain_value ours;
    if (last > row->head_seq)
        return 0;
    int rc = evlog_chain_at(e->txn, row, last, &ours, err);
    if (rc == 0)
        *ret = TYPE_EQ(&ours, chain_after);
    return rc;
}

static void
proof_key(uint8_t key[HASH_BYTES + 1], const struct log_id *log)
{
    memcpy(key, log->b, HASH_BYTES);
    key[HASH_BYTES] = 0;
}

/* The proof of a fork may have come before anything of the log did. */
static int
freeze_if_proven(struct engine *e, struct log_row *row, struct err *err)
{
    uint8_t key[HASH_BYTES + 1];
    struct slice proof;
    proof_key(key, &row->id);
    int rc = db_get(e->txn, TABLE_EVIDENCE, slice_of(key, sizeof(key)), &proof, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    row->state = LOG_FROZEN;
    return evlog_put(e->txn, row, err);
}

/* What a peer gives back of our own unit comes without its capsules: they are fetched (keeper.h), also by the starts to come. */
static int
own_came_back(struct engine *e, struct err *err)
{
    bool known = false;
    e->unit_grew |= e->own.open;
    int rc = recover_fetch_get(e->txn, &known, err);
    return rc != 0 || known ? rc : recover_fetch_put(e->txn, true, err);
}

int
engine_append(struct engine *e, const struct run *run, const struct chain_value *chain_after,
              const struct log_opened *opened, const struct event_header *first_header, bool *ret_stored,
              struct err *err)
{
    struct log_row row;
    *ret_stored = false;
    int rc = evlog_find(e->txn, &run->log, &row, err);
    if (rc == ERR_NOTFOUND && opened && run->first == 1)
        rc = evlog_create(e->txn, &run->log, opened, first_header, &row, err);
    else if (rc == ERR_NOTFOUND)
        return 0;
    if (rc != 0)
        return rc;
    /* What a key that is out continues our open log with must not lie in its way: whoever holds it has forked us. */
    if (row.state == LOG_FROZEN || (e->own.open && row.no == e->own.row.no))
        return 0;
    if (run->first != row.head_seq + 1)
        return holds_run(e, &row, run, chain_after, ret_stored, err);
    rc = evlog_append(e->txn, &row, run, chain_after, err);
    if (rc == 0 && !TYPE_EQ(&row.unit, &e->config.identity->unit))
        rc = quota_add(&e->quota, e->txn, &row.unit, run->frames.len, err);
    if (rc == 0 && opened)
        rc = freeze_if_proven(e, &row, err);
    if (rc == 0)
        rc = settle(e, &row, run, opened, err);
    if (rc == 0 && row.head_seq < run->first + run->count - 1)
        return 0;
    if (rc == 0)
        rc = apply_log(e->apply, e->txn, row.no, APPLY_EVENTS_PER_STEP, &e->more, err);
    if (rc == 0 && TYPE_EQ(&row.unit, &e->config.identity->unit))
        rc = own_came_back(e, err);
    if (rc == 0) {
        *ret_stored = true;
        e->group_events += run->count;
    }
    return rc;
}

int
engine_freeze(struct engine *e, const struct log_id *log, struct slice proof, struct err *err)
{
    struct log_row row;
    uint8_t key[HASH_BYTES + 1];
    bool held = false, rebuild = false;
    int rc = engine_begin(e, err);
    if (rc != 0)
        return rc;
    rc = evlog_find(e->txn, log, &row, err);
    if (rc == 0) {
        held = true;
        row.state = LOG_FROZEN;
        rc = evlog_put(e->txn, &row, err);
        if (e->own.open && row.no == e->own.row.no) {
            e->own.row.state = LOG_FROZEN; /* nothing more goes into it: the next write opens a successor */
            e->unit_grew = true;
        }
    } else if (rc == ERR_NOTFOUND) {
        rc = 0;
    }
    proof_key(key, log);
    if (rc == 0 && proof.len > 0)
        rc = db_put(e->txn, TABLE_EVIDENCE, slice_of(key, sizeof(key)), proof, err);
    if (rc == 0 && held)
        rc = apply_settle(e->apply, e->txn, &row.unit, &rebuild, err);
    if (rc == 0 && held)
        rc = own_settled(e, err);
    e->began_log = held;
    if (rc != 0) {
        engine_abort(e);
        return rc;
    }
    return engine_commit(e, err);
}
