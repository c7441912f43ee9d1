/* Groups of operations and runs in one transaction. See engine.h. */
#include <stdlib.h>

#include "node/api/idem.h"
#include "node/host/engine_private.h"
#include "node/host/guests.h"
#include "node/host/recover.h"
#include "node/host/settling.h"
#include "node/host/tokens.h"
#include "storage/changes.h"
#include "storage/erasures.h"
#include "storage/lookups.h"

/* A vault that is older than the main environment would give out again the slots whose keys rows of ours are sealed with. */
static int
skip_used_slots(const struct engine_config *config, struct err *err)
{
    struct db_txn *txn = NULL;
    uint64_t last = 0;
    int rc = db_begin_read(config->db, &txn, err);
    if (rc == 0)
        rc = keyslot_last(txn, &last, err);
    db_abort(&txn);
    return rc == 0 && last > 0 ? vault_skip_used(config->vault, last, err) : rc;
}

/* An earlier release kept no list: what it applied is listed at the first start that finds none. */
static int
list_changes(struct db *db, struct err *err)
{
    struct db_txn *txn;
    int rc = db_begin_write(db, &txn, err);
    if (rc != 0)
        return rc;
    rc = db_table_entries(txn, TABLE_CHANGES) == 0 ? changes_list_all(txn, err) : 0;
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

/* What a peer's unit makes of few bytes is on its account too (quota.h). */
static int
on_growth(void *arg, struct db_txn *txn, const struct unit_id *unit, uint64_t people_rows, struct err *err)
{
    struct engine *e = arg;
    if (TYPE_EQ(unit, &e->config.identity->unit))
        return 0;
    return quota_add(&e->quota, txn, unit, people_rows * QUOTA_PEOPLE_ROW_BYTES, err);
}

static void
connect_apply(struct engine *e, struct apply *a)
{
    apply_own_unit(a, &e->config.identity->unit);
    apply_on_growth(a, on_growth, e);
}

int
engine_new(const struct engine_config *config, struct engine **ret, struct err *err)
{
    struct engine *e = calloc(1, sizeof(*e));
    bool rebuild = false;
    if (!e)
        return err_set(err, ERR_NOMEM, "writer: out of memory");
    e->config = *config;
    int rc = apply_rebuild_needed(config->db, &rebuild, err);
    if (rc == 0 && rebuild)
        rc = err_set(err, ERR_UNAVAILABLE, "the state must be rebuilt from the logs first: smartnode rebuild");
    if (rc == 0)
        rc = skip_used_slots(config, err);
    if (rc == 0)
        rc = list_changes(config->db, err);
    if (rc == 0)
        rc = state_new(config->db, &e->state, err);
    if (rc == 0)
        rc = apply_new(config->db, e->state, &e->apply, err);
    if (rc == 0)
        connect_apply(e, e->apply);
    e->more = true; /* a stop may have come between storing and applying */
    strays_init(&e->strays);
    ownlog_init(&e->own, &e->config, e->apply);
    indexer_init(&e->indexer, config->db, config->vault, config->identity);
    if (rc != 0)
        engine_free(&e);
    else
        *ret = e;
    return rc;
}

void
engine_free(struct engine **engine)
{
    struct engine *e = *engine;
    if (!e)
        return;
    if (e->txn)
        engine_abort(e);
    strays_release(&e->strays);
    ownlog_release(&e->own);
    indexer_release(&e->indexer);
    apply_free(&e->apply);
    state_free(&e->state);
    free(e->drafts);
    free(e);
    *engine = NULL;
}

/* Events of our own unit that came from elsewhere (a tail that came back after a restore, a clone), whenever they are applied, are not in
 * the past of the log being written, and what is written about their entities would be void: the next write opens a successor that names
 * them (§7). So it is with a log that could not name all there was.
 * The vault follows one log at a time: it catches up first, or the successor waits for the next group. */
static void
succeed_own_log(struct engine *e)
{
    struct err ignored;
    bool urgent;
    e->unit_grew |= apply_own_grew(e->apply);
    if ((!e->unit_grew && !e->own.partial) ||
        (indexer_pending(&e->indexer, &urgent) && indexer_flush(&e->indexer, &ignored) != 0))
        return;
    ownlog_close(&e->own);
    e->unit_grew = false;
}

int
engine_begin(struct engine *e, struct err *err)
{
    MUST(!e->txn);
    succeed_own_log(e);
    int rc = db_begin_write(e->config.db, &e->txn, err);
    if (rc != 0)
        return rc;
    state_begin(e->state, e->txn);
    ownlog_begin(&e->own);
    indexer_begin(&e->indexer);
    e->group_events = 0;
    quota_clear(&e->quota);
    e->began_log = e->statement = false;
    return 0;
}

/* What was learned in the group is forgotten, also where the transaction itself is gone already: a commit that fails frees it. */
static void
forget_group(struct engine *e)
{
    struct err ignored;
    vault_links_drop(e->config.vault);
    state_discard(e->state);
    db_abort(&e->txn);
    ownlog_rollback(&e->own);
    indexer_rollback(&e->indexer);
    e->more = true; /* whatever this group applied is due again */
    if (apply_reset(e->apply, &ignored) != 0)
        e->rebuild_wanted = true; /* the graph could not be read again: engine_reload does, or says why not */
}

void
engine_abort(struct engine *e)
{
    if (e->txn)
        forget_group(e);
}

uint64_t
engine_group_events(const struct engine *e)
{
    return e->group_events;
}

int
engine_commit(struct engine *e, struct err *err)
{
    bool wrote = e->own.n_runs > 0, began = e->began_log || (e->own.open && !e->own.before.open), rebuild = false;
    int rc = ownlog_seal(&e->own, e->txn, err);
    if (rc == 0 && e->statement)
        rc = apply_statements(e->apply, e->txn, &e->config.identity->unit, &rebuild, err);
    if (rc == 0 && wrote)
        rc = apply_log(e->apply, e->txn, e->own.row.no, APPLY_EVENTS_PER_STEP, &e->more, err);
    if (rc == 0)
        rc = quota_write(&e->quota, e->txn, err);
    if (rc == 0)
        rc = state_flush(e->state, err);
    if (rc == 0)
        erasing_note(e);
    if (rc == 0) /* before the events that need them: what is left over after a failure here harms nobody */
        rc = vault_links_commit(e->config.vault, err);
    if (rc == 0)
        rc = ownlog_keys_commit(&e->own, err);
    if (rc == 0)
        rc = db_commit(&e->txn, err);
    if (rc != 0) {
        forget_group(e);
        return rc;
    }
    indexer_commit(&e->indexer, &e->own.key_capsules);
    e->logs_changed |= apply_restood(e->apply) || e->own.bridged;
    struct err ignored;
    if (e->settling_due && settling_turn(e, &ignored) != 0)
        e->settling_due = true; /* the next flush of the vault tries again, and says what is wrong */
    if (!began)
        return 0;
    e->rebuild_wanted |= apply_rebuild_needed(e->config.db, &rebuild, &ignored) != 0 || rebuild;
    return 0;
}

int
engine_rehearse(struct engine *e, struct err *err)
{
    int rc = ownlog_seal(&e->own, e->txn, err);
    if (rc == 0 && e->own.open)
        rc = apply_log(e->apply, e->txn, e->own.row.no, APPLY_EVENTS_PER_STEP, &e->more, err);
    if (rc == 0)
        rc = state_flush(e->state, err);
    if (rc != 0) {
        forget_group(e);
        return rc;
    }
    state_begin(e->state, e->txn);
    ownlog_begin(&e->own);
    indexer_rollback(&e->indexer);
    indexer_begin(&e->indexer);
    e->group_events = 0;
    return 0;
}

/* ---- the own log and what is left to apply ---- */

int
engine_open_log(struct engine *e, const struct root_statement *st_or_null, const struct sign_secret *root,
                struct err *err)
{
    e->statement = st_or_null != NULL;
    return ownlog_open(&e->own, e->txn, st_or_null, root, err);
}

bool
engine_logs_changed(struct engine *e)
{
    bool is = e->logs_changed;
    e->logs_changed = false;
    return is;
}

bool
engine_apply_pending(const struct engine *e)
{
    return e->more;
}

int
engine_apply_more(struct engine *e, struct err *err)
{
    bool more = false;
    int rc = engine_begin(e, err);
    if (rc != 0)
        return rc;
    rc = apply_log(e->apply, e->txn, 0, APPLY_EVENTS_PER_STEP, &more, err);
    if (rc != 0) {
        engine_abort(e);
        return rc;
    }
    rc = engine_commit(e, err);
    if (rc == 0)
        e->more = more;
    return rc;
}

bool
engine_rebuild_wanted(const struct engine *e)
{
    return e->rebuild_wanted;
}

static int
reload_own_row(struct engine *e, struct err *err)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    int rc = db_begin_read(e->config.db, &txn, err);
    if (rc == 0)
        rc = evlog_get(txn, e->own.row.no, &row, err);
    db_abort(&txn);
    if (rc == 0)
        e->own.row = row;
    return rc;
}

