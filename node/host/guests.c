/* See guests.h. The turn, and what arrived. */
#include "node/host/guests.h"

#include <sodium.h>
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/command/rows.h"
#include "node/host/counting.h"
#include "node/host/entitled.h"
#include "node/host/guests_keys.h"
#include "storage/changes.h"
#include "storage/keyslots.h"
#include "storage/received.h"
#include "storage/visits.h"

enum { SWEEPS_MAX = 8 };

int
guests_going(const struct guests *g, struct err *err)
{
    return g->stop && g->stop(g->arg) ? err_set(err, ERR_UNAVAILABLE, "stopped") : 0;
}

int
guests_run(const struct guests *g, struct api_op *op, struct err *err)
{
    struct actor_id actor = counting_actor(&g->identity->unit);
    int rc = guests_going(g, err);
    if (rc == 0)
        rc = g->run(g->arg, &actor, op, err);
    if (rc == 0 && op->result.err.code != ERR_NONE) {
        *err = op->result.err;
        rc = err->code;
    }
    return rc;
}

void
guests_context(const struct guests *g, struct db_txn *txn, struct command_ctx *ret)
{
    *ret = (struct command_ctx){.txn = txn,
                                .vault = g->vault,
                                .unit = g->identity->unit,
                                .actor = counting_actor(&g->identity->unit),
                                .today = g->today,
                                .random = g->random,
                                .random_arg = g->random_arg};
    memcpy(ret->unit_code, g->identity->unit_code, sizeof(ret->unit_code));
}

static void
say(const struct guests *g, const char *what, uint64_t n)
{
    if (g->said && n > 0)
        g->said(g->arg, what, n);
}

/* ---- what arrived ---- */

struct opening_run {
    const struct guests *g;
    struct db_txn *txn;
    struct guest_place done[GUESTS_STEP];
    size_t n_done;
    struct received_key *received; /* locked pages */
    size_t n_received, cap_received;
    struct guests_keys keys;
    struct position work[GUEST_WORK_MAX * GUESTS_STEP];
    size_t n_work;
    uint64_t opened, refused;
};

/* Whether some event of ours is about the entity: nobody else's can take its place. */
static bool
is_own_entity(const struct opening_run *x, const struct subject_id *entity)
{
    uint8_t key[KEY_ACTIVITY];
    struct slice row;
    key_activity(key, &x->g->identity->unit, entity);
    if (db_get(x->txn, TABLE_ACTIVITIES, slice_of(key, sizeof(key)), &row, NULL) == 0)
        return true;
    key_invoice(key, &x->g->identity->unit, entity);
    return db_get(x->txn, TABLE_INVOICES, slice_of(key, sizeof(key)), &row, NULL) == 0;
}

/* An activity or invoice of a host, of a member of ours: found with her from now on. */
static int
link_work(struct opening_run *x, const struct unit_id *unit, const struct event_header *h, struct slice payload,
          struct slice capsule, struct err *err)
{
    struct event_common common;
    struct activity_links l;
    struct subject_id member;
    struct vault_link there;
    struct index_entry entry;
    struct buf plain;
    if (event_common_decode(payload, &common, NULL) != 0 || !common.has_subject)
        return 0;
    buf_init(&plain, CAPSULE_BYTES_MAX);
    int rc = guests_keys_open(&x->keys, x->txn, CLASS_ACTIVITY, capsule, &plain, &member, err);
    if (rc == 0 && activity_links_decode(buf_slice(&plain), &l, NULL) != 0)
        rc = ERR_NOTFOUND;
    buf_free(&plain);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    bool fits = TYPE_EQ(&l.member, &member) && l.has_unit && TYPE_EQ(&l.unit, &x->g->identity->unit) &&
                !is_own_entity(x, &common.subject);
    person_wipe(&l, sizeof(l));
    rc = fits ? vault_link_get(x->g->vault, &common.subject, &there, err) : 0;
    if (!fits || rc != ERR_NOTFOUND)
        return rc;
    bool invoice = h->kind >= KIND_INVOICE_ISSUED && h->kind <= KIND_INVOICE_CANCELLED;
    const struct vault_link link = {.entity = common.subject,
                                    .member = member,
                                    .flags = (uint8_t)((invoice ? LINK_INVOICE : LINK_ACTIVITY) | LINK_ABROAD),
                                    .unit = *unit};
    entry.subject = common.subject;
    index_work_of(x->g->vault, &member, entry.token);
    x->opened++;
    return vault_links_put(x->g->vault, &link, 1, &entry, 1, err);
}

