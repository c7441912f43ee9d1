/* Data keys back from escrow: recovery key → days' keys (kind 2) → key capsules of the own events → slots. See recover.h.
 *
 * A key stands in the slot of the generation that its capsule names. Two writers at work at once (a clone, a successor) may have used one
 * generation for two keys: the later one found goes above all generations, so that both open what they sealed. What this node has made
 * itself, before the old keys came back, is newer than they are and goes above: what is sealed next is under it. */
#include <sodium.h>
#include <stdlib.h>

#include "node/host/links.h"
#include "node/host/recover_private.h"
#include "storage/keyslots.h"

enum { SLOTS_PER_COMMIT = 1024, PROGRESS_EVERY = 1024 };

struct item {
    struct subject_id subject;
    uint32_t generation;
    uint8_t class;
    uint64_t order;
    struct data_key key;
};

/* A member's keys of one generation, as they shall be. */
struct gen {
    uint32_t generation, origin; /* origin: the generation from which a second key was moved here */
    struct slot_keys keys;
    unsigned there; /* classes whose keys were here before: bits */
    bool changed;
};

struct pending {
    struct subject_id subject;
    uint32_t generation;
    bool is_new;
};

struct reopening {
    struct datadir *d;
    const struct box_secret *secret;
    struct box_public public;
    struct erased erased;
    struct data_key *days;
    size_t n_days, cap_days, last_day;
    struct item *items;
    size_t n_items, cap_items;
    struct gen *gens; /* of the member being put together */
    size_t n_gens, cap_gens;
    struct slot_keys slots[SLOTS_PER_COMMIT];
    struct pending pending[SLOTS_PER_COMMIT];
    size_t n_pending;
    struct buf capsule, plain;
    uint64_t seen, total;
    recover_progress *progress;
    void *arg;
    struct recover_keys_found *found;
};

/* Room for one more. What is given back was a secret. */
static int
grow(void **list, size_t n, size_t *cap, size_t element, struct err *err)
{
    if (n < *cap)
        return 0;
    size_t more = *cap ? 2 * *cap : 256;
    void *fresh = calloc(more, element);
    if (!fresh)
        return err_set(err, ERR_NOMEM, "recover: out of memory");
    if (n > 0) {
        memcpy(fresh, *list, n * element);
        sodium_memzero(*list, n * element);
    }
    free(*list);
    *list = fresh;
    *cap = more;
    return 0;
}

static void
shown(struct reopening *o)
{
    if (o->progress && ++o->seen % PROGRESS_EVERY == 0)
        o->progress(o->arg, o->seen, o->total);
}

/* ---- days ---- */

static int
open_day(struct reopening *o, const struct position *at, uint8_t index, struct err *err)
{
    struct key_capsule_content content;
    buf_clear(&o->capsule);
    buf_clear(&o->plain);
    int rc = vault_capsule_get(o->d->vault, at, index, &o->capsule, err);
    if (rc == 0)
        rc = capsule_open_sealed(o->secret, &o->public, CLASS_KEY, buf_slice(&o->capsule), &o->plain, err);
    if (rc == 0)
        rc = key_capsule_decode(buf_slice(&o->plain), KEY_USE_ESCROW_DAY, &o->d->identity.unit, NULL, &content, err);
    if (rc == ERR_NOMEM || rc == ERR_IO)
        return rc;
    if (rc != 0) {
        o->found->days_missing++;
        return 0;
    }
    rc = grow((void **)&o->days, o->n_days, &o->cap_days, sizeof(*o->days), err);
    if (rc == 0) {
        o->days[o->n_days++] = content.escrow_key;
        o->found->days++;
    }
    sodium_memzero(&content, sizeof(content));
    return rc;
}

static int
look_for_day(void *arg, const struct own_event *ev, struct err *err)
{
    struct reopening *o = arg;
    struct position at = {.log = ev->row->id, .seq = ev->header->seq};
    int rc = 0;
    shown(o);
    if (ev->header->kind != KIND_ESCROW_OPENED)
        return 0;
    for (uint8_t i = 0; rc == 0 && i < ev->header->n_capsules; i++)
        if (ev->header->capsules[i].class == CLASS_KEY)
            rc = open_day(o, &at, i, err);
    return rc;
}

