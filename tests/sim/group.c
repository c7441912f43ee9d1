/* The one writer of a node: operations and received runs in one commit, which may fail or never end. What the model and the ledger
 * say is compared here, as it happens. See sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>

enum { FAIL_CALLS_MAX = 150 };

struct group {
    struct sim_job *jobs;
    struct sim_append *appends;
    unsigned accepted, refused;
    bool armed;                   /* a failure of the disk was arranged */
    const struct sim_job *placed; /* it dies, or is parted, at this one */
    struct sim_job *again;        /* what was asked there, of somebody who would ask again */
};

void
node_submit(struct sim_node *n, struct sim_job *job)
{
    struct sim_job **end = &n->jobs;
    while (*end)
        end = &(*end)->next;
    *end = job;
    node_group_soon(n);
}

static void
judge(struct sim_node *n, struct group *g, const struct sim_job *job, enum model_verdict expected, bool known)
{
    const struct err *e = &job->op.result.err;
    narrate_op(n, &job->op);
    if (e->code == ERR_NONE) {
        g->accepted++;
        if (expected == MODEL_REFUSE)
            world_fail(n->w, n, "accepted what is impossible (operation %d, action %d)", (int)job->op.kind,
                       job->op.kind == OP_MEMBER ? (int)job->op.member.request.action : 0);
        model_accept(n->unit->model, &job->op, known && expected == MODEL_ACCEPT);
        workload_remember(n->unit, &job->op);
        erased_accepted(n, &job->op);
        return;
    }
    g->refused++;
    if (e->code == ERR_UNAVAILABLE && n->w->skewed && !n->allow_clock_back)
        return; /* as it should: the clock stands before the last event */
    if (expected == MODEL_ACCEPT || job->must_succeed)
        world_fail(n->w, n, "refused what is possible: %s: %s", e->field, e->text);
}

/* What points to somebody else's memory is asked again by whoever has it. */
static void
place(struct sim_node *n, struct group *g, const struct sim_job *job)
{
    g->placed = job;
    if (n->sheltered || job->reply)
        return;
    g->again = workload_job(job->op.kind);
    *g->again = *job;
    g->again->next = NULL;
    g->again->must_succeed = false;
}

static int
group_jobs(struct sim_node *n, struct group *g, struct err *err)
{
    uint64_t most = n->sheltered ? 1 : 1 + rng_below(&n->rng, 12);
    struct sim_job **end = &g->jobs;
    int rc = 0;
    for (uint64_t i = 0; i < most && n->jobs && rc == 0 && !n->w->ended; i++) {
        struct sim_job *job = n->jobs;
        n->jobs = job->next;
        job->next = NULL;
        *end = job;
        end = &job->next;
        bool known = !n->unit->concurrent;
        n->unit->model->today = (int32_t)(node_wall(n) / 86400000);
        model_prepare(n->unit->model, &job->op);
        enum model_verdict v = known ? model_judge(n->unit->model, &job->op) : MODEL_UNKNOWN;
        erased_note(n, &job->op);
        answers_owed(n, &job->op);
        if (!g->placed && crashes_begin(n, crashes_step(n, job)))
            place(n, g, job);
        rc = engine_exec(n->engine, &n->unit->actor, &job->op, err);
        if (rc == 0)
            judge(n, g, job, v, known);
        if (g->placed == job && job->op.result.err.code != ERR_NONE && !n->w->ended) {
            crashes_leave(n);
            g->placed = NULL;
            free(g->again);
            g->again = NULL;
        }
    }
    return rc;
}

static int
group_appends(struct sim_node *n, struct group *g, struct err *err)
{
    uint64_t most = 1 + rng_below(&n->rng, 16);
    struct sim_append **end = &g->appends;
    int rc = 0;
    for (uint64_t i = 0; i < most && n->appends && rc == 0; i++) {
        struct sim_append *a = n->appends;
        bool stored = false;
        n->appends = a->next;
        a->next = NULL;
        *end = a;
        end = &a->next;
        rc = engine_append(n->engine, &a->run, &a->chain_after, a->begins ? &a->opened : NULL,
                           a->begins ? &a->first_header : NULL, &stored, err);
        if (rc == 0 && !stored)
            a->run.count = 0; /* nothing of it is to be told */
    }
    return rc;
}

