/* Order of the logs. See apply.h. What an event does: event.c; who waits: waiting.c.
 *
 *   log row: depth 0 --predecessors applied--> depth ≥ 1, in the dag --events--> applied_seq = min(head, stands_to)
 *
 * A log that cannot go on has one row in TABLE_WAITING: for a predecessor's position, or for its own next one if a newer program
 * is needed. Whenever a log goes on, those that wait for it are put into the queue and looked at again. */
#include <stdlib.h>

#include "node/apply/apply_private.h"

enum { LOGS_MAX = DAG_LOGS_MAX, MISSING_MAX = 1 << 24 };

/* ---- loading ---- */

struct depth_of {
    uint32_t depth, no;
};

static int
by_depth(const void *x, const void *y)
{
    const struct depth_of *a = x, *b = y;
    if (a->depth != b->depth)
        return a->depth < b->depth ? -1 : 1;
    return a->no < b->no ? -1 : a->no > b->no;
}

/* Adds a log whose depth is known from its row. */
static int
dag_restore(struct apply *a, struct db_txn *txn, uint32_t no, struct err *err)
{
    struct log_row row, p;
    struct position at[HEADER_REFS_MAX];
    size_t n = 0;
    uint32_t depth;
    int rc = evlog_get(txn, no, &row, err);
    for (size_t i = 0; rc == 0 && i < row.n_predecessors; i++) {
        bool held;
        uint64_t limit;
        rc = standing_limit(a, txn, &row.unit, &row.predecessors[i].log, &p, &held, &limit, err);
        /* One that is not there either does not stand, or did not and a rebuild is due. */
        if (rc == 0 && limit > 0 && dag_has(a->dag, &row.predecessors[i].log))
            at[n++] = (struct position){row.predecessors[i].log, row.predecessors[i].seq};
    }
    return rc == 0 ? dag_add(a->dag, &row.id, at, n, &depth, err) : rc;
}

static int
load_logs(struct apply *a, struct db_txn *txn, struct err *err)
{
    uint32_t n;
    size_t n_known = 0;
    int rc = evlog_count(txn, &n, err);
    if (rc != 0)
        return rc;
    struct depth_of *known = calloc((size_t)n + 1, sizeof(*known));
    if (known == NULL)
        return err_set(err, ERR_NOMEM, "logs: out of memory");
    a->queue.n = 0;
    for (uint32_t no = 1; rc == 0 && no <= n; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc != 0)
            break;
        if (row.depth > 0)
            known[n_known++] = (struct depth_of){row.depth, no};
        if (row.applied_seq < row.head_seq && row.applied_seq < row.stands_to)
            rc = queue_push(a, no, err);
    }
    if (n_known > 1)
        qsort(known, n_known, sizeof(*known), by_depth);
    for (size_t i = 0; rc == 0 && i < n_known; i++)
        rc = dag_restore(a, txn, known[i].no, err);
    free(known);
    return rc;
}

static int
load(struct apply *a, struct err *err)
{
    struct db_txn *txn;
    dag_free(&a->dag);
    int rc = dag_new(&a->dag, err);
    if (rc == 0)
        rc = db_begin_read(a->db, &txn, err);
    if (rc != 0)
        return rc;
    rc = standing_load(a, txn, err);
    if (rc == 0)
        rc = waiting_load(a, txn, err);
    if (rc == 0)
        rc = closings_load(a, txn, err);
    if (rc == 0)
        rc = load_logs(a, txn, err);
    a->stats.conflicts = db_table_entries(txn, TABLE_CONFLICTS);
    db_abort(&txn);
    return rc;
}

int
apply_new(struct db *db, struct state *state, struct apply **ret, struct err *err)
{
    struct apply *a = calloc(1, sizeof(*a));
    if (a == NULL)
        return err_set(err, ERR_NOMEM, "apply: out of memory");
    a->db = db;
    a->state = state;
    map_init(&a->wait_heads, HASH_BYTES, sizeof(uint32_t), LOGS_MAX, NULL);
    map_init(&a->wait_of, sizeof(uint32_t), KEY_WAITING, LOGS_MAX, NULL);
    map_init(&a->missing, HASH_BYTES, sizeof(uint64_t), MISSING_MAX, NULL);
    map_init(&a->decided, 2 * HASH_BYTES, sizeof(uint64_t), MISSING_MAX, NULL);
    map_init(&a->closed, sizeof(struct unit_id), sizeof(uint32_t), LOGS_MAX, NULL);
    buf_init(&a->bytes, MEMBER_ROW_BYTES_MAX);
    int rc = load(a, err);
    if (rc != 0) {
        apply_free(&a);
        return rc;
    }
    *ret = a;
    return 0;
}

void
apply_free(struct apply **ret)
{
    struct apply *a = *ret;
    if (a == NULL)
        return;
    entity_office_cache_clear(a);
    kin_free(a);
    dag_free(&a->dag);
    map_free(&a->wait_heads);
    map_free(&a->wait_of);
    map_free(&a->missing);
    map_free(&a->decided);
    map_free(&a->closed);
    free(a->waiters);
    free(a->closings);
    free(a->queue.v);
    free(a->pending);
    for (size_t i = 0; i < VIEWS_N; i++) {
        free(a->before[i].v);
        free(a->after[i].v);
    }
    free(a->outcomes.v);
    free(a->marks_before.v);
    free(a->marks_after.v);
    buf_free(&a->bytes);
    free(a);
    *ret = NULL;
}

