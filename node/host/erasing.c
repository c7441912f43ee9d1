/* See erasing.h. */
#include "node/host/erasing.h"

#include <stdlib.h>

#include "node/command/person_open.h"
#include "node/command/rows.h"
#include "node/host/engine_private.h"
#include "node/host/erasing_moved.h"
#include "node/host/erasing_visits.h"
#include "node/host/log.h"
#include "storage/asks.h"
#include "storage/erasures.h"
#include "storage/keyslots.h"
#include "storage/taken.h"
#include "storage/vault_erase.h"

static const char MARK[] = "erasures-mark";
enum { MARK_BYTES = 16, HISTORY_MAX = 256 };

/* ---- what is to go ---- */

struct items {
    void *v;
    size_t n, cap;
};

/* All that a batch destroys, gathered from its orders. */
struct gathered {
    struct engine *e;
    struct db_txn *txn;
    struct items slots, capsules, indexed, linked, received, openings, looks;
};

static int
add(struct items *x, const void *item, size_t bytes, struct err *err)
{
    if (x->n == x->cap) {
        size_t cap = x->cap ? 2 * x->cap : 64;
        void *more = reallocarray(x->v, cap, bytes);
        if (!more)
            return err_set(err, ERR_NOMEM, "erasures: out of memory");
        x->v = more;
        x->cap = cap;
    }
    memcpy((uint8_t *)x->v + x->n++ * bytes, item, bytes);
    return 0;
}

static void
gathered_free(struct gathered *g)
{
    free(g->slots.v);
    free(g->capsules.v);
    free(g->indexed.v);
    free(g->linked.v);
    free(g->received.v);
    free(g->openings.v);
    free(g->looks.v);
}

static bool
has_class(const struct erasure_order *o, uint8_t class)
{
    return o->classes & 1U << class;
}

/* In the vault's own counting. */
static unsigned
vault_classes(const struct erasure_order *o)
{
    unsigned bits = 0;
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_DOSSIER; class ++)
        if (has_class(o, class) && vault_class_index(class) >= 0)
            bits |= 1U << vault_class_index(class);
    return bits;
}

static int
add_slots(struct gathered *g, const struct erasure_order *o, const struct subject_id *subject, struct err *err)
{
    struct keyslot *slots = NULL;
    size_t n = 0;
    int rc = keyslots_all(g->txn, subject, &slots, &n, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        struct vault_erase_slot s = {.slot = slots[i].slot, .classes = vault_classes(o)};
        if (slots[i].generation <= o->generation)
            rc = add(&g->slots, &s, sizeof(s), err);
    }
    free(slots);
    return rc;
}

/* Capsules of kind 45 are under the keys of the representative. */
static int
add_representative(struct gathered *g, const struct erasure_order *o, const struct stored_event *ev,
                   const struct event_header *h, struct err *err)
{
    struct event_payload p;
    if (h->kind != KIND_REPRESENTATIVE_NAMED)
        return 0;
    int rc = event_payload_decode(h->kind, h->kind_version, ev->payload, &p, err);
    return rc == 0 ? add_slots(g, o, &p.other, err) : rc;
}

