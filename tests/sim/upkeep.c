/* What a node does by itself beside its desk: what others sealed to it is opened, who moved here is received with what goes along, activities that are
 * taken along are opened and those of who moved away closed, ended rights are swept (node/host/guests.h, arrivals.h, taken_work.h, moved_work.h), as the
 * daemon's upkeep does. And that nothing that was to be taken along is lost. See sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>

#include "node/host/arrivals.h"
#include "node/host/guests.h"
#include "node/host/left_postings.h"
#include "node/host/moved_work.h"
#include "node/host/taken_work.h"
#include "node/rules/member.h"
#include "storage/taken.h"

enum { SOON_MS_MIN = 100, SOON_MS_MAX = 6000, TAKEN_NOTED_MAX = 512 };

void
upkeep_soon(struct sim_node *n)
{
    if (n->upkeep_due || n->old || !n->up)
        return;
    n->upkeep_due = true;
    world_post(n->w, rng_between(&n->rng, SOON_MS_MIN, SOON_MS_MAX), EV_UPKEEP, n, 0, 0, NULL, 0);
}

/* What stands in the caller's hands is of this process. */
int
upkeep_exec(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct sim_node *n = arg;
    (void)actor; /* desk and upkeep have one here */
    if (n->w->ended)
        return err_set(err, ERR_UNAVAILABLE, "the node died");
    struct sim_job *job = workload_job(op->kind), *others = n->jobs;
    job->op = *op;
    job->reply = op;
    n->jobs = job;
    op->result = (struct api_result){0};
    err_set(&op->result.err, ERR_FULL, "not committed");
    n->sheltered = true;
    node_group(n);
    n->sheltered = false;
    n->jobs = others;
    if (n->w->ended)
        return err_set(err, ERR_UNAVAILABLE, "the node died");
    if (n->jobs)
        node_group_soon(n);
    return 0;
}

/* What a right had brought went with its end; whoever asks for all of the federation asks for it again. */
static void
said(void *arg, const char *what, uint64_t count)
{
    struct sim_node *n = arg;
    n->swept |= count > 0 && strncmp(what, "ended", 5) == 0;
}

static void
ask_again(struct sim_node *n)
{
    struct db_txn *txn = NULL;
    struct err err;
    uint32_t count = 0;
    if (n->swept && n->w->capsules_travel && db_begin_read(n->db, &txn, &err) == 0 &&
        evlog_count(txn, &count, &err) == 0)
        for (uint32_t no = 1; no <= count; no++) {
            struct log_row row;
            if (evlog_get(txn, no, &row, &err) == 0)
                node_ask_capsules(n, txn, &row, 0, 0);
        }
    db_abort(&txn);
    n->swept = false;
}

static bool
is_fault(const struct sim_node *n, int rc)
{
    return rc != 0 && rc != ERR_FULL && rc != ERR_UNAVAILABLE && !n->w->failed;
}

/* True: something was received, opened or closed. */
bool
upkeep_turn(struct sim_node *n, bool all)
{
    const struct civil_date today = {(int32_t)(node_wall(n) / 86400000)};
    const struct guests g = {.db = n->db,
                             .vault = n->vault,
                             .identity = n->identity,
                             .config = &n->config,
                             .today = today,
                             .random = rng_fill,
                             .random_arg = &n->rng,
                             .run = upkeep_exec,
                             .said = said,
                             .arg = n};
    const struct arrivals a = {
        .db = n->db, .vault = n->vault, .identity = n->identity, .today = today, .run = upkeep_exec, .arg = n};
    const struct taken_work t = {.db = n->db,
                                 .vault = n->vault,
                                 .unit = n->unit->identity.unit,
                                 .actor = n->unit->actor,
                                 .today = today,
                                 .all = all,
                                 .random = rng_fill,
                                 .random_arg = &n->rng,
                                 .run = upkeep_exec,
                                 .arg = n};
    const struct moved_work m = {.db = n->db,
                                 .vault = n->vault,
                                 .unit = n->unit->identity.unit,
                                 .actor = n->unit->actor,
                                 .today = today,
                                 .random = rng_fill,
                                 .random_arg = &n->rng,
                                 .run = upkeep_exec,
                                 .arg = n};
    struct arrivals_found arrived = {0};
    struct taken_found taken = {0};
    struct err err = {0};
    uint64_t closed = 0, ended = 0;
    struct guests_seen seen = {.changes = n->seen_changes, .day = n->seen_day};
    node_program(n);
    int rc = guests_turn(&g, &seen, all || rng_chance(&n->rng, 300), all, &err);
    n->seen_changes = seen.changes;
    n->seen_day = seen.day;
    ask_again(n);
    if (rc == 0)
        rc = arrivals_run(&a, &arrived, &err);
    if (rc == 0)
        rc = taken_work_run(&t, &taken, &err);
    if (rc == 0)
        rc = moved_work_run(&m, &closed, &err);
    if (rc == 0)
        rc = left_postings_run(&m, &ended, &err);
    if (is_fault(n, rc))
        world_fail(n->w, n, "upkeep: %s", err.text);
    n->w->stats.arrived += arrived.received;
    n->w->stats.taken += taken.opened;
    n->w->cover[COVER_MOVED_CLOSED] += closed;
    n->refused_taken = taken.refused;
    return arrived.received + taken.opened + closed + ended > 0;
}

