/* Who must hold which capsule once everything is quiet (docs/PROTOCOL.md §12.7): who may have it, by what its home serves and by what the node
 * itself asks for; keepers all of it; and the unit itself whatever anybody still has of its own, also after its disk was set back. See sim.h. */
#include "tests/sim/sim.h"

#include "node/rules/member_step.h"
#include "storage/erasures.h"

enum { KEYS_MAX = 32 };

/* One node's eyes. */
struct eyes {
    const struct sim_node *n;
    struct db_txn *txn;
};

struct place {
    const struct log_id *log;
    const struct event_header *header;
    struct slice payload;
    uint8_t index;
};

static bool
holds(const struct eyes *e, const struct place *p)
{
    const struct position at = {*p->log, p->header->seq};
    struct log_row row;
    struct slice bytes;
    struct buf key;
    struct err err;
    if (evlog_find(e->txn, p->log, &row, &err) != 0)
        return false;
    if (p->header->capsules[p->index].class != CLASS_KEY)
        return capsules_get(e->txn, row.no, p->header->seq, p->index, &bytes, &err) == 0;
    buf_init(&key, CAPSULE_BYTES_MAX);
    bool there = vault_capsule_get(e->n->vault, &at, p->index, &key, &err) == 0;
    buf_free(&key);
    return there;
}

static bool
erased(const struct eyes *e, const struct place *p)
{
    const struct position at = {*p->log, p->header->seq};
    struct err err;
    bool is = false;
    return tombstone_find(e->txn, &at, p->index, &is, NULL, &err) == 0 && is;
}

/* By the rows of the one, on its own day, whether `to` may have it: it is what decides, whatever a node says that lacks events or has another date. */
static bool
lets(const struct eyes *e, const struct sim_node *to, bool keeper, enum residency residency, const struct place *p)
{
    struct log_row row;
    struct err err;
    bool may = false;
    if (evlog_find(e->txn, p->log, &row, &err) != 0)
        return false;
    const struct entitled_by by = {.txn = e->txn,
                                   .vault = e->n->vault,
                                   .own = e->n->unit->identity.unit,
                                   .residency = residency,
                                   .today = {(int32_t)(node_wall(e->n) / 86400000)}};
    const struct entitled_to what = {.log = &row, .header = p->header, .payload = p->payload, .index = p->index};
    return entitled(&by, &to->unit->identity.unit, keeper, &what, &may, &err) == 0 && may;
}

static bool
refers(const struct member_entry *e, uint8_t role, const struct position *to)
{
    const struct event_ref *ref = member_ref_of(e, role);
    return ref && ref->seq == to->seq && TYPE_EQ(&ref->log, &to->log);
}

/* Whoever was received, by the node or by hand, needs nothing of the completion any more, nor of the offer that it completed: by then the new home has
 * the person under keys of its own. */
static bool
received(const struct eyes *e, const struct place *p)
{
    const struct position at = {*p->log, p->header->seq};
    struct position completion = at;
    struct event_common common;
    struct member_row row;
    struct err err;
    bool is = false;
    if (event_common_decode(p->payload, &common, &err) != 0 || !common.has_subject ||
        entitled_member(e->txn, &common.subject, &e->n->unit->identity.unit, &row, &err) != 0)
        return false;
    for (size_t i = 0; i < row.n; i++)
        if (row.entries[i].arrival && refers(&row.entries[i], REF_OFFER, &at))
            completion = row.entries[i].at;
    for (size_t i = 0; i < row.n; i++) {
        const struct member_entry *x = &row.entries[i];
        is |= x->kind == KIND_HANDOVER_RECEIVED && x->outcome == OUTCOME_APPLIED &&
              refers(x, REF_COMPLETION, &completion);
    }
    member_row_release(&row);
    return is;
}

/* A renewal that has no effect renews nothing. */
static bool
gives_keys(const struct eyes *e, const struct eyes *home, const struct place *p)
{
    struct access_keys keys[KEYS_MAX];
    struct event_common common;
    struct access_row row;
    struct err err;
    bool gives = false;
    if (p->header->kind == KIND_HANDOVER_OFFERED || p->header->kind == KIND_HANDOVER_COMPLETED)
        return !received(e, p);
    if (event_common_decode(p->payload, &common, &err) != 0 || !common.has_subject ||
        entitled_access(e->txn, &home->n->unit->identity.unit, &common.subject, &row, &err) != 0)
        return false;
    size_t n = access_keys_of(&row, keys, KEYS_MAX);
    for (size_t i = 0; i < n && i < KEYS_MAX; i++)
        gives |= keys[i].at.seq == p->header->seq && TYPE_EQ(&keys[i].at.log, p->log);
    access_row_release(&row);
    return gives;
}

/* As the one has it. What was replaced goes along with one who moves, where it stood as she did, and nobody needs it; and what waits for an event
 * that is not here is not asked for. */
