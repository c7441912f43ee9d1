/* The end of a fork: once every log with two histories is frozen wherever both are known, the writer's operator takes the root key
 * and says that the history of one node stands. See sim.h; docs/PROTOCOL.md §7, §12.6. */
#include "tests/sim/sim.h"

static int
take_position(struct sim_node *n, struct ledger_log *l, struct standing_position *ret, struct err *err)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    int rc = db_begin_read(n->db, &txn, err);
    if (rc == 0)
        rc = evlog_find(txn, &l->id, &row, err);
    db_abort(&txn);
    if (rc == 0)
        *ret = (struct standing_position){.log = l->id, .seq = row.head_seq, .chain = row.head_chain};
    return rc;
}

/* Under the same keys: what they sealed before is checked against them to the end. */
static void
resume_log(struct sim_node *n, struct ledger_log *l)
{
    struct standing_position at;
    struct root_statement st = {.serial = 1, .n_standing = 1, .standing = &at};
    struct sign_public root_key;
    struct sign_secret root;
    struct log_row own;
    struct err err = {0};
    crypto_keypair_sign(n->unit->root_seed, &root_key, &root);
    int rc = take_position(n, l, &at, &err);
    if (rc == 0) {
        node_stop(n);               /* a log is open that a successor has to follow */
        n->allow_clock_back = true; /* an operator with a clock that went wrong reads what the program says of it */
        node_start(n);
        rc = engine_begin(n->engine, &err);
    }
    if (rc == 0)
        rc = engine_open_log(n->engine, &st, &root, &err);
    if (rc == 0)
        rc = engine_commit(n->engine, &err);
    if (rc != 0 || !engine_own_log(n->engine, &own)) {
        world_fail(n->w, n, "cannot resume %s: %s", short_id(&l->id), err.text);
        return;
    }
    l->resumed = true;
    l->stand_seq = at.seq;
    l->stand_chain = at.chain;
    n->w->stats.resumes++;
    say(n->w, n, "resumes log %s at %llu", short_id(&l->id), (unsigned long long)at.seq);
    node_committed(n, &own.id, 0, own.head_seq);
    node_group_soon(n);
}

bool
resume_forks(struct world *w)
{
    bool any = false;
    for (uint32_t i = 0; i < w->n_ledger && !w->failed; i++) {
        struct ledger_log *l = &w->ledger[i];
        struct sim_node *n = &w->nodes[l->unit];
        if (!l->forked || n->forger || n->held[i] == 0)
            continue;
        resume_log(n, l);
        any = true;
    }
    return any;
}

/* Whether a node has what the statement says, and goes on with it. */
bool
resume_holds(struct sim_node *n, const struct ledger_log *l)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    struct chain_value chain = {{0}};
    struct err err;
    int rc = db_begin_read(n->db, &txn, &err);
    if (rc == 0)
        rc = evlog_find(txn, &l->id, &row, &err);
    if (rc == 0 && row.head_seq >= l->stand_seq)
        rc = evlog_chain_at(txn, &row, l->stand_seq, &chain, &err);
    db_abort(&txn);
    return rc == 0 && row.state == LOG_LIVE && row.stands_to == l->stand_seq && TYPE_EQ(&chain, &l->stand_chain);
}
