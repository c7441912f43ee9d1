/* Crashes and partitions at every step of what takes several: placed, not by chance. A step is an operation that is committed, or what a node writes
 * beside its groups. Each seed has some of the steps (all of those that are rare), and cuts each of them in up to four ways, in turn:
 *
 *   before   the process ends at the first point of storage (db_point_hook) of the step: nothing of it is durable
 *   within   at a later point: some of it is durable, as the vault without the main environment
 *   after    once all of it is durable, before anybody hears of it
 *   parted   once all of it is durable nothing goes to or from the node for a while
 *
 * What a desk was at is done again by whoever starts again, for nobody knows whether it was done. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

#include "storage/visits.h"

enum {
    GROUPS = 7,
    START_MS_MIN = 50,
    START_MS_MAX = 8000,
    OFTEN = 20 /* enough for each way */,
    BEFORE = 1 << CUT_BEFORE,
    ALL = 15,
    WHOLE = ALL & ~(1 << CUT_WITHIN)
};

/* ways: those that there are (nothing lies within one commit); deepest: last point at which it is cut within; rare: in every seed. */
static const struct {
    const char *name;
    unsigned ways, deepest;
    bool rare, beside; /* no operation of its own */
} steps[STEP_N] = {
    [STEP_ASK] = {"handover: asked for by the member", WHOLE, 1, true, false},
    [STEP_OFFER] = {"handover: offered", ALL, 3, false, false},
    [STEP_WITHDRAW] = {"handover: withdrawn", ALL, 2, true, false},
    [STEP_ACCEPT] = {"handover: accepted", ALL, 2, true, false},
    [STEP_COMPLETE] = {"handover: completed", ALL, 4, true, false},
    [STEP_RECEIVE] = {"handover: received", ALL, 4, true, false},
    [STEP_TAKE_ALONG] = {"handover: taken along and opened", ALL, 3, true, false},
    [STEP_CLOSE_LEFT] = {"handover: left behind and closed", WHOLE, 1, true, false},
    [STEP_GRANT] = {"grant: given, keys sealed", ALL, 2, true, false},
    [STEP_GIVE] = {"grant: keys kept at the host", ALL, 2, false, false},
    [STEP_ARRIVE] = {"grant: capsules opened at the host", WHOLE, 1, false, false},
    [STEP_LOOK] = {"grant: looked at, put on record", WHOLE, 1, true, true},
    [STEP_PASS] = {"pass: issued", ALL, 2, true, false},
    [STEP_PASS_KEYS] = {"pass: verified, its keys kept", ALL, 2, true, false},
    [STEP_REVOKE] = {"revocation: new generation", ALL, 2, true, false},
    [STEP_RENEW] = {"grant: year keys renewed", ALL, 2, true, false},
    [STEP_OWE] = {"revocation: host notes what it owes", WHOLE, 1, true, false},
    [STEP_FORGET] = {"revocation: host destroys", ALL, 3, true, false},
    [STEP_FORGET_FILE] = {"revocation: host rewrites its file", ALL, 8, false, true},
    [STEP_CONFIRM] = {"revocation: host confirms", WHOLE, 1, true, false},
    [STEP_VISIT] = {"guest: activity", ALL, 2, true, false},
    [STEP_VISIT_INVOICE] = {"guest: invoice", ALL, 2, true, false},
    [STEP_PROPOSE] = {"guest: contact proposed", WHOLE, 1, true, false},
    [STEP_ANSWER] = {"guest: proposal answered", ALL, 3, true, false},
    [STEP_RECORD] = {"guest: record for the home", WHOLE, 1, true, false},
    [STEP_NOTE] = {"guest: visit and link kept", ALL, 3, true, true},
    [STEP_POSTING] = {"posting", ALL, 2, false, false},
    [STEP_DECLARE] = {"double: declared", ALL, 2, true, false},
    [STEP_SETTLE] = {"double: settled", WHOLE, 1, true, false},
    [STEP_MERGE] = {"merge", ALL, 2, true, false},
    [STEP_UNDO] = {"merge: undone", ALL, 2, true, false},
    [STEP_ERASE] = {"erasure: ordered", ALL, 2, true, false},
    [STEP_ERASE_KEYS] = {"erasure: keys destroyed", ALL, 4, true, true},
    [STEP_ERASE_FILE] = {"erasure: file rewritten", ALL, 8, true, true},
    [STEP_ERASE_CONFIRM] = {"erasure: confirmed", ALL, 3, true, true},
    [STEP_RESTRICT] = {"erasure: restriction", ALL, 2, true, false},
    [STEP_LIFT] = {"erasure: restriction lifted", ALL, 2, true, false},
    [STEP_IMPORT] = {"erasure: imported again", ALL, 2, true, false},
    [STEP_COUNT] = {"months counted", WHOLE, 1, true, false},
    [STEP_CUSTODIAN] = {"wind-down: custodian named", ALL, 2, true, false},
    [STEP_LAST_LEAVES] = {"wind-down: the last leave", WHOLE, 1, true, false},
    [STEP_CLOSE_UNIT] = {"wind-down: closed", WHOLE, 1, true, false},
    [STEP_STORE] = {"events of others stored", ALL, 2, false, true},
    [STEP_FOLLOW] = {"the vault follows", WHOLE, 1, false, true},
    [STEP_START] = {"start after a crash", ALL, 3, false, true},
};