static int
add_place(struct gathered *g, const struct erasure_order *o, const struct erased_place *place, bool own,
          struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct position at = {.log = place->log, .seq = place->seq}, by;
    bool erased = false;
    int rc = evlog_find(g->txn, &at.log, &log, err);
    if (rc == 0)
        rc = evlog_event(g->txn, log.no, at.seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    for (uint8_t i = 0; rc == 0 && i < HEADER_CAPSULES_MAX; i++) {
        struct vault_erase_capsule c = {.at = at, .index = i};
        if ((place->indexes & 1U << i) == 0)
            continue;
        /* what apply left alone is not this order's to erase */
        rc = tombstone_find(g->txn, &at, i, &erased, &by, err);
        if (rc == 0 && erased)
            rc = add(&g->capsules, &c, sizeof(c), err);
    }
    return rc == 0 && own && erased ? add_representative(g, o, &ev, &h, err) : rc;
}

static int
add_places(struct gathered *g, const struct erasure_order *o, bool own, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct erased_place places[ERASED_PLACES_MAX];
    int rc = evlog_find(g->txn, &o->at.log, &log, err);
    if (rc == 0)
        rc = evlog_event(g->txn, log.no, o->at.seq, &ev, err);
    if (rc != 0) /* cut back to a fork since: its tombstones stay, and the keys go */
        return rc == ERR_NOTFOUND ? 0 : rc;
    size_t n = erased_places_read(ev.payload, places);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = add_place(g, o, &places[i], own, err);
    return rc;
}

/* Whether this unit has a row of the subject: then the links and the journal are of its own member, and another unit's order, which any unit
 * can write under any id, is none of theirs. */
static int
is_own_member(struct gathered *g, const struct subject_id *subject, bool *ret, struct err *err)
{
    const struct command_ctx ctx = {.txn = g->txn, .vault = g->e->config.vault, .unit = g->e->config.identity->unit};
    struct member_row row;
    int rc = rows_member(&ctx, subject, &row, err);
    *ret = rc == 0;
    if (rc == 0)
        member_row_release(&row);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* ---- what a former home gave ---- */

struct former {
    struct gathered *g;
    const struct erasure_order *o;
};

static int
add_former_keys(void *arg, const struct unit_id *unit, struct err *err)
{
    const struct former *f = arg;
    struct vault_erase_received received = {.unit = *unit, .subject = f->o->subject, .classes = vault_classes(f->o)};
    return add(&f->g->received, &received, sizeof(received), err);
}

static int
add_former_capsule(void *arg, const struct vault_erase_capsule *c, struct err *err)
{
    const struct former *f = arg;
    return add(&f->g->capsules, c, sizeof(*c), err);
}

static int
add_former(struct gathered *g, const struct erasure_order *o, struct err *err)
{
    struct former f = {g, o};
    const struct erasing_moved_fns fns = {add_former_keys, add_former_capsule, &f};
    return erasing_moved_vault(g->e, g->txn, o, &fns, err);
}

/* Links of work. At a host those of visitors from that unit, or from one that the member left for it: any unit can write a row, and an order,
 * under any id. A link of an earlier release does not say from where: it goes unless the member is this unit's own. */
static int
add_links(struct gathered *g, const struct erasure_order *o, bool own, bool theirs, struct err *err)
{
    struct vault_erase_linked l = {.member = o->subject, .home = o->unit, .all = own, .earlier = !theirs};
    struct unit_id homes[ERASING_HOMES_MAX];
    size_t n = 0;
    int rc = add(&g->linked, &l, sizeof(l), err);
    if (rc == 0 && !own)
        rc = erasing_moved_homes(g->txn, &o->subject, &o->unit, homes, &n, err);
    l.earlier = false;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        l.home = homes[i];
        rc = add(&g->linked, &l, sizeof(l), err);
    }
    return rc;
}

/* An order of the own unit: all of it. Of another one: what it sealed to this one, and its key capsules if this node keeps them. */
static int
gather(struct gathered *g, const struct erasure_order *o, struct err *err)
{
    bool own = TYPE_EQ(&o->unit, &g->e->config.identity->unit);
    bool erasure = o->kind == KIND_ERASURE_ORDERED;
    struct vault_erase_received received = {.unit = o->unit, .subject = o->subject, .classes = vault_classes(o)};
    struct vault_erase_visitor visitor = {.home = o->unit, .subject = o->subject};
    int rc = own ? 0 : add(&g->received, &received, sizeof(received), err);
    if (rc != 0 || !erasure)
        return rc;
    bool theirs = false;
    if (!own)
        rc = is_own_member(g, &o->subject, &theirs, err);
    if (rc == 0)
        rc = add_places(g, o, own, err);
    if (rc == 0 && own)
        rc = add_slots(g, o, &o->subject, err);
    if (rc == 0 && own)
        rc = add_former(g, o, err);
    if (rc == 0 && own && (has_class(o, CLASS_IDENTITY) || has_class(o, CLASS_CONTACT)))
        rc = add(&g->indexed, &o->subject, sizeof(o->subject), err);
    if (rc == 0 && has_class(o, CLASS_ACTIVITY))
        rc = add_links(g, o, own, theirs, err);
    if (rc == 0 && has_class(o, CLASS_IDENTITY))
        rc = own ? add(&g->looks, &o->subject, sizeof(o->subject), err)
                 : add(&g->openings, &visitor, sizeof(visitor), err);
    return rc;
}

/* ---- the index of what is left ---- */

static int
index_again(struct gathered *g, const struct subject_id *subject, const struct person_input *p, struct err *err)
{
    struct index_token tokens[INDEX_TOKENS_MAX];
    struct index_entry entries[INDEX_TOKENS_MAX];
    size_t n = 0;
    if (!p->has_identity && !p->has_contact)
        return 0;
    int rc = index_tokens(g->e->config.vault, p, tokens, &n, err);
    for (size_t i = 0; i < n; i++) {
        memcpy(entries[i].token, tokens[i].token, VAULT_TOKEN_BYTES);
        entries[i].subject = *subject;
    }
    return rc == 0 && n > 0 ? vault_index_put(g->e->config.vault, entries, n, 0, 0, err) : rc;
}

static int
reindex_class(struct gathered *g, const struct member_row *row, uint8_t class, struct err *err)
{
    struct capsule_place places[HISTORY_MAX];
    size_t n = member_capsule_history(row, class, places, HISTORY_MAX);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < n && i < HISTORY_MAX; i++) {
        struct person_input p;
        rc = person_open_at(g->txn, g->e->config.vault, &row->subject, &places[i].at, class, &p, err);
        if (rc == 0)
            rc = index_again(g, &row->subject, &p, err);
        person_wipe(&p, sizeof(p));
        rc = rc == ERR_NOTFOUND ? 0 : rc; /* erased */
    }
    return rc;
}

