/* One node: carries out the effects of its core and commits groups, as the daemon's threads do, in virtual time. See sim.h. */
#include "tests/sim/sim.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { GROUP_MS_MAX = 40, READ_MS_MAX = 12, WALL_BASE_S = 1750000000 };

int64_t
node_wall(const struct sim_node *n)
{
    return (int64_t)WALL_BASE_S * 1000 + n->w->now_ms + n->skew_ms;
}

static struct wall_ms
engine_now(void *arg)
{
    return (struct wall_ms){node_wall(arg)};
}

static struct civil_date
engine_today(void *arg)
{
    return (struct civil_date){(int32_t)(node_wall(arg) / 86400000)};
}

static void
engine_random(void *arg, uint8_t *out, size_t len)
{
    rng_fill(&((struct sim_node *)arg)->rng, out, len);
}

bool
node_trusts(const struct sim_node *n, const struct sim_node *other)
{
    return n->w->admits[n->unit->index][other->unit->index];
}

/* ---- programs ---- */

void
node_program(const struct sim_node *n)
{
    event_kind_hide(n->old ? n->hidden : 0);
    event_kind_hide_from(n->old && n->hidden == 0 ? KIND_SHARES_REPAID : 0);
}

void
node_upgrade(struct sim_node *n)
{
    if (!n->old)
        return;
    if (n->up)
        node_stop(n);
    n->old = false;
    n->upgraded = true;
    say(n->w, n, "gets the program of today");
}

/* ---- life ---- */

static int
compare_peers(const void *a, const void *b)
{
    return memcmp(&((const struct peer *)a)->trusted.card.unit, &((const struct peer *)b)->trusted.card.unit,
                  HASH_BYTES);
}

static void
make_peers(struct sim_node *n)
{
    struct world *w = n->w;
    n->peers.list = calloc((size_t)w->n_units, sizeof(*n->peers.list));
    MUST(n->peers.list);
    for (int i = 0; i < w->n_units; i++)
        if (i != n->unit->index && w->admits[n->unit->index][i])
            n->peers.list[n->peers.n++].trusted =
                (struct trusted){.card.unit = w->units[i].identity.unit, .keeper = w->keeps[i][n->unit->index]};
    for (size_t k = 0; k < n->peers.n; k++)
        for (int i = 0; i < w->n_units; i++)
            if (TYPE_EQ(&n->peers.list[k].trusted.card.unit, &w->units[i].identity.unit))
                memcpy(n->peers.list[k].trusted.card.unit_code, w->units[i].identity.unit_code, UNIT_CODE_MAX);
    qsort(n->peers.list, n->peers.n, sizeof(*n->peers.list), compare_peers);
}

void
node_init(struct world *w, int index, int unit)
{
    struct sim_node *n = &w->nodes[index];
    *n = (struct sim_node){.w = w,
                           .index = index,
                           .unit = &w->units[unit],
                           .identity = &w->units[unit].identity,
                           .used = true,
                           .tick_at = -1};
    n->rng.state = rng_next(&w->rng);
    snprintf(n->name, sizeof(n->name), "%s%s", n->unit->identity.unit_code, index == unit ? "" : "'");
    int len = snprintf(n->dir, sizeof(n->dir), "%s/%d", w->dir, index);
    MUST(len > 0 && len < (int)sizeof(n->dir));
    len = snprintf(n->backup, sizeof(n->backup), "%s/%d.old", w->dir, index);
    MUST(len > 0 && len < (int)sizeof(n->backup));
    sim_make_node_dirs(n->dir);
    buf_init(&n->proof, MESSAGE_BYTES_MAX);
    make_peers(n);
    if (w->skewed) {
        int64_t years = 10ll * 365 * 86400000;
        n->skew_ms = rng_between(&w->rng, -years, years);
    }
    n->allow_clock_back = rng_chance(&w->rng, 500);
    n->allow_clock_back |= !w->skewed;
    if (index >= w->n_nodes)
        w->n_nodes = index + 1;
}