static int
group_capsules(struct sim_node *n, struct err *err)
{
    int rc = 0;
    for (struct sim_capsule *c = n->capsules; c && rc == 0; c = c->next)
        rc = (c->wanted ? engine_put_wanted : engine_put_capsule)(n->engine, &c->log, c->seq, c->index,
                                                                  slice_of(c->bytes, c->len), err);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Whoever asks for all of the federation asks again for what was lost on the way. */
static void
ask_again(struct sim_node *n, const struct sim_capsule *c)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    struct err err;
    if (n->w->capsules_travel && db_begin_read(n->db, &txn, &err) == 0 && evlog_find(txn, &c->log, &row, &err) == 0)
        node_ask_capsules(n, txn, &row, c->seq, c->index);
    db_abort(&txn);
}

static void
finish_capsules(struct sim_node *n, bool stored)
{
    uint32_t kept = 0;
    bool wanted = false, any = n->capsules != NULL;
    for (void *next; n->capsules; n->capsules = next) {
        next = n->capsules->next;
        kept += !n->capsules->wanted;
        wanted |= n->capsules->wanted;
        if (!stored)
            ask_again(n, n->capsules);
        free(n->capsules);
    }
    if (any)
        fetch_stored(n, stored ? kept : 0, stored ? 0 : kept, wanted && !stored);
}

static void
drop_appends(struct sim_append **list, const struct log_id *log)
{
    while (*list) {
        struct sim_append *a = *list;
        if (TYPE_EQ(&a->run.log, log)) {
            *list = a->next;
            free(a);
        } else {
            list = &a->next;
        }
    }
}

static void
append_failed(struct sim_node *n, struct log_id log)
{
    struct sync_event ev = {.type = SYNC_APPEND_FAILED};
    ev.append_failed.log = log;
    drop_appends(&n->appends, &log);
    node_step(n, &ev);
}

static void
tell_own(struct sim_node *n)
{
    struct log_row own;
    struct sync_event ev = {.type = SYNC_LOCAL_WRITER};
    if (!engine_own_log(n->engine, &own))
        return;
    bool same = n->own_told && TYPE_EQ(&n->own_log, &own.id); /* else a successor was opened */
    if (same && own.head_seq == n->own_head)
        return;
    node_log_held(n, &own.id);
    ev.local_writer.log = own.id;
    if (!same)
        node_step(n, &ev);
    n->own_told = true;
    n->own_log = own.id;
    n->own_head = own.head_seq;
}

static void
tell_appended(struct sim_node *n, struct sim_append *list)
{
    for (struct sim_append *a = list; a && n->up; a = a->next) {
        bool later = false;
        struct sync_event ev = {.type = SYNC_APPENDED};
        for (struct sim_append *b = a->next; b; b = b->next)
            later |= TYPE_EQ(&a->run.log, &b->run.log);
        if (later)
            continue;
        if (a->run.count == 0) {
            append_failed(n, a->run.log);
            continue;
        }
        ev.appended.log = a->run.log;
        ev.appended.seq = a->run.first + a->run.count - 1;
        ev.appended.chain = a->chain_after;
        say(n->w, n, "stores %s up to %llu", short_id(&a->run.log), (unsigned long long)ev.appended.seq);
        node_step(n, &ev);
        fetch_appended(n, &a->run.log);
    }
}

static void
want_capsules(struct sim_node *n, const struct sim_append *list)
{
    struct db_txn *txn = NULL;
    struct err err;
    if (!n->w->capsules_travel || !list || db_begin_read(n->db, &txn, &err) != 0)
        return;
    for (const struct sim_append *a = list; a; a = a->next) {
        struct log_row row;
        if (a->run.count > 0 && evlog_find(txn, &a->run.log, &row, &err) == 0)
            node_ask_capsules(n, txn, &row, 0, 0);
    }
    db_abort(&txn);
}

/* What is durable now goes into the ledger, whether anybody hears of it or not. */
static void
note_group(struct sim_node *n, const struct group *g, const struct log_row *before)
{
    struct log_row own;
    uint64_t own_before = 0;
    if (engine_own_log(n->engine, &own) && TYPE_EQ(&own.id, &before->id))
        own_before = before->head_seq;
    if (engine_own_log(n->engine, &own) && own.head_seq > own_before)
        node_committed(n, &own.id, own_before, own.head_seq);
    for (const struct sim_append *a = g->appends; a; a = a->next)
        if (a->run.count > 0) {
            int at = ledger_find(n->w, &a->run.log);
            uint64_t last = a->run.first + a->run.count - 1;
            node_note_held(n, &a->run.log, last, &a->chain_after);
            struct err err;
            if (at >= 0 &&
                crypto_seal_verify(n->w->ledger[at].key, &a->run.log, last, &a->chain_after, &a->run.seal, &err) != 0)
                world_fail(n->w, n, "stores a run of %s whose seal is not its writer's", short_id(&a->run.log));
        }
}

