/* What must hold: in the end, and at every alarm. See sim.h. */
#include "tests/sim/sim.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "storage/erasures.h"

/* ---- directories ---- */

static int
copy_file(const char *from, const char *to)
{
    static uint8_t block[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC), out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    ssize_t n = -1;
    while (in >= 0 && out >= 0 && (n = read(in, block, sizeof(block))) > 0)
        if (write(out, block, (size_t)n) != n) {
            n = -1;
            break;
        }
    if (in >= 0)
        close(in);
    if (out >= 0)
        close(out);
    return n == 0 ? 0 : -1;
}

void
sim_make_node_dirs(const char *dir)
{
    static const char *const parts[] = {"", "/main", "/vault"};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        char path[SIM_PATH_MAX + 16];
        snprintf(path, sizeof(path), "%s%s", dir, parts[i]);
        (void)mkdir(path, 0700);
    }
}

int
sim_copy_dir(const char *from, const char *to)
{
    static const char *const files[] = {"main/data.mdb", "vault/data.mdb"};
    int rc = 0;
    sim_make_node_dirs(to);
    for (size_t i = 0; i < ARRAY_LEN(files) && rc == 0; i++) {
        char a[SIM_PATH_MAX + 32], b[SIM_PATH_MAX + 32];
        snprintf(a, sizeof(a), "%s/%s", from, files[i]);
        snprintf(b, sizeof(b), "%s/%s", to, files[i]);
        rc = copy_file(a, b);
    }
    return rc;
}

void
sim_remove_dir(const char *path)
{
    DIR *d = opendir(path);
    struct dirent *e;
    while (d && (e = readdir(d))) {
        char below[2 * SIM_PATH_MAX + 64];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        if (unlink(below) != 0)
            sim_remove_dir(below);
    }
    if (d)
        closedir(d);
    (void)rmdir(path);
}

/* ---- alarms ---- */

void
checks_alarm(struct sim_node *n, const struct sync_effect *e)
{
    struct world *w = n->w;
    bool expected = false, any_clone = false, any_fork = false;
    w->stats.alarms++;
    for (int i = 0; i < w->n_units; i++) {
        bool of_unit = TYPE_EQ(&w->units[i].identity.unit, &e->alarm.unit);
        any_clone |= of_unit && w->units[i].clone_alarms;
        any_fork |= of_unit && w->units[i].forked;
        expected |= of_unit && e->alarm.code == ALARM_TWO_TIPS && w->units[i].tip_alarms;
    }
    if (e->alarm.code == ALARM_MALFORMED)
        expected = w->hostile;
    if (e->alarm.code == ALARM_DIVERGED)
        expected |= w->stats.forks > 0; /* two branches of a log that a successor hides from the heads */
    for (int i = 0; i < w->n_nodes && e->alarm.code == ALARM_DIVERGED; i++) /* a liar says of heads what it likes */
        expected |= w->nodes[i].forger && (n->forger || TYPE_EQ(&w->nodes[i].unit->identity.unit, &e->alarm.unit));
    if (e->alarm.code == ALARM_CLONE)
        expected = any_clone || w->hostile;
    expected |= e->alarm.code == ALARM_DIVERGED && w->mixed && !w->healing; /* another program, another state */
    if (e->alarm.code == ALARM_FORK)
        expected = any_fork || w->stats.forks > 0;
    say(w, n, "alarm %s: %s%s%s", sync_alarm_name(e->alarm.code), e->alarm.text, e->alarm.seq ? " log " : "",
        e->alarm.seq ? short_id(&e->alarm.log) : "");
    if (!expected)
        world_fail(w, n, "alarm without a reason: %s: %s", sync_alarm_name(e->alarm.code), e->alarm.text);
}

/* ---- who can have what ---- */

bool
checks_linked(const struct world *w, const struct sim_node *a, const struct sim_node *b)
{
    int i = a->unit->index, k = b->unit->index;
    return i != k && !a->silent && !b->silent && !a->gone && !b->gone && node_trusts(a, b) && node_trusts(b, a) &&
           (w->dials[i][k] || w->dials[k][i]);
}

/* Numbers the nodes that can reach each other over nodes that admit the unit; −1: does not admit it, or lies. */
static void
components(struct world *w, int unit, int ret[SIM_NODES_MAX])
{
    int next = 0;
    for (int i = 0; i < w->n_nodes; i++)
        ret[i] = w->admits[w->nodes[i].unit->index][unit] && !w->nodes[i].forger ? -2 : -1;
    for (int i = 0; i < w->n_nodes; i++) {
        if (ret[i] != -2)
            continue;
        ret[i] = next;
        for (bool more = true; more;) {
            more = false;
            for (int a = 0; a < w->n_nodes; a++)
                for (int b = 0; b < w->n_nodes; b++)
                    if (ret[a] == next && ret[b] == -2 && checks_linked(w, &w->nodes[a], &w->nodes[b])) {
                        ret[b] = next;
                        more = true;
                    }
        }
        next++;
    }
}

