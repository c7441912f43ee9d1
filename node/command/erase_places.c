/* Which capsules an erasure lists, and which keys are escrowed anew because the key capsules that held them are listed. See erase.h.
 *
 * Listed is what lies in the past of the order, in logs of the unit (§10): events of the member's row and of the accesses that give one of the
 * classes; and strays, which stand in no row: of them what a key of the member opens. What a row's bound pushed off it is in the past of no order that is
 * valid; records of hosts (kind 86) are in their logs and go at home with node/host/erasing.c. */
#include <stdlib.h>

#include "node/command/erase_parts.h"
#include "node/command/rows.h"
#include "node/command/strays.h"
#include "storage/erasures.h"
#include "storage/keyslots.h"

enum { PLACES_MAX = ERASE_ORDERS_MAX * ERASED_PLACES_MAX, ACCESS_PAGE = 32 };

/* ---- whose keys ---- */

/* The member's keys of the classes that go, once they are needed: of strays nothing says whose they are. */
struct finding {
    struct ordering *o;
    bool loaded;
    struct keyslot *slots;
    size_t n_slots;
};

/* By the hash of the key in the capsule. */
static bool
opens(const struct finding *f, uint8_t class, struct slice capsule)
{
    uint8_t key_class = class == CLASS_DOSSIER || class == CLASS_GUEST ? CLASS_ACTIVITY : class;
    int index = vault_class_index(key_class);
    struct slot_keys keys;
    struct err ignored;
    struct buf plain;
    bool opened = false;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    for (size_t i = 0; index >= 0 && !opened && i < f->n_slots; i++) {
        buf_clear(&plain);
        opened = vault_slot(f->o->ctx->vault, f->slots[i].slot, &keys, &ignored) == 0 &&
                 vault_key_there(&keys.keys[index]) &&
                 capsule_open(&keys.keys[index], class, capsule, &plain, &ignored) == 0;
    }
    person_wipe(&keys, sizeof(keys));
    buf_free(&plain);
    return opened;
}

static int
load_slots(struct finding *f, struct err *err)
{
    int rc = f->loaded ? 0 : keyslots_all(f->o->ctx->txn, &f->o->member, &f->slots, &f->n_slots, err);
    f->loaded |= rc == 0;
    return rc;
}

/* ---- rows ---- */

/* Which capsules of one event go. */
static uint16_t
indexes_of(const struct ordering *o, const struct event_header *h)
{
    bool representative = h->kind == KIND_REPRESENTATIVE_NAMED;
    uint16_t indexes = 0;
    if (representative && !o->req->representatives)
        return 0;
    for (uint8_t i = 0; i < h->n_capsules; i++) {
        uint8_t class = h->capsules[i].class;
        bool goes = class == CLASS_KEY ||
                    (class <= CLASS_NOTE && class != CLASS_ACTIVITY && o->out.erased >> (class - 1) & 1) ||
                    (class == CLASS_DOSSIER && o->out.erased & BIT_ACTIVITY);
        if (goes)
            indexes |= (uint16_t)(1U << i);
    }
    return indexes;
}

static int
put_place(struct ordering *o, const struct erased_place *p, struct err *err)
{
    if (p->indexes == 0)
        return 0;
    if (o->n_places == PLACES_MAX)
        return err_set(err, ERR_LIMIT, "more than %d events to erase from", (int)PLACES_MAX);
    if (o->n_places == o->cap_places) {
        size_t cap = o->cap_places ? 2 * o->cap_places : 64;
        struct erased_place *more = reallocarray(o->places, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "erasure: out of memory");
        o->places = more;
        o->cap_places = cap;
    }
    o->places[o->n_places++] = *p;
    return 0;
}

/* Notes whether one of the capsules that go is under a key that is not here, or may be. */
static int
look_for_others(struct finding *f, uint32_t log_no, const struct position *at, const struct event_header *h,
                uint16_t indexes, struct err *err)
{
    int rc = load_slots(f, err);
    for (uint8_t i = 0; rc == 0 && h->kind != KIND_REPRESENTATIVE_NAMED && i < h->n_capsules; i++) {
        struct slice capsule;
        if ((indexes >> i & 1) == 0 || h->capsules[i].class > CLASS_NOTE)
            continue;
        rc = capsules_get(f->o->ctx->txn, log_no, h->seq, i, &capsule, err);
        bool gone = false, there = rc == 0;
        if (rc == ERR_NOTFOUND)
            rc = tombstone_find(f->o->ctx->txn, at, i, &gone, NULL, err);
        f->o->others_keys |= rc == 0 && !gone && !(there && opens(f, h->capsules[i].class, capsule));
    }
    return rc;
}