static bool
open_stores(struct sim_node *n, struct err *err)
{
    char main_dir[SIM_PATH_MAX + 8], vault_dir[SIM_PATH_MAX + 8];
    uint8_t wrap_key[32];
    bool create = n->incarnation == 1 || n->made_from;
    memset(wrap_key, n->unit->index + 1, sizeof(wrap_key));
    snprintf(main_dir, sizeof(main_dir), "%s/main", n->dir);
    snprintf(vault_dir, sizeof(vault_dir), "%s/vault", n->dir);
    struct db_opts main_opts = {.path = main_dir,
                                .map_bytes = SIM_MAP_BYTES,
                                .kind = DB_MAIN,
                                .create = create,
                                .volatile_for_simulation = true};
    struct vault_opts vault_opts = {.path = vault_dir,
                                    .map_bytes = SIM_MAP_BYTES,
                                    .wrap_key = wrap_key,
                                    .create = create,
                                    .volatile_for_simulation = true};
    if (db_open(&main_opts, &n->db, err) != 0 || vault_open(&vault_opts, &n->vault, err) != 0)
        return false;
    vault_set_random(n->vault, rng_fill, &n->rng);
    return true;
}

int
node_open_engine(struct sim_node *n, struct err *err)
{
    struct engine_config config = {.db = n->db,
                                   .vault = n->vault,
                                   .identity = n->identity,
                                   .program = "sim",
                                   .allow_clock_back = n->allow_clock_back,
                                   .now = engine_now,
                                   .today = engine_today,
                                   .random = engine_random,
                                   .arg = n};
    bool rebuild = false;
    int rc = apply_rebuild_needed(n->db, &rebuild, err);
    if (rc == 0 && (rebuild || n->upgraded))
        rc = apply_rebuild(n->db, NULL, NULL, err);
    n->upgraded &= rc != 0;
    if (rc == 0)
        rc = engine_new(&config, &n->engine, err);
    if (rc == 0)
        rc = engine_vault_complete(n->engine, err);
    return rc;
}

static int
open_sync(struct sim_node *n, struct err *err)
{
    const struct identity *id = n->identity;
    struct sync_config config = {
        .unit = id->unit, .federation = id->federation, .production = id->production, .program = "sim"};
    rng_fill(&n->rng, config.seed, sizeof(config.seed));
    return sync_new(&config, &n->sync, err);
}

static void
tell_trust(struct sim_node *n)
{
    struct world *w = n->w;
    for (int i = 0; i < w->n_units; i++) {
        const struct identity *id = &w->units[i].identity;
        struct sync_event ev = {.type = SYNC_UNIT_TRUST};
        if (!w->admits[n->unit->index][i])
            continue;
        ev.unit_trust.unit = id->unit;
        ev.unit_trust.admitted = true;
        memcpy(ev.unit_trust.code, id->unit_code, sizeof(ev.unit_trust.code));
        ev.unit_trust.n_root_keys = 1;
        ev.unit_trust.root_keys[0] = id->root_key;
        node_step(n, &ev);
    }
}

static void
node_close(struct sim_node *n)
{
    engine_free(&n->engine);
    sync_free(&n->sync);
    vault_close(&n->vault);
    db_close(&n->db);
}

void
node_start(struct sim_node *n)
{
    struct world *w = n->w;
    struct err err = {0};
    if (n->gone)
        return;
    n->incarnation++;
    node_program(n);
    if (!open_stores(n, &err) || node_open_engine(n, &err) != 0 || (n->made_from && custody_fill(n, &err) != 0) ||
        open_sync(n, &err) != 0) {
        world_fail(w, n, "does not start: %s", err.text);
        node_close(n);
        return;
    }
    n->reads = (struct netreads){.db = n->db,
                                 .vault = n->vault,
                                 .identity = n->identity,
                                 .residency = w->capsules_travel ? RESIDENCY_FEDERATION : RESIDENCY_TRAVELLING,
                                 .today = engine_today,
                                 .today_arg = n,
                                 .peers = &n->peers};
    buf_init(&n->reads.bytes, MESSAGE_BYTES_MAX);
    buf_init(&n->reads.hashes, EVIDENCE_HASHES_MAX * HASH_BYTES);
    sync_effects_init(&n->effects);
    n->up = true;
    n->own_told = false;
    n->own_head = 0;
    n->group_due = false;
    n->tick_at = -1;
    say(w, n, "starts");
    fetch_start(n);
    n->seen_changes = 0;
    n->seen_day = (struct civil_date){0};
    n->upkeep_due = n->sheltered = false;
    upkeep_soon(n);
    tell_trust(n);
    node_list_logs(n);
    for (int i = 0; i < w->n_nodes; i++)
        if (w->nodes[i].unit != n->unit && w->dials[n->unit->index][w->nodes[i].unit->index])
            net_dial_soon(n, i, rng_between(&n->rng, 1, 400));
    if (n->freezes || engine_erasures_due(n->engine))
        node_group_soon(n);
}

