/* What ended grants and passes of other units gave is destroyed here, and what offers of members gave that were taken back or came to nothing. See guests.h; docs/PROTOCOL.md §12.7, kind 97. */
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/host/entitled.h"
#include "node/host/guests.h"
#include "storage/received.h"
#include "storage/vault_erase.h"

enum { KEYS_OF_ACCESS_MAX = 64, ORDERS_MAX = 16 };

/* One access whose time is over, and what of it is still here. */
struct over {
    struct unit_id unit;
    struct subject_id member;
    bool has_revoked;
    struct position revoked;
    size_t n_keys, n_places;
    struct position keys[KEYS_OF_ACCESS_MAX];
    struct guest_place places[GUEST_PLACES_MAX];
};

struct sweep {
    const struct guests *g;
    struct db_txn *txn;
    struct entitled_by by;
    struct over *v;
    size_t n;
};

/* ---- what is here ---- */

static int
add_keys(struct sweep *x, const struct access_row *row, struct over *o, struct err *err)
{
    struct access_keys keys[KEYS_OF_ACCESS_MAX];
    struct received_key one;
    struct buf capsule;
    size_t n = access_keys_of(row, keys, KEYS_OF_ACCESS_MAX), n_one = 0;
    int rc = 0;
    n = n < KEYS_OF_ACCESS_MAX ? n : KEYS_OF_ACCESS_MAX;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = received_of_event(x->g->vault, &keys[i].at, &one, 1, &n_one, NULL, err);
        if (rc == 0 && n_one > 0)
            o->keys[o->n_keys++] = keys[i].at;
        person_wipe(&one, sizeof(one));
        for (uint8_t k = 0; k < 8 && rc == 0; k++) {
            if ((keys[i].capsules & 1U << k) == 0 || o->n_places == GUEST_PLACES_MAX)
                continue;
            buf_init(&capsule, CAPSULE_BYTES_MAX);
            rc = vault_capsule_get(x->g->vault, &keys[i].at, k, &capsule, err);
            buf_free(&capsule);
            if (rc == 0)
                o->places[o->n_places++] = (struct guest_place){.at = keys[i].at, .index = k};
            rc = rc == ERR_NOTFOUND ? 0 : rc;
        }
    }
    return rc;
}

