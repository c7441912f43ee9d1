/* What a node fetches by itself: the capsules that it may have (node/host/wanted.h), those of the units that it keeps them for, and its own where a disk
 * was set back (node/host/keeper.h), as the daemon's net thread drives them (node/host/netloop.c): turns when something came in, and when
 * what nobody gave is asked for again. See sim.h. */
#include "tests/sim/sim.h"

#include "node/host/recover.h"

enum { SOON_MS_MAX = 300, IDLE_MS = 1000 };

void
fetch_plan(struct world *w)
{
    bool any = rng_chance(&w->rng, 350);
    for (int i = 0; i < w->n_units; i++)
        for (int k = 0; k < w->n_units; k++)
            w->keeps[i][k] = any && i != k && w->admits[i][k] && w->admits[k][i] && rng_chance(&w->rng, 400);
}

static void
read_recovery(struct sim_node *n, struct err *err)
{
    struct db_txn *txn = NULL;
    bool own = false;
    int rc = db_begin_read(n->db, &txn, err);
    if (rc == 0)
        rc = recover_fetch_get(txn, &own, err);
    db_abort(&txn);
    if (rc == 0 && own)
        keeper_own(&n->keeper, &n->unit->identity.unit);
    if (rc != 0)
        world_fail(n->w, n, "what is to be fetched: %s", err->text);
}

void
fetch_start(struct sim_node *n)
{
    struct world *w = n->w;
    struct err err;
    memset(&n->config, 0, sizeof(n->config));
    for (int i = 0; i < w->n_units && n->config.n_keep < CONFIG_KEEP_MAX; i++)
        if (w->keeps[n->unit->index][i])
            memcpy(n->config.keep[n->config.n_keep++], w->units[i].identity.unit_code, UNIT_CODE_MAX);
    keeper_init(&n->keeper, n->db, n->vault, &n->config);
    MUST(wanted_init(&n->wanted, n->vault, &n->unit->identity.unit, &err) == 0);
    n->fetch_at = -1;
    read_recovery(n, &err);
    fetch_soon(n);
}

void
fetch_stop(struct sim_node *n)
{
    keeper_release(&n->keeper);
    wanted_release(&n->wanted);
}

static void
plan(struct sim_node *n, int64_t in_ms)
{
    int64_t at = n->w->now_ms + (in_ms > 0 ? in_ms : 0);
    if (!n->up || n->old || (n->fetch_at >= 0 && n->fetch_at <= at))
        return;
    n->fetch_at = at;
    world_post(n->w, at - n->w->now_ms, EV_FETCH, n, 0, 0, NULL, 0);
}

void
fetch_soon(struct sim_node *n)
{
    plan(n, rng_between(&n->rng, 1, SOON_MS_MAX));
}

static void
need(void *arg, const struct unit_id *unit, const struct position *at, uint8_t index, const struct hash *hash)
{
    struct sim_node *n = arg;
    struct sync_event ev = {
        .type = SYNC_CAPSULE_NEEDED,
        .capsule_needed = {.unit = *unit, .log = at->log, .seq = at->seq, .index = index, .hash = *hash}};
    node_step(n, &ev);
}

static bool
is_kept(void *arg, const struct unit_id *unit)
{
    struct sim_node *n = arg;
    return keeper_keeps(&n->keeper, &n->peers, unit);
}

static void
plan_retry(struct sim_node *n, int64_t at_ms)
{
    if (at_ms != 0)
        plan(n, at_ms > n->w->now_ms ? at_ms - n->w->now_ms : IDLE_MS);
}

void
fetch_step(struct sim_node *n)
{
    struct wanted_turn t = {.db = n->db,
                            .today = {(int32_t)(node_wall(n) / 86400000)},
                            .now_ms = n->w->now_ms,
                            .skip = is_kept,
                            .need = need,
                            .arg = n};
    struct err err = {0};
    bool more_wanted = false, more_kept = false;
    n->fetch_at = -1;
    node_program(n);
    if (wanted_turn(&n->wanted, &t, &more_wanted, &err) != 0 ||
        keeper_turn(&n->keeper, &n->peers, n->w->now_ms, need, n, &more_kept, &err) != 0)
        world_fail(n->w, n, "what is to be fetched: %s", err.text);
    if (more_wanted || more_kept)
        plan(n, 0);
    plan_retry(n, n->wanted.retry_at_ms);
    plan_retry(n, n->keeper.retry_ms);
    plan_retry(n, n->wanted.rights_at_ms);
}

bool
fetch_got(struct sim_node *n, const struct position *at, uint8_t index)
{
    fetch_soon(n);
    return wanted_got(&n->wanted, at, index);
}

void
fetch_missing(struct sim_node *n, const struct position *at, uint8_t index)
{
    if (!wanted_missing(&n->wanted, at, index, n->w->now_ms))
        keeper_missing(&n->keeper, &at->log, at->seq, n->w->now_ms);
    fetch_soon(n);
}

void
fetch_stored(struct sim_node *n, uint32_t kept, uint32_t lost, bool wanted_lost)
{
    keeper_got(&n->keeper, kept);
    if (lost > 0)
        keeper_lost(&n->keeper, lost, n->w->now_ms);
    if (wanted_lost)
        wanted_again(&n->wanted);
    fetch_soon(n);
    upkeep_soon(n);
}

void
fetch_appended(struct sim_node *n, const struct log_id *log)
{
    int at = ledger_find(n->w, log);
    if (at >= 0 && n->w->ledger[at].unit == n->unit->index)
        keeper_own(&n->keeper, &n->unit->identity.unit);
    fetch_soon(n);
}

void
fetch_all_logs(struct sim_node *n)
{
    keeper_again(&n->keeper);
    wanted_again(&n->wanted);
    fetch_soon(n);
}

void
fetch_connected(struct sim_node *n)
{
    wanted_retry(&n->wanted);
    fetch_soon(n);
}