static void
drop_jobs(struct sim_job **jobs)
{
    for (void *next; *jobs; *jobs = next) {
        next = (*jobs)->next;
        free(*jobs);
    }
}

static void
drop_lists(struct sim_node *n)
{
    for (void *next; n->appends; n->appends = next) {
        next = n->appends->next;
        free(n->appends);
    }
    drop_jobs(&n->jobs);
    for (void *next; n->freezes; n->freezes = next) {
        next = n->freezes->next;
        free(n->freezes);
    }
    for (void *next; n->capsules; n->capsules = next) {
        next = n->capsules->next;
        free(n->capsules);
    }
}

void
node_stop(struct sim_node *n)
{
    if (!n->up)
        return;
    n->up = false;
    n->incarnation++;
    net_node_gone(n);
    drop_lists(n);
    fetch_stop(n);
    sync_effects_release(&n->effects);
    buf_free(&n->reads.bytes);
    buf_free(&n->reads.hashes);
    node_close(n);
    say(n->w, n, "is down");
}

void
node_release(struct sim_node *n)
{
    if (!n->used)
        return;
    if (n->up)
        node_stop(n);
    drop_lists(n);
    drop_jobs(&n->retries);
    buf_free(&n->proof);
    free(n->peers.list);
}

/* ---- the core and its effects ---- */

void
node_group_soon(struct sim_node *n)
{
    if (n->group_due)
        return;
    n->group_due = true;
    world_post(n->w, rng_between(&n->rng, 1, GROUP_MS_MAX), EV_GROUP, n, 0, 0, NULL, 0);
}

static void
keep_append(struct sim_node *n, const struct sync_effect *e)
{
    const struct log_opened *o = e->append.opened;
    size_t frames = e->append.run.frames.len, extra = o && o->has_root_statement ? o->root_statement.len : 0;
    struct sim_append *a = calloc(1, sizeof(*a) + frames + extra), **end = &n->appends;
    MUST(a);
    a->run = e->append.run;
    a->chain_after = e->append.chain_after;
    memcpy(a->bytes, e->append.run.frames.data, frames);
    a->run.frames = slice_of(a->bytes, frames);
    if (o) {
        a->begins = true;
        a->opened = *o;
        a->first_header = *e->append.first_header;
        if (extra > 0)
            memcpy(a->bytes + frames, o->root_statement.data, extra);
        a->opened.root_statement = slice_of(a->bytes + frames, extra);
    }
    while (*end)
        end = &(*end)->next;
    *end = a;
    node_group_soon(n);
}

static void
keep_freeze(struct sim_node *n, const struct sync_effect *e)
{
    struct slice proof = e->freeze.proof;
    struct sim_freeze *f = calloc(1, sizeof(*f) + proof.len), **end = &n->freezes;
    MUST(f);
    f->log = e->freeze.log;
    f->len = proof.len;
    if (proof.len > 0)
        memcpy(f->bytes, proof.data, proof.len);
    while (*end)
        end = &(*end)->next;
    *end = f;
    say(n->w, n, "freezes %s after %llu%s", short_id(&f->log), (unsigned long long)e->freeze.at,
        proof.len > 0 ? ", with proof" : "");
    node_group_soon(n);
}

static void
keep_capsule(struct sim_node *n, const struct sync_effect *e)
{
    struct slice bytes = e->capsule_got.bytes;
    struct sim_capsule *c = calloc(1, sizeof(*c) + bytes.len), **end = &n->capsules;
    MUST(c);
    c->log = e->capsule_got.log;
    c->seq = e->capsule_got.seq;
    c->index = (uint8_t)e->capsule_got.index;
    c->wanted = fetch_got(n, &(struct position){c->log, c->seq}, c->index);
    c->len = bytes.len;
    memcpy(c->bytes, bytes.data, bytes.len);
    while (*end)
        end = &(*end)->next;
    *end = c;
    node_group_soon(n);
}