int
apply_reset(struct apply *a, struct err *err)
{
    entity_office_cache_clear(a);
    kin_clear(a);
    a->n_pending = 0;
    a->current = NULL;
    a->txn = NULL;
    return load(a, err);
}

void
apply_own_unit(struct apply *a, const struct unit_id *unit)
{
    a->own = *unit;
    a->has_own = true;
}

bool
apply_own_grew(struct apply *a)
{
    bool is = a->own_grew;
    a->own_grew = false;
    return is;
}

void
apply_on_growth(struct apply *a, apply_grew *grew, void *arg)
{
    a->grew = grew;
    a->grew_arg = arg;
}

void
apply_world(struct apply *a, struct db_txn *txn, struct member_world *ret)
{
    a->txn = txn;
    kin_clear(a);
    *ret = entity_world(a);
}

struct apply_stats
apply_stats(const struct apply *a)
{
    return a->stats;
}

/* ---- one log ---- */

static int
wrap_event(struct db_txn *txn, const struct log_row *row, uint64_t seq, struct err *err)
{
    char text[LOG_TEXT_MAX];
    return err_wrap(err, "apply %s seq %llu", check_log_text(txn, row, text), (unsigned long long)seq);
}

/* A predecessor that keeps the log waiting. */
static int
predecessor_holds_up(struct apply *a, const struct log_row *row, const struct log_predecessor *p, bool *ret_waits,
                     bool *ret_counts, struct err *err)
{
    struct log_row held_row;
    struct chain_value chain;
    bool held;
    uint64_t limit;
    *ret_waits = true;
    *ret_counts = true;
    int rc = standing_limit(a, a->txn, &row->unit, &p->log, &held_row, &held, &limit, err);
    if (rc != 0)
        return rc;
    if (limit == 0) {
        *ret_waits = *ret_counts = false; /* nothing of it stands: it is as if it were not named */
        return 0;
    }
    uint64_t need = p->seq < limit ? p->seq : limit;
    if (!held || held_row.depth == 0 || held_row.applied_seq < need || !TYPE_EQ(&held_row.unit, &row->unit))
        return 0;
    if (need == p->seq) {
        rc = evlog_chain_at(a->txn, &held_row, p->seq, &chain, err);
        if (rc != 0)
            return rc;
        if (!TYPE_EQ(&chain, &p->chain))
            return 0; /* another branch: it may be replaced, never judged here */
    }
    *ret_waits = false;
    return 0;
}

/* Puts the log into the graph if its predecessors are applied; *ret = false if it waits, with its row in TABLE_WAITING. */
static int
log_open(struct apply *a, struct log_row *row, bool *ret, struct err *err)
{
    struct position at[HEADER_REFS_MAX];
    size_t n = 0;
    int rc = 0;
    *ret = true;
    if (row->depth > 0)
        return 0;
    for (size_t i = 0; i < row->n_predecessors; i++) {
        bool waits, counts;
        const struct log_predecessor *p = &row->predecessors[i];
        rc = predecessor_holds_up(a, row, p, &waits, &counts, err);
        if (rc != 0)
            return rc;
        if (waits) {
            *ret = false;
            return waiting_log(a, row->no, &(struct position){p->log, p->seq}, 1, err);
        }
        if (counts)
            at[n++] = (struct position){p->log, p->seq};
    }
    rc = dag_add(a->dag, &row->id, at, n, &row->depth, err);
    return rc == 0 ? waiting_log_over(a, row->no, err) : rc;
}

static uint64_t
log_end(const struct log_row *row)
{
    return row->head_seq < row->stands_to ? row->head_seq : row->stands_to;
}

/* Events of the log up to its end, or until *left are applied, or until one needs a newer program. */
static int
log_events(struct apply *a, struct log_row *row, uint64_t *left, struct err *err)
{
    struct evlog_iter it;
    struct event e;
    int rc = evlog_iter_init(&it, a->txn, row->no, row->applied_seq + 1, err);
    if (rc != 0)
        return rc;
    while (row->applied_seq < log_end(row) && *left > 0) {
        struct stored_event stored;
        uint64_t seq = row->applied_seq + 1;
        rc = evlog_iter_next(&it, &stored, err);
        if (rc == ERR_NOTFOUND)
            rc = err_set(err, ERR_CORRUPT, "it is not held");
        if (rc == 0)
            rc = event_apply(a, &e, row, seq, stored.header, stored.payload, err);
        if (rc == 0 && e.halt) {
            rc = waiting_log(a, row->no, &e.at, seq, err);
            break;
        }
        if (rc == 0) {
            row->applied_seq = seq;
            --*left;
            rc = waiting_arrived(a, &e.at, err);
        }
        if (rc == 0 && state_cached_bytes(a->state) > STATE_CACHE_BYTES_MAX / 4 * 3)
            rc = state_flush(a->state, err);
        if (rc != 0) {
            rc = wrap_event(a->txn, row, seq, err);
            break;
        }
    }
    evlog_iter_release(&it);
    return rc;
}