/* ---- key capsules ---- */

static int
keep_keys(struct reopening *o, const struct key_capsule_content *c, uint32_t depth, const struct position *at,
          struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < c->n_keys; i++) {
        if (vault_class_index(c->keys[i].class) < 0)
            continue;
        if (erased_key(&o->erased, &c->subject, &c->keys[i], depth, at)) {
            o->found->keys_erased++;
            continue;
        }
        rc = grow((void **)&o->items, o->n_items, &o->cap_items, sizeof(*o->items), err);
        if (rc == 0) {
            o->items[o->n_items] = (struct item){.subject = c->subject,
                                                 .generation = c->keys[i].generation,
                                                 .class = c->keys[i].class,
                                                 .order = o->n_items,
                                                 .key = c->keys[i].key};
            o->n_items++;
        }
    }
    return rc;
}

/* The day that opened the one before opens most; else from the newest on: comparing a key hash is all that a wrong one costs. */
static bool
open_with_a_day(struct reopening *o)
{
    struct err ignored;
    for (size_t i = 0; i <= o->n_days; i++) {
        size_t day = i == 0 ? o->last_day : o->n_days - i;
        if (day >= o->n_days)
            continue;
        buf_clear(&o->plain);
        if (capsule_open(&o->days[day], CLASS_KEY, buf_slice(&o->capsule), &o->plain, &ignored) == 0) {
            o->last_day = day;
            return true;
        }
    }
    return false;
}

static int
open_key_capsule(struct reopening *o, uint32_t depth, const struct position *at, uint8_t index, struct err *err)
{
    struct key_capsule_content content;
    buf_clear(&o->capsule);
    int rc = vault_capsule_get(o->d->vault, at, index, &o->capsule, err);
    if (rc == ERR_NOTFOUND) {
        o->found->missing++;
        return 0;
    }
    if (rc != 0 || o->capsule.len == 0 || o->capsule.data[0] != 1) /* version 2: sealed to a host or a pass */
        return rc;
    if (!open_with_a_day(o)) {
        o->found->locked++;
        return 0;
    }
    rc = key_capsule_decode_escrow(buf_slice(&o->plain), &o->d->identity.unit, &content, err);
    if (rc != 0) {
        o->found->locked++;
        return 0;
    }
    o->found->capsules++;
    rc = keep_keys(o, &content, depth, at, err);
    sodium_memzero(&content, sizeof(content));
    return rc;
}

static int
look_for_keys(void *arg, const struct own_event *ev, struct err *err)
{
    struct reopening *o = arg;
    struct position at = {.log = ev->row->id, .seq = ev->header->seq};
    int rc = 0;
    shown(o);
    for (uint8_t i = 0; rc == 0 && ev->header->kind != KIND_ESCROW_OPENED && i < ev->header->n_capsules; i++)
        if (ev->header->capsules[i].class == CLASS_KEY && !erased_place(&o->erased, &at, i))
            rc = open_key_capsule(o, ev->row->depth, &at, i, err);
    return rc;
}

/* ---- slots ---- */

static int
item_compare(const void *x, const void *y)
{
    const struct item *a = x, *b = y;
    int by = memcmp(&a->subject, &b->subject, sizeof(a->subject));
    return by != 0 ? by : a->order < b->order ? -1 : a->order > b->order;
}

static int
flush(struct reopening *o, struct err *err)
{
    struct db_txn *txn = NULL;
    if (o->n_pending == 0)
        return 0;
    int rc = vault_put_slots(o->d->vault, o->slots, o->n_pending, err);
    if (rc == 0)
        rc = db_begin_write(o->d->db, &txn, err);
    for (size_t i = 0; rc == 0 && i < o->n_pending; i++)
        if (o->pending[i].is_new)
            rc = keyslot_put(txn, &o->pending[i].subject, o->pending[i].generation, o->slots[i].slot, err);
    if (rc == 0)
        rc = db_commit(&txn, err);
    else
        db_abort(&txn);
    sodium_memzero(o->slots, sizeof(o->slots));
    o->n_pending = 0;
    return rc;
}