static void
on_close(struct sim_node *n, const struct sync_effect *e)
{
    struct sim_conn *c = net_conn(n->w, e->conn);
    if (!c)
        return;
    int other = c->node[0] == n->index ? c->node[1] : c->node[0];
    n->redial[other] = n->w->now_ms + e->close.for_ms;
    if (rng_chance(&n->rng, 500)) /* a host may drop it or leave it up */
        world_post(n->w, 0, EV_CUT, NULL, 0, e->conn, NULL, 0);
}

static void
carry_out(struct sim_node *n, const struct sync_effect *e)
{
    struct sync_effect *copy;
    switch (e->type) {
    case SYNC_SEND: net_send(n, e->conn, e->send.bytes); break;
    case SYNC_CLOSE: on_close(n, e); break;
    case SYNC_APPEND: keep_append(n, e); break;
    case SYNC_READ:
    case SYNC_READ_CHAIN:
    case SYNC_READ_EVIDENCE:
    case SYNC_READ_EVENT:
    case SYNC_READ_CAPSULE:
    case SYNC_FINGERPRINTS_NEEDED:
        copy = malloc(sizeof(*copy));
        MUST(copy);
        *copy = *e;
        world_post(n->w, rng_between(&n->rng, 0, READ_MS_MAX), EV_READ, n, 0, 0, copy, sizeof(*copy));
        break;
    case SYNC_CAPSULE_GOT: keep_capsule(n, e); break;
    case SYNC_CAPSULE_MISSING: {
        struct db_txn *txn = NULL;
        struct log_row row;
        struct err err;
        fetch_missing(n, &(struct position){e->capsule_missing.log, e->capsule_missing.seq},
                      (uint8_t)e->capsule_missing.index);
        if (n->w->capsules_travel && db_begin_read(n->db, &txn, &err) == 0 &&
            evlog_find(txn, &e->capsule_missing.log, &row, &err) == 0)
            node_ask_capsules(n, txn, &row, e->capsule_missing.seq, (uint8_t)e->capsule_missing.index);
        db_abort(&txn);
        break;
    }
    case SYNC_ADMISSION_ASKED:
    case SYNC_ADMISSION_ANSWERED:
    case SYNC_ADMISSION_UNANSWERED: break; /* nobody asks here: a question changes no log and no row */
    case SYNC_FREEZE: keep_freeze(n, e); break;
    case SYNC_ALARM: checks_alarm(n, e); break;
    case SYNC_WAKE_AT:
        n->tick_at = e->wake.at.ms > n->w->now_ms ? e->wake.at.ms : n->w->now_ms;
        world_post(n->w, n->tick_at - n->w->now_ms, EV_TICK, n, 0, 0, NULL, 0);
        break;
    }
}

void
node_step(struct sim_node *n, const struct sync_event *ev)
{
    struct err err = {0};
    struct mono_ms now = {n->w->now_ms};
    MUST(!n->stepping);
    n->stepping = true;
    if (sync_step(n->sync, now, ev, &n->effects, &err) != 0)
        world_fail(n->w, n, "the core refuses an event (%d): %s", (int)ev->type, err.text);
    else
        for (size_t i = 0; i < n->effects.n; i++)
            carry_out(n, &n->effects.items[i]);
    n->stepping = false;
}

void
node_tick(struct sim_node *n)
{
    struct sync_event ev = {.type = SYNC_TICK};
    n->tick_at = -1;
    node_step(n, &ev);
}

void
node_read(struct sim_node *n, const struct sync_effect *e)
{
    struct sync_event ev;
    struct err err = {0};
    node_program(n);
    if (netreads_answer(&n->reads, e, &ev, &err) != 0)
        world_fail(n->w, n, "a read for a peer: %s", err.text);
    else
        node_step(n, &ev);
}

void
node_vault(struct sim_node *n)
{
    struct err err = {0};
    bool urgent;
    node_program(n);
    if (engine_vault_pending(n->engine, &urgent) && engine_vault_flush(n->engine, &err) != 0)
        world_fail(n->w, n, "the vault does not follow: %s", err.text);
}