static struct world *cut_world; /* of db_point_hook */

static void at_point(enum db_kind kind, unsigned step);

/* ---- the plan ---- */

static enum sim_cut
next_way(enum sim_step step, unsigned from)
{
    while (!(steps[step].ways >> from % CUT_N & 1))
        from++;
    return (enum sim_cut)(from % CUT_N);
}

void
crashes_plan(struct world *w)
{
    cut_world = w;
    db_point_hook(at_point);
    w->scope.step = STEP_N;
    for (unsigned i = 0; i < STEP_N; i++) {
        bool chosen = steps[i].rare || i % GROUPS == w->seed % GROUPS;
        w->deep[i] = steps[i].deepest > 2;
        w->cuts_left[i] = chosen ? CUT_N : 0;
        w->cut_next[i] = next_way((enum sim_step)i, (unsigned)(mix64(w->seed * STEP_N + i) % CUT_N));
    }
}

void
crashes_met(struct sim_node *n, const struct sim_job *job)
{
    enum sim_step step = crashes_step(n, job);
    if (step < STEP_N && job->op.result.err.code == ERR_NONE)
        n->w->cuts[step][CUT_MET]++;
}

enum sim_step
crashes_step(const struct sim_node *n, const struct sim_job *job)
{
    static const enum sim_step handovers[] = {[HANDOVER_OFFER] = STEP_OFFER,
                                              [HANDOVER_WITHDRAW] = STEP_WITHDRAW,
                                              [HANDOVER_ACCEPT] = STEP_ACCEPT,
                                              [HANDOVER_COMPLETE] = STEP_COMPLETE,
                                              [HANDOVER_RECEIVE] = STEP_RECEIVE};
    static const enum sim_step accesses[] = {[ACCESS_GRANT] = STEP_GRANT,
                                             [ACCESS_ISSUE] = STEP_PASS,
                                             [ACCESS_REVOKE] = STEP_REVOKE,
                                             [ACCESS_RENEW] = STEP_RENEW,
                                             [ACCESS_END_ALL] = STEP_REVOKE};
    static const enum sim_step erasures[] = {
        [ERASE_ORDER] = STEP_ERASE, [ERASE_RESTRICT] = STEP_RESTRICT, [ERASE_LIFT] = STEP_LIFT};
    static const enum sim_step guests[] = {
        [GUEST_OPENED] = STEP_ARRIVE, [GUEST_KEYS] = STEP_GIVE,     [GUEST_RECORD] = STEP_RECORD,
        [GUEST_OWED] = STEP_OWE,      [GUEST_FORGET] = STEP_FORGET, [GUEST_CONFIRM] = STEP_CONFIRM,
        [GUEST_KNOWN] = STEP_N};
    const struct api_op *op = &job->op;
    const struct activity_request *a = &op->activity.request;
    if (op->settles.as != VISIT_OPEN)
        return STEP_ANSWER;
    switch (op->kind) {
    case OP_ASK: return STEP_ASK;
    case OP_HANDOVER: return handovers[op->handover.request.action];
    case OP_ACCESS: return accesses[op->access.action];
    case OP_ERASE: return erasures[op->erase.request.action];
    case OP_GUEST: return guests[op->guest.step];
    case OP_KEYS_KEEP: return STEP_PASS_KEYS;
    case OP_PROPOSE: return STEP_PROPOSE;
    case OP_POSTING: return STEP_POSTING;
    case OP_DOUBLE: return op->doubled.action == DOUBLE_SETTLE ? STEP_SETTLE : STEP_DECLARE;
    case OP_MERGE: return op->merge.undo ? STEP_UNDO : STEP_MERGE;
    case OP_COUNT: return op->count.step == COUNT_WRITE ? STEP_COUNT : STEP_N;
    case OP_CUSTODY: return op->custody.close ? STEP_CLOSE_UNIT : STEP_CUSTODIAN;
    case OP_MEMBER: return job->imports ? STEP_IMPORT : n->w->winding ? STEP_LAST_LEAVES : STEP_N;
    case OP_INVOICE:
        for (size_t i = 0; i < n->unit->n_visiting && op->invoice.request.has_activity; i++)
            if (TYPE_EQ(&n->unit->visiting[i], &op->invoice.request.activity))
                return STEP_VISIT_INVOICE;
        return STEP_N;
    case OP_ACTIVITY:
        if (op->activity.taken)
            return STEP_TAKE_ALONG;
        if (a->action == WORK_CLOSE_ACTIVITY)
            return n->sheltered && !n->w->winding ? STEP_CLOSE_LEFT : STEP_N;
        return a->action == WORK_OPEN_ACTIVITY && a->has_unit ? STEP_VISIT : STEP_N;
    default: return STEP_N;
    }
}

