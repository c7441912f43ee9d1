/* What a desk does that ends in the vault alone: a member asks to move, what hosts proposed is accepted or declined. And that the vault follows the
 * logs, whatever ended between the two: what was answered is so there, and nothing else; of who has moved no request is left; the blind index and the
 * key capsules are complete; what a host destroyed it has said. See sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>

#include "node/host/entitled.h"
#include "node/rules/access.h"
#include "storage/asks.h"
#include "storage/erasures.h"
#include "storage/received.h"
#include "storage/visits.h"

enum { ANSWERS_MAX = 512, OWED_MAX = 2048 };

/* ---- the workload ---- */

struct choice {
    struct sim_node *n;
    uint64_t seen;
    struct visit visit;
    struct person_contact contact;
};

/* One of those that are open, each as likely as any. */
static int
choose(void *arg, const struct visit *v, struct slice plain)
{
    static struct guest_record r;
    struct choice *c = arg;
    struct err err;
    if (v->settled != VISIT_OPEN || guest_record_decode(plain, &r, &err) != 0 || r.n_contact == 0)
        return 0;
    if (rng_below(&c->n->rng, ++c->seen) == 0) {
        c->visit = *v;
        c->contact = r.contact;
    }
    return 0;
}

struct sim_job *
workload_answer(struct sim_node *n)
{
    struct choice c = {.n = n};
    struct err err;
    if (visits_each(n->vault, NULL, NULL, choose, &c, &err) != 0 || c.seen == 0)
        return NULL;
    bool accept = rng_chance(&n->rng, 600);
    struct sim_job *job = workload_job(accept ? OP_MEMBER : OP_SETTLE);
    struct member_request *r = &job->op.member.request;
    job->op.settles.as = accept ? VISIT_ACCEPTED : VISIT_DECLINED;
    job->op.settles.member = c.visit.subject;
    job->op.settles.at = c.visit.at;
    job->op.settles.index = c.visit.index;
    if (!accept)
        return job;
    r->action = ACTION_CHANGE_DATA;
    r->has_subject = r->person.has_contact = true;
    r->subject = c.visit.subject;
    r->effective = (struct civil_date){(int32_t)(node_wall(n) / 86400000)};
    r->person.identity.birth_date = DATE_NONE;
    r->person.contact = c.contact;
    return job;
}

/* Who moves has mostly asked for it. */
void
answers_before(struct sim_node *n, const struct sim_job *job)
{
    const struct handover_request *r = &job->op.handover.request;
    if (job->op.kind != OP_HANDOVER || r->action != HANDOVER_COMPLETE || !rng_chance(&n->rng, 700))
        return;
    struct sim_job *asks = workload_job(OP_ASK);
    asks->op.ask.ask.member = r->member;
    asks->op.ask.ask.what = ASK_MOVE;
    asks->op.ask.ask.day = DATE_NONE;
    node_submit(n, asks);
}

/* ---- what is to be there ---- */

/* An operation was committed. */
void
answers_note(struct sim_node *n, const struct api_op *op)
{
    struct world *w = n->w;
    bool moved = op->kind == OP_HANDOVER && op->handover.request.action == HANDOVER_COMPLETE;
    if (op->result.err.code != ERR_NONE || (!moved && op->settles.as == VISIT_OPEN))
        return;
    if (!w->answers)
        w->answers = calloc(ANSWERS_MAX, sizeof(*w->answers));
    MUST(w->answers);
    if (w->n_answers == ANSWERS_MAX)
        return;
    struct sim_answer *a = &w->answers[w->n_answers++];
    *a = (struct sim_answer){.unit = n->unit->index, .by_wall = node_wall(n), .as = op->settles.as};
    a->member = moved ? op->handover.request.member : op->settles.member;
    a->at = op->settles.at;
    a->index = op->settles.index;
}

static void
check_answered(struct sim_node *n, const struct sim_answer *a)
{
    struct visit v;
    struct err err;
    int rc = visits_get(n->vault, &a->member, &a->at, a->index, &v, NULL, &err);
    if (rc != ERR_NOTFOUND && (rc != 0 || v.settled != a->as)) /* else it was erased */
        world_fail(n->w, n, "a proposal about %s was answered (%u), and the vault says %u", short_id(&a->member), a->as,
                   rc == 0 ? v.settled : 99U);
}

static void
check_moved(struct sim_node *n, const struct sim_answer *a)
{
    struct ask asks[16];
    struct err err;
    size_t count = 0;
    if (asks_list(n->vault, &a->member, NULL, asks, ARRAY_LEN(asks), &count, &err) != 0)
        world_fail(n->w, n, "requests cannot be read: %s", err.text);
    for (size_t i = 0; i < count; i++)
        if (asks[i].what == ASK_MOVE && asks[i].asked_at.ms <= a->by_wall)
            world_fail(n->w, n, "%s has moved, and still asks to", short_id(&a->member));
}

static int
check_visit(void *arg, const struct visit *v, struct slice plain)
{
    struct sim_node *n = arg;
    bool answered = v->settled == VISIT_OPEN || n->w->n_answers == ANSWERS_MAX;
    (void)plain;
    for (size_t i = 0; i < n->w->n_answers && !answered; i++) {
        const struct sim_answer *a = &n->w->answers[i];
        answered = a->as == v->settled && TYPE_EQ(&a->member, &v->subject) && TYPE_EQ(&a->at.log, &v->at.log) &&
                   a->at.seq == v->at.seq && a->index == v->index;
    }
    if (!answered)
        world_fail(n->w, n, "the vault says that a proposal about %s was answered, which nobody did",
                   short_id(&v->subject));
    return 0;
}