static void
freeze_logs(struct sim_node *n)
{
    struct err err = {0};
    while (n->freezes) {
        struct sim_freeze *f = n->freezes;
        if (engine_freeze(n->engine, &f->log, slice_of(f->bytes, f->len), &err) != 0) {
            if (err.code != ERR_FULL)
                world_fail(n->w, n, "freezing %s: %s", short_id(&f->log), err.text);
            node_group_soon(n);
            return;
        }
        n->freezes = f->next;
        free(f);
    }
}

static void
rebuild_if_wanted(struct sim_node *n)
{
    struct err err = {0};
    if (!engine_rebuild_wanted(n->engine))
        return;
    say(n->w, n, "rebuilds its state");
    if (apply_rebuild(n->db, NULL, NULL, &err) != 0 || engine_reload(n->engine, &err) != 0)
        world_fail(n->w, n, "rebuild: %s", err.text);
    else {
        node_list_logs(n);
        fetch_all_logs(n);
    }
}

/* Now and then at once, mostly after what else there is. */
static void
carry_out_erasures(struct sim_node *n)
{
    struct log_row own = {0}, after;
    struct err err = {0};
    bool rewrote = false;
    if (n->w->ended || n->w->failed || !engine_erasures_due(n->engine))
        return;
    if (!n->w->healing && rng_chance(&n->rng, 700)) {
        node_group_soon(n);
        return;
    }
    (void)engine_own_log(n->engine, &own);
    crashes_erasing(n, true);
    if (engine_erase(n->engine, &rewrote, &err) != 0 && err.code != ERR_UNAVAILABLE)
        world_fail(n->w, n, "erasures are not carried out: %s", err.text);
    if (engine_own_log(n->engine, &after) && (!TYPE_EQ(&own.id, &after.id) || after.head_seq > own.head_seq))
        node_committed(n, &after.id, TYPE_EQ(&own.id, &after.id) ? own.head_seq : 0, after.head_seq);
    n->w->stats.rewrites += rewrote;
    crashes_erasing(n, false);
    if (n->w->ended)
        return;
    erased_carried_out(n);
    tell_own(n);
    if (n->up && engine_erasures_due(n->engine) && err.code != ERR_UNAVAILABLE)
        node_group_soon(n);
}

static void
reply(const struct group *g)
{
    for (const struct sim_job *j = g->jobs; j; j = j->next)
        if (j->reply)
            *j->reply = j->op;
}

static void
group_release(struct group *g)
{
    free(g->again);
    for (void *next; g->jobs; g->jobs = next) {
        next = g->jobs->next;
        free(g->jobs);
    }
    for (void *next; g->appends; g->appends = next) {
        next = g->appends->next;
        free(g->appends);
    }
}

static void
group_failed(struct sim_node *n, struct group *g, const struct err *err)
{
    struct world *w = n->w;
    w->stats.aborts++;
    model_rollback(n->unit->model);
    say(w, n, "loses a group: %s", err->text);
    if (!g->armed)
        world_fail(w, n, "a group was lost without a reason: %s", err->text);
    else if (err->code != ERR_FULL)
        world_fail(w, n, "a full disk became another error (%s): %s", err_name(err->code), err->text);
    while (g->appends && n->up) {
        struct log_id log = g->appends->run.log;
        drop_appends(&g->appends, &log);
        append_failed(n, log);
    }
    if (!n->sheltered)
        finish_capsules(n, false);
    group_release(g);
}

static bool
arm_disk(struct sim_node *n)
{
    bool full = n->disk_full || (!n->w->healing && rng_chance(&n->rng, n->w->full_permille));
    if (full)
        db_fail_after(1 + (unsigned)rng_below(&n->rng, n->disk_full ? 8 : FAIL_CALLS_MAX));
    return full;
}

static int
fingerprint(struct sim_node *n, struct hash *ret)
{
    struct fingerprint_row rows[FINGERPRINTS_MAX];
    struct db_txn *txn = NULL;
    struct err err;
    size_t count = 0;
    int rc = db_begin_read(n->db, &txn, &err);
    if (rc == 0)
        rc = state_fingerprints(txn, rows, &count, &err);
    db_abort(&txn);
    if (rc == 0)
        *ret = fingerprint_total(rows, count);
    return rc;
}

