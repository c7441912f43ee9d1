/* What must hold of members who move, at every node, whatever has reached it: one home on every day, a home for whoever moved, figures that
 * balance; that
 * what is sealed after a revocation opens with nothing that the host had got before, and that what was erased is gone. See sim.h. */
#include "tests/sim/sim.h"

#include <stdlib.h>

#include "node/command/access.h"
#include "node/rules/access.h"
#include "node/view/view.h"
#include "storage/erasures.h"
#include "storage/received.h"

enum { HOMES_MAX = SIM_UNITS_MAX, HAD_MAX = 512, ACCESSES_MAX = 64 };

/* ---- what was erased ---- */

static void
check_place(struct sim_node *n, struct db_txn *txn, const struct erased_place *place, const struct position *by,
            bool done)
{
    struct log_row row;
    struct slice bytes;
    struct buf key;
    struct err err;
    const struct position at = {place->log, place->seq};
    for (uint8_t i = 0; i < 16 && !n->w->failed; i++) {
        if (!(place->indexes & 1U << i))
            continue;
        buf_init(&key, CAPSULE_BYTES_MAX);
        bool there = evlog_find(txn, &place->log, &row, &err) == 0 &&
                     capsules_get(txn, row.no, place->seq, i, &bytes, &err) == 0;
        there |= done && vault_capsule_get(n->vault, &at, i, &key, &err) == 0;
        buf_free(&key);
        if (there)
            world_fail(n->w, n, "capsule %u of %s/%llu was erased by %s/%llu and is there", i, short_id(&place->log),
                       (unsigned long long)place->seq, short_id(&by->log), (unsigned long long)by->seq);
    }
}

/* What an effective order of the member's home lists is nowhere, whichever disk was set back and whatever was sent again. */
static void
check_erased(struct sim_node *n, struct db_txn *txn, const struct member_row *m)
{
    static struct erased_place places[ERASED_PLACES_MAX];
    for (size_t i = 0; i < m->n && !n->w->failed; i++) {
        const struct member_entry *e = &m->entries[i];
        struct erasure_order order;
        struct log_row row;
        struct stored_event ev;
        struct err err;
        if (e->kind != KIND_ERASURE_ORDERED || e->outcome != OUTCOME_APPLIED ||
            evlog_find(txn, &e->at.log, &row, &err) != 0 || evlog_event(txn, row.no, e->at.seq, &ev, &err) != 0)
            continue;
        bool done = erasure_get(txn, &e->at, &order, &err) == 0 && order.state == ERASURE_DONE;
        size_t count = erased_places_read(ev.payload, places);
        n->w->stats.erased += count;
        for (size_t k = 0; k < count; k++)
            check_place(n, txn, &places[k], &e->at, done);
    }
}

/* ---- one home ---- */

struct homes {
    struct sim_node *n;
    struct subject_id who;
    size_t count;
    struct member_row rows[HOMES_MAX];
};

/* Whoever left for another unit is there on that day: unless it knows that the person died, gave the record up, or left it on the very day. */
static void
check_day(struct homes *h, struct civil_date day)
{
    char date[DATE_TEXT_MAX];
    int members = 0, gone = 0, moved = 0;
    for (size_t i = 0; i < h->count; i++) {
        struct member_state s;
        member_state_at(&h->rows[i], day, &s);
        members += s.status == STATUS_MEMBER;
        bool at_once = s.left_on.days == day.days && s.joined_on.days == day.days && s.left_reason != LEFT_MOVED;
        gone += s.status == STATUS_MERGED || (s.status == STATUS_LEFT && (s.left_reason == LEFT_DECEASED || at_once));
        moved += s.status == STATUS_LEFT && s.left_reason == LEFT_MOVED && s.left_on.days == day.days;
    }
    date_format(day, date);
    if (members > 1)
        world_fail(h->n->w, h->n, "member %s has %d homes on %s", short_id(&h->who), members, date);
    if (moved > 0 && members + gone == 0)
        world_fail(h->n->w, h->n, "member %s moved on %s and has no home", short_id(&h->who), date);
}

