/* What ended grants and passes of other units gave is destroyed here, and what offers of members gave that were taken back or came to nothing. See guests.h; docs/PROTOCOL.md §12.7, kind 97.
 *
 * Two walks, a stretch at a time: by member, for the capsules; by the events that gave keys, for these, so that none is left over, however many there
 * were and whatever became of the events. What a stretch finds is destroyed before the next; that an end is to be confirmed is committed before
 * that. A walk that finds nothing costs little: a member's row is read and folded once, and only where capsules of hers are held. */
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/host/entitled.h"
#include "node/host/guests.h"
#include "storage/erasures.h"
#include "storage/received.h"
#include "storage/vault_erase.h"

enum {
    STRETCH =
        GUEST_PLACES_MAX, /* found, of one sort; the member or the event with which it comes to so many is looked at to its end */
    EVENTS_STEP = 256,
    ACCESSES_KEPT = 64,
};

/* What is known of an access that was asked about. */
struct known_access {
    struct unit_id unit;
    struct subject_id access;
    bool asked, over, has_revoked;
    struct position revoked;
};

/* Grows as needed. */
struct places {
    struct guest_place *v;
    size_t n, cap;
};
struct positions {
    struct position *v;
    size_t n, cap;
};

struct sweep {
    const struct guests *g;
    struct db_txn *txn;
    struct entitled_by by;
    struct places places;            /* capsules that go */
    struct positions keys, owed;     /* events whose keys go; what is to be confirmed */
    struct known_access *known;      /* ACCESSES_KEPT, by id */
    uint8_t from[KEY_ACCESS_OF + 1]; /* the walk by member goes on here */
    size_t from_len;
    struct position event; /* the walk by event, behind this */
    bool started;
    bool kept_asked, kept; /* whether capsules are kept for that unit */
    struct unit_id kept_unit;
};

/* The accesses of one member of one unit. */
struct visitor {
    struct unit_id unit;
    struct subject_id member;
    bool any, open;       /* one is, or was, for us; one is not over */
    bool has_last, owing; /* of the ends by revocation: the last one that is not confirmed; one is owed since */
    struct civil_date last_on;
    struct position last;
};

/* ---- lists ---- */

static int
add_place(struct places *l, uint32_t log_no, const struct position *at, uint8_t index, struct err *err)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : STRETCH;
        struct guest_place *more = reallocarray(l->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "guests: out of memory");
        l->v = more;
        l->cap = cap;
    }
    l->v[l->n++] = (struct guest_place){.log_no = log_no, .at = *at, .index = index};
    return 0;
}

static int
add_position(struct positions *l, const struct position *at, struct err *err)
{
    if (l->n > 0 && l->v[l->n - 1].seq == at->seq && TYPE_EQ(&l->v[l->n - 1].log, &at->log))
        return 0;
    if (l->n == l->cap) {
        size_t cap = l->cap ? 2 * l->cap : STRETCH;
        struct position *more = reallocarray(l->v, cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "guests: out of memory");
        l->v = more;
        l->cap = cap;
    }
    l->v[l->n++] = *at;
    return 0;
}

static bool
is_full(const struct sweep *x)
{
    return x->places.n >= STRETCH || x->keys.n >= STRETCH;
}

/* ---- capsules ---- */

static int
event_at(struct sweep *x, const struct position *at, struct log_row *ret_log, struct stored_event *ret,
         struct event_header *ret_header, struct err *err)
{
    int rc = evlog_find(x->txn, &at->log, ret_log, err);
    if (rc == 0)
        rc = evlog_event(x->txn, ret_log->no, at->seq, ret, err);
    return rc != 0 ? rc : event_header_decode(ret->header, ret_header, err);
}

/* Key capsules of an access, whatever became of the events that carry them. */
static int
add_key_capsules(struct sweep *x, const struct access_row *row, struct err *err)
{
    struct buf capsule;
    int rc = 0;
    for (size_t i = 0; i < row->n && rc == 0; i++) {
        const struct access_entry *e = &row->entries[i];
        for (uint8_t k = 0; k < 8 && rc == 0; k++) {
            if ((e->keys & 1U << k) == 0)
                continue;
            buf_init(&capsule, CAPSULE_BYTES_MAX);
            rc = vault_capsule_get(x->g->vault, &e->at, k, &capsule, err);
            buf_free(&capsule);
            if (rc == 0)
                rc = add_place(&x->places, 0, &e->at, k, err);
            rc = rc == ERR_NOTFOUND ? 0 : rc;
        }
    }
    return rc;
}

