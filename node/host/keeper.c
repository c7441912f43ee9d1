/* Capsules of units that named this node their keeper. See keeper.h. */
#include "node/host/keeper.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/erasures.h"
#include "storage/evlog.h"

void
keeper_init(struct keeper *k, struct db *db, struct vault *vault, const struct config *config)
{
    *k = (struct keeper){.db = db, .vault = vault, .n_units = config->n_keep, .pause_ms = KEEPER_RETRY_MS};
    memcpy(k->units, config->keep, sizeof(k->units));
}

void
keeper_release(struct keeper *k)
{
    free(k->logs);
    *k = (struct keeper){0};
}

void
keeper_own(struct keeper *k, const struct unit_id *unit)
{
    if (k->own)
        return;
    k->own = true;
    k->unit = *unit;
    keeper_again(k);
}

bool
keeper_keeps(const struct keeper *k, struct peers *peers, const struct unit_id *unit)
{
    const struct peer *p = peers_find(peers, unit);
    if (k->own && TYPE_EQ(unit, &k->unit))
        return true;
    for (uint8_t i = 0; p && i < k->n_units; i++)
        if (strcmp(k->units[i], p->trusted.card.unit_code) == 0)
            return true;
    return false;
}

static int
find_logs(struct keeper *k, struct peers *peers, struct db_txn *txn, struct err *err)
{
    uint32_t n = 0;
    int rc = evlog_count(txn, &n, err);
    for (uint32_t no = k->n_known + 1; no <= n && rc == 0; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0 && keeper_keeps(k, peers, &row.unit)) {
            if (k->n_logs == k->cap_logs) {
                size_t cap = k->cap_logs ? 2 * k->cap_logs : 16;
                struct keeper_log *more = realloc(k->logs, cap * sizeof(*more));
                if (!more)
                    return err_set(err, ERR_NOMEM, "keeper: out of memory");
                k->logs = more;
                k->cap_logs = cap;
            }
            k->logs[k->n_logs++] = (struct keeper_log){.id = row.id, .no = no};
        }
        if (rc == 0)
            k->n_known = no;
    }
    return rc;
}