static bool
is_frozen(struct sim_node *n, const struct log_id *log, bool *ret_proof)
{
    struct db_txn *txn = NULL;
    struct log_row row = {0};
    uint8_t key[HASH_BYTES + 1] = {0};
    struct slice proof;
    struct err err;
    memcpy(key, log->b, HASH_BYTES);
    bool frozen = false;
    *ret_proof = false;
    if (db_begin_read(n->db, &txn, &err) == 0) {
        frozen = evlog_find(txn, log, &row, &err) == 0 && row.state == LOG_FROZEN;
        *ret_proof = db_get(txn, TABLE_EVIDENCE, slice_of(key, sizeof(key)), &proof, &err) == 0 && proof.len > 0;
    }
    db_abort(&txn);
    return frozen;
}

/* Every node that can know of both histories has frozen the log and keeps the proof. */
static bool
fork_settled(struct world *w, const struct ledger_log *l, const int component[SIM_NODES_MAX], bool tell)
{
    struct sim_node *a = &w->nodes[l->unit], *b = NULL;
    for (int i = 0; l->resumed && i < w->n_nodes; i++) {
        if (component[i] < 0 || component[i] != component[a->index] || resume_holds(&w->nodes[i], l))
            continue;
        if (tell)
            world_fail(w, &w->nodes[i], "log %s was resumed and does not stand as resumed", short_id(&l->id));
        return false;
    }
    if (l->resumed)
        return true;
    for (int i = w->n_units; i < w->n_nodes; i++)
        if (w->nodes[i].unit->index == l->unit)
            b = &w->nodes[i];
    if (!b || component[a->index] < 0 || component[a->index] != component[b->index])
        return true; /* the two never meet */
    for (int i = 0; i < w->n_nodes; i++) {
        bool proof;
        if (component[i] != component[a->index])
            continue;
        if (!is_frozen(&w->nodes[i], &l->id, &proof) || !proof) {
            if (tell)
                world_fail(w, &w->nodes[i], "log %s has two histories and is not frozen with proof", short_id(&l->id));
            return false;
        }
    }
    return true;
}

/* Which of the two histories a node has: 0 neither, 1 the writer's, 2 the other one. */
static int
branch_held(struct sim_node *n, const struct ledger_log *l)
{
    struct db_txn *txn = NULL;
    struct log_row row;
    struct chain_value chain;
    struct err err;
    int rc = db_begin_read(n->db, &txn, &err);
    if (rc == 0)
        rc = evlog_find(txn, &l->id, &row, &err);
    bool beyond = rc == 0 && row.head_seq > l->fork_seq;
    if (beyond)
        rc = evlog_chain_at(txn, &row, l->fork_seq + 1, &chain, &err);
    db_abort(&txn);
    if (!beyond || rc != 0)
        return 0;
    return TYPE_EQ(&chain, &l->fork_chain[0]) ? 2 : 1;
}

/* A disk that was set back took one of the two histories with it before anybody else had heard of it: what is left is one history,
 * and nothing that could prove there was another. A proof that somebody keeps is another matter: it goes to all. */
static bool
branch_lost(struct world *w, const struct ledger_log *l)
{
    bool held[3] = {false}, proof;
    if (w->stats.restores == 0 || l->resumed)
        return false;
    for (int i = 0; i < w->n_nodes; i++) {
        if (!w->nodes[i].up)
            continue; /* gone, with what it had */
        if (is_frozen(&w->nodes[i], &l->id, &proof))
            return false;
        held[branch_held(&w->nodes[i], l)] = true;
    }
    return !held[1] || !held[2];
}

static bool
log_settled(struct world *w, uint32_t at, const int component[SIM_NODES_MAX], bool tell)
{
    const struct ledger_log *l = &w->ledger[at];
    if (w->nodes[l->unit].forger)
        return true; /* its own logs come from a liar: what comes is checked, that it comes is not */
    if (l->forked && !branch_lost(w, l))
        return fork_settled(w, l, component, tell);
    bool known = true; /* every node of the writer is within reach of each other: what it wrote must be everywhere */
    for (int i = 0; i < w->n_nodes; i++)
        known &= !w->nodes[i].gone && !w->nodes[i].silent && /* it may be the one that has the rest of it */
                 (w->nodes[i].unit->index != l->unit || component[i] == component[l->unit]);
    for (int i = 0; i < w->n_nodes; i++) {
        uint64_t want = known && component[i] == component[l->unit] ? l->must_seq : 0;
        if (component[i] < 0 || (w->hostile && component[i] != component[l->unit]))
            continue; /* what a liar hands over comes when it likes */
        for (int k = 0; k < w->n_nodes;
             k++) /* as much as anybody has: more than must be, where a run outlived its writer's disk */
            if (component[k] == component[i] && w->nodes[k].held[at] > want)
                want = w->nodes[k].held[at];
        if (w->nodes[i].held[at] == want)
            continue;
        if (tell)
            world_fail(w, &w->nodes[i], "holds %llu of %llu events of log %s of %s: %s",
                       (unsigned long long)w->nodes[i].held[at], (unsigned long long)want, short_id(&l->id),
                       w->units[l->unit].identity.unit_code, "they never came");
        return false;
    }
    return true;
}

