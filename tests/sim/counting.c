/* Months are counted, as the daemon does beside its writer: others write in between, and it may end at any point. See sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>

#include "node/host/counting.h"

enum { MONTH_FIRST = 1480, MONTHS = 80 }; /* from May 2023 on: all that the workload dates things in */

void
counting_soon(struct sim_node *n)
{
    world_post(n->w, rng_between(&n->rng, 10, 3000), EV_COUNT, n, 0, 0, NULL, 0);
}

/* One group with the operation in it, at its head. */
static int
run(void *arg, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct sim_node *n = arg;
    uint32_t incarnation = n->incarnation;
    (void)actor; /* desk and count have one here */
    if (!n->w->healing && rng_chance(&n->rng, 200)) {
        node_submit(n, workload_invoice(n));
        node_group(n);
    }
    if (n->w->ended || n->incarnation != incarnation || n->w->failed)
        return err_set(err, ERR_UNAVAILABLE, "the node died");
    struct sim_job *job = workload_job(OP_COUNT);
    job->op = *op;
    job->reply = op;
    job->next = n->jobs;
    n->jobs = job;
    op->result = (struct api_result){0};
    err_set(&op->result.err, ERR_FULL, "not committed");
    node_group(n);
    if (n->w->ended || n->incarnation != incarnation)
        return err_set(err, ERR_UNAVAILABLE, "the node died");
    return 0;
}

static int
count(struct sim_node *n, uint16_t month)
{
    struct counting c = {.db = n->db,
                         .vault = n->vault,
                         .identity = n->identity,
                         .today = {(int32_t)(node_wall(n) / 86400000)},
                         .run = run,
                         .arg = n};
    uint64_t events = 0;
    struct err err = {0};
    int rc = counting_run(&c, month, &events, &err);
    n->w->stats.counted += events;
    if (rc != 0 && rc != ERR_FULL && rc != ERR_UNAVAILABLE && rc != ERR_CONFLICT)
        world_fail(n->w, n, "counting: %s", err.text);
    return rc;
}

void
counting_step(struct sim_node *n)
{
    if (n->up && !n->w->healing && !n->old)
        (void)count(n, rng_chance(&n->rng, 800) ? 0 : (uint16_t)(MONTH_FIRST + rng_below(&n->rng, MONTHS)));
}

/* The first month that is not over by this node's clock, or that of the last day of the workload. */
static uint16_t
end_of(const struct sim_node *n)
{
    uint16_t now = month_number((struct civil_date){(int32_t)(node_wall(n) / 86400000)});
    return now < MONTH_FIRST + MONTHS ? now : MONTH_FIRST + MONTHS;
}

bool
counting_all(struct sim_node *n)
{
    int64_t now = node_wall(n);
    int rc = 0;
    for (uint16_t m = MONTH_FIRST; m < end_of(n) && rc == 0 && !n->w->failed; m++)
        rc = count(n, m);
    if (rc == 0)
        n->unit->counted_at = now;
    return rc == 0 && !n->w->failed;
}

static void
no_random(void *arg, uint8_t *out, size_t len)
{
    (void)arg;
    memset(out, 0, len);
}

void
counting_check(struct sim_node *n)
{
    struct err err = {0};
    struct command_ctx ctx = {
        .vault = n->vault, .unit = n->unit->identity.unit, .actor = n->unit->actor, .random = no_random};
    if (db_begin_read(n->db, &ctx.txn, &err) != 0) {
        world_fail(n->w, n, "%s", err.text);
        return;
    }
    for (uint16_t m = MONTH_FIRST; m < end_of(n) && !n->w->failed; m++) {
        struct draft draft;
        size_t left = 0;
        if (command_count(&ctx, m, NULL, 1, &draft, &left, &err) != 0)
            world_fail(n->w, n, "month %u cannot be counted: %s", m, err.text);
        else if (left > 0)
            world_fail(n->w, n, "month %u was counted, and more is to be said", m);
        if (left > 0)
            draft_release(&draft);
    }
    db_abort(&ctx.txn);
}
