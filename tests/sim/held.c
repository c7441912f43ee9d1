/* What a node holds, told to its core and noted in the ledger; and the capsules that it asks for all over the federation. See sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>

void
node_note_held(struct sim_node *n, const struct log_id *log, uint64_t head, const struct chain_value *chain)
{
    int at = ledger_find(n->w, log);
    if (at < 0)
        world_fail(n->w, n, "holds log %s, which nobody wrote", short_id(log));
    else if (!ledger_holds(&n->w->ledger[at], head, chain))
        world_fail(n->w, n, "holds something in log %s that its writer did not write", short_id(log));
    else
        n->held[at] = head;
}

void
node_log_held(struct sim_node *n, const struct log_id *log)
{
    struct sync_event ev = {.type = SYNC_LOG_HELD};
    struct db_txn *txn = NULL;
    struct log_row row;
    struct err err = {0};
    int rc = db_begin_read(n->db, &txn, &err);
    if (rc == 0)
        rc = evlog_find(txn, log, &row, &err);
    if (rc == 0)
        rc = netreads_log(txn, &row, &ev.log_held, &n->proof, &err);
    db_abort(&txn);
    if (rc != 0) {
        world_fail(n->w, n, "log %s cannot be read: %s", short_id(log), err.text);
        return;
    }
    node_note_held(n, log, row.head_seq, &row.head_chain);
    node_step(n, &ev);
}

static void
give_proof(void *arg, const struct log_id *log, struct slice proof)
{
    struct sync_event ev = {.type = SYNC_PROOF_KEPT, .proof_kept = {.log = *log, .proof = proof}};
    node_step(arg, &ev);
}

static void
node_give_proofs(struct sim_node *n)
{
    struct db_txn *txn = NULL;
    struct err err = {0};
    if (db_begin_read(n->db, &txn, &err) != 0 || netreads_proofs(txn, give_proof, n, &err) != 0)
        world_fail(n->w, n, "the proofs cannot be read: %s", err.text);
    db_abort(&txn);
}

void
node_list_logs(struct sim_node *n)
{
    struct db_txn *txn = NULL;
    struct log_id *ids = NULL;
    struct err err = {0};
    uint32_t count = 0;
    int rc = db_begin_read(n->db, &txn, &err);
    if (rc == 0)
        rc = evlog_count(txn, &count, &err);
    ids = calloc(count + 1, sizeof(*ids));
    MUST(ids);
    memset(n->held, 0, sizeof(n->held));
    for (uint32_t no = 1; no <= count && rc == 0; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, &err);
        if (rc == 0)
            ids[no - 1] = row.id;
        if (rc == 0 && n->w->capsules_travel)
            node_ask_capsules(n, txn, &row, 0, 0);
    }
    db_abort(&txn);
    if (rc != 0)
        world_fail(n->w, n, "the logs cannot be read: %s", err.text);
    for (uint32_t i = 0; i < count && rc == 0 && n->up; i++)
        node_log_held(n, &ids[i]);
    free(ids);
    if (rc == 0 && n->up)
        node_give_proofs(n);
}

/* Logs that the engine opened on its way to the one that it writes: they lie between that one and its tips. */
static void
bridges_committed(struct sim_node *n, const struct log_id *log)
{
    struct db_txn *txn = NULL;
    struct log_row row = {0};
    struct err err = {0};
    if (db_begin_read(n->db, &txn, &err) != 0 || evlog_find(txn, log, &row, &err) != 0)
        world_fail(n->w, n, "log %s cannot be read: %s", short_id(log), err.text);
    db_abort(&txn);
    for (uint8_t i = 0; i < row.n_predecessors; i++) {
        const struct log_predecessor *p = &row.predecessors[i];
        if (ledger_find(n->w, &p->log) < 0) {
            say(n->w, n, "opens %s between its tips", short_id(&p->log));
            node_committed(n, &p->log, 0, p->seq);
        }
    }
}

void
node_committed(struct sim_node *n, const struct log_id *log, uint64_t before, uint64_t head)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    struct evlog_iter it;
    struct stored_event ev;
    struct event_header h;
    struct chain_value chain;
    struct err err = {0};
    if (before == 0)
        bridges_committed(n, log);
    int rc = db_begin_read(n->db, &txn, &err);
    if (rc == 0)
        rc = evlog_find(txn, log, &row, &err);
    if (rc == 0)
        rc = evlog_chain_at(txn, &row, before, &chain, &err);
    if (rc == 0)
        rc = evlog_iter_init(&it, txn, row.no, before + 1, &err);
    if (rc == 0) {
        for (uint64_t seq = before + 1; seq <= head && rc == 0; seq++) {
            rc = evlog_iter_next(&it, &ev, &err);
            if (rc == 0)
                rc = event_header_decode(ev.header, &h, &err);
            if (rc == 0) {
                n->w->stats.kinds[h.kind < SIM_KINDS_MAX ? h.kind : 0]++;
                chain = seq == 1 ? crypto_chain_start(*log) : chain;
                chain = crypto_chain(chain, crypto_header_hash(ev.header));
                ledger_note(n->w, n, log, seq, &chain);
            }
        }
        evlog_iter_release(&it);
    }
    db_abort(&txn);
    if (rc != 0)
        world_fail(n->w, n, "what was committed cannot be read: %s", err.text);
    else
        node_note_held(n, log, head, &row.head_chain);
}

/* Persons', and what goes along with one who moves. */
static bool
travels(uint8_t class)
{
    return (class >= CLASS_IDENTITY && class <= CLASS_BANK) || class == CLASS_DOSSIER;
}

/* Capsules of others' events are asked for after a while: all of a log (from 0), or the one of that event and index that nobody gave. */
void
node_ask_capsules(struct sim_node *n, struct db_txn *txn, const struct log_row *row, uint64_t from, uint8_t index)
{
    struct evlog_iter it;
    struct stored_event stored;
    struct event_header h;
    struct slice bytes;
    struct err err;
    int rc = evlog_iter_init(&it, txn, row->no, from > 0 ? from : 1, &err);
    if (rc != 0)
        return;
    while (evlog_iter_next(&it, &stored, &err) == 0 && event_header_decode(stored.header, &h, &err) == 0) {
        for (uint8_t i = 0; i < h.n_capsules; i++) {
            if ((from > 0 && i != index) || !travels(h.capsules[i].class) ||
                capsules_get(txn, row->no, h.seq, i, &bytes, &err) == 0)
                continue;
            struct sync_event *ev = calloc(1, sizeof(*ev));
            MUST(ev);
            ev->type = SYNC_CAPSULE_NEEDED;
            ev->capsule_needed.unit = row->unit;
            ev->capsule_needed.log = row->id;
            ev->capsule_needed.seq = h.seq;
            ev->capsule_needed.index = i;
            ev->capsule_needed.hash = h.capsules[i].hash;
            world_post(n->w, from > 0 ? rng_between(&n->rng, 5000, 30000) : rng_between(&n->rng, 10, 3000), EV_CAPSULE,
                       n, 0, 0, ev, sizeof(*ev));
        }
        if (from > 0)
            break;
    }
    evlog_iter_release(&it);
}