/* Capsules of an event of the member that are held and to which there is no right any more. */
static int
add_capsules_at(struct sweep *x, const struct position *at, struct over *o, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct slice bytes;
    bool may = false;
    int rc = evlog_find(x->txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(x->txn, log.no, at->seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules && o->n_places < GUEST_PLACES_MAX; i++) {
        const struct entitled_to what = {.log = &log, .header = &h, .payload = ev.payload, .index = i};
        if (h.capsules[i].class < CLASS_IDENTITY || h.capsules[i].class > CLASS_BANK)
            continue;
        rc = capsules_get(x->txn, log.no, h.seq, i, &bytes, err);
        if (rc == ERR_NOTFOUND) {
            rc = 0;
            continue;
        }
        if (rc == 0)
            rc = entitled(&x->by, &x->by.own, false, &what, &may, err);
        if (rc == 0 && !may)
            o->places[o->n_places++] = (struct guest_place){.log_no = log.no, .at = *at, .index = i};
    }
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
add_capsules(struct sweep *x, struct over *o, struct err *err)
{
    struct member_row row;
    int rc = entitled_member(x->txn, &o->member, &o->unit, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    for (size_t i = 0; i < row.n && rc == 0; i++)
        if (row.entries[i].capsule_mask & 7)
            rc = add_capsules_at(x, &row.entries[i].at, o, err);
    member_row_release(&row);
    return rc;
}

static bool
is_kept_for(const struct sweep *x, const struct unit_id *unit)
{
    const struct config *c = x->g->config;
    return c && entitled_is_kept(x->txn, c->keep, c->n_keep, unit);
}

static int
look_at(struct sweep *x, const struct access_row *row, struct err *err)
{
    struct access_state s;
    struct over *o = &x->v[x->n];
    access_state_of(row, &s);
    if (!s.exists || TYPE_EQ(&row->unit, &x->by.own) || !(s.is_pass || TYPE_EQ(&s.facts.host, &x->by.own)))
        return 0;
    *o = (struct over){.unit = row->unit, .member = s.facts.member, .has_revoked = s.revoked, .revoked = s.revoked_by};
    int rc = 0;
    bool kept = is_kept_for(x, &row->unit);
    if (!access_is_open(&s, x->g->today))
        rc = add_keys(x, row, o, err);
    if (kept)
        o->n_places = 0;
    else if (rc == 0)
        rc = add_capsules(x, o, err);
    /* Data that was replaced goes too, but an access that stands has not ended. */
    o->has_revoked &= !access_is_open(&s, x->g->today);
    x->n += rc == 0 && o->n_keys + o->n_places > 0;
    return rc;
}

/* ---- the walk ---- */

static int
walk(struct sweep *x, uint8_t from[KEY_ACCESS + 1], size_t *from_len, bool *ret_end, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, v;
    struct access_row row;
    struct unit_id unit;
    struct subject_id access;
    int rc = db_cursor_open(x->txn, TABLE_ACCESS, &c, err);
    if (rc == 0)
        rc =
            *from_len > 0 ? db_cursor_seek(c, slice_of(from, *from_len), &k, &v, err) : db_cursor_first(c, &k, &v, err);
    while (rc == 0 && x->n < ORDERS_MAX) {
        if (k.len != KEY_ACCESS) {
            rc = err_set(err, ERR_CORRUPT, "access: a key of %zu bytes", k.len);
            break;
        }
        memcpy(unit.b, k.data, HASH_BYTES);
        memcpy(access.b, k.data + HASH_BYTES, ID_BYTES);
        memcpy(from, k.data, KEY_ACCESS);
        from[KEY_ACCESS] = 0;
        *from_len = KEY_ACCESS + 1;
        rc = access_row_decode(v, &unit, &access, &row, err);
        if (rc == 0) {
            rc = look_at(x, &row, err);
            access_row_release(&row);
        }
        if (rc == 0)
            rc = db_cursor_next(c, &k, &v, err);
    }
    db_cursor_close(&c);
    *ret_end = rc == ERR_NOTFOUND;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* ---- offers ---- */

/* Keys in the vault and the dossier, of the event itself. */
static int
add_offer(struct sweep *x, const struct position *at, struct over *o, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct slice bytes;
    struct buf out;
    o->keys[o->n_keys++] = *at;
    int rc = evlog_find(x->txn, &at->log, &log, err);
    if (rc == 0)
        rc = evlog_event(x->txn, log.no, at->seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++) {
        bool key = h.capsules[i].class == CLASS_KEY;
        if (!key && h.capsules[i].class != CLASS_DOSSIER)
            continue;
        buf_init(&out, CAPSULE_BYTES_MAX);
        rc = key ? vault_capsule_get(x->g->vault, at, i, &out, err)
                 : capsules_get(x->txn, log.no, h.seq, i, &bytes, err);
        buf_free(&out);
        if (rc == 0)
            o->places[o->n_places++] = (struct guest_place){.log_no = key ? 0 : log.no, .at = *at, .index = i};
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    return rc == ERR_NOTFOUND ? 0 : rc; /* cut off since: the keys go */
}

static int
look_at_offer(struct sweep *x, const struct received_event *e, struct err *err)
{
    struct over *o = &x->v[x->n];
    struct member_row row;
    struct position withdrawn = {0};
    bool stands = false;
    if (e->kind != KIND_HANDOVER_OFFERED && e->kind != KIND_HANDOVER_COMPLETED)
        return 0;
    int rc = entitled_member(x->txn, &e->subject, &e->unit, &row, err);
    if (rc == 0) {
        stands = entitled_offer_stands(&row, &e->from, &withdrawn);
        member_row_release(&row);
    }
    if (stands || (rc != 0 && rc != ERR_NOTFOUND))
        return rc;
    *o = (struct over){.unit = e->unit, .member = e->subject, .has_revoked = withdrawn.seq != 0, .revoked = withdrawn};
    rc = add_offer(x, &e->from, o, err);
    if (rc == 0 && is_kept_for(x, &e->unit))
        o->n_places = 0;
    else if (rc == 0)
        rc = add_capsules(x, o, err);
    x->n += rc == 0;
    return rc;
}

/* What each event gave that is not destroyed yet, after *at; *ret_end: that was all. */
static int
walk_offers(struct sweep *x, struct position *at, bool *started, bool *ret_end, struct err *err)
{
    struct received_event events[ORDERS_MAX];
    size_t n = 0;
    int rc = received_events(x->g->vault, *started ? at : NULL, events, ORDERS_MAX, &n, err);
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = look_at_offer(x, &events[i], err);
        *at = events[i].from;
        *started = true;
    }
    *ret_end = n < ORDERS_MAX;
    return rc;
}

static int
forget(struct sweep *x, struct err *err)
{
    struct api_op *op = calloc(1, sizeof(*op));
    int rc = op ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    for (size_t i = 0; i < x->n && rc == 0; i++) {
        struct over *o = &x->v[i];
        op->kind = OP_GUEST;
        op->guest = (struct guest_work_order){.step = GUEST_FORGET,
                                              .n_places = o->n_places,
                                              .places = o->places,
                                              .n_keys = o->n_keys,
                                              .keys = o->keys,
                                              .has_revoked = o->has_revoked,
                                              .revoked = o->revoked,
                                              .unit = o->unit,
                                              .member = o->member};
        rc = guests_run(x->g, op, err);
    }
    free(op);
    return rc;
}

int
guests_sweep(const struct guests *g, uint64_t *ret_n, struct err *err)
{
    struct sweep x = {.g = g, .v = calloc(ORDERS_MAX, sizeof(struct over))};
    uint8_t from[KEY_ACCESS + 1];
    struct position offer;
    size_t from_len = 0;
    bool accesses = false, offers = false, started = false;
    int rc = x.v ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    *ret_n = 0;
    while (rc == 0 && !offers) {
        x.n = 0;
        rc = db_begin_read(g->db, &x.txn, err);
        x.by = (struct entitled_by){.txn = x.txn, .vault = g->vault, .own = g->identity->unit, .today = g->today};
        if (rc == 0)
            rc = accesses ? walk_offers(&x, &offer, &started, &offers, err) : walk(&x, from, &from_len, &accesses, err);
        db_abort(&x.txn);
        if (rc == 0)
            rc = forget(&x, err);
        *ret_n += rc == 0 ? x.n : 0;
    }
    free(x.v);
    return rc;
}

/* ---- confirming ---- */

static const char OWED[] = "owed-";
enum { KEY_OWED = sizeof(OWED) - 1 + KEY_POSITION, CONFIRM_STEP = 64 };

int
guests_put_owed(struct db_txn *txn, const struct position *ended, bool owed, struct err *err)
{
    uint8_t key[KEY_OWED];
    memcpy(key, OWED, sizeof(OWED) - 1);
    key_position(key + sizeof(OWED) - 1, &ended->log, ended->seq);
    int rc = owed ? db_put(txn, TABLE_META, slice_of(key, sizeof(key)), slice_of("", 1), err)
                  : db_del(txn, TABLE_META, slice_of(key, sizeof(key)), err);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* The next ends that are not confirmed yet, with an event for each. */
static int
owed_drafts(const struct guests *g, struct guest_place *places, struct draft *drafts, size_t *ret_n, struct err *err)
{
    struct command_ctx ctx;
    struct db_txn *txn = NULL;
    struct db_cursor *c = NULL;
    struct slice k, v;
    size_t n = 0;
    int rc = db_begin_read(g->db, &txn, err);
    if (rc != 0)
        return rc;
    guests_context(g, txn, &ctx);
    rc = db_cursor_open(txn, TABLE_META, &c, err);
    if (rc == 0)
        rc = db_cursor_seek(c, slice_of(OWED, sizeof(OWED) - 1), &k, &v, err);
    while (rc == 0 && n < CONFIRM_STEP && k.len == KEY_OWED && memcmp(k.data, OWED, sizeof(OWED) - 1) == 0) {
        struct position *at = &places[n].at;
        memcpy(at->log.b, k.data + sizeof(OWED) - 1, HASH_BYTES);
        at->seq = be64_get(k.data + sizeof(OWED) - 1 + HASH_BYTES);
        rc = guest_confirmation(&ctx, at, &drafts[n], err);
        n += rc == 0;
        if (rc == 0)
            rc = db_cursor_next(c, &k, &v, err);
    }
    db_cursor_close(&c);
    db_abort(&txn);
    *ret_n = n;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
guests_confirm(const struct guests *g, bool rewrite, struct err *err)
{
    struct guest_place *places = calloc(CONFIRM_STEP, sizeof(*places));
    struct draft *drafts = calloc(CONFIRM_STEP, sizeof(*drafts));
    struct api_op *op = calloc(1, sizeof(*op));
    size_t n = CONFIRM_STEP;
    int rc = places && drafts && op ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    while (rc == 0 && n == CONFIRM_STEP) {
        n = 0;
        rc = owed_drafts(g, places, drafts, &n, err);
        if (rc == 0 && (rewrite || n > 0))
            rc = vault_rewrite(g->vault, NULL, err);
        rewrite = false;
        if (rc == 0 && n > 0) {
            op->kind = OP_GUEST;
            op->guest = (struct guest_work_order){
                .step = GUEST_CONFIRM, .drafts = drafts, .n_drafts = n, .places = places, .n_places = n};
            rc = guests_run(g, op, err);
        }
        for (size_t i = 0; i < n; i++)
            draft_release(&drafts[i]);
    }
    free(places);
    free(drafts);
    free(op);
    return rc;
}