/* ---- scopes ---- */

/* Everything is to come to rest in the end, desks too: then a node may end at what it does by itself, for which it starts again at once. */
static bool
is_time(const struct sim_node *n, enum sim_step step)
{
    const struct world *w = n->w;
    bool in_bulk = step == STEP_OFFER || step == STEP_ACCEPT || step == STEP_COMPLETE;
    bool ends = in_bulk || step == STEP_CUSTODIAN || step == STEP_LAST_LEAVES || step == STEP_CLOSE_UNIT;
    bool own_work = n->sheltered ? !ends && step != STEP_PASS_KEYS : steps[step].beside && step != STEP_START;
    if (w->failed || w->ended)
        return false;
    return !w->healing || (w->winding ? ends : w->alone && own_work);
}

bool
crashes_begin(struct sim_node *n, enum sim_step step)
{
    struct world *w = n->w;
    w->scope = (struct sim_scope){.step = step, .cut = CUT_N};
    w->acting = n;
    if (step == STEP_N || w->cuts_left[step] == 0 || !is_time(n, step) ||
        !rng_chance(&n->rng, steps[step].rare ? 800 : 500))
        return false;
    w->scope.armed = true;
    w->scope.cut = w->cut_next[step];
    w->scope.target = w->deep[step] && rng_chance(&n->rng, 400)
                          ? 3
                          : 2 + (w->deep[step] ? (unsigned)rng_below(&n->rng, steps[step].deepest - 1) : 0);
    return true;
}

/* The next time in the next way. */
static void
count_cut(struct world *w)
{
    struct sim_scope *s = &w->scope;
    static const char *const names[CUT_N] = {"before", "within", "after", "parted after"};
    s->armed = false;
    w->cuts[s->step][s->cut]++;
    w->cuts_left[s->step]--;
    w->cut_next[s->step] = next_way(s->step, s->cut + 1U);
    world_trace(w, s->step, s->cut);
    say(w, w->acting, "%s %s \"%s\" (point %u)", s->cut == CUT_PARTED ? "is" : "dies", names[s->cut],
        steps[s->step].name, s->points);
}

void
crashes_end(struct sim_node *n)
{
    struct world *w = n->w;
    struct sim_scope *s = &w->scope;
    bool wrote = s->points > 0 && !w->ended;
    if (s->step < STEP_N && wrote && steps[s->step].beside)
        w->cuts[s->step][CUT_MET]++;
    if (s->armed && wrote && s->cut == CUT_AFTER) {
        count_cut(w);
        crashes_die(n);
    } else if (s->armed && wrote && s->cut == CUT_PARTED) {
        count_cut(w);
        faults_part(n);
    } else if (s->armed && wrote) { /* there was nothing within it this time, or not so much */
        w->deep[s->step] = false;
        if (rng_chance(&n->rng, 150))
            w->cut_next[s->step] = next_way(s->step, s->cut + 1U);
    }
    w->scope = (struct sim_scope){.step = STEP_N};
}