static int
log_advance(struct apply *a, uint32_t log_no, uint64_t *left, struct err *err)
{
    struct log_row row;
    bool open;
    int rc = evlog_get(a->txn, log_no, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? err_set(err, ERR_CORRUPT, "log %u: no such log", (unsigned)log_no) : rc;
    if (row.depth == 0 && map_get(&a->wait_of, &log_no) == NULL)
        rc = standing_new_log(a, &row, err);
    if (rc == 0 && row.applied_seq >= log_end(&row)) {
        rc = changes_list(a->txn, &row, row.applied_seq, err); /* the own log's, which apply_local applied */
        return rc == 0 ? waiting_log_over(a, row.no, err) : rc;
    }
    if (rc != 0)
        return rc;
    uint32_t depth = row.depth;
    uint64_t applied = row.applied_seq;
    rc = log_open(a, &row, &open, err);
    if (rc == 0 && open) {
        a->current = &row;
        rc = log_events(a, &row, left, err);
        a->current = NULL;
    }
    if (rc == 0 && (row.depth != depth || row.applied_seq != applied))
        rc = evlog_put(a->txn, &row, err);
    if (rc == 0)
        rc = changes_list(a->txn, &row, row.applied_seq, err);
    if (rc == 0 && row.applied_seq >= log_end(&row))
        rc = waiting_log_over(a, row.no, err);
    else if (rc == 0 && open && *left == 0)
        rc = queue_push(a, row.no, err);
    if (rc == 0 && row.applied_seq != applied) {
        a->own_grew |= a->has_own && TYPE_EQ(&row.unit, &a->own);
        rc = waiting_wake(a, &row, err);
    }
    return rc;
}

int
apply_log(struct apply *a, struct db_txn *txn, uint32_t log_no, uint64_t max_events, bool *ret_more, struct err *err)
{
    uint64_t left = max_events == 0 ? UINT64_MAX : max_events;
    struct log_row own;
    a->txn = txn;
    int rc = log_no == 0 ? 0 : queue_push(a, log_no, err);
    /* A log that was applied by apply_local has nothing left to do here, but others may have waited for it. */
    if (rc == 0 && log_no != 0)
        rc = evlog_get(txn, log_no, &own, err);
    if (rc == 0 && log_no != 0 && own.applied_seq == own.head_seq)
        rc = waiting_wake(a, &own, err);
    while (rc == 0 && a->queue.n > 0 && left > 0)
        rc = log_advance(a, a->queue.v[--a->queue.n], &left, err);
    if (rc == 0)
        *ret_more = a->queue.n > 0;
    return rc;
}

/* ---- the own log ---- */

static int
pending_add(struct apply *a, const struct log_row *row, uint64_t seq, const struct chain_value *chain, struct err *err)
{
    void *v = a->pending;
    if (a->n_pending == 0 || !TYPE_EQ(&a->pending_log, &row->id) || seq != a->pending_first + a->n_pending ||
        row->head_seq + 1 == seq) {
        a->pending_log = row->id;
        a->pending_first = seq;
        a->n_pending = 0;
    }
    if (!grow(&v, &a->cap_pending, a->n_pending, sizeof(*a->pending)))
        return err_set(err, ERR_NOMEM, "apply: out of memory");
    a->pending = v;
    a->pending[a->n_pending++] = *chain;
    return 0;
}

int
apply_local(struct apply *a, struct db_txn *txn, struct log_row *row, struct slice header, struct slice payload,
            const struct chain_value *chain_after, enum outcome *ret, enum void_reason *ret_reason, struct err *err)
{
    struct event e;
    struct log_row next = *row;
    uint64_t seq = row->applied_seq + 1;
    bool open;
    a->txn = txn;
    int rc = log_open(a, &next, &open, err);
    if (rc == 0 && (!open || seq > next.stands_to))
        rc = err_set(err, ERR_WAITING,
                     open ? "the own log does not stand any more"
                          : "the own log waits for a predecessor that is not applied");
    a->current = &next;
    a->local = true;
    if (rc == 0)
        rc = event_apply(a, &e, &next, seq, header, payload, err);
    a->local = false;
    if (rc == 0 && e.halt)
        rc = err_set(err, ERR_UNKNOWN_KIND, "an own event that this program does not know");
    if (rc == 0) {
        next.applied_seq = seq;
        rc = pending_add(a, row, seq, chain_after, err);
    }
    if (rc == 0)
        rc = waiting_arrived(a, &e.at, err);
    a->current = NULL;
    if (rc == 0 && state_cached_bytes(a->state) > STATE_CACHE_BYTES_MAX / 4 * 3)
        rc = state_flush(a->state, err);
    if (rc != 0)
        return rc;
    *row = next;
    *ret = e.outcome;
    *ret_reason = e.reason;
    return 0;
}