/* apply_rebuild worked with a state and a graph of its own: ours are made anew; after an error they are as they were. */
int
engine_reload(struct engine *e, struct err *err)
{
    struct state *state = NULL;
    struct apply *apply = NULL;
    int rc = state_new(e->config.db, &state, err);
    if (rc == 0)
        rc = apply_new(e->config.db, state, &apply, err);
    if (rc == 0)
        connect_apply(e, apply);
    if (rc == 0 && e->own.open)
        rc = reload_own_row(e, err);
    if (rc != 0) {
        apply_free(&apply);
        state_free(&state);
        return rc;
    }
    apply_free(&e->apply);
    state_free(&e->state);
    e->state = state;
    e->apply = apply;
    e->own.apply = apply;
    e->more = true;
    e->unit_grew = true; /* what counts now may be more than before */
    e->rebuild_wanted = false;
    e->erasing.due = true; /* a newer program may have found more of them */
    return 0;
}

/* ---- the vault follows ---- */

bool
engine_vault_pending(const struct engine *e, bool *ret_urgent)
{
    bool pending = indexer_pending(&e->indexer, ret_urgent);
    return pending || e->settling_due;
}

int
engine_vault_flush(struct engine *e, struct err *err)
{
    int rc = e->settling_due ? settling_turn(e, err) : 0;
    return rc == 0 ? indexer_flush(&e->indexer, err) : rc;
}