void
crashes_leave(struct sim_node *n)
{
    n->w->scope = (struct sim_scope){.step = STEP_N};
}

void
crashes_erasing(struct sim_node *n, bool on)
{
    if (on)
        (void)crashes_begin(n, STEP_ERASE_KEYS);
    else
        crashes_end(n);
    n->w->erasing = on;
}

/* What is written without an operation of its own is told apart by what is written. */
static void
next_step(struct world *w, enum db_kind kind, unsigned rewrite_step)
{
    enum sim_step now = w->scope.step, next = now;
    if (rewrite_step == 1)
        next = w->erasing ? STEP_ERASE_FILE : now == STEP_NOTE ? STEP_FORGET_FILE : now;
    else if (rewrite_step == 0 && now == STEP_FORGET_FILE)
        next = STEP_NOTE;
    else if (rewrite_step == 0 && kind == DB_MAIN && w->erasing)
        next = STEP_ERASE_CONFIRM;
    if (next == now)
        return;
    crashes_end(w->acting);
    if (!w->ended)
        (void)crashes_begin(w->acting, next);
}

static void
at_point(enum db_kind kind, unsigned rewrite_step)
{
    struct world *w = cut_world;
    struct sim_scope *s = &w->scope;
    if (!w->acting || w->ended)
        return;
    next_step(w, kind, rewrite_step);
    if (w->ended)
        return;
    s->points++;
    if (s->armed && ((s->cut == CUT_BEFORE && s->points == 1) || (s->cut == CUT_WITHIN && s->points == s->target))) {
        count_cut(w);
        crashes_die(w->acting);
    }
}

/* ---- the end of a process ---- */

void
crashes_die(struct sim_node *n)
{
    n->w->ended = n;
    db_end(true);
}

void
crashes_bury(struct world *w)
{
    struct sim_node *n = w->ended;
    struct sim_job *jobs = NULL;
    w->acting = NULL;
    w->erasing = false;
    w->scope = (struct sim_scope){.step = STEP_N};
    if (!n)
        return;
    model_rollback(n->unit->model);
    w->stats.crashes++;
    if (w->healing) { /* what its desk is at is to be done */
        jobs = n->jobs;
        n->jobs = NULL;
    }
    node_stop(n);
    w->ended = NULL;
    db_end(false);
    if (!w->healing) {
        world_post(w, rng_between(&n->rng, START_MS_MIN, START_MS_MAX), EV_START, n, 0, 0, NULL, 0);
        return;
    }
    node_start(n);
    n->jobs = jobs;
    if (jobs)
        node_group_soon(n);
}

/* Nobody knows whether it was done. */
static void
do_again(struct sim_node *n)
{
    while (n->retries) {
        struct sim_job *job = n->retries;
        const struct member_request *r = &job->op.member.request;
        bool creates = job->op.kind == OP_MEMBER && (r->action == ACTION_APPLY || r->action == ACTION_ADMIT);
        n->retries = job->next;
        job->next = NULL;
        if (n->old || n->w->healing || (creates && r->has_subject && model_is_moved(n->unit->model, &r->subject)))
            free(job);
        else
            node_submit(n, job);
    }
}

void
crashes_start(struct sim_node *n)
{
    (void)crashes_begin(n, STEP_START);
    node_start(n);
    if (n->up)
        do_again(n);
    crashes_end(n);
}

/* ---- what happened ---- */

bool
crashes_tell(const uint64_t sum[STEP_N][CUT_COLUMNS], bool all)
{
    bool complete = true;
    printf("  %-36s %9s %7s %7s %7s %7s\n", "step", "committed", "before", "within", "after", "parted");
    for (size_t i = 0; i < STEP_N; i++) {
        bool missing = false;
        printf("  %-36s %9llu", steps[i].name, (unsigned long long)sum[i][CUT_MET]);
        for (unsigned k = 0; k < CUT_N; k++) {
            bool possible = steps[i].ways >> k & 1;
            missing |= all && possible && sum[i][k] == 0 && sum[i][CUT_MET] >= OFTEN;
            if (possible)
                printf(" %7llu", (unsigned long long)sum[i][k]);
            else
                printf(" %7s", "-");
        }
        printf("%s\n", missing ? "  NEVER" : "");
        complete &= !missing;
    }
    return complete;
}