static struct gen *
gen_find(struct reopening *o, uint32_t generation)
{
    for (size_t i = 0; i < o->n_gens; i++)
        if (o->gens[i].generation == generation)
            return &o->gens[i];
    return NULL;
}

static int
gen_add(struct reopening *o, uint32_t generation, uint32_t origin, struct gen **ret, struct err *err)
{
    int rc = grow((void **)&o->gens, o->n_gens, &o->cap_gens, sizeof(*o->gens), err);
    if (rc != 0)
        return rc;
    *ret = &o->gens[o->n_gens++];
    **ret = (struct gen){.generation = generation, .origin = origin};
    return 0;
}

/* A generation with room for a second key of the class, above all others. */
static int
gen_beside(struct reopening *o, uint32_t origin, int class, struct gen **ret, struct err *err)
{
    uint32_t last = 0;
    for (size_t i = 0; i < o->n_gens; i++) {
        struct gen *g = &o->gens[i];
        last = g->generation > last ? g->generation : last;
        if (g->origin == origin && g->generation != origin && !vault_key_there(&g->keys.keys[class])) {
            *ret = g;
            return 0;
        }
    }
    if (last == UINT32_MAX)
        return err_set(err, ERR_LIMIT, "a member has no generation of keys left");
    return gen_add(o, last + 1, origin, ret, err);
}

static int
place(struct reopening *o, uint32_t generation, int class, const struct data_key *key, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < o->n_gens; i++)
        if (TYPE_EQ(&o->gens[i].keys.keys[class], key))
            return 0;
    struct gen *g = gen_find(o, generation), *above = NULL;
    if (!g)
        rc = gen_add(o, generation, generation, &g, err);
    if (rc == 0 && vault_key_there(&g->keys.keys[class])) {
        rc = gen_beside(o, generation, class, &above, err);
        g = gen_find(o, generation); /* the list may have moved */
        if (rc == 0 && g->there & 1U << class) {
            above->keys.keys[class] = g->keys.keys[class];
            above->changed = true;
            g->there &= ~(1U << class);
        } else if (rc == 0) {
            g = above;
        }
    }
    if (rc == 0) {
        g->keys.keys[class] = *key;
        g->changed = true;
        o->found->keys++;
    }
    return rc;
}

/* What is there already, first as it stands: what came back is measured against it. A slot that does not open is replaced. */
static int
load_there(struct reopening *o, const struct subject_id *subject, struct err *err)
{
    struct db_txn *txn = NULL;
    struct keyslot *there = NULL;
    struct gen *g;
    size_t n = 0;
    int rc = db_begin_read(o->d->db, &txn, err);
    if (rc == 0)
        rc = keyslots_all(txn, subject, &there, &n, err);
    db_abort(&txn);
    o->n_gens = 0;
    for (size_t i = 0; rc == 0 && i < n; i++) {
        rc = gen_add(o, there[i].generation, there[i].generation, &g, err);
        if (rc != 0)
            break;
        rc = vault_slot(o->d->vault, there[i].slot, &g->keys, err);
        for (int c = 0; rc == 0 && c < VAULT_CLASSES; c++)
            g->there |= vault_key_there(&g->keys.keys[c]) ? 1U << c : 0;
        if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT)
            rc = 0;
        g->keys.slot = there[i].slot;
    }
    free(there);
    return rc;
}

