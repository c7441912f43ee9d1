/* A unit that is gone, and the custodian whom it named while it was there: in the middle of handing members over the unit's disk is lost, or its machine
 * is off, or it is at work and nobody hears it; from the custodian's copy a directory is made under keys that the unit's root key certified, or made new with that
 * root key (node/host/recover.h, docs/decisions/0009), and what is open in the unit's name is completed or taken back there. A unit that was off or
 * silent comes back, with what it wrote meanwhile, before or after everything else has healed. See sim.h. */
#include "tests/sim/sim.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "node/host/recover.h"
#include "node/host/trust.h"

enum { MASS_MAX = 12, OPEN_MAX = 64, AGAIN_MS = 3000, ROUNDS = 8 };

enum at { AT_NAME = 1, AT_OFFER, AT_ACCEPT, AT_GO, AT_STAND_IN, AT_ACT, AT_RETURN };

/* ---- the plan ---- */

bool
custody_of(const struct world *w, const struct sim_node *n)
{
    return w->custody.planned && n->unit->index == w->custody.unit;
}

bool
custody_is_stand_in(const struct sim_node *n)
{
    return n->identity != &n->unit->identity;
}

static void
later(struct world *w, int64_t at_ms, enum at step)
{
    if (at_ms < w->chaos_ends_ms)
        world_post(w, at_ms - w->now_ms, EV_CUSTODY, NULL, (int)step, 0, NULL, 0);
}

static bool
can_be_custodian(const struct world *w, int unit, int custodian)
{
    return !w->nodes[custodian].forger && checks_linked(w, &w->nodes[unit], &w->nodes[custodian]);
}

static bool
choose(struct world *w, struct sim_custody *c)
{
    for (int i = 0; i < 4 * SIM_UNITS_MAX; i++) {
        c->unit = (int)rng_below(&w->rng, (uint64_t)w->n_units);
        c->custodian = (int)rng_below(&w->rng, (uint64_t)w->n_units);
        if (!(w->forks && c->unit == 0) && !w->units[c->unit].raw && !w->nodes[c->unit].forger &&
            can_be_custodian(w, c->unit, c->custodian))
            return true;
    }
    return false;
}

void
custody_start(struct world *w)
{
    struct sim_custody *c = &w->custody;
    if (!w->moves || w->mixed || !rng_chance(&w->rng, 650) || !choose(w, c))
        return;
    c->planned = true;
    c->away = (enum sim_away)rng_below(&w->rng, SIM_AWAY_N);
    c->by_root = rng_chance(&w->rng, 300);
    c->opens_names = rng_chance(&w->rng, 400);
    c->late = rng_chance(&w->rng, 500);
    const int64_t all = w->chaos_ends_ms, goes = rng_between(&w->rng, all * 35 / 100, all * 60 / 100);
    later(w, all * 20 / 100, AT_NAME);
    for (int i = 0; i < 3; i++)
        later(w, goes - rng_between(&w->rng, 0, all * 15 / 100), AT_OFFER);
    for (int i = 0; i < ROUNDS; i++)
        later(w, goes + rng_between(&w->rng, -all * 10 / 100, all * 25 / 100), AT_ACCEPT);
    later(w, goes, AT_GO);
    later(w, goes + rng_between(&w->rng, all * 5 / 100, all * 15 / 100), AT_STAND_IN);
    if (!c->late)
        later(w, goes + rng_between(&w->rng, all * 15 / 100, all * 40 / 100), AT_RETURN);
}

/* ---- while it is there ---- */