static int
add_place(struct finding *f, const struct position *at, struct err *err)
{
    struct ordering *o = f->o;
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    int rc = evlog_find(o->ctx->txn, &at->log, &log, err);
    if (rc == 0 && !TYPE_EQ(&log.unit, &o->ctx->unit))
        return 0; /* an arrival is in the log of the unit that let go */
    if (rc == 0)
        rc = evlog_event(o->ctx->txn, log.no, at->seq, &ev, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_CONFLICT, "member", "member: something was recorded just now; send it again");
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    if (rc != 0)
        return rc;
    struct erased_place p = {.log = at->log, .seq = at->seq, .indexes = indexes_of(o, &h)};
    rc = o->others_keys ? 0 : look_for_others(f, log.no, at, &h, p.indexes, err);
    return rc == 0 ? put_place(o, &p, err) : rc;
}

static int
add_access(struct finding *f, const struct access_row *row, struct err *err)
{
    struct ordering *o = f->o;
    struct access_state s;
    int rc = 0;
    access_state_of(row, &s);
    o->ends_accesses |= access_is_open(&s, o->ctx->today) && access_gives(&s, o->out.erased | o->out.restricted);
    for (size_t k = 0; rc == 0 && k < row->n && access_gives(&s, o->out.erased); k++)
        rc = add_place(f, &row->entries[k].at, err);
    return rc;
}

static int
add_accesses(struct finding *f, struct err *err)
{
    struct ordering *o = f->o;
    struct access_key keys[ACCESS_PAGE], after;
    size_t n = ACCESS_PAGE;
    int rc = 0;
    for (bool first = true; rc == 0 && n == ACCESS_PAGE; first = false) {
        rc = access_of_member(o->ctx->txn, &o->member, first ? NULL : &after, keys, ACCESS_PAGE, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            struct access_row row;
            if (!TYPE_EQ(&keys[i].unit, &o->ctx->unit))
                continue;
            rc = access_load(o->ctx, &keys[i], &row, err);
            if (rc != 0)
                break;
            rc = add_access(f, &row, err);
            access_row_release(&row);
        }
        if (n > 0)
            after = keys[n - 1];
    }
    return rc;
}

/* ---- strays ---- */

static bool
is_of_member(const struct finding *f, const struct stray *s)
{
    struct event_common c;
    struct err ignored;
    return event_common_decode(s->payload, &c, &ignored) == 0 && c.has_subject && TYPE_EQ(&c.subject, &f->o->member) &&
           (!c.has_subject_unit || TYPE_EQ(&c.subject_unit, &f->o->ctx->unit));
}

/* Of what the keys open, that of the classes that go; a key capsule beside it, or of an event that names the member, holds such keys. */
static int
look_at_stray(void *arg, const struct stray *s, struct err *err)
{
    struct finding *f = arg;
    struct erased_place p = {.log = s->at.log, .seq = s->at.seq};
    uint16_t goes = f->o->out.erased, keys = 0;
    bool theirs = is_of_member(f, s);
    int rc = load_slots(f, err);
    for (uint8_t i = 0; rc == 0 && i < s->header->n_capsules; i++) {
        uint8_t class = s->header->capsules[i].class;
        struct slice capsule;
        keys |= (uint16_t)((class == CLASS_KEY) << i);
        if (class == CLASS_KEY || class == CLASS_ACTIVITY)
            continue;
        rc = capsules_get(f->o->ctx->txn, s->log_no, s->at.seq, i, &capsule, err);
        bool opened = rc == 0 && opens(f, class, capsule);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
        theirs |= opened;
        if (opened &&
            ((class <= CLASS_NOTE && goes >> (class - 1) & 1) || (class == CLASS_DOSSIER && goes & BIT_ACTIVITY)))
            p.indexes |= (uint16_t)(1U << i);
    }
    /* those of a kind 45 are a representative's */
    if (theirs && (s->header->kind != KIND_REPRESENTATIVE_NAMED || f->o->req->representatives))
        p.indexes |= keys;
    return rc == 0 ? put_place(f->o, &p, err) : rc;
}

/* ---- all of it ---- */

static int
by_place(const void *a, const void *b)
{
    return erased_place_compare(a, b);
}

static void
each_once(struct ordering *o)
{
    size_t n = 0;
    if (o->n_places > 1)
        qsort(o->places, o->n_places, sizeof(*o->places), by_place);
    for (size_t i = 0; i < o->n_places; i++)
        if (n > 0 && erased_place_compare(&o->places[n - 1], &o->places[i]) == 0)
            o->places[n - 1].indexes |= o->places[i].indexes;
        else
            o->places[n++] = o->places[i];
    o->n_places = n;
    for (size_t i = 0; i < n; i++)
        for (uint16_t bits = o->places[i].indexes; bits != 0; bits &= (uint16_t)(bits - 1))
            o->out.capsules++;
}

int
erase_find_places(struct ordering *o, struct err *err)
{
    struct finding f = {.o = o};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < o->row.n; i++)
        if (o->out.erased != 0 && o->row.entries[i].outcome != OUTCOME_UNKNOWN) /* that is a stray */
            rc = add_place(&f, &o->row.entries[i].at, err);
    if (rc == 0)
        rc = add_accesses(&f, err);
    if (rc == 0 && o->out.erased != 0)
        rc = strays_each(o->ctx, look_at_stray, &f, err);
    free(f.slots);
    if (rc == 0)
        each_once(o);
    return rc;
}