static bool
in_force(const struct eyes *e, const struct eyes *home, const struct place *p)
{
    uint8_t class = p->header->capsules[p->index].class;
    struct event_common common;
    struct member_row row;
    struct position at;
    struct err err;
    if (class == CLASS_KEY)
        return gives_keys(e, home, p);
    if (class > CLASS_BANK)
        return class != CLASS_DOSSIER || !received(e, p);
    if (event_common_decode(p->payload, &common, &err) != 0 || !common.has_subject ||
        entitled_member(e->txn, &common.subject,
                        common.has_subject_unit ? &common.subject_unit : &home->n->unit->identity.unit, &row,
                        &err) != 0)
        return false;
    bool is = member_capsule_position(&row, class, &at) && at.seq == p->header->seq && TYPE_EQ(&at.log, p->log);
    member_row_release(&row);
    return is;
}

/* What waits for an event that is not here, as behind a frozen log, is not asked for; what a row does not tell (guest records have none) the log does. */
static bool
applied(const struct eyes *e, const struct place *p)
{
    struct log_row row;
    struct err err;
    return evlog_find(e->txn, p->log, &row, &err) == 0 && row.applied_seq >= p->header->seq;
}

/* What the node does not hold of what is there to be had: why it should; NULL = it need not. */
static const char *
missing(const struct eyes *n, const struct eyes *home, const struct place *p)
{
    const struct world *w = n->n->w;
    bool travels = w->capsules_travel;
    enum residency residency = travels ? RESIDENCY_FEDERATION : RESIDENCY_TRAVELLING;
    uint8_t class = p->header->capsules[p->index].class;
    if (n->n->unit == home->n->unit)
        return NULL;
    if (w->keeps[n->n->unit->index][home->n->unit->index])
        return "its keeper";
    if (class == CLASS_ACTIVITY || class == CLASS_NOTE || !in_force(home, home, p) ||
        !lets(home, n->n, false, residency, p))
        return NULL; /* whose work it is, only who fetches it by name knows */
    if (travels && class <= CLASS_BANK)
        return "of the federation";
    return applied(n, p) && in_force(n, home, p) && lets(n, n->n, false, RESIDENCY_TRAVELLING, p) ? "who may have it"
                                                                                                  : NULL;
}

static void
tell_missing(const struct eyes *n, const struct place *p, const char *why)
{
    world_fail(n->n->w, n->n, "capsule %u of %s/%llu, class %u, never came to %s", p->index, short_id(p->log),
               (unsigned long long)p->header->seq, p->header->capsules[p->index].class, why);
}

/* One log as the node has it, of another unit. */
static bool
log_settled(const struct eyes *n, const struct eyes *home, const struct log_id *log, bool tell)
{
    struct log_row row;
    struct evlog_iter it;
    struct stored_event ev;
    struct event_header h;
    struct err err;
    bool all = true;
    if (evlog_find(n->txn, log, &row, &err) != 0 || evlog_iter_init(&it, n->txn, row.no, 1, &err) != 0)
        return true;
    while (all && evlog_iter_next(&it, &ev, &err) == 0 && event_header_decode(ev.header, &h, &err) == 0)
        for (uint8_t c = 0; c < h.n_capsules && all; c++) {
            const struct place p = {log, &h, ev.payload, c};
            bool here = holds(n, &p), there = holds(home, &p);
            const char *why = !here && there ? missing(n, home, &p) : NULL;
            all = !why || erased(n, &p);
            if (!all && tell)
                tell_missing(n, &p, why);
            if (all && here && !there && !erased(home, &p) && row.applied_seq >= h.seq) {
                all = false;
                if (tell)
                    tell_missing(home, &p, "the unit that wrote it");
            }
        }
    evlog_iter_release(&it);
    return all;
}

static bool
node_settled(struct sim_node *n, bool tell)
{
    struct world *w = n->w;
    struct eyes here = {.n = n};
    struct err err = {0};
    bool all = db_begin_read(n->db, &here.txn, &err) == 0;
    for (uint32_t k = 0; k < w->n_ledger && all; k++) {
        struct eyes home = {.n = &w->nodes[w->ledger[k].unit]};
        if (!checks_linked(w, n, home.n) || n->old || home.n->old)
            continue;
        all = db_begin_read(home.n->db, &home.txn, &err) == 0 && log_settled(&here, &home, &w->ledger[k].id, tell);
        db_abort(&home.txn);
    }
    db_abort(&here.txn);
    if (!all && tell)
        world_fail(w, n, "some capsules never came: %s", err.text);
    return all;
}

bool
checks_capsules(struct world *w, bool tell)
{
    if (w->hostile)
        return true;
    for (int i = 0; i < w->n_nodes; i++) {
        node_program(&w->nodes[i]);
        if (!w->nodes[i].gone && !node_settled(&w->nodes[i], tell))
            return false;
    }
    return true;
}