/* What the unit's root key certifies for a custodian: of a serial far beyond its own. */
void
custody_certified(struct sim_node *n, struct sim_custody *c)
{
    const struct identity *id = &n->unit->identity;
    struct custody_certificate *cert = &c->certificate;
    struct custody_seeds seeds;
    struct sign_secret signing;
    struct box_secret box;
    struct err err;
    *cert = (struct custody_certificate){.serial = id->serial + RECOVER_SERIAL_STEP,
                                         .recovery_key = id->recovery_key,
                                         .unit_name = id->unit_name,
                                         .federation_name = id->federation_name};
    memcpy(cert->unit_code, id->unit_code, sizeof(cert->unit_code));
    cert->keys.unit = id->unit;
    cert->keys.federation = id->federation;
    cert->keys.production = id->production;
    rng_fill(&n->w->rng, c->secret, sizeof(c->secret));
    custody_seeds(c->secret, &seeds);
    crypto_keypair_sign(seeds.signing, &cert->keys.signing, &signing);
    crypto_keypair_box(seeds.exchange, &cert->keys.exchange, &box);
    crypto_keypair_box(seeds.transport, &cert->keys.transport, &box);
    MUST(custody_certify(cert, n->unit->root_seed, &err) == 0);
    c->certified = true;
}

static void
name_custodian(struct sim_node *n)
{
    struct sim_job *job = workload_job(OP_CUSTODY);
    job->op.custody.has_custodian = true;
    job->op.custody.custodian = n->w->units[n->w->custody.custodian].identity.unit;
    job->op.custody.effective = DATE_NONE;
    node_submit(n, job);
}

static void
offer_many(struct sim_node *n)
{
    struct subject_id who[MASS_MAX];
    struct world *w = n->w;
    size_t count = mass_members(n, who, MASS_MAX);
    for (size_t i = 0; i < count && !w->failed; i++) {
        int to = (int)rng_below(&n->rng, (uint64_t)w->n_units);
        struct sim_job *job = workload_job(OP_HANDOVER);
        if (to == n->unit->index || !node_trusts(&w->nodes[to], n) || rng_chance(&n->rng, 500))
            to = w->custody.custodian;
        const struct model_event *year = model_pick(n->unit->model, SORT_PERIOD, rng_next(&n->rng));
        struct civil_date on = rng_chance(&n->rng, 500) ? workload_day(n) : DATE_NONE;
        if (year && rng_chance(&n->rng, 500))
            on.days = date_from_ymd(year->year, 1, 1).days + (int32_t)rng_below(&n->rng, 365);
        mass_offer(n, &who[i], &w->units[to], on, &job->op);
        node_submit(n, job);
    }
}

/* Whatever waits for a desk in bulk; of the stand-in's also what else there is to do with it. */
static void
go_on(struct sim_node *n, bool all)
{
    static struct handover_view open[OPEN_MAX];
    size_t count = n->up && !n->old ? moving_open(n, open, OPEN_MAX) : 0;
    for (size_t i = 0; i < count; i++) {
        struct sim_job *job = workload_job(OP_HANDOVER);
        job->on = date_is_none(open[i].proposed) ? open[i].since : open[i].proposed;
        if (all && rng_chance(&n->rng, 500))
            moving_go_on(n, &open[i], &job->op.handover.request);
        else if (!mass_step(n, &open[i], NULL, &job->op)) {
            free(job);
            continue;
        }
        node_submit(n, job);
    }
}

/* ---- it goes ---- */

static void
go(struct sim_node *n)
{
    struct world *w = n->w;
    struct sim_custody *c = &w->custody;
    c->went = true;
    n->unit->concurrent = n->unit->tip_alarms = n->unit->clone_alarms = true;
    if (c->away == SIM_AWAY_UNHEARD) {
        n->silent = true;
        net_node_gone(n);
        say(w, n, "is heard by nobody, and is at work");
        return;
    }
    if (n->up) {
        model_rollback(n->unit->model);
        node_stop(n);
    }
    n->gone = true;
    if (c->away == SIM_AWAY_LOST) {
        memset(n->held, 0, sizeof(n->held));
        ledger_lower(w);
        w->stats.lost++;
    }
    say(w, n, c->away == SIM_AWAY_LOST ? "is gone for good" : "is off");
}

/* ---- somebody stands in ---- */