static void
check_homes(struct homes *h, struct db_txn *txn)
{
    bool moves = false;
    for (size_t i = 0; i < h->count; i++)
        check_erased(h->n, txn, &h->rows[i]);
    for (size_t i = 0; i < h->count; i++)
        moves |= member_row_has_kin(&h->rows[i]);
    for (size_t i = 0; i < h->count && (moves || h->count > 1); i++)
        for (size_t k = 0; k < h->rows[i].n && !h->n->w->failed; k++) {
            const struct member_entry *e = &h->rows[i].entries[k];
            if (e->outcome == OUTCOME_APPLIED)
                check_day(h, e->effective);
        }
    for (size_t i = 0; i < h->count; i++)
        member_row_release(&h->rows[i]);
    h->count = 0;
}

static void
check_all_homes(struct sim_node *n, struct db_txn *txn)
{
    static struct homes h;
    struct db_cursor *c = NULL;
    struct slice key, value;
    struct err err = {0};
    h.n = n;
    h.count = 0;
    if (db_cursor_open(txn, TABLE_MEMBERS, &c, &err) != 0) {
        world_fail(n->w, n, "members: %s", err.text);
        return;
    }
    int rc = db_cursor_first(c, &key, &value, &err);
    for (; rc == 0 && !n->w->failed; rc = db_cursor_next(c, &key, &value, &err)) {
        struct unit_id unit;
        struct subject_id who;
        memcpy(who.b, key.data, sizeof(who.b));
        memcpy(unit.b, key.data + sizeof(who.b), sizeof(unit.b));
        if (h.count > 0 && !TYPE_EQ(&h.who, &who))
            check_homes(&h, txn);
        h.who = who;
        MUST(h.count < HOMES_MAX);
        member_row_init(&h.rows[h.count], &unit, &who);
        if (member_row_decode(value, &unit, &who, &h.rows[h.count], &err) != 0)
            world_fail(n->w, n, "a member's row: %s", err.text);
        else
            h.count++;
    }
    check_homes(&h, txn);
    db_cursor_close(&c);
}

/* ---- figures ---- */

static bool
flows(struct sim_node *n, struct db_txn *txn, const struct sim_unit *u, int64_t ret[COUNTS_N])
{
    struct report r = {0};
    struct err err = {0};
    memset(ret, 0, COUNTS_N * sizeof(*ret));
    int rc = report_flows(txn, &u->identity.unit, DATE_MIN, DATE_MAX, BY_NOTHING, &r, &err);
    for (size_t i = 0; rc == 0 && i < r.n; i++)
        for (size_t k = 0; k < COUNTS_N; k++)
            ret[k] += r.rows[i].counts[k];
    report_release(&r);
    if (rc == 0)
        rc = report_members(txn, &u->identity.unit, DATE_MAX, BY_NOTHING, &r, &err);
    ret[COUNT_MEMBERS] = 0;
    for (size_t i = 0; rc == 0 && i < r.n; i++)
        ret[COUNT_MEMBERS] += r.rows[i].counts[COUNT_MEMBERS];
    report_release(&r);
    if (rc != 0)
        world_fail(n->w, n, "report: %s", err.text);
    return rc == 0;
}

/* Who came from another unit has left one. Records given up are counted as such whether they were members or not. */
static void
check_figures(struct sim_node *n, struct db_txn *txn)
{
    int64_t in = 0, out = 0;
    for (int i = 0; i < n->w->n_units; i++) {
        int64_t v[COUNTS_N];
        if (!flows(n, txn, &n->w->units[i], v))
            return;
        int64_t left =
            v[COUNT_RESIGNED] + v[COUNT_WITHDRAWN] + v[COUNT_EXCLUDED] + v[COUNT_DECEASED] + v[COUNT_MOVED_OUT];
        int64_t stay = v[COUNT_JOINED] + v[COUNT_MOVED_IN] - left;
        in += v[COUNT_MOVED_IN];
        out += v[COUNT_MOVED_OUT];
        if (v[COUNT_MEMBERS] > stay || v[COUNT_MEMBERS] < stay - v[COUNT_MERGED])
            world_fail(n->w, n, "%s has %lld members, %lld came and stayed", n->w->units[i].identity.unit_code,
                       (long long)v[COUNT_MEMBERS], (long long)stay);
    }
    if (in != out)
        world_fail(n->w, n, "%lld moved in, and %lld moved out", (long long)in, (long long)out);
}