/* An entry does not say what it was made from: all of a person's went, and what still can be read is entered again. */
static int
reindex(struct gathered *g, const struct subject_id *subject, struct err *err)
{
    const struct command_ctx ctx = {.txn = g->txn, .vault = g->e->config.vault, .unit = g->e->config.identity->unit};
    struct member_row row;
    struct member_state now;
    int rc = rows_member(&ctx, subject, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    member_state_at(&row, DATE_MAX, &now);
    rc = reindex_class(g, &row, CLASS_IDENTITY, err);
    if (rc == 0)
        rc = reindex_class(g, &row, CLASS_CONTACT, err);
    for (uint8_t i = 0; rc == 0 && i < now.n_representatives; i++) {
        struct person_input p;
        rc = person_open_representative(g->txn, ctx.vault, &row, &now.representatives[i], &p, err);
        if (rc == 0)
            rc = index_again(g, subject, &p, err);
        person_wipe(&p, sizeof(p));
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    member_row_release(&row);
    return rc;
}

/* ---- the vault ---- */

static int
destroy(struct gathered *g, struct err *err)
{
    struct engine *e = g->e;
    struct vault_erase what = {.slots = g->slots.v,
                               .n_slots = g->slots.n,
                               .capsules = g->capsules.v,
                               .n_capsules = g->capsules.n,
                               .indexed = g->indexed.v,
                               .n_indexed = g->indexed.n,
                               .linked = g->linked.v,
                               .n_linked = g->linked.n,
                               .received = g->received.v,
                               .n_received = g->received.n,
                               .openings = g->openings.v,
                               .n_openings = g->openings.n,
                               .looks = g->looks.v,
                               .n_looks = g->looks.n};
    struct vault_erased erased = {0};
    int rc = vault_erase(e->config.vault, &what, &erased, err);
    if (rc != 0)
        return rc;
    e->erasing.rewrite_owed |= erased.keys + erased.slots + erased.capsules + erased.entries + erased.links +
                                   erased.received + erased.openings + erased.lookups >
                               0;
    for (size_t i = 0; rc == 0 && i < g->looks.n; i++) {
        const struct subject_id *member = (const struct subject_id *)g->looks.v + i;
        size_t asks = 0;
        rc = asks_del(e->config.vault, member, NULL, &asks, err);
        e->erasing.rewrite_owed |= asks > 0;
    }
    for (size_t i = 0; rc == 0 && i < g->linked.n; i++) {
        const struct vault_erase_linked *l = (const struct vault_erase_linked *)g->linked.v + i;
        size_t taken = 0;
        if (l->all)
            rc = taken_del_member(e->config.vault, &l->member, &taken, err);
        e->erasing.rewrite_owed |= taken > 0;
    }
    for (size_t i = 0; rc == 0 && i < g->indexed.n; i++)
        rc = reindex(g, (const struct subject_id *)g->indexed.v + i, err);
    return rc;
}

/* The orders that are noted, and all that they take from the vault, in one transaction of it. */
static int
destroy_noted(struct engine *e, const struct erasure_order *orders, size_t n, struct err *err)
{
    struct gathered g = {.e = e};
    bool urgent;
    /* what is on its way into the vault goes first: it may be of those who are erased */
    int rc = indexer_pending(&e->indexer, &urgent) ? indexer_flush(&e->indexer, err) : 0;
    if (rc == 0)
        rc = db_begin_read(e->config.db, &g.txn, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (orders[i].state == ERASURE_NOTED)
            rc = gather(&g, &orders[i], err);
    if (rc == 0)
        rc = destroy(&g, err);
    db_abort(&g.txn);
    gathered_free(&g);
    return rc;
}

static int
rewrite(struct engine *e, uint8_t mark[MARK_BYTES], bool *ret_rewrote, struct err *err)
{
    struct db_rewritten done;
    e->config.random(e->config.arg, mark, MARK_BYTES);
    int rc = vault_meta_put(e->config.vault, MARK, slice_of(mark, MARK_BYTES), err);
    if (rc != 0 || !e->erasing.rewrite_owed)
        return rc;
    rc = vault_rewrite(e->config.vault, &done, err);
    if (rc != 0)
        return rc;
    e->erasing.rewrite_owed = false;
    *ret_rewrote = true;
    return 0;
}

/* ---- the main environment ---- */

static int
mark_destroyed(struct engine *e, struct erasure_order *orders, size_t n, const uint8_t mark[MARK_BYTES],
               struct err *err)
{
    int rc = engine_begin(e, err);
    for (size_t i = 0; rc == 0 && i < n; i++) {
        if (orders[i].state != ERASURE_NOTED)
            continue;
        orders[i].state = orders[i].kind == KIND_ERASURE_ORDERED ? ERASURE_DESTROYED : ERASURE_DONE;
        orders[i].done = e->config.now(e->config.arg);
        rc = erasure_put(e->txn, &orders[i], err);
    }
    if (rc == 0)
        rc = db_put(e->txn, TABLE_META, slice_of(MARK, sizeof(MARK) - 1), slice_of(mark, MARK_BYTES), err);
    if (rc == 0)
        return engine_commit(e, err);
    engine_abort(e);
    return rc;
}

/* The last day on which the newest copy of the vault that may hold the keys is kept, from what the operator said. */
static int
backups(struct engine *e, struct destroyed *ret, struct err *err)
{
    struct slice day;
    ret->backup_on = ret->backup_gone_on = DATE_NONE;
    if (e->config.vault_backup_days == 0)
        return 0;
    int rc = db_get(e->txn, TABLE_META, slice_of(META_VAULT_BACKUP, strlen(META_VAULT_BACKUP)), &day, err);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    ret->backup_on = e->config.today(e->config.arg);
    if (rc == 0 && day.len == 4)
        ret->backup_on.days = (int32_t)be32_get(day.data);
    ret->backup_gone_on.days = ret->backup_on.days + (int32_t)e->config.vault_backup_days;
    return 0;
}

/* An order that is carried out again, after a copy was put back, was confirmed before. */
static int
is_confirmed(struct engine *e, const struct erasure_order *o, bool *ret, struct err *err)
{
    uint8_t key[KEY_CONFIRMATION];
    struct slice row;
    key_confirmation(key, &o->at, &e->config.identity->unit);
    return state_find(e->state, TABLE_CONFIRMATIONS, slice_of(key, sizeof(key)), &row, ret, err);
}

static int
confirm_one(struct engine *e, const struct command_ctx *ctx, struct erasure_order *o, struct err *err)
{
    struct draft d;
    struct position at;
    bool before = false;
    int rc = is_confirmed(e, o, &before, err);
    if (rc != 0 || before) {
        o->state = ERASURE_DONE;
        return rc != 0 ? rc : erasure_put(e->txn, o, err);
    }
    draft_init(&d, ctx, KIND_COPIES_DESTROYED, NULL, ctx->today);
    rc = backups(e, &d.payload.destroyed, err);
    if (rc == 0)
        rc = draft_refer(&d, ctx, REF_CONFIRMS, &o->at, err);
    if (rc == ERR_NOTFOUND) { /* it does not stand any more: nobody asks */
        rc = 0;
        err_clear(err);
    } else if (rc == 0) {
        rc = ownlog_write(&e->own, e->txn, &d, &at, err);
        if (rc == 0)
            indexer_follow(&e->indexer, &at);
    }
    draft_release(&d);
    o->state = ERASURE_DONE;
    return rc == 0 ? erasure_put(e->txn, o, err) : rc;
}

static int
confirm(struct engine *e, struct erasure_order *orders, size_t n, struct err *err)
{
    struct member_world world;
    struct command_ctx ctx;
    struct actor_id actor; /* nobody's: it is the unit that speaks */
    memcpy(actor.b, e->config.identity->unit.b, sizeof(actor.b));
    int rc = engine_begin(e, err);
    if (rc == 0)
        rc = ownlog_clock(&e->own, e->txn, err);
    if (rc == 0)
        engine_context(e, &actor, &world, &ctx);
    for (size_t i = 0; rc == 0 && i < n; i++)
        if (orders[i].state == ERASURE_DESTROYED)
            rc = confirm_one(e, &ctx, &orders[i], err);
    if (rc == 0)
        return engine_commit(e, err);
    engine_abort(e);
    return rc;
}

static bool
any_in(const struct erasure_order *orders, size_t n, enum erasure_state state)
{
    for (size_t i = 0; i < n; i++)
        if (orders[i].state == state)
            return true;
    return false;
}

static int
carry_out(struct engine *e, struct erasure_order *orders, size_t n, bool *ret_rewrote, struct err *err)
{
    uint8_t mark[MARK_BYTES];
    int rc = 0;
    if (any_in(orders, n, ERASURE_NOTED)) {
        rc = erasing_visits(e, orders, n, &e->erasing.rewrite_owed, err);
        if (rc == 0)
            rc = erasing_moved(e, orders, n, err);
        if (rc == 0)
            rc = destroy_noted(e, orders, n, err);
        if (rc == 0)
            rc = rewrite(e, mark, ret_rewrote, err);
        if (rc == 0)
            rc = mark_destroyed(e, orders, n, mark, err);
    }
    if (rc == 0 && any_in(orders, n, ERASURE_DESTROYED))
        rc = confirm(e, orders, n, err);
    return rc;
}

int
erasing_turn(struct engine *e, bool *ret_rewrote, struct err *err)
{
    struct db_txn *txn = NULL;
    size_t n = 0;
    *ret_rewrote = false;
    struct erasure_order *orders = calloc(ERASING_BATCH, sizeof(*orders));
    if (!orders)
        return err_set(err, ERR_NOMEM, "erasures: out of memory");
    int rc = db_begin_read(e->config.db, &txn, err);
    if (rc == 0)
        rc = erasures_list(txn, true, NULL, orders, ERASING_BATCH, &n, err);
    db_abort(&txn);
    if (rc == 0 && n > 0)
        rc = carry_out(e, orders, n, ret_rewrote, err);
    if (rc == 0)
        e->erasing.due = n == ERASING_BATCH;
    free(orders);
    return rc == 0 ? 0 : err_wrap(err, "carrying out erasures");
}

void
erasing_note(struct engine *e)
{
    e->erasing.due |= erasures_due(e->txn) > 0;
}

/* ---- at the start ---- */

static int
same_age(struct engine *e, bool *ret, struct err *err)
{
    struct db_txn *txn = NULL;
    struct slice main_mark = {0};
    struct buf vault_mark;
    buf_init(&vault_mark, MARK_BYTES);
    int rc = vault_meta_get(e->config.vault, MARK, &vault_mark, err);
    rc = rc == ERR_NOTFOUND ? 0 : rc;
    if (rc == 0)
        rc = db_begin_read(e->config.db, &txn, err);
    if (rc == 0) {
        rc = db_get(txn, TABLE_META, slice_of(MARK, sizeof(MARK) - 1), &main_mark, err);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    if (rc == 0)
        *ret = slice_eq(main_mark, buf_slice(&vault_mark));
    db_abort(&txn);
    buf_free(&vault_mark);
    return rc;
}

/* Everything that was ever ordered is due again. */
static int
begin_again(struct engine *e, struct err *err)
{
    struct db_txn *txn = NULL;
    struct erasure_order some[64];
    struct position after;
    size_t n = ARRAY_LEN(some);
    int rc = db_begin_write(e->config.db, &txn, err);
    for (bool first = true; rc == 0 && n == ARRAY_LEN(some); first = false) {
        rc = erasures_list(txn, false, first ? NULL : &after, some, ARRAY_LEN(some), &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            some[i].state = ERASURE_NOTED;
            rc = erasure_put(txn, &some[i], err);
        }
        if (n > 0)
            after = some[n - 1].at;
    }
    if (rc == 0)
        return db_commit(&txn, err);
    db_abort(&txn);
    return rc;
}

int
erasing_start(struct engine *e, struct err *err)
{
    struct db_txn *txn = NULL;
    bool same = true;
    int rc = same_age(e, &same, err);
    if (rc == 0 && !same) {
        log_line(LOG_NOTICE, "vault and main environment are not of one age: all erasures are carried out again");
        rc = begin_again(e, err);
    }
    if (rc == 0)
        rc = db_begin_read(e->config.db, &txn, err);
    if (rc == 0)
        e->erasing.due = erasures_due(txn) > 0;
    db_abort(&txn);
    e->erasing.rewrite_owed = e->erasing.due; /* a stop may have come between destroying and rewriting */
    return rc;
}