static int
is_held(struct keeper *k, struct db_txn *txn, const struct keeper_log *log, const struct event_header *h, uint8_t index,
        bool *ret, struct err *err)
{
    struct slice bytes;
    struct position at = {.log = log->id, .seq = h->seq};
    int rc = tombstone_find(txn, &at, index, ret, NULL, err); /* nobody has it any more */
    if (rc != 0 || *ret)
        return rc;
    if (h->capsules[index].class == CLASS_KEY) {
        struct buf out;
        buf_init(&out, CAPSULE_BYTES_MAX);
        rc = vault_capsule_get(k->vault, &at, index, &out, err);
        buf_free(&out);
    } else {
        rc = capsules_get(txn, log->no, h->seq, index, &bytes, err);
    }
    *ret = rc == 0;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

struct looking {
    void (*need)(void *arg, const struct unit_id *unit, const struct position *at, uint8_t index,
                 const struct hash *hash);
    void *arg;
    int left;
};

static int
look_at_log(struct keeper *k, struct db_txn *txn, struct keeper_log *log, struct looking *l, struct err *err)
{
    struct log_row row;
    struct evlog_iter it;
    struct stored_event ev;
    int rc = evlog_get(txn, log->no, &row, err);
    if (rc != 0 || log->looked >= row.head_seq)
        return rc;
    rc = evlog_iter_init(&it, txn, log->no, log->looked + 1, err);
    while (rc == 0 && l->left > 0 && k->outstanding + HEADER_CAPSULES_MAX <= KEEPER_OUTSTANDING_MAX) {
        struct event_header h;
        rc = evlog_iter_next(&it, &ev, err);
        if (rc == 0)
            rc = event_header_decode(ev.header, &h, err);
        for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++) {
            struct position at = {.log = log->id, .seq = h.seq};
            bool held = false;
            rc = is_held(k, txn, log, &h, i, &held, err);
            if (rc == 0 && !held) {
                k->outstanding++;
                l->need(l->arg, &row.unit, &at, i, &h.capsules[i].hash);
            }
        }
        if (rc == 0)
            log->looked = h.seq;
        l->left--;
    }
    evlog_iter_release(&it);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static void
look_again(struct keeper *k)
{
    k->retry_ms = 0;
    for (size_t i = 0; i < k->n_logs && !k->all; i++) {
        if (k->logs[i].missed != 0)
            k->logs[i].looked = k->logs[i].missed - 1;
        k->logs[i].missed = 0;
    }
    if (k->all) {
        k->n_known = 0;
        k->n_logs = 0;
    }
    k->all = false;
}

int
keeper_turn(struct keeper *k, struct peers *peers, int64_t now_ms,
            void (*need)(void *arg, const struct unit_id *unit, const struct position *at, uint8_t index,
                         const struct hash *hash),
            void *arg, bool *ret_more, struct err *err)
{
    struct looking l = {.need = need, .arg = arg, .left = KEEPER_EVENTS_PER_TURN};
    struct db_txn *txn = NULL;
    *ret_more = false;
    if (k->n_units == 0 && !k->own)
        return 0;
    if (k->retry_ms != 0 && now_ms >= k->retry_ms) {
        if (k->outstanding > 0) /* asked for twice, it would be answered once */
            return 0;
        look_again(k);
    }
    int rc = db_begin_read(k->db, &txn, err);
    if (rc == 0)
        rc = find_logs(k, peers, txn, err);
    for (size_t i = 0; i < k->n_logs && rc == 0 && l.left > 0; i++)
        rc = look_at_log(k, txn, &k->logs[i], &l, err);
    db_abort(&txn);
    *ret_more = rc == 0 && l.left <= 0;
    return rc;
}

static void
settle(struct keeper *k, uint32_t n)
{
    k->outstanding -= n < k->outstanding ? n : k->outstanding;
}

/* Not before the walk over what lies behind the missed one is cheap beside the pause. */
static void
plan_retry(struct keeper *k, uint64_t events, int64_t now_ms)
{
    int64_t max = k->own ? KEEPER_RETRY_OWN_MS_MAX : KEEPER_RETRY_MS_MAX;
    int64_t pause = k->pause_ms;
    if (k->retry_ms != 0)
        return;
    if (events > (uint64_t)pause)
        pause = events < (uint64_t)KEEPER_RETRY_MS_MAX ? (int64_t)events : KEEPER_RETRY_MS_MAX;
    k->retry_ms = now_ms + pause;
    k->pause_ms = 2 * k->pause_ms < max ? 2 * k->pause_ms : max;
}

void
keeper_got(struct keeper *k, uint32_t n)
{
    settle(k, n);
    k->kept += n;
    if (n > 0)
        k->pause_ms = KEEPER_RETRY_MS;
}

void
keeper_lost(struct keeper *k, uint32_t n, int64_t now_ms)
{
    settle(k, n);
    k->all = true;
    plan_retry(k, KEEPER_RETRY_MS_MAX, now_ms);
}

void
keeper_missing(struct keeper *k, const struct log_id *log, uint64_t seq, int64_t now_ms)
{
    uint64_t behind = 0;
    settle(k, 1);
    for (size_t i = 0; i < k->n_logs; i++) {
        struct keeper_log *l = &k->logs[i];
        if (!TYPE_EQ(&l->id, log))
            continue;
        if (l->missed == 0 || seq < l->missed)
            l->missed = seq;
        behind = l->looked > l->missed ? l->looked - l->missed : 0;
    }
    plan_retry(k, behind, now_ms);
}

void
keeper_again(struct keeper *k)
{
    k->all = true;
    k->retry_ms = 1;
}