/* ---- escrow ---- */

unsigned
erase_vault_classes(uint16_t classes)
{
    unsigned bits = 0;
    if (classes & BIT_ACTIVITY)
        classes |= BITS_WITH_ACTIVITY;
    for (uint8_t class = CLASS_IDENTITY; class <= CLASS_DOSSIER; class ++)
        if (classes >> (class - 1) & 1 && vault_class_index(class) >= 0)
            bits |= 1U << vault_class_index(class);
    return bits;
}

static int
put_escrow(struct ordering *o, const struct draft_escrow *e, struct err *err)
{
    if (o->n_escrow == o->cap_escrow) {
        size_t cap = o->cap_escrow ? 2 * o->cap_escrow : 16;
        struct draft_escrow *more = reallocarray(o->escrow, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "erasure: out of memory");
        o->escrow = more;
        o->cap_escrow = cap;
    }
    o->escrow[o->n_escrow++] = *e;
    return 0;
}

static bool
any_stays(const struct slot_keys *keys, unsigned gone)
{
    for (size_t c = 0; c < VAULT_CLASSES; c++)
        if (!(gone & 1U << c) && vault_key_there(&keys->keys[c]))
            return true;
    return false;
}

/* The newest first. A slot that does not open has nothing that could be escrowed. */
static int
escrow_of(struct ordering *o, const struct subject_id *subject, const struct keys_going *going, uint32_t generation,
          struct err *err)
{
    struct keyslot *slots = NULL;
    struct slot_keys keys;
    size_t n = 0;
    int rc = keyslots_all(o->ctx->txn, subject, &slots, &n, err);
    while (rc == 0 && n-- > 0) {
        struct draft_escrow e = {.subject = *subject, .generation = slots[n].generation, .slot = slots[n].slot};
        if (slots[n].generation <= generation)
            e.gone = erase_vault_classes(o->out.erased);
        else if (TYPE_EQ(subject, &o->member)) /* begins with this commit, in a key capsule of its own */
            continue;
        e.gone |= keys_going_of(going, slots[n].generation);
        rc = vault_slot(o->ctx->vault, e.slot, &keys, err);
        if (rc == 0 && any_stays(&keys, e.gone))
            rc = put_escrow(o, &e, err);
        if (rc == ERR_NOTFOUND || rc == ERR_CORRUPT) {
            err_clear(err);
            rc = 0;
        }
    }
    person_wipe(&keys, sizeof(keys));
    free(slots);
    return rc;
}

static bool
named_before(const struct member_row *row, size_t i)
{
    for (size_t k = 0; k < i; k++)
        if (row->entries[k].kind == KIND_REPRESENTATIVE_NAMED &&
            TYPE_EQ(&row->entries[k].other, &row->entries[i].other))
            return true;
    return false;
}

/* Of orders that are not carried out yet those that take the representative's keys, too: they list where she was named. */
static int
going_of_representative(const struct ordering *o, const struct subject_id *who, const struct keys_going *all,
                        struct keys_going *ret, struct err *err)
{
    int rc = 0;
    ret->n = 0;
    for (size_t k = 0; rc == 0 && k < all->n; k++) {
        bool takes = false;
        for (size_t i = 0; rc == 0 && !takes && i < o->row.n; i++) {
            const struct member_entry *e = &o->row.entries[i];
            for (uint8_t index = 0; rc == 0 && !takes && index < HEADER_CAPSULES_MAX &&
                                    e->kind == KIND_REPRESENTATIVE_NAMED && TYPE_EQ(&e->other, who);
                 index++) {
                struct position by;
                rc = tombstone_find(o->ctx->txn, &e->at, index, &takes, &by, err);
                takes &= rc == 0 && TYPE_EQ(&by, &all->v[k].by);
            }
        }
        if (takes)
            ret->v[ret->n++] = all->v[k];
    }
    return rc;
}

int
erase_find_escrow(struct ordering *o, uint32_t generation, struct err *err)
{
    struct keys_going going, theirs;
    int rc = keys_going(o->ctx->txn, &o->ctx->unit, &o->member, &going, err);
    if (rc == 0)
        rc = escrow_of(o, &o->member, &going, generation, err);
    for (size_t i = 0; rc == 0 && o->req->representatives && i < o->row.n; i++) {
        const struct member_entry *e = &o->row.entries[i];
        if (e->kind != KIND_REPRESENTATIVE_NAMED || named_before(&o->row, i))
            continue;
        rc = going_of_representative(o, &e->other, &going, &theirs, err);
        if (rc == 0)
            rc = escrow_of(o, &e->other, &theirs, generation, err);
    }
    return rc;
}