bool
checks_converged(struct world *w, bool tell)
{
    int component[SIM_NODES_MAX];
    bool done = true;
    for (int i = 0; i < w->n_nodes; i++)
        if (!w->nodes[i].gone && (!w->nodes[i].up || w->nodes[i].jobs || w->nodes[i].appends))
            done = false;
    for (int u = 0; u < w->n_units && done; u++) {
        components(w, u, component);
        for (uint32_t i = 0; i < w->n_ledger && done; i++)
            if (w->ledger[i].unit == u)
                done = log_settled(w, i, component, tell);
    }
    done = done && checks_capsules(w, tell);
    if (tell && !done && !w->failed)
        world_fail(w, NULL, "not quiet: somebody is down or has work left");
    return done;
}

/* ---- the state of one unit at one node ---- */

struct digests {
    uint64_t unit[SIM_UNITS_MAX];
    struct hash total;
};

static int
unit_of_row(struct world *w, enum table t, struct slice key)
{
    const uint8_t *id = key.data;
    if (t == TABLE_VOIDS || t == TABLE_CONFLICTS) {
        struct log_id log;
        memcpy(log.b, key.data + (key.len - KEY_POSITION), sizeof(log.b));
        int at = ledger_find(w, &log);
        return at < 0 ? -1 : w->ledger[at].unit;
    }
    if (t == TABLE_MEMBERS)
        id += ID_BYTES;
    for (int i = 0; i < w->n_units; i++)
        if (memcmp(w->units[i].identity.unit.b, id, HASH_BYTES) == 0)
            return i;
    return -1;
}

static void
digest_table(struct sim_node *n, struct db_txn *txn, enum table t, struct digests *d)
{
    static const struct unit_id nobody;
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct err err;
    if (db_cursor_open(txn, t, &c, &err) != 0) {
        world_fail(n->w, n, "table %s: %s", table_name(t), err.text);
        return;
    }
    for (int rc = db_cursor_first(c, &key, &value, &err); rc == 0; rc = db_cursor_next(c, &key, &value, &err)) {
        int u = unit_of_row(n->w, t, key);
        if (t == TABLE_ACTIVE || (t == TABLE_PEOPLE && memcmp(key.data, nobody.b, HASH_BYTES) == 0))
            continue; /* of more units than one: under the table's fingerprint */
        if (u < 0)
            world_fail(n->w, n, "table %s has a row of nobody", table_name(t));
        else
            d->unit[u] = mix64(d->unit[u] ^ trace_bytes(key)) + trace_bytes(value) + t;
    }
    db_cursor_close(&c);
}

static void
digest_node(struct sim_node *n, struct digests *d)
{
    static const enum table tables[] = {
        TABLE_MEMBERS,   TABLE_OFFICES,    TABLE_UNITS,    TABLE_COUNTS,    TABLE_VOIDS,   TABLE_CONFLICTS,
        TABLE_CAPITAL,   TABLE_ACTIVITIES, TABLE_INVOICES, TABLE_ACTIVE,    TABLE_WORK,    TABLE_PEOPLE,
        TABLE_SHARE_OPS, TABLE_PERIODS,    TABLE_POSTINGS, TABLE_HANDOVERS, TABLE_DOUBLES, TABLE_ACCESS};
    struct fingerprint_row rows[FINGERPRINTS_MAX];
    struct db_txn *txn = NULL;
    struct err err = {0};
    size_t count = 0;
    *d = (struct digests){0};
    int rc = db_begin_read(n->db, &txn, &err);
    if (rc == 0)
        rc = state_fingerprints(txn, rows, &count, &err);
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(tables); i++) {
        struct hash h;
        digest_table(n, txn, tables[i], d);
        rc = state_fingerprint_recompute(txn, tables[i], &h, &err);
        for (size_t k = 0; rc == 0 && k < count; k++)
            if (rows[k].table == table_fingerprint_no(tables[i]) && !TYPE_EQ(&rows[k].fingerprint, &h))
                world_fail(n->w, n, "the fingerprint of %s is not that of its rows", table_name(tables[i]));
    }
    db_abort(&txn);
    d->total = fingerprint_total(rows, count);
    world_trace(n->w, trace_bytes(slice_of(d->total.b, sizeof(d->total.b))), (uint64_t)n->index);
    if (rc != 0)
        world_fail(n->w, n, "the state cannot be read: %s", err.text);
}