static int
store_member(struct reopening *o, const struct item *items, size_t n, struct err *err)
{
    int rc = load_there(o, &items[0].subject, err);
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = place(o, items[i].generation, vault_class_index(items[i].class), &items[i].key, err);
    for (size_t i = 0; rc == 0 && i < o->n_gens; i++) {
        if (!o->gens[i].changed)
            continue;
        if (o->n_pending == SLOTS_PER_COMMIT)
            rc = flush(o, err);
        if (rc == 0) {
            o->pending[o->n_pending] = (struct pending){
                .subject = items[0].subject, .generation = o->gens[i].generation, .is_new = o->gens[i].keys.slot == 0};
            o->slots[o->n_pending++] = o->gens[i].keys;
        }
    }
    o->found->members++;
    return rc;
}

static int
store_all(struct reopening *o, struct err *err)
{
    int rc = 0;
    if (o->n_items > 0)
        qsort(o->items, o->n_items, sizeof(*o->items), item_compare);
    for (size_t i = 0, n; rc == 0 && i < o->n_items; i += n) {
        for (n = 1; i + n < o->n_items && TYPE_EQ(&o->items[i].subject, &o->items[i + n].subject); n++)
            ;
        rc = store_member(o, &o->items[i], n, err);
    }
    return rc == 0 ? flush(o, err) : rc;
}

static int
search_links_again(struct datadir *d, struct err *err)
{
    struct db_txn *txn = NULL;
    uint32_t count = 0;
    int rc = db_begin_read(d->db, &txn, err);
    if (rc == 0)
        rc = evlog_count(txn, &count, err);
    for (uint32_t no = 1; rc == 0 && no <= count; no++) {
        struct log_row row;
        rc = evlog_get(txn, no, &row, err);
        if (rc == 0 && TYPE_EQ(&row.unit, &d->identity.unit))
            rc = links_again(d->vault, &row.id, err);
    }
    db_abort(&txn);
    return rc;
}

static int
open_all(struct reopening *o, struct err *err)
{
    uint64_t events = 0;
    const struct unit_id *unit = &o->d->identity.unit;
    int rc = own_events_count(o->d->db, unit, &events, err);
    o->total = 2 * events;
    if (rc == 0)
        rc = own_events_walk(o->d->db, unit, look_for_day, o, err);
    if (rc == 0)
        rc = own_events_walk(o->d->db, unit, look_for_keys, o, err);
    if (rc == 0)
        rc = store_all(o, err);
    if (rc == 0)
        rc = vault_index_restart(o->d->vault, err);
    return rc == 0 ? search_links_again(o->d, err) : rc;
}

int
recover_keys(struct datadir *d, const struct box_secret *recovery, recover_progress *progress, void *arg,
             struct recover_keys_found *ret, struct err *err)
{
    struct box_secret copy;
    struct reopening *o = sodium_malloc(sizeof(*o));
    if (!o)
        return err_set(err, ERR_NOMEM, "recover: out of memory");
    *ret = (struct recover_keys_found){0};
    memset(o, 0, sizeof(*o));
    o->d = d;
    o->secret = recovery;
    o->progress = progress;
    o->arg = arg;
    o->found = ret;
    crypto_keypair_box(recovery->b, &o->public, &copy);
    sodium_memzero(&copy, sizeof(copy));
    buf_init(&o->capsule, CAPSULE_BYTES_MAX);
    buf_init(&o->plain, CAPSULE_BYTES_MAX);
    int rc = TYPE_EQ(&o->public, &d->identity.recovery_key)
                 ? erased_load(d->db, &d->identity.unit, &o->erased, err)
                 : err_field(err, ERR_DENIED, "recovery-key", "not the recovery key of this unit");
    if (rc == 0) {
        rc = open_all(o, err);
        erased_free(&o->erased);
    }
    if (o->days)
        sodium_memzero(o->days, o->n_days * sizeof(*o->days));
    if (o->items)
        sodium_memzero(o->items, o->n_items * sizeof(*o->items));
    if (o->gens)
        sodium_memzero(o->gens, o->cap_gens * sizeof(*o->gens));
    free(o->days);
    free(o->items);
    free(o->gens);
    buf_free(&o->capsule);
    buf_free(&o->plain);
    sodium_free(o);
    return rc;
}