/* ---- what a host can open ---- */

struct received {
    struct sim_node *n;
    struct db_txn *txn;
    const struct sim_unit *host;
    const struct model_event *end; /* the revocation, or the withdrawal of the offer */
    struct subject_id member;
    uint32_t depth; /* of its log */
    size_t count;
    struct keyed_class keys[HAD_MAX];
};

/* Before the end (−1), it or what nobody can say of (0), after it (1). A log that waits for one that it follows, which nobody may hold any more, has
 * no depth here (0): it may have begun long after the end. */
static int
beside(const struct received *r, const struct log_row *row, uint64_t seq)
{
    if (TYPE_EQ(&row->id, &r->end->at.log))
        return seq < r->end->at.seq ? -1 : seq > r->end->at.seq;
    if (row->depth == 0 || r->depth == 0)
        return 0;
    if (r->n->unit->concurrent || row->depth == r->depth)
        return row->depth < r->depth ? -1 : 0;
    return row->depth < r->depth ? -1 : 1;
}

static void
take_keys(struct received *r, const struct position *at, uint8_t index)
{
    const struct identity *host = &r->host->identity;
    struct key_capsule_content content;
    struct buf sealed, plain;
    struct err err;
    buf_init(&sealed, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    if (vault_capsule_get(r->n->vault, at, index, &sealed, &err) == 0 &&
        capsule_open_sealed(&host->exchange_secret, &host->exchange_key, CLASS_KEY, buf_slice(&sealed), &plain, &err) ==
            0 &&
        key_capsule_decode(buf_slice(&plain), KEY_USE_GRANT, &r->n->unit->identity.unit, &r->member, &content, &err) ==
            0)
        for (size_t i = 0; i < content.n_keys && r->count < HAD_MAX; i++)
            if (content.keys[i].class != CLASS_COUNTING)
                r->keys[r->count++] = content.keys[i];
    buf_free(&sealed);
    buf_free(&plain);
}

static void
try_keys(struct received *r, const struct log_row *row, uint64_t seq, uint8_t index, uint8_t class)
{
    struct slice capsule;
    struct buf plain;
    struct err err;
    uint8_t under = class == CLASS_GUEST || class == CLASS_DOSSIER ? CLASS_ACTIVITY : class;
    if (capsules_get(r->txn, row->no, seq, index, &capsule, &err) != 0)
        return;
    for (size_t i = 0; i < r->count && !r->n->w->failed; i++) {
        buf_init(&plain, CAPSULE_BYTES_MAX);
        if (r->keys[i].class == under && capsule_open(&r->keys[i].key, class, capsule, &plain, &err) == 0)
            world_fail(r->n->w, r->n, "capsule %u of %s/%llu, class %u, opens with a key that %s got before %s/%llu",
                       index, short_id(&row->id), (unsigned long long)seq, class, r->host->identity.unit_code,
                       short_id(&r->end->at.log), (unsigned long long)r->end->at.seq);
        buf_free(&plain);
    }
}

/* Keys of before the end, or capsules of after it. */
static void
walk_log(struct received *r, const struct log_row *row, bool after)
{
    struct evlog_iter it;
    struct stored_event ev;
    struct event_header h;
    struct err err;
    if (evlog_iter_init(&it, r->txn, row->no, 1, &err) != 0)
        return;
    while (!r->n->w->failed && evlog_iter_next(&it, &ev, &err) == 0 && event_header_decode(ev.header, &h, &err) == 0) {
        struct position at = {row->id, h.seq};
        int side = beside(r, row, h.seq);
        for (uint8_t i = 0; i < h.n_capsules; i++) {
            if (h.capsules[i].class == CLASS_KEY && !after && side < 0)
                take_keys(r, &at, i);
            else if (h.capsules[i].class != CLASS_KEY && after && side > 0)
                try_keys(r, row, h.seq, i, h.capsules[i].class);
        }
    }
    evlog_iter_release(&it);
}

static void
walk(struct received *r, bool after)
{
    struct err err;
    uint32_t count = 0;
    if (evlog_count(r->txn, &count, &err) != 0)
        return;
    for (uint32_t no = 1; no <= count; no++) {
        struct log_row row;
        if (evlog_get(r->txn, no, &row, &err) == 0 && TYPE_EQ(&row.unit, &r->n->unit->identity.unit))
            walk_log(r, &row, after);
    }
}

/* An access that was over when it was revoked opened nothing any more, and begins no new keys. */
static bool
ends_access(const struct model_event *e)
{
    if (e->sort == SORT_MOVING)
        return e->kind == KIND_HANDOVER_WITHDRAWN;
    return e->sort == SORT_ACCESS && e->kind == KIND_ACCESS_REVOKED && (e->to == DATE_NONE.days || e->to >= e->date);
}

static void
check_received(struct sim_node *n, struct db_txn *txn, const struct model_event *e)
{
    static struct received r;
    struct log_row row;
    struct err err;
    r = (struct received){.n = n, .txn = txn, .end = e, .member = e->sort == SORT_MOVING ? e->entity : e->other};
    for (int i = 0; i < n->w->n_units; i++)
        if (TYPE_EQ(&n->w->units[i].identity.unit, &e->unit))
            r.host = &n->w->units[i];
    if (!r.host || evlog_find(txn, &e->at.log, &row, &err) != 0 || row.head_seq < e->at.seq)
        return; /* a tail that nobody holds any more */
    r.depth = row.depth;
    walk(&r, false);
    if (r.count > 0)
        walk(&r, true);
    n->w->stats.revoked += r.count > 0;
}

/* ---- what a host keeps ---- */

/* Whether the event gave something under an access of the unit that is revoked. */
static bool
is_revoked(struct db_txn *txn, const struct received_event *e)
{
    struct access_key keys[ACCESSES_MAX];
    struct err err;
    size_t count = 0;
    bool revoked = false;
    if (access_of_member(txn, &e->subject, NULL, keys, ACCESSES_MAX, &count, &err) != 0)
        return false;
    for (size_t i = 0; i < count && !revoked; i++) {
        const struct command_ctx ctx = {.txn = txn, .unit = e->unit};
        struct access_keys gave[ACCESSES_MAX];
        struct access_state s;
        struct access_row row;
        if (!TYPE_EQ(&keys[i].unit, &e->unit) || access_load(&ctx, &keys[i], &row, &err) != 0)
            continue;
        access_state_of(&row, &s);
        size_t n = access_keys_of(&row, gave, ACCESSES_MAX);
        for (size_t k = 0; s.revoked && k < n && k < ACCESSES_MAX; k++)
            revoked |= gave[k].at.seq == e->from.seq && TYPE_EQ(&gave[k].at.log, &e->from.log);
        access_row_release(&row);
    }
    return revoked;
}

/* Where nodes do their upkeep nothing that an access gave outlives its revocation. */
static void
check_kept(struct sim_node *n, struct db_txn *txn)
{
    struct received_event events[ACCESSES_MAX];
    struct position after;
    struct err err;
    size_t count = ACCESSES_MAX;
    if (!n->w->heals || n->w->hostile || n->forger || n->old || !n->up)
        return;
    for (bool first = true; count == ACCESSES_MAX && !n->w->failed; first = false) {
        if (received_events(n->vault, first ? NULL : &after, events, ACCESSES_MAX, &count, &err) != 0)
            return;
        for (size_t i = 0; i < count && !n->w->failed; i++) {
            after = events[i].from;
            if (is_revoked(txn, &events[i]))
                world_fail(n->w, n, "keys of %s that %s/%llu gave are kept, and the access was revoked",
                           short_id(&events[i].subject), short_id(&events[i].from.log),
                           (unsigned long long)events[i].from.seq);
        }
    }
}

void
checks_moving(struct sim_node *n)
{
    const struct model *m = n->unit->model;
    struct db_txn *txn = NULL;
    struct err err = {0};
    node_program(n);
    if (db_begin_read(n->db, &txn, &err) != 0) {
        world_fail(n->w, n, "%s", err.text);
        return;
    }
    check_all_homes(n, txn);
    erased_check(n, txn);
    upkeep_check(n, txn);
    check_kept(n, txn);
    checks_access(n, txn);
    check_figures(n, txn);
    for (size_t i = 0; i < m->n && !n->w->failed && n->index == n->unit->index; i++)
        if (ends_access(&m->events[i]))
            check_received(n, txn, &m->events[i]);
    db_abort(&txn);
}
