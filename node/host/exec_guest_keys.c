/* Keys that other units sealed to this one, put into the vault by the writer: those that are erased are not, and of one member no
 * more than there is room for. See guests.h. */
#include <sodium.h>
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/command/rows.h"
#include "node/host/engine_private.h"
#include "storage/erasures.h"
#include "storage/received.h"

/* Whether an order takes the key that this node has noted, and may have carried out since the key capsule was read, or before one came that was
 * sealed side by side with it: listed or not, its key is erased (docs/PROTOCOL.md §10). What follows an order has no key of it. A year's key
 * has no generation. */
static int
is_erased(struct engine *e, const struct command_ctx *ctx, const struct received_key *k, bool *ret, struct err *err)
{
    struct member_row row;
    *ret = false;
    int rc = rows_member_of(ctx, &k->unit, &k->subject, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; rc == 0 && i < row.n && !*ret; i++) {
        struct erasure_order o;
        if (row.entries[i].kind != KIND_ERASURE_ORDERED)
            continue;
        rc = erasure_get(e->txn, &row.entries[i].at, &o, err);
        *ret = rc == 0 && (o.classes & 1U << k->class) != 0 &&
               (k->class == CLASS_COUNTING || k->generation <= o.generation) &&
               !dag_before(ctx->world->dag, &o.at, &k->from);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    member_row_release(&row);
    return rc;
}

/* ---- room ---- */

/* All keys received of one member, and what of them goes. */
struct pruning {
    struct command_ctx *ctx;
    struct received_key *v, *gone;
    struct subject_id *access; /* by which each came, where given[i] */
    bool *given;
    size_t n, n_gone;
    const struct received_key *coming; /* for which room is made: one of them may be the key of what is in force */
    size_t n_coming;
};

static void
pruning_release(struct pruning *x)
{
    if (x->v)
        sodium_memzero(x->v, x->n * sizeof(*x->v));
    if (x->gone)
        sodium_memzero(x->gone, x->n_gone * sizeof(*x->gone));
    free(x->v);
    free(x->gone);
    free(x->access);
    free(x->given);
}

static bool
same_key(const struct received_key *a, const struct received_key *b)
{
    return TYPE_EQ(&a->unit, &b->unit) && a->class == b->class && a->generation == b->generation &&
           sodium_memcmp(a->key.b, b->key.b, KEY_BYTES) == 0;
}

/* A key that an access gave again, later: once is enough, for they go together when it ends. Equal ones stand side by side. */
static bool
is_given_again(const struct pruning *x, size_t i)
{
    for (size_t k = i + 1; k < x->n && x->given[i]; k++) {
        if (!TYPE_EQ(&x->v[k].unit, &x->v[i].unit) || x->v[k].class != x->v[i].class ||
            x->v[k].generation != x->v[i].generation)
            return false;
        if (x->given[k] && TYPE_EQ(&x->access[k], &x->access[i]) && same_key(&x->v[k], &x->v[i]))
            return true;
    }
    return false;
}

/* The capsule of the class that is in force in the row of a unit. ERR_NOTFOUND: there is none, or it is not here. */
static int
in_force(const struct pruning *x, const struct received_key *like, struct slice *ret, struct err *err)
{
    struct member_row row;
    struct position at;
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    int rc = rows_member_of(x->ctx, &like->unit, &like->subject, &row, err);
    if (rc != 0)
        return rc;
    bool there = member_capsule_position(&row, like->class, &at);
    member_row_release(&row);
    rc = there ? evlog_find(x->ctx->txn, &at.log, &log, err) : ERR_NOTFOUND;
    if (rc == 0)
        rc = evlog_event(x->ctx->txn, log.no, at.seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++)
        if (h.capsules[i].class == like->class)
            return capsules_get(x->ctx->txn, log.no, at.seq, i, ret, err);
    return rc != 0 ? rc : ERR_NOTFOUND;
}

static void
try_keys(const struct received_key *keys, size_t n, const struct received_key *like, struct slice capsule,
         uint32_t *ret)
{
    struct buf plain;
    for (size_t i = 0; i < n && *ret == 0; i++) {
        if (keys[i].class != like->class || !TYPE_EQ(&keys[i].unit, &like->unit) ||
            !TYPE_EQ(&keys[i].subject, &like->subject))
            continue;
        buf_init(&plain, CAPSULE_BYTES_MAX);
        if (capsule_open(&keys[i].key, like->class, capsule, &plain, NULL) == 0)
            *ret = keys[i].generation;
        buf_free(&plain);
    }
}

/* Of keys first … end − 1, of one unit and class: the generation that opens what is in force; 0 where that is not known. What is older opens
 * nothing that stands. */
static int
opening_generation(const struct pruning *x, size_t first, size_t end, uint32_t *ret, struct err *err)
{
    struct slice capsule;
    *ret = 0;
    int rc = in_force(x, &x->v[first], &capsule, err);
    if (rc != 0) {
        if (rc == ERR_NOTFOUND)
            err_clear(err);
        return rc == ERR_NOTFOUND ? 0 : rc;
    }
    try_keys(x->coming, x->n_coming, &x->v[first], capsule, ret);
    try_keys(x->v + first, end - first, &x->v[first], capsule, ret);
    return 0;
}

static int
choose(struct pruning *x, struct err *err)
{
    uint32_t opens = 0;
    for (size_t i = 0, end = 0; i < x->n; i++) {
        const struct received_key *k = &x->v[i];
        bool replaceable = k->class >= CLASS_IDENTITY && k->class <= CLASS_BANK;
        if (i == end) {
            while (end < x->n && x->v[end].class == k->class && TYPE_EQ(&x->v[end].unit, &k->unit))
                end++;
            int rc = replaceable ? opening_generation(x, i, end, &opens, err) : 0;
            if (rc != 0)
                return rc;
        }
        if (x->given[i] && ((replaceable && k->generation < opens) || is_given_again(x, i)))
            x->gone[x->n_gone++] = *k;
    }
    return 0;
}

/* By which accesses the keys came. Those of handovers are no access's, and stay. */
static int
find_accesses(struct pruning *x, struct err *err)
{
    for (size_t i = 0; i < x->n; i++) {
        const struct received_key *k = &x->v[i];
        if (k->kind == KIND_HANDOVER_OFFERED || k->kind == KIND_HANDOVER_COMPLETED)
            continue;
        int rc = guest_access_of_key(x->ctx, k, &x->access[i], err);
        if (rc != 0 && rc != ERR_NOTFOUND)
            return rc;
        x->given[i] = rc == 0;
    }
    err_clear(err);
    return 0;
}

/* Makes room for keys of a member: what was given twice by one access, and keys of identity, contact and bank that are older than the one which
 * opens what is in force, go. */
static int
prune(struct engine *e, struct command_ctx *ctx, const struct subject_id *member, const struct guest_work_order *o,
      size_t n, struct err *err)
{
    const struct received_filter any = RECEIVED_ANY;
    struct pruning x = {.ctx = ctx, .coming = o->received, .n_coming = n};
    x.v = calloc(RECEIVED_MAX, sizeof(*x.v));
    x.gone = calloc(RECEIVED_MAX, sizeof(*x.gone));
    x.access = calloc(RECEIVED_MAX, sizeof(*x.access));
    x.given = calloc(RECEIVED_MAX, sizeof(*x.given));
    int rc = x.v && x.gone && x.access && x.given ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    if (rc == 0)
        rc = received_list(e->config.vault, member, &any, x.v, RECEIVED_MAX, &x.n, NULL, err);
    if (rc == 0)
        rc = find_accesses(&x, err);
    if (rc == 0)
        rc = choose(&x, err);
    if (rc == 0 && x.n_gone > 0)
        rc = received_del_keys(e->config.vault, x.gone, x.n_gone, NULL, err);
    pruning_release(&x);
    return rc;
}

/* ---- keeping ---- */

static bool
of_one_event(const struct received_key *a, const struct received_key *b)
{
    return TYPE_EQ(&a->subject, &b->subject) && TYPE_EQ(&a->from.log, &b->from.log) && a->from.seq == b->from.seq;
}

/* All in one commit; if of one member there are too many, event by event, so that the others are not held up; of whom there are too many still when
 * room was made, what is too much is left out. */
static int
keep(struct engine *e, struct command_ctx *ctx, struct guest_work_order *o, size_t n, struct err *err)
{
    struct subject_id pruned = {{0}};
    int rc = received_put(e->config.vault, o->received, n, err);
    if (rc != ERR_LIMIT)
        return rc;
    rc = 0;
    for (size_t i = 0, end = 0; i < n && rc == 0; i = end) {
        const struct received_key *first = &o->received[i];
        while (end < n && of_one_event(first, &o->received[end]))
            end++;
        rc = received_put(e->config.vault, first, end - i, err);
        if (rc == ERR_LIMIT && !TYPE_EQ(&pruned, &first->subject)) {
            pruned = first->subject;
            rc = prune(e, ctx, &first->subject, o, n, err);
            if (rc == 0)
                rc = received_put(e->config.vault, first, end - i, err);
        }
        o->n_refused += rc == ERR_LIMIT;
        rc = rc == ERR_LIMIT ? 0 : rc;
    }
    if (rc == 0)
        err_clear(err);
    return rc;
}

int
engine_keep_keys(struct engine *e, struct guest_work_order *o, struct err *err)
{
    const struct actor_id nobody = {{0}};
    struct member_world world;
    struct command_ctx ctx;
    size_t n = 0;
    engine_context(e, &nobody, &world, &ctx);
    o->n_refused = 0;
    for (size_t i = 0; i < o->n_received; i++) {
        bool erased;
        int rc = is_erased(e, &ctx, &o->received[i], &erased, err);
        if (rc != 0)
            return rc;
        if (!erased)
            o->received[n++] = o->received[i];
    }
    sodium_memzero(o->received + n, (o->n_received - n) * sizeof(*o->received));
    return n > 0 ? keep(e, &ctx, o, n, err) : 0;
}