/* ---- what a host destroyed ---- */

static void
note_owed(struct sim_node *n, struct db_txn *txn, const struct position *keys)
{
    struct world *w = n->w;
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct event_common common;
    struct access_row row;
    struct access_state s;
    struct err err;
    if (w->n_owed == OWED_MAX || evlog_find(txn, &keys->log, &log, &err) != 0 ||
        evlog_event(txn, log.no, keys->seq, &ev, &err) != 0 || event_header_decode(ev.header, &h, &err) != 0 ||
        (h.kind != KIND_ACCESS_GRANTED && h.kind != KIND_PASS_ISSUED) ||
        event_common_decode(ev.payload, &common, &err) != 0 || !common.has_subject ||
        entitled_access(txn, &log.unit, &common.subject, &row, &err) != 0)
        return;
    access_state_of(&row, &s);
    access_row_release(&row);
    if (s.exists && s.revoked)
        w->owed[w->n_owed++] = (struct sim_owed){n->unit->index, *keys, s.revoked_by};
}

void
answers_owed(struct sim_node *n, const struct api_op *op)
{
    struct world *w = n->w;
    struct db_txn *txn = NULL;
    struct err err;
    if (op->kind != OP_GUEST || op->guest.step != GUEST_FORGET || db_begin_read(n->db, &txn, &err) != 0)
        return;
    if (!w->owed)
        w->owed = calloc(OWED_MAX, sizeof(*w->owed));
    MUST(w->owed);
    for (size_t i = 0; i < op->guest.n_keys; i++)
        note_owed(n, txn, &op->guest.keys[i]);
    db_abort(&txn);
}

/* What it has destroyed for a revocation it has said, if the revocation stands. */
static void
check_owed(struct sim_node *n, struct db_txn *txn, const struct sim_owed *o)
{
    struct received_key key;
    struct log_row log;
    uint8_t row_key[KEY_CONFIRMATION];
    struct slice row;
    struct err err;
    size_t left = 0;
    int rc = received_of_event(n->vault, &o->keys, &key, 1, &left, NULL, &err);
    if (rc != 0 || left > 0 || evlog_find(txn, &o->revoked.log, &log, &err) != 0 || log.stands_to < o->revoked.seq)
        return;
    key_confirmation(row_key, &o->revoked, &n->unit->identity.unit);
    if (db_get(txn, TABLE_CONFIRMATIONS, slice_of(row_key, sizeof(row_key)), &row, &err) != 0)
        world_fail(n->w, n, "keys were destroyed for revocation %s/%llu, and nobody says so", short_id(&o->revoked.log),
                   (unsigned long long)o->revoked.seq);
}

static void
check_said(struct sim_node *n)
{
    struct db_txn *txn = NULL;
    struct err err;
    if (db_begin_read(n->db, &txn, &err) != 0)
        return;
    for (size_t i = 0; i < n->w->n_owed && !n->w->failed && !n->w->skewed; i++)
        if (n->w->owed[i].unit == n->unit->index)
            check_owed(n, txn, &n->w->owed[i]);
    db_abort(&txn);
}

/* ---- what the vault has of the logs ---- */

/* Rows of a table, in order. */
static uint64_t
digest(struct sim_node *n, enum table t)
{
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct err err;
    uint64_t sum = 0;
    int rc = db_begin_read(vault_db(n->vault), &txn, &err);
    if (rc == 0)
        rc = db_cursor_open(txn, t, &c, &err);
    for (rc = rc != 0 ? rc : db_cursor_first(c, &key, &value, &err); rc == 0;
         rc = db_cursor_next(c, &key, &value, &err))
        sum = mix64(sum ^ mix64(trace_bytes(key)) ^ trace_bytes(value));
    db_cursor_close(&c);
    db_abort(&txn);
    if (rc != ERR_NOTFOUND)
        world_fail(n->w, n, "the vault cannot be read: %s", err.text);
    return sum;
}

/* From the start once more, nothing is added. */
static void
check_complete(struct sim_node *n)
{
    struct err err;
    node_vault(n); /* what the last group left to be written there */
    uint64_t index = digest(n, TABLE_INDEX_LISTS), capsules = digest(n, TABLE_KEY_CAPSULES);
    if (vault_index_restart(n->vault, &err) != 0 || engine_vault_complete(n->engine, &err) != 0)
        world_fail(n->w, n, "the vault cannot be completed: %s", err.text);
    if (digest(n, TABLE_INDEX_LISTS) != index)
        world_fail(n->w, n, "the blind index lacks something");
    if (digest(n, TABLE_KEY_CAPSULES) != capsules)
        world_fail(n->w, n, "key capsules are missing");
}

void
answers_check(struct sim_node *n)
{
    struct world *w = n->w;
    struct err err;
    if (!w->heals || n->old || !n->up || n->index != n->unit->index || n->unit->concurrent || n->unit->forked ||
        n->forger || n->unit->raw)
        return;
    for (size_t i = 0; i < w->n_answers && !w->failed; i++)
        if (w->answers[i].unit == n->unit->index)
            (w->answers[i].as == VISIT_OPEN ? check_moved : check_answered)(n, &w->answers[i]);
    if (visits_each(n->vault, NULL, NULL, check_visit, n, &err) != 0)
        world_fail(w, n, "visits cannot be read: %s", err.text);
    check_said(n);
    if (!w->failed)
        check_complete(n);
}