static bool
identify(struct sim_node *from, struct sim_unit *u, const struct sim_custody *c, struct err *err)
{
    struct recover_known known = {0};
    const struct custody_certificate *cert = &c->certificate;
    bool by_root = c->by_root || !c->certified;
    int rc = recover_known(from->db, &u->identity.unit, by_root ? NULL : &cert->keys.signing, &known, err);
    if (rc == 0 && by_root)
        rc = identity_rekey(&u->identity, u->root_seed,
                            (known.serial > u->identity.serial ? known.serial : u->identity.serial) + 1, true, rng_fill,
                            &from->w->rng, &u->stand_in, err);
    else if (rc == 0 && (known.revoked || cert->serial <= known.serial))
        rc = err_set(err, ERR_DENIED, "an old certificate");
    else if (rc == 0)
        rc = identity_of_custodian(cert, c->secret, &u->stand_in, err);
    return rc == 0;
}

static int
pin(struct datadir *to, struct sim_node *n, struct err *err)
{
    struct db_txn *txn = NULL;
    const struct world *w = n->w;
    int rc = db_begin_write(to->db, &txn, err);
    for (int i = 0; i < w->n_units && rc == 0; i++) {
        const struct trusted settings = {.pinned_at = {node_wall(n)}};
        struct buf card;
        if (i == n->unit->index || !w->admits[n->unit->index][i])
            continue;
        buf_init(&card, CARD_TEXT_MAX);
        rc = identity_card(&w->units[i].identity, NULL, 0, (struct civil_date){(int32_t)(node_wall(n) / 86400000)},
                           &card, err);
        if (rc == 0)
            rc = trust_pin(txn, &to->identity, buf_slice(&card), &settings, err);
        buf_free(&card);
    }
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

static int
note_fetch(struct sim_node *n, struct err *err)
{
    struct db_txn *txn = NULL;
    int rc = db_begin_write(n->db, &txn, err);
    if (rc == 0)
        rc = recover_fetch_put(txn, true, err);
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

/* As smartnode recover --from fills it (node/cli/cmd_recover.c): pins, logs, capsules; and with the recovery key the members' keys. */
int
custody_fill(struct sim_node *n, struct err *err)
{
    static struct datadir from, to;
    struct recover_copied copied = {0};
    struct recover_keys_found found;
    const struct sim_node *of = n->made_from;
    from = (struct datadir){.lock_fd = -1, .identity = *of->identity, .db = of->db, .vault = of->vault};
    to = (struct datadir){.lock_fd = -1, .identity = *n->identity, .db = n->db, .vault = n->vault};
    int rc = pin(&to, n, err);
    if (rc == 0)
        rc = recover_logs(from.db, &to, n->engine, NULL, NULL, &copied, err);
    engine_free(&n->engine);
    if (rc == 0)
        rc = recover_capsules(&from, &to, NULL, NULL, &copied, err);
    if (rc == 0)
        rc = note_fetch(n, err);
    if (rc == 0 && n->w->custody.opens_names)
        rc = recover_keys(&to, &n->unit->recovery_secret, NULL, NULL, &found, err);
    if (rc == 0 && copied.broken > 0)
        rc = err_set(err, ERR_CORRUPT, "%u logs do not verify", copied.broken);
    sodium_memzero(&from.identity, sizeof(from.identity));
    sodium_memzero(&to.identity, sizeof(to.identity));
    n->made_from = NULL;
    return rc == 0 ? node_open_engine(n, err) : rc;
}

static void
dial_all(struct world *w, struct sim_node *n)
{
    for (int i = 0; i < w->n_nodes; i++)
        if (w->nodes[i].up && w->dials[w->nodes[i].unit->index][n->unit->index] && w->nodes[i].unit != n->unit)
            net_dial_soon(&w->nodes[i], n->index, rng_between(&w->rng, 1, 1000));
}

/* A disk that is lost is another one's place; of a unit that may come back it is a second node. */
bool
custody_stand_in(struct world *w, int unit)
{
    struct sim_custody *c = &w->custody;
    struct sim_node *from = &w->nodes[c->custodian], *n = &w->nodes[unit];
    struct err err = {0};
    if (!from->up || (c->away != SIM_AWAY_LOST && w->n_nodes >= SIM_NODES_MAX))
        return false;
    if (!identify(from, &w->units[unit], c, &err)) {
        world_fail(w, from, "cannot stand in for %s: %s", n->name, err.text);
        return false;
    }
    if (c->away == SIM_AWAY_LOST) {
        sim_remove_dir(n->dir);
        sim_make_node_dirs(n->dir);
        if (n->has_backup)
            sim_remove_dir(n->backup);
        n->has_backup = n->gone = n->disk_full = false;
    } else {
        node_init(w, w->n_nodes, unit);
        n = &w->nodes[w->n_nodes - 1];
    }
    n->identity = &w->units[unit].stand_in;
    n->made_from = from;
    snprintf(n->name, sizeof(n->name), "%s*", n->unit->identity.unit_code);
    node_start(n);
    c->stands = true;
    say(w, n, "stands in, made from %s, serial %llu", from->name, (unsigned long long)n->identity->serial);
    dial_all(w, n);
    return true;
}

struct sim_node *
custody_node(struct world *w)
{
    for (int i = 0; i < w->n_nodes; i++)
        if (w->custody.stands && custody_is_stand_in(&w->nodes[i]))
            return &w->nodes[i];
    return NULL;
}

static void
stand_in(struct world *w)
{
    struct sim_custody *c = &w->custody;
    if (!c->went || c->stands || c->back)
        return;
    if (!custody_stand_in(w, c->unit)) {
        later(w, w->now_ms + AGAIN_MS, AT_STAND_IN);
        return;
    }
    for (int i = 0; i < ROUNDS; i++)
        later(w, w->now_ms + rng_between(&w->rng, 500, 20000), AT_ACT);
    if (rng_chance(&w->rng, 300)) /* it has the whole desk */
        world_post(w, rng_between(&w->rng, 0, 2000), EV_WORK, custody_node(w), 0, 0, NULL, 0);
}

/* ---- it comes back ---- */

bool
custody_return(struct world *w)
{
    struct sim_custody *c = &w->custody;
    struct sim_node *n = &w->nodes[c->unit];
    if (!c->planned || !c->went || c->back || (c->away == SIM_AWAY_LOST && c->stands))
        return false;
    c->back = true;
    n->gone = n->silent = false;
    w->cover[COVER_CAME_BACK] += c->acted;
    say(w, n, "is back");
    if (!n->up)
        node_start(n);
    dial_all(w, n);
    return true;
}

void
custody_step(struct world *w, int step)
{
    struct sim_custody *c = &w->custody;
    struct sim_node *n = &w->nodes[c->unit], *standing = custody_node(w);
    if (w->healing || w->failed)
        return;
    switch ((enum at)step) {
    case AT_NAME:
        custody_certified(n, c);
        if (n->up)
            name_custodian(n);
        break;
    case AT_OFFER:
        if (n->up)
            offer_many(n);
        break;
    case AT_ACCEPT:
        for (int i = 0; i < w->n_nodes && !w->failed; i++)
            if (!w->nodes[i].gone && !custody_is_stand_in(&w->nodes[i]) &&
                rng_chance(&w->rng, i == c->unit ? 200 : 700))
                go_on(&w->nodes[i], false); /* also its own desk, as long as it is at work */
        break;
    case AT_GO: go(n); break;
    case AT_STAND_IN: stand_in(w); break;
    case AT_ACT:
        if (standing && standing->up)
            go_on(standing, true);
        break;
    case AT_RETURN:
        if (c->away != SIM_AWAY_LOST)
            (void)custody_return(w);
        break;
    }
}

/* What did not come about before everything heals does now; who comes back late is away still. */
void
custody_heal(struct world *w)
{
    struct sim_custody *c = &w->custody;
    if (!c->planned || !c->went)
        return;
    if (!c->stands && !c->back)
        (void)custody_stand_in(w, c->unit);
    if (!c->late || !c->stands)
        (void)custody_return(w);
}