static int
run_group(struct sim_node *n, struct group *g, struct err *err)
{
    int rc = engine_begin(n->engine, err);
    if (rc == 0)
        rc = group_jobs(n, g, err);
    if (rc == 0 && !g->placed && (n->appends || n->capsules) && !n->sheltered && !n->w->ended)
        (void)crashes_begin(n, STEP_STORE);
    if (rc == 0 && !n->sheltered && !n->w->ended)
        rc = group_appends(n, g, err);
    if (rc == 0 && !n->sheltered && !n->w->ended)
        rc = group_capsules(n, err);
    if (rc == 0 && !n->w->ended && !n->w->healing && !n->sheltered && rng_chance(&n->rng, n->w->crash_permille)) {
        say(n->w, n, "dies within a group");
        crashes_die(n);
    }
    if (rc == 0)
        rc = engine_commit(n->engine, err);
    if (rc != 0)
        engine_abort(n->engine);
    return rc;
}

static void
crash(struct sim_node *n, struct group *g)
{
    if (g->again) {
        g->again->next = n->retries;
        n->retries = g->again;
        g->again = NULL;
    }
    model_rollback(n->unit->model);
    group_release(g);
}

/* It is durable. False: the process ended, before anybody hears of it. */
static bool
committed(struct sim_node *n, struct group *g, const struct log_row *before)
{
    struct world *w = n->w;
    w->stats.commits++;
    w->stats.accepted += g->accepted;
    w->stats.refused += g->refused;
    model_mark(n->unit->model);
    reply(g);
    for (const struct sim_job *j = g->jobs; j; j = j->next) {
        upkeep_received(n, &j->op);
        crashes_met(n, j);
        answers_note(n, &j->op);
        coverage_note(n, j);
    }
    note_group(n, g, before);
    if (!n->sheltered && !w->ended)
        finish_capsules(n, true);
    crashes_end(n);
    if (!w->ended && !w->healing && !n->sheltered && rng_chance(&n->rng, w->crash_permille)) {
        say(w, n, "dies after a commit, before anybody hears of it");
        crashes_die(n);
    }
    return !w->ended;
}

static bool
after_group(struct sim_node *n)
{
    struct world *w = n->w;
    struct err err = {0};
    freeze_logs(n);
    rebuild_if_wanted(n);
    if (engine_logs_changed(n->engine)) {
        node_list_logs(n);
        fetch_all_logs(n);
    }
    while (!w->failed && engine_apply_pending(n->engine))
        if (engine_apply_more(n->engine, &err) != 0)
            world_fail(w, n, "applying more: %s", err.text);
    carry_out_erasures(n);
    return !w->ended;
}

/* True: the process goes on. */
static bool
one_group(struct sim_node *n)
{
    struct world *w = n->w;
    struct group g = {0};
    struct err err = {0};
    struct log_row own = {0};
    struct hash before, after;
    bool still = fingerprint(n, &before) == 0 && !n->appends && !n->capsules;
    (void)engine_own_log(n->engine, &own);
    g.armed = arm_disk(n);
    int rc = run_group(n, &g, &err);
    db_fail_after(0);
    if (rc != 0 && !w->ended) {
        crashes_leave(n);
        group_failed(n, &g, &err);
    } else if (rc != 0 || !committed(n, &g, &own)) {
        crash(n, &g);
        return false;
    } else {
        if (still && g.accepted == 0 && g.refused > 0 && fingerprint(n, &after) == 0 && !TYPE_EQ(&before, &after))
            world_fail(w, n, "a refusal changed the state");
        tell_own(n);
        tell_appended(n, g.appends);
        want_capsules(n, g.appends);
        group_release(&g);
    }
    return true;
}

void
node_group(struct sim_node *n)
{
    struct sim_scope outer = n->w->scope;
    n->group_due = false;
    node_program(n);
    crashes_leave(n);
    n->w->acting = n;
    bool on = one_group(n);
    if (on && n->sheltered) {
        node_group_soon(n); /* the rest is done where no turn is under way */
    } else if (on && after_group(n)) {
        bool urgent;
        if (engine_logs_changed(n->engine))
            node_list_logs(n);
        if (engine_vault_pending(n->engine, &urgent))
            world_post(n->w, rng_between(&n->rng, 10, 2000), EV_VAULT, n, 0, 0, NULL, 0);
        if (n->jobs || n->appends || n->capsules)
            node_group_soon(n);
    }
    n->w->scope = outer;
}