/* An event by position, with its log. ERR_NOTFOUND. */
static int
event_at(struct db_txn *txn, const struct position *at, struct log_row *ret_log, struct stored_event *ret,
         struct event_header *ret_header, struct err *err)
{
    int rc = evlog_find(txn, &at->log, ret_log, err);
    if (rc == 0)
        rc = evlog_event(txn, ret_log->no, at->seq, ret, err);
    return rc != 0 ? rc : event_header_decode(ret->header, ret_header, err);
}

/* Links work whose capsule is here, and asks for it where it is not. */
static int
take_work(struct opening_run *x, const struct unit_id *host, const struct guest_work *work, struct err *err)
{
    struct position at = {.log = work->log, .seq = work->seq};
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct slice capsule;
    int rc = event_at(x->txn, &at, &log, &ev, &h, err);
    if (rc == 0 && !TYPE_EQ(&log.unit, host)) /* a host speaks of its own work */
        return 0;
    for (uint8_t i = 0; rc == 0 && i < h.n_capsules; i++) {
        if (h.capsules[i].class != CLASS_ACTIVITY)
            continue;
        rc = capsules_get(x->txn, log.no, h.seq, i, &capsule, err);
        if (rc == 0)
            return link_work(x, host, &h, ev.payload, capsule, err);
    }
    if (rc == ERR_NOTFOUND && x->n_work < ARRAY_LEN(x->work))
        x->work[x->n_work++] = at;
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* A record that arrives after an erasure holds no more than one that it found here (node/host/erasing_visits.h): *plain is what is left of
 * it, empty for nothing. Then the capsule goes, too. */
static int
take_erased(struct opening_run *x, struct guest_record *r, const struct visit *visit, struct buf *plain,
            struct err *err)
{
    struct guest_place *place = &x->done[x->n_done - 1];
    struct command_ctx ctx;
    struct member_row row;
    uint16_t erased = 0;
    guests_context(x->g, x->txn, &ctx);
    int rc = rows_member(&ctx, &visit->subject, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = guest_erased_since(&ctx, &row, &visit->at, r->day, &erased, &place->erased_by, err);
    member_row_release(&row);
    if (rc != 0 || !(erased & (r->n_contact > 0 ? GUEST_CONTACT_GOES_WITH : GUEST_GOES_WITH)))
        return rc;
    place->erased = true;
    buf_clear(plain);
    if (erased & GUEST_GOES_WITH)
        return 0;
    guest_record_forget_contact(r);
    return guest_record_encode(r, plain, err);
}

static int
open_record(struct opening_run *x, const struct log_row *log, const struct event_header *h, uint8_t index,
            struct err *err)
{
    struct guest_record *r = malloc(sizeof(*r));
    struct visit visit = {.at = {.log = log->id, .seq = h->seq}, .index = index, .host = log->unit};
    struct slice capsule;
    struct buf plain;
    if (!r)
        return err_set(err, ERR_NOMEM, "guests: out of memory");
    buf_init(&plain, CAPSULE_BYTES_MAX);
    int rc = capsules_get(x->txn, log->no, h->seq, index, &capsule, err);
    if (rc == 0)
        rc = guests_keys_open(&x->keys, x->txn, CLASS_GUEST, capsule, &plain, &visit.subject, err);
    bool fits = rc == 0 && guest_record_decode(buf_slice(&plain), r, NULL) == 0 &&
                TYPE_EQ(&r->member, &visit.subject) && TYPE_EQ(&r->unit, &x->g->identity->unit);
    if (fits)
        rc = take_erased(x, r, &visit, &plain, err);
    if (fits && rc == 0 && plain.len > 0)
        rc = visits_put(x->g->vault, &visit, buf_slice(&plain), err);
    x->opened += fits && rc == 0;
    for (size_t i = 0; fits && rc == 0 && plain.len > 0 && i < r->n_work; i++)
        rc = take_work(x, &log->unit, &r->work[i], err);
    buf_free(&plain);
    person_wipe(r, sizeof(*r));
    free(r);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* ---- keys ---- */

static int
keep_keys(struct opening_run *x, const struct received_key *like, const struct key_capsule_content *content,
          struct err *err)
{
    if (x->n_received + content->n_keys > x->cap_received) {
        size_t cap = x->cap_received + GUESTS_STEP * DATA_KEYS_MAX;
        struct received_key *more = sodium_allocarray(cap, sizeof(*more));
        if (!more)
            return err_set(err, ERR_NOMEM, "guests: no locked memory for keys");
        if (x->n_received > 0)
            memcpy(more, x->received, x->n_received * sizeof(*more));
        sodium_free(x->received);
        x->received = more;
        x->cap_received = cap;
    }
    for (size_t i = 0; i < content->n_keys; i++) {
        struct received_key *k = &x->received[x->n_received++];
        *k = *like;
        k->class = content->keys[i].class;
        k->generation = content->keys[i].generation;
        k->key = content->keys[i].key;
    }
    return 0;
}

static int
open_sealed(const struct guests *g, struct slice capsule, struct buf *plain)
{
    struct box_public pk;
    struct box_secret sk;
    if (capsule_open_sealed(&g->identity->exchange_secret, &g->identity->exchange_key, CLASS_KEY, capsule, plain,
                            NULL) == 0)
        return 0;
    if (!g->older_exchange)
        return ERR_DENIED;
    crypto_keypair_box(g->older_exchange->b, &pk, &sk);
    buf_clear(plain);
    int rc = capsule_open_sealed(&sk, &pk, CLASS_KEY, capsule, plain, NULL);
    sodium_memzero(&sk, sizeof(sk));
    return rc;
}

/* Whose keys the event gives, and how long they may be kept; false: not to us, or no more. */
static int
of_event(struct opening_run *x, const struct log_row *log, const struct event_payload *p, struct received_key *ret,
         bool *ret_ours, struct err *err)
{
    struct access_row row;
    struct access_state s;
    *ret_ours = true;
    ret->unit = p->common.has_subject_unit ? p->common.subject_unit : log->unit;
    ret->subject = p->common.subject;
    ret->until = DATE_NONE;
    ret->kind = p->kind;
    if (p->kind == KIND_HANDOVER_OFFERED || p->kind == KIND_HANDOVER_COMPLETED)
        return 0; /* also of an offer that was taken back meanwhile: by its keys the sweep finds what else came with it */
    int rc = entitled_access(x->txn, &ret->unit, &p->common.subject, &row, err);
    *ret_ours = false;
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    access_state_of(&row, &s);
    access_row_release(&row);
    *ret_ours =
        s.exists && !s.is_pass && TYPE_EQ(&s.facts.host, &x->g->identity->unit) && access_stands(&s, x->g->today);
    ret->subject = s.facts.member;
    ret->until = s.facts.until;
    return 0;
}

static int
open_keys(struct opening_run *x, const struct log_row *log, const struct event_header *h, struct slice payload,
          uint8_t index, struct err *err)
{
    struct event_payload p;
    struct key_capsule_content content;
    struct received_key like = {.from = {.log = log->id, .seq = h->seq}};
    struct buf capsule, plain;
    bool ours = false;
    if (event_payload_decode(h->kind, h->kind_version, payload, &p, NULL) != 0)
        return 0;
    int rc = of_event(x, log, &p, &like, &ours, err);
    if (rc != 0 || !ours)
        return rc;
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    rc = vault_capsule_get(x->g->vault, &like.from, index, &capsule, err);
    if (rc == 0 && open_sealed(x->g, buf_slice(&capsule), &plain) == 0 &&
        key_capsule_decode(buf_slice(&plain), KEY_USE_GRANT, &like.unit, &like.subject, &content, NULL) == 0) {
        rc = keep_keys(x, &like, &content, err);
        x->opened++;
        sodium_memzero(&content, sizeof(content));
    }
    buf_free(&capsule);
    buf_free(&plain);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* ---- the list ---- */

static int
open_one(struct opening_run *x, uint32_t log_no, uint64_t seq, uint8_t index, struct err *err)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct slice capsule;
    int rc = evlog_get(x->txn, log_no, &log, err);
    if (rc == 0)
        rc = evlog_event(x->txn, log_no, seq, &ev, err);
    if (rc == 0)
        rc = event_header_decode(ev.header, &h, err);
    if (rc == 0 && log.applied_seq < seq)
        return 1; /* its rows are not there yet */
    if (rc == 0) {
        x->done[x->n_done++] =
            (struct guest_place){.log_no = log_no, .at = {.log = log.id, .seq = seq}, .index = index};
        if (index >= h.n_capsules)
            return 0;
        switch (h.capsules[index].class) {
        case CLASS_KEY: return open_keys(x, &log, &h, ev.payload, index, err);
        case CLASS_GUEST: return open_record(x, &log, &h, index, err);
        case CLASS_ACTIVITY:
            rc = capsules_get(x->txn, log_no, seq, index, &capsule, err);
            return rc == 0 ? link_work(x, &log.unit, &h, ev.payload, capsule, err) : rc == ERR_NOTFOUND ? 0 : rc;
        default: return 0;
        }
    }
    if (rc == ERR_NOTFOUND) { /* cut off since */
        x->done[x->n_done++] = (struct guest_place){.log_no = log_no, .at = {.seq = seq}, .index = index};
        rc = 0;
    }
    return rc;
}

static int
stretch(struct opening_run *x, uint8_t from[KEY_CAPSULE + 1], size_t *from_len, struct err *err)
{
    struct db_cursor *c = NULL;
    struct slice k, v;
    int rc = db_cursor_open(x->txn, TABLE_ARRIVED, &c, err);
    if (rc == 0)
        rc =
            *from_len > 0 ? db_cursor_seek(c, slice_of(from, *from_len), &k, &v, err) : db_cursor_first(c, &k, &v, err);
    while (rc == 0 && x->n_done < GUESTS_STEP) {
        if (k.len == KEY_CAPSULE) {
            memcpy(from, k.data, KEY_CAPSULE);
            from[KEY_CAPSULE] = 0;
            *from_len = KEY_CAPSULE + 1;
            rc = open_one(x, be32_get(k.data), be64_get(k.data + 4), k.data[12], err);
        }
        if (rc >= 0) /* 1: it stays on the list */
            rc = db_cursor_next(c, &k, &v, err);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
store_opened(struct opening_run *x, struct err *err)
{
    struct api_op *op = calloc(1, sizeof(*op));
    int rc = op ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    if (rc == 0 && x->n_received > 0) {
        op->kind = OP_GUEST;
        op->guest.step = GUEST_KEYS;
        op->guest.received = x->received;
        op->guest.n_received = x->n_received;
        rc = guests_run(x->g, op, err);
        x->refused += rc == 0 ? op->guest.n_refused : 0;
    }
    if (rc == 0 && x->n_done > 0) {
        op->kind = OP_GUEST;
        op->guest.step = GUEST_OPENED;
        op->guest.places = x->done;
        op->guest.n_places = x->n_done;
        rc = guests_run(x->g, op, err);
    }
    free(op);
    for (size_t i = 0; rc == 0 && x->g->want_work && i < x->n_work; i++)
        x->g->want_work(x->g->arg, &x->work[i]);
    return rc;
}

static void
run_free(struct opening_run *x)
{
    guests_keys_free(&x->keys);
    sodium_free(x->received);
    free(x);
}

int
guests_arrived(const struct guests *g, uint64_t *ret_n, struct err *err)
{
    struct opening_run *x = calloc(1, sizeof(*x));
    uint8_t from[KEY_CAPSULE + 1];
    size_t from_len = 0, n = GUESTS_STEP;
    int rc = x ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    if (x) {
        x->g = g;
        x->keys = (struct guests_keys){.vault = g->vault, .unit = g->identity->unit};
    }
    while (rc == 0 && n == GUESTS_STEP) {
        x->n_done = x->n_received = x->n_work = 0;
        rc = db_begin_read(g->db, &x->txn, err);
        if (rc == 0)
            rc = stretch(x, from, &from_len, err);
        db_abort(&x->txn);
        n = x->n_done;
        if (rc == 0)
            rc = store_opened(x, err);
    }
    *ret_n = x ? x->opened : 0;
    if (x && x->refused > 0 && g->too_many)
        g->too_many(g->arg, x->refused);
    if (x)
        run_free(x);
    return rc;
}

/* ---- work that was never fetched ---- */

static bool
is_missing(struct db_txn *txn, const struct unit_id *host, const struct position *at)
{
    struct log_row log;
    struct stored_event ev;
    struct event_header h;
    struct slice capsule;
    if (event_at(txn, at, &log, &ev, &h, NULL) != 0)
        return true;
    for (uint8_t i = 0; i < h.n_capsules; i++)
        if (h.capsules[i].class == CLASS_ACTIVITY && TYPE_EQ(&log.unit, host))
            return capsules_get(txn, log.no, h.seq, i, &capsule, NULL) == ERR_NOTFOUND;
    return false;
}

static int
look_at_visit(void *arg, const struct visit *visit, struct slice plain)
{
    struct opening_run *x = arg;
    struct guest_record *r = malloc(sizeof(*r));
    int rc = 0;
    if (!r)
        return ERR_NOMEM;
    bool reads = guest_record_decode(plain, r, NULL) == 0;
    for (size_t i = 0; rc == 0 && reads && i < r->n_work && x->n_work < ARRAY_LEN(x->work); i++) {
        struct position at = {.log = r->work[i].log, .seq = r->work[i].seq};
        if (is_missing(x->txn, &visit->host, &at))
            x->work[x->n_work++] = at;
    }
    person_wipe(r, sizeof(*r));
    free(r);
    return rc;
}

int
guests_missing_work(const struct guests *g, struct err *err)
{
    struct opening_run *x = calloc(1, sizeof(*x));
    if (!x)
        return err_set(err, ERR_NOMEM, "guests: out of memory");
    x->g = g;
    int rc = db_begin_read(g->db, &x->txn, err);
    if (rc == 0)
        rc = visits_each(g->vault, NULL, NULL, look_at_visit, x, err);
    db_abort(&x->txn);
    for (size_t i = 0; rc == 0 && g->want_work && i < x->n_work; i++)
        g->want_work(g->arg, &x->work[i]);
    run_free(x);
    return rc;
}

/* ---- the turn ---- */

static bool
ends_access(uint16_t kind)
{
    return kind == KIND_ACCESS_REVOKED || kind == KIND_ERASURE_ORDERED || kind == KIND_RESTRICTION_ORDERED ||
           kind == KIND_HANDOVER_COMPLETED || kind == KIND_HANDOVER_WITHDRAWN;
}

/* Whether the list of changes has anything new that ends an access; seen moves on. On a new day all is looked at anyway. */
static int
look_for_ends(const struct guests *g, struct guests_seen *seen, bool *ret, struct err *err)
{
    struct db_txn *txn = NULL;
    struct changes_row row;
    struct evlog_iter it;
    struct stored_event ev;
    struct event_header h;
    struct changes_mark end;
    int rc = db_begin_read(g->db, &txn, err);
    if (rc == 0 && *ret && (rc = changes_end(txn, &end, err)) == 0)
        seen->changes = end.number;
    while (rc == 0 && (rc = changes_at(txn, seen->changes + 1, &row, err)) == 0) {
        uint64_t skip = seen->changes + row.count - row.last; /* of its events */
        rc = row.type == CHANGES_EVENTS ? evlog_iter_init(&it, txn, row.log_no, row.first + skip, err) : ERR_NOTFOUND;
        for (uint64_t i = skip; rc == 0 && i < row.count; i++) {
            rc = evlog_iter_next(&it, &ev, err);
            if (rc == 0)
                rc = event_header_decode(ev.header, &h, err);
            *ret |= rc == 0 && ends_access(h.kind);
        }
        if (row.type == CHANGES_EVENTS)
            evlog_iter_release(&it);
        seen->changes = row.last;
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    }
    db_abort(&txn);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

/* Until nothing is found any more: only that shows that of what is to be confirmed, which was noted in the rounds before, nothing is left.
 * *ret_done false: there is always more; that is for the next turn. */
static int
sweep_all(const struct guests *g, uint64_t *ret_n, bool *ret_done, struct err *err)
{
    int rc = 0;
    *ret_done = false;
    for (int i = 0; i < SWEEPS_MAX && rc == 0 && !*ret_done; i++) {
        uint64_t n = 0;
        rc = guests_sweep(g, &n, err);
        *ret_n += n;
        *ret_done = rc == 0 && n == 0;
    }
    return rc;
}

int
guests_turn(const struct guests *g, struct guests_seen *seen, bool due, bool all, struct err *err)
{
    bool new_day = seen->day.days != g->today.days, ends = new_day, swept = true;
    uint64_t n = 0;
    int rc = guests_arrived(g, &n, err);
    say(g, "capsules of other units opened", n);
    if (rc == 0)
        rc = look_for_ends(g, seen, &ends, err);
    if (rc == 0 && new_day)
        rc = guests_missing_work(g, err);
    n = 0;
    if (rc == 0 && (due || all || ends))
        rc = guests_record(g, all || ends, &n, err);
    say(g, "records for other units written", n);
    n = 0;
    if (rc == 0 && ends)
        rc = sweep_all(g, &n, &swept, err);
    say(g, "ended grants and passes of other units: keys and capsules destroyed", n);
    if (rc == 0 && ends && swept)
        rc = guests_confirm(g, n > 0, err);
    if (rc == 0 && g->known_at && (due || all))
        rc = guests_note_known(g, 1, err);
    if (rc == 0 && swept)
        seen->day = g->today;
    else if (ends)
        seen->day = (struct civil_date){0}; /* looked for again */
    return rc;
}