static bool
same_logs(struct world *w, const struct sim_node *a, const struct sim_node *b, int unit)
{
    for (uint32_t i = 0; i < w->n_ledger; i++) {
        const struct ledger_log *l = &w->ledger[i];
        if (l->resumed && a->held[i] >= l->stand_seq && b->held[i] >= l->stand_seq)
            continue; /* what is beyond may be kept or not */
        if (l->unit == unit && (a->held[i] != b->held[i] || (l->forked && a->held[i] > l->fork_seq)))
            return false;
    }
    return true;
}

/* The same events, the same state. */
static void
compare_states(struct world *w)
{
    static struct digests d[SIM_NODES_MAX];
    for (int i = 0; i < w->n_nodes; i++)
        digest_node(&w->nodes[i], &d[i]);
    for (int i = 0; i < w->n_nodes; i++) {
        for (int k = i + 1; k < w->n_nodes && !w->failed; k++) {
            bool all = true, differs = false;
            if (w->nodes[i].old || w->nodes[k].old)
                continue; /* other programs, other states */
            for (int u = 0; u < w->n_units; u++) {
                bool same = same_logs(w, &w->nodes[i], &w->nodes[k], u);
                all &= same;
                /* a row of somebody who moves rests on another unit's events too */
                if (same && d[i].unit[u] != d[k].unit[u] && !model_moves(w->units[u].model))
                    world_fail(w, &w->nodes[i], "has the same events of %s as %s, and another state",
                               w->units[u].identity.unit_code, w->nodes[k].name);
                differs |= d[i].unit[u] != d[k].unit[u];
            }
            if (all && differs)
                world_fail(w, &w->nodes[i], "has the same events as %s, and another state", w->nodes[k].name);
            if (all && !TYPE_EQ(&d[i].total, &d[k].total))
                world_fail(w, &w->nodes[i], "has the same events as %s, and other fingerprints", w->nodes[k].name);
        }
    }
}

/* A unit as its own node has it, and as one other node that has all of it does. */
static void
compare_unit(struct world *w, struct sim_unit *u)
{
    for (int i = 0; i < w->n_nodes && !w->failed; i++) {
        struct sim_node *at = &w->nodes[i];
        struct db_txn *txn = NULL;
        struct err err = {0};
        if (at->old || !same_logs(w, at, &w->nodes[u->index], u->index) || (at->unit != u && rng_chance(&w->rng, 600)))
            continue;
        if (db_begin_read(at->db, &txn, &err) != 0) {
            world_fail(w, at, "%s", err.text);
            return;
        }
        recount_unit(at, txn, u);
        db_abort(&txn);
    }
}

/* ---- the end ---- */

static void
check_node(struct sim_node *n, bool deep)
{
    struct world *w = n->w;
    char scratch[SIM_PATH_MAX + 16];
    struct err err = {0};
    snprintf(scratch, sizeof(scratch), "%s/scratch", w->dir);
    (void)mkdir(scratch, 0700);
    node_program(n);
    if (apply_check(n->db, scratch, deep, &err) != 0)
        world_fail(w, n, "apply_check: %s", err.text);
    sim_remove_dir(scratch);
}

void
checks_end(struct world *w)
{
    custody_return(w); /* what was never given up is looked at too */
    for (int i = 0; i < w->n_nodes && !w->failed; i++) {
        struct sim_node *n = &w->nodes[i];
        if (!n->up)
            node_start(n);
        else if (rng_chance(&w->rng, 300)) { /* what is acknowledged survives the end of the process */
            model_rollback(n->unit->model);
            node_stop(n);
            node_start(n);
        }
    }
    int deep = rng_chance(&w->rng, 250) ? (int)rng_below(&w->rng, (uint64_t)w->n_nodes) : -1;
    for (int i = 0; i < w->n_nodes && !w->failed; i++)
        check_node(&w->nodes[i], i == deep || w->hostile); /* a forged seal shows only where seals are looked at */
    for (int i = 0; i < w->n_nodes && !w->failed; i++)
        if (!w->nodes[i].old)
            checks_moving(&w->nodes[i]);
    for (int i = 0; i < w->n_nodes && !w->failed; i++)
        answers_check(&w->nodes[i]);
    if (!w->failed)
        compare_states(w);
    for (int i = 0; i < w->n_units && !w->failed; i++)
        compare_unit(w, &w->units[i]);
}