/* Capsules of an event of the member that are held and to which there is no right any more. */
static int
add_capsules_at(struct sweep *x, struct entitled_rights *rights, const struct position *at, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    uint32_t held = 0;
    bool may = false;
    int rc = evlog_find(x->txn, &at->log, &log, err);
    if (rc == 0 && !TYPE_EQ(&log.unit, &x->by.own))
        rc = capsules_held(x->txn, log.no, at->seq, &held, err);
    if (rc == 0 && held != 0)
        rc = evlog_event(x->txn, log.no, at->seq, &ev, err);
    if (rc == 0 && held != 0)
        rc = event_header_decode(ev.header, &h, err);
    for (uint8_t i = 0; rc == 0 && held != 0 && i < h.n_capsules; i++) {
        uint8_t class = h.capsules[i].class;
        if ((held & UINT32_C(1) << i) == 0 || class < CLASS_IDENTITY || class > CLASS_BANK)
            continue;
        rc = entitled_data(rights, class, at, &may, err);
        if (rc == 0 && !may)
            rc = add_place(&x->places, log.no, at, i, err);
    }
    return rc == ERR_NOTFOUND ? 0 : rc; /* cut off since */
}

static int
add_capsules(struct sweep *x, const struct unit_id *unit, const struct subject_id *member, struct err *err)
{
    struct entitled_rights rights;
    struct member_row row;
    int rc = entitled_member(x->txn, member, unit, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = entitled_rights(&x->by, &x->by.own, &row, &rights, err);
    for (size_t i = 0; i < row.n && rc == 0; i++) {
        if (row.entries[i].capsule_mask & 7)
            rc = add_capsules_at(x, &rights, &row.entries[i].at, err);
        if (rc == 0)
            rc = guests_going(x->g, err);
    }
    member_row_release(&row);
    return rc;
}

static bool
is_kept_for(struct sweep *x, const struct unit_id *unit)
{
    const struct config *c = x->g->config;
    if (!x->kept_asked || !TYPE_EQ(&x->kept_unit, unit)) {
        x->kept = c && entitled_is_kept(x->txn, c->keep, c->n_keep, unit);
        x->kept_unit = *unit;
        x->kept_asked = true;
    }
    return x->kept;
}

/* ---- by member ---- */

static int
is_confirmed(struct sweep *x, const struct position *ended, bool *ret, struct err *err)
{
    uint8_t key[KEY_CONFIRMATION];
    struct slice row;
    key_confirmation(key, ended, &x->by.own);
    int rc = db_get(x->txn, TABLE_CONFIRMATIONS, slice_of(key, sizeof(key)), &row, err);
    *ret = rc == 0;
    if (rc == ERR_NOTFOUND)
        err_clear(err);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static bool
is_later(const struct visitor *v, const struct access_state *s)
{
    if (!v->has_last || s->revoked_on.days != v->last_on.days)
        return !v->has_last || s->revoked_on.days > v->last_on.days;
    int order = memcmp(s->revoked_by.log.b, v->last.log.b, HASH_BYTES);
    return order != 0 ? order > 0 : s->revoked_by.seq > v->last.seq;
}

static int
look_at_access(struct sweep *x, struct visitor *v, bool kept, const struct subject_id *access, struct err *err)
{
    struct access_row row;
    struct access_state s;
    bool confirmed = false;
    int rc = entitled_access(x->txn, &v->unit, access, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    access_state_of(&row, &s);
    bool ours = s.exists && TYPE_EQ(&s.facts.member, &v->member) && (s.is_pass || TYPE_EQ(&s.facts.host, &x->by.own));
    v->any |= ours;
    v->open |= ours && access_is_open(&s, x->g->today);
    if (ours && !access_is_open(&s, x->g->today)) {
        size_t before = x->places.n;
        rc = kept ? 0 : add_key_capsules(x, &row, err);
        if (rc == 0 && s.revoked && x->places.n > before) {
            v->owing = true;
            rc = add_position(&x->owed, &s.revoked_by, err);
        } else if (rc == 0 && s.revoked && is_later(v, &s)) {
            rc = is_confirmed(x, &s.revoked_by, &confirmed, err);
            if (rc == 0 && !confirmed) {
                v->has_last = true;
                v->last_on = s.revoked_on;
                v->last = s.revoked_by;
            }
        }
    }
    access_row_release(&row);
    return rc;
}

/* All of the member's accesses have been looked at. Where only her data was here, and not the keys of what ended, its destruction is confirmed for
 * the last end that was not confirmed before. Data that was replaced goes too, without a word. */
static int
end_visitor(struct sweep *x, const struct visitor *v, bool kept, struct err *err)
{
    size_t before = x->places.n;
    int rc = v->any && !kept ? add_capsules(x, &v->unit, &v->member, err) : 0;
    if (rc == 0 && x->places.n > before && !v->owing && !v->open && v->has_last)
        rc = add_position(&x->owed, &v->last, err);
    return rc;
}

/* The table is in the order of member, unit, access. */
static int
walk_members(struct sweep *x, bool *ret_end, struct err *err)
{
    enum { OF_VISITOR = ID_BYTES + HASH_BYTES };
    struct db_cursor *c = NULL;
    struct slice k, value;
    int rc = db_cursor_open(x->txn, TABLE_ACCESS_OF, &c, err);
    if (rc == 0)
        rc = x->from_len > 0 ? db_cursor_seek(c, slice_of(x->from, x->from_len), &k, &value, err)
                             : db_cursor_first(c, &k, &value, err);
    while (rc == 0 && !is_full(x)) {
        struct visitor v = {0};
        uint8_t prefix[OF_VISITOR];
        if (k.len != KEY_ACCESS_OF) {
            rc = err_set(err, ERR_CORRUPT, "accesses of members: a key of %zu bytes", k.len);
            break;
        }
        memcpy(prefix, k.data, OF_VISITOR);
        memcpy(v.member.b, k.data, ID_BYTES);
        memcpy(v.unit.b, k.data + ID_BYTES, HASH_BYTES);
        bool own = TYPE_EQ(&v.unit, &x->by.own), kept = !own && is_kept_for(x, &v.unit);
        while (rc == 0 && k.len == KEY_ACCESS_OF && memcmp(k.data, prefix, OF_VISITOR) == 0) {
            struct subject_id access;
            memcpy(access.b, k.data + OF_VISITOR, ID_BYTES);
            memcpy(x->from, k.data, KEY_ACCESS_OF);
            x->from[KEY_ACCESS_OF] = 0;
            x->from_len = KEY_ACCESS_OF + 1;
            rc = guests_going(x->g, err);
            if (rc == 0 && !own)
                rc = look_at_access(x, &v, kept, &access, err);
            if (rc == 0)
                rc = db_cursor_next(c, &k, &value, err);
        }
        *ret_end = rc == ERR_NOTFOUND;
        if (rc == 0 || rc == ERR_NOTFOUND) {
            int ended = end_visitor(x, &v, kept, err);
            rc = ended != 0 ? ended : rc;
        }
    }
    db_cursor_close(&c);
    *ret_end = rc == ERR_NOTFOUND;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* ---- by event ---- */

static int
ask_access(struct sweep *x, const struct received_event *e, struct known_access **ret, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct event_common common;
    struct access_row row;
    struct access_state s;
    int rc = event_at(x, &e->from, &log, &ev, &h, err);
    if (rc == 0)
        rc = event_common_decode(ev.payload, &common, err);
    if (rc != 0)
        return rc;
    struct known_access *k = &x->known[common.subject.b[ID_BYTES - 1] % ACCESSES_KEPT];
    *ret = k;
    if (k->asked && TYPE_EQ(&k->access, &common.subject) && TYPE_EQ(&k->unit, &e->unit))
        return 0;
    rc = entitled_access(x->txn, &e->unit, &common.subject, &row, err);
    if (rc != 0)
        return rc;
    access_state_of(&row, &s);
    access_row_release(&row);
    *k = (struct known_access){.unit = e->unit,
                               .access = common.subject,
                               .asked = true,
                               .over = s.exists && !access_is_open(&s, x->g->today),
                               .has_revoked = s.revoked,
                               .revoked = s.revoked_by};
    return 0;
}

/* Keys of a grant or pass. */
static int
look_at_keys(struct sweep *x, const struct received_event *e, struct err *err)
{
    struct known_access *k = NULL;
    int rc = ask_access(x, e, &k, err);
    if (rc == 0 && k->over) {
        rc = add_position(&x->keys, &e->from, err);
        if (rc == 0 && k->has_revoked)
            rc = add_position(&x->owed, &k->revoked, err);
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Keys in the vault and the dossier, of the event itself. */
static int
add_offer(struct sweep *x, const struct position *at, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct slice bytes;
    struct buf out;
    int rc = add_position(&x->keys, at, err);
    if (rc == 0)
        rc = event_at(x, at, &log, &ev, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++) {
        bool key = h.capsules[i].class == CLASS_KEY;
        if (!key && h.capsules[i].class != CLASS_DOSSIER)
            continue;
        buf_init(&out, CAPSULE_BYTES_MAX);
        rc = key ? vault_capsule_get(x->g->vault, at, i, &out, err)
                 : capsules_get(x->txn, log.no, h.seq, i, &bytes, err);
        buf_free(&out);
        if (rc == 0)
            rc = add_place(&x->places, key ? 0 : log.no, at, i, err);
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    return rc == ERR_NOTFOUND ? 0 : rc; /* cut off since: the keys go */
}

static int
look_at_offer(struct sweep *x, const struct received_event *e, struct err *err)
{
    struct member_row row;
    struct position withdrawn = {0};
    bool stands = false;
    int rc = entitled_member(x->txn, &e->subject, &e->unit, &row, err);
    if (rc == 0) {
        stands = entitled_offer_stands(&row, &e->from, &withdrawn);
        member_row_release(&row);
    }
    if (stands || (rc != 0 && rc != ERR_NOTFOUND))
        return rc;
    size_t before = x->places.n;
    rc = add_offer(x, &e->from, err);
    if (rc == 0 && is_kept_for(x, &e->unit))
        x->places.n = before;
    else if (rc == 0)
        rc = add_capsules(x, &e->unit, &e->subject, err);
    return rc == 0 && withdrawn.seq != 0 ? add_position(&x->owed, &withdrawn, err) : rc;
}

/* What each event gave that is not destroyed yet. */
static int
walk_events(struct sweep *x, bool *ret_end, struct err *err)
{
    struct received_event events[EVENTS_STEP];
    size_t n = EVENTS_STEP;
    int rc = 0;
    while (rc == 0 && n == EVENTS_STEP && !is_full(x)) {
        rc = received_events(x->g->vault, x->started ? &x->event : NULL, events, EVENTS_STEP, &n, err);
        for (size_t i = 0; i < n && rc == 0; i++) {
            bool offer = events[i].kind == KIND_HANDOVER_OFFERED || events[i].kind == KIND_HANDOVER_COMPLETED;
            rc = guests_going(x->g, err);
            if (rc == 0)
                rc = offer ? look_at_offer(x, &events[i], err) : look_at_keys(x, &events[i], err);
            x->event = events[i].from;
            x->started = true;
        }
    }
    *ret_end = n < EVENTS_STEP;
    return rc;
}

/* ---- destroying ---- */

static int
run_step(struct sweep *x, struct api_op *op, enum guest_step step, struct err *err)
{
    op->kind = OP_GUEST;
    op->guest.step = step;
    return guests_run(x->g, op, err);
}

/* What is owed first, in commits of its own: whatever stops this between, it is confirmed when all is gone, and not before. */
static int
forget(struct sweep *x, struct err *err)
{
    struct api_op *op = calloc(1, sizeof(*op));
    int rc = op ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    for (size_t i = 0; i < x->owed.n && rc == 0; i += STRETCH) {
        op->guest = (struct guest_work_order){.keys = x->owed.v + i,
                                              .n_keys = x->owed.n - i < STRETCH ? x->owed.n - i : STRETCH};
        rc = run_step(x, op, GUEST_OWED, err);
    }
    for (size_t i = 0; (i < x->places.n || i < x->keys.n) && rc == 0; i += STRETCH) {
        size_t places = i < x->places.n ? x->places.n - i : 0, keys = i < x->keys.n ? x->keys.n - i : 0;
        op->guest = (struct guest_work_order){.places = places > 0 ? x->places.v + i : NULL,
                                              .n_places = places < STRETCH ? places : STRETCH,
                                              .keys = keys > 0 ? x->keys.v + i : NULL,
                                              .n_keys = keys < STRETCH ? keys : STRETCH};
        rc = run_step(x, op, GUEST_FORGET, err);
    }
    free(op);
    return rc;
}

int
guests_sweep(const struct guests *g, uint64_t *ret_n, struct err *err)
{
    struct sweep x = {.g = g, .known = calloc(ACCESSES_KEPT, sizeof(*x.known))};
    bool members = false, events = false;
    int rc = x.known ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    *ret_n = 0;
    while (rc == 0 && !events) {
        x.places.n = x.keys.n = x.owed.n = 0;
        rc = db_begin_read(g->db, &x.txn, err);
        if (rc != 0)
            break;
        memset(x.known, 0, ACCESSES_KEPT * sizeof(*x.known));
        x.by = (struct entitled_by){.txn = x.txn, .vault = g->vault, .own = g->identity->unit, .today = g->today};
        rc = members ? walk_events(&x, &events, err) : walk_members(&x, &members, err);
        db_abort(&x.txn);
        if (rc == 0)
            rc = forget(&x, err);
        *ret_n += rc == 0 ? x.places.n + x.keys.n : 0;
    }
    free(x.known);
    free(x.places.v);
    free(x.keys.v);
    free(x.owed.v);
    return rc;
}