int
engine_vault_complete(struct engine *e, struct err *err)
{
    int rc = indexer_complete(&e->indexer, err);
    if (rc == 0)
        rc = settling_turn(e, err);
    return rc == 0 ? erasing_start(e, err) : rc;
}

bool
engine_erasures_due(const struct engine *e)
{
    return e->erasing.due;
}

int
engine_erase(struct engine *e, bool *ret_rewrote, struct err *err)
{
    MUST(!e->txn);
    return erasing_turn(e, ret_rewrote, err);
}

/* ---- the rest ---- */

/* A key capsule goes into the vault and nowhere else (§6), one that was erased nowhere. */
static int
put_capsule(struct engine *e, const struct log_id *log, uint64_t seq, uint8_t index, struct slice bytes, bool wanted,
            struct err *err)
{
    struct log_row row;
    struct stored_event ev;
    struct event_header h;
    bool erased = false;
    int rc = evlog_find(e->txn, log, &row, err);
    if (rc == 0)
        rc = evlog_event(e->txn, row.no, seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    if (rc == 0)
        rc = tombstone_find(e->txn, &(struct position){.log = *log, .seq = seq}, index, &erased, NULL, err);
    if (rc != 0 || erased || index >= h.n_capsules)
        return rc;
    rc = guests_note_arrival(e->txn, &e->config.identity->unit, &row, &h, ev.payload, index, wanted, err);
    if (rc != 0)
        return rc;
    if (h.capsules[index].class != CLASS_KEY)
        return capsules_put(e->txn, row.no, seq, index, bytes, err);
    struct key_capsule kc = {.at = {.log = *log, .seq = seq}, .index = index, .bytes = bytes};
    return vault_capsules_put(e->config.vault, &kc, 1, err);
}

int
engine_put_capsule(struct engine *e, const struct log_id *log, uint64_t seq, uint8_t index, struct slice bytes,
                   struct err *err)
{
    return put_capsule(e, log, seq, index, bytes, false, err);
}

int
engine_put_wanted(struct engine *e, const struct log_id *log, uint64_t seq, uint8_t index, struct slice bytes,
                  struct err *err)
{
    return put_capsule(e, log, seq, index, bytes, true, err);
}

int
engine_expire(struct engine *e, size_t max, size_t *ret_n, struct err *err)
{
    struct db_cursor *cursor = NULL;
    uint8_t keys[256][IDEM_TIME_KEY_BYTES];
    size_t n = 0, questions = 0;
    struct slice k, v;
    struct wall_ms now = e->config.now(e->config.arg);
    int64_t kept_from = now.ms - IDEM_KEPT_MS;
    uint64_t limit = kept_from > 0 ? (uint64_t)kept_from : 0; /* a clock that fell back to 1970 expires nothing */
    *ret_n = 0;
    int rc = engine_begin(e, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_open(e->txn, TABLE_IDEM_TIME, &cursor, err);
    for (rc = rc != 0 ? rc : db_cursor_first(cursor, &k, &v, err); rc == 0 && n < max && n < ARRAY_LEN(keys);
         rc = db_cursor_next(cursor, &k, &v, err)) {
        if (k.len != IDEM_TIME_KEY_BYTES || be64_get(k.data) >= limit)
            break;
        memcpy(keys[n++], k.data, IDEM_TIME_KEY_BYTES);
    }
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    db_cursor_close(&cursor);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = db_del(e->txn, TABLE_IDEM_TIME, slice_of(keys[i], IDEM_TIME_KEY_BYTES), err);
        if (rc == 0)
            rc = db_del(e->txn, TABLE_IDEMPOTENCY, slice_of(keys[i] + 8, HASH_BYTES), err);
    }
    size_t n_tokens = 0;
    if (rc == 0)
        rc = tokens_expire(e->txn, now, max, &n_tokens, err);
    if (rc == 0)
        rc = lookup_questions_expire(e->txn, (struct wall_ms){now.ms - LOOKUP_ASKED_MS}, max, &questions, err);
    if (rc != 0 || n + n_tokens + questions == 0) {
        engine_abort(e);
        return rc;
    }
    rc = engine_commit(e, err);
    if (rc == 0)
        *ret_n = n > n_tokens ? n : n_tokens;
    if (rc == 0 && questions > *ret_n)
        *ret_n = questions;
    return rc;
}

/* Rewrites a row with the same bytes: as much room as any small commit needs. */
int
engine_probe(struct engine *e, struct err *err)
{
    static const char name[] = "probe";
    int rc = engine_begin(e, err);
    if (rc == 0)
        rc = db_put(e->txn, TABLE_META, slice_of(name, sizeof(name) - 1), slice_of("", 1), err);
    if (rc == 0)
        return engine_commit(e, err);
    engine_abort(e);
    return rc;
}

bool
engine_own_log(const struct engine *e, struct log_row *ret)
{
    if (!e->own.open)
        return false;
    *ret = e->own.row;
    return true;
}