void
upkeep_step(struct sim_node *n)
{
    n->upkeep_due = false;
    if (n->up && !n->old && !n->w->failed)
        (void)upkeep_turn(n, rng_chance(&n->rng, 100));
}

/* ---- what is taken along ---- */

/* A reception was committed: what it is to bring waits in the vault. */
void
upkeep_received(struct sim_node *n, const struct api_op *op)
{
    struct world *w = n->w;
    const struct handover_request *r = &op->handover.request;
    static struct taken_activity list[TAKEN_MAX];
    struct err err;
    size_t count = 0;
    if (op->kind != OP_HANDOVER || r->action != HANDOVER_RECEIVE || op->result.err.code != ERR_NONE)
        return;
    if (!w->taken)
        w->taken = calloc(TAKEN_NOTED_MAX, sizeof(*w->taken));
    MUST(w->taken);
    if (taken_list(n->vault, &r->member, list, &count, &err) != 0)
        world_fail(w, n, "what is taken along cannot be read: %s", err.text);
    size_t given = 0;
    for (size_t i = 0; i < r->n_dossiers; i++)
        given += r->dossiers[i].n_activities;
    if (count > 0 && count != given)
        world_fail(w, n, "%zu activities are taken along, %zu were given", count, given);
    for (size_t i = 0; i < count && w->n_taken < TAKEN_NOTED_MAX; i++)
        w->taken[w->n_taken++] =
            (struct sim_taken){.unit = n->unit->index, .key = list[i].key, .received = op->result.position};
}

static bool
is_left(struct db_txn *txn, const struct sim_node *n, const struct sim_taken *t)
{
    struct member_row row;
    struct member_state s;
    struct err err;
    if (entitled_member(txn, &t->key.member, &n->unit->identity.unit, &row, &err) != 0)
        return true;
    size_t i = member_entry_find(&row, &t->received);
    bool received = i != SIZE_MAX && row.entries[i].outcome == OUTCOME_APPLIED;
    member_state_at(&row, DATE_MAX, &s);
    member_row_release(&row);
    return !received || s.status != STATUS_MEMBER || (s.erased >> (CLASS_ACTIVITY - 1) & 1) != 0;
}

/* Whether nothing stands in the way of opening it any more: its month has begun, she is received, and a member. */
static bool
is_due(struct db_txn *txn, const struct sim_node *n, const struct sim_taken *t)
{
    struct taken_activity waits;
    struct member_row row;
    struct member_state s;
    struct err err;
    const int32_t today = (int32_t)(node_wall(n) / 86400000);
    if (taken_get(n->vault, &t->key, &waits, &err) != 0 || waits.month.days > today || is_left(txn, n, t) ||
        entitled_member(txn, &t->key.member, &n->unit->identity.unit, &row, &err) != 0)
        return false;
    bool received = member_arrival_unreceived(&row) == SIZE_MAX;
    member_state_at(&row, (struct civil_date){today}, &s);
    member_row_release(&row);
    return received && s.status == STATUS_MEMBER;
}

void
upkeep_check_opened(struct sim_node *n)
{
    struct db_txn *txn = NULL;
    struct err err;
    uint64_t left = 0;
    if (!n->up || n->unit->concurrent || n->forger || n->index != n->unit->index ||
        (n->w->skewed && !n->allow_clock_back) || db_begin_read(n->db, &txn, &err) != 0)
        return;
    for (size_t i = 0; i < n->w->n_taken; i++)
        left += n->w->taken[i].unit == n->unit->index && is_due(txn, n, &n->w->taken[i]);
    db_abort(&txn);
    if (left > n->refused_taken)
        world_fail(n->w, n, "%llu activities that were taken along are due and not opened, %llu were refused",
                   (unsigned long long)left, (unsigned long long)n->refused_taken);
}

/* Each is open, or waits still. Of whoever has left, or had it erased, nothing is to be opened any more; and a vault that was set back may be from
 * before the reception. */
void
upkeep_check(struct sim_node *n, struct db_txn *txn)
{
    for (size_t i = 0; i < n->w->n_taken && !n->w->failed && n->index == n->unit->index; i++) {
        const struct sim_taken *t = &n->w->taken[i];
        struct taken_activity waits;
        uint8_t key[KEY_ACTIVITY];
        struct slice row;
        struct err err;
        key_activity(key, &n->unit->identity.unit, &t->key.activity);
        if (t->unit != n->unit->index || n->unit->concurrent || is_left(txn, n, t))
            continue;
        bool opened = db_get(txn, TABLE_ACTIVITIES, slice_of(key, sizeof(key)), &row, &err) == 0;
        if (!opened && taken_get(n->vault, &t->key, &waits, &err) != 0)
            world_fail(n->w, n, "activity %s was to be taken along by %s, and is lost", short_id(&t->key.activity),
                       short_id(&t->key.member));
    }
}
