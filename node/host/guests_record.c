/* What was opened and done here of other units' members, written for their homes (kind 86). See guests.h; docs/PROTOCOL.md §6 class 7. */
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/command/work.h"
#include "node/host/guests.h"
#include "storage/received.h"

enum {
    RECORDS_MAX = 1024, /* worked out at a time: about 10 KB each; what is left waits for the next turn */
    LOGS_MAX = GUEST_PLACES_MAX,
    EVENTS_PER_STRETCH = 65536,
};

struct gathering {
    const struct guests *g;
    struct command_ctx ctx;
    struct guest_record *v; /* heap */
    size_t n;
    bool full;
    struct opening *openings; /* that are in v, or whose keys are gone */
    size_t n_openings;
    struct guest_place *read; /* own logs, and how far */
    size_t n_read;
    uint64_t lost;
};

/* ---- what is to be said ---- */

static struct guest_record *
record_of(struct gathering *x, const struct subject_id *member, const struct unit_id *unit, struct civil_date day,
          const struct actor_id *actor, const struct subject_id *access)
{
    for (size_t i = 0; i < x->n; i++) {
        struct guest_record *r = &x->v[i];
        if (r->day.days == day.days && TYPE_EQ(&r->member, member) && TYPE_EQ(&r->unit, unit) &&
            TYPE_EQ(&r->actor, actor) && r->n_work < GUEST_WORK_MAX && (!access || TYPE_EQ(&r->access, access)))
            return r;
    }
    if (x->n == RECORDS_MAX) {
        x->full = true;
        return NULL;
    }
    struct guest_record *r = &x->v[x->n++];
    memset(r, 0, sizeof(*r));
    r->member = *member;
    r->unit = *unit;
    r->day = day;
    r->actor = *actor;
    if (access)
        r->access = *access;
    r->has_access = access || guest_access(&x->ctx, unit, member, &r->access, NULL) == 0;
    return r;
}

static bool
has_key(struct gathering *x, const struct unit_id *unit, const struct subject_id *member, struct unit_id *ret_unit)
{
    struct received_filter filter = {.unit = unit, .class = CLASS_ACTIVITY, .on = DATE_NONE};
    struct received_key key;
    bool has = received_newest(x->g->vault, member, &filter, &key, NULL) == 0;
    if (has && ret_unit)
        *ret_unit = key.unit;
    person_wipe(&key, sizeof(key));
    return has;
}

static int
take_openings(struct gathering *x, bool all, struct err *err)
{
    struct civil_date before = all ? DATE_NONE : x->g->today;
    int rc = openings_list(x->g->vault, NULL, before, x->openings, RECORDS_MAX, &x->n_openings, err);
    for (size_t i = 0; i < x->n_openings && rc == 0; i++) {
        const struct opening *o = &x->openings[i];
        if (!has_key(x, &o->home, &o->subject, NULL)) {
            x->lost++;
            continue;
        }
        struct guest_record *r = record_of(x, &o->subject, &o->home, o->day, &o->actor, &o->access);
        if (!r) {
            x->n_openings = i;
            break;
        }
        r->opened += o->count;
        r->classes |= o->done & OPENED_CLASSES;
        r->pass_shown |= (o->done & OPENED_BY_PASS) != 0;
    }
    return rc;
}

/* An own event whose class 4 capsule is about a visitor. */
static int
take_event(struct gathering *x, const struct log_row *log, const struct event_header *h, struct slice payload,
           struct err *err)
{
    struct event_common common;
    struct vault_link link;
    struct activity_links l;
    struct unit_id unit;
    struct position at = {.log = log->id, .seq = h->seq};
    if (event_common_decode(payload, &common, NULL) != 0 || !common.has_subject)
        return 0;
    int rc = vault_link_get(x->g->vault, &common.subject, &link, err);
    if (rc != 0 || (link.flags & LINK_OTHER_UNIT) == 0)
        return rc == ERR_NOTFOUND || rc == ERR_CORRUPT ? 0 : rc;
    if (!has_key(x, NULL, &link.member, &unit)) {
        x->lost++;
        return 0;
    }
    rc = work_links_read(&x->ctx, &common.subject, &at, &l, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    struct civil_date day = date_is_none(l.day) ? x->g->today : l.day;
    struct guest_record *r =
        record_of(x, &link.member, l.has_unit ? &l.unit : &unit, day, l.has_actor ? &l.actor : &x->ctx.actor, NULL);
    person_wipe(&l, sizeof(l));
    if (!r)
        return 0;
    struct guest_work *w = &r->work[r->n_work++];
    *w = (struct guest_work){.log = log->id, .seq = h->seq, .kind = h->kind};
    memcpy(w->entity, common.subject.b, ID_BYTES);
    return 0;
}

static bool
is_work(const struct event_header *h)
{
    if (h->kind < KIND_ACTIVITY_OPENED || h->kind > KIND_INVOICE_CANCELLED)
        return false;
    for (uint8_t i = 0; i < h->n_capsules; i++)
        if (h->capsules[i].class == CLASS_ACTIVITY)
            return true;
    return false;
}

static void
cursor_key(uint8_t out[6 + HASH_BYTES], const struct log_id *log)
{
    memcpy(out, "guest-", 6);
    memcpy(out + 6, log->b, HASH_BYTES);
}

int
guests_put_read(struct db_txn *txn, const struct position *at, struct err *err)
{
    uint8_t key[6 + HASH_BYTES], value[8];
    cursor_key(key, &at->log);
    be64_put(value, at->seq);
    return db_put(txn, TABLE_META, slice_of(key, sizeof(key)), slice_of(value, sizeof(value)), err);
}

static int
take_log(struct gathering *x, const struct log_row *log, int *left, struct err *err)
{
    uint8_t key[6 + HASH_BYTES];
    struct slice value;
    struct evlog_iter it;
    struct stored_event ev;
    struct event_header h;
    uint64_t seq = 0;
    cursor_key(key, &log->id);
    int rc = db_get(x->ctx.txn, TABLE_META, slice_of(key, sizeof(key)), &value, err);
    if (rc == 0 && value.len == 8)
        seq = be64_get(value.data);
    if ((rc != 0 && rc != ERR_NOTFOUND) || seq >= log->applied_seq || x->n_read == LOGS_MAX)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = evlog_iter_init(&it, x->ctx.txn, log->no, seq + 1, err);
    while (rc == 0 && *left > 0 && !x->full && seq < log->applied_seq) {
        rc = evlog_iter_next(&it, &ev, err);
        if (rc == 0)
            rc = event_header_decode(ev.header, &h, err);
        if (rc == 0 && is_work(&h))
            rc = take_event(x, log, &h, ev.payload, err);
        if (rc == 0 && !x->full)
            seq = h.seq;
        (*left)--;
    }
    evlog_iter_release(&it);
    x->read[x->n_read++] = (struct guest_place){.log_no = log->no, .at = {.log = log->id, .seq = seq}};
    return rc == ERR_NOTFOUND ? 0 : rc;
}

static int
take_work(struct gathering *x, int *left, struct err *err)
{
    struct log_row row;
    uint32_t n = 0;
    int rc = evlog_count(x->ctx.txn, &n, err);
    for (uint32_t no = 1; no <= n && rc == 0 && *left > 0 && !x->full; no++) {
        rc = evlog_get(x->ctx.txn, no, &row, err);
        if (rc == 0 && TYPE_EQ(&row.unit, &x->g->identity->unit))
            rc = take_log(x, &row, left, err);
    }
    return rc;
}

/* ---- the events ---- */

static uint32_t
below(const struct guests *g, uint32_t n)
{
    uint64_t v;
    g->random(g->random_arg, (uint8_t *)&v, sizeof(v));
    return (uint32_t)(v % n);
}

/* By home; within it in an order that says nothing. */
static void
shuffle(struct gathering *x, uint32_t *order)
{
    for (uint32_t i = 0; i < x->n; i++)
        order[i] = i;
    for (uint32_t i = (uint32_t)x->n; i > 1; i--) {
        uint32_t k = below(x->g, i), swap = order[k];
        order[k] = order[i - 1];
        order[i - 1] = swap;
    }
}

/* The next event: up to so many records of one home that are not taken yet (order: UINT32_MAX = taken). */
static int
next_draft(struct gathering *x, uint32_t *order, struct guest_record *some, struct draft *ret, bool *ret_any,
           struct err *err)
{
    const struct unit_id *home = NULL;
    size_t n = 0;
    for (size_t i = 0; i < x->n && n < DRAFT_CAPSULES_MAX; i++) {
        if (order[i] == UINT32_MAX || (home && !TYPE_EQ(home, &x->v[order[i]].unit)))
            continue;
        home = &x->v[order[i]].unit;
        some[n++] = x->v[order[i]];
        order[i] = UINT32_MAX;
    }
    *ret_any = n > 0;
    if (n == 0)
        return 0;
    struct unit_id to = *home;
    int rc = guest_draft(&x->ctx, &to, some, n, ret, err);
    person_wipe(some, n * sizeof(*some));
    return rc;
}

static int
make_drafts(struct gathering *x, struct draft **ret, size_t *ret_n, struct err *err)
{
    uint32_t *order = calloc(x->n + 1, sizeof(*order));
    struct guest_record *some = calloc(DRAFT_CAPSULES_MAX, sizeof(*some));
    struct draft *d = calloc(x->n + 1, sizeof(*d));
    size_t n = 0;
    bool any = true;
    int rc = order && some && d ? 0 : err_set(err, ERR_NOMEM, "guests: out of memory");
    if (rc == 0)
        shuffle(x, order);
    while (rc == 0 && any) {
        rc = next_draft(x, order, some, &d[n], &any, err);
        n += rc == 0 && any;
    }
    free(order);
    free(some);
    *ret = d;
    *ret_n = n;
    return rc;
}

static int
store(struct gathering *x, struct draft *drafts, size_t n, struct err *err)
{
    struct api_op *op = calloc(1, sizeof(*op));
    if (!op)
        return err_set(err, ERR_NOMEM, "guests: out of memory");
    op->kind = OP_GUEST;
    op->guest.step = GUEST_RECORD;
    op->guest.drafts = drafts;
    op->guest.n_drafts = n;
    op->guest.places = x->read;
    op->guest.n_places = x->n_read;
    int rc = guests_run(x->g, op, err);
    free(op);
    /* A stop between the two says the same openings twice: rather that than never. */
    if (rc == 0 && x->n_openings > 0)
        rc = openings_written(x->g->vault, x->openings, x->n_openings, err);
    return rc;
}

static int
gather(struct gathering *x, bool all, bool *ret_more, struct err *err)
{
    int left = EVENTS_PER_STRETCH;
    struct db_txn *txn = NULL;
    int rc = db_begin_read(x->g->db, &txn, err);
    if (rc != 0)
        return rc;
    guests_context(x->g, txn, &x->ctx);
    rc = take_openings(x, all, err);
    if (rc == 0)
        rc = take_work(x, &left, err);
    struct draft *drafts = NULL;
    size_t n = 0;
    if (rc == 0)
        rc = make_drafts(x, &drafts, &n, err);
    db_abort(&txn);
    bool moved = false;
    for (size_t i = 0; i < x->n_read; i++)
        moved |= x->read[i].at.seq > 0;
    if (rc == 0 && (n > 0 || x->n_openings > 0 || moved))
        rc = store(x, drafts, n, err);
    for (size_t i = 0; i < n; i++)
        draft_release(&drafts[i]);
    free(drafts);
    *ret_more = x->full || left <= 0;
    return rc;
}

int
guests_record(const struct guests *g, bool all, uint64_t *ret_n, struct err *err)
{
    struct gathering x = {.g = g};
    bool more = true;
    int rc = 0;
    *ret_n = 0;
    x.v = calloc(RECORDS_MAX, sizeof(*x.v));
    x.openings = calloc(RECORDS_MAX, sizeof(*x.openings));
    x.read = calloc(LOGS_MAX, sizeof(*x.read));
    if (!x.v || !x.openings || !x.read)
        rc = err_set(err, ERR_NOMEM, "guests: out of memory");
    while (rc == 0 && more) {
        x.n = x.n_openings = x.n_read = 0;
        x.full = false;
        rc = gather(&x, all, &more, err);
        *ret_n += rc == 0 ? x.n : 0;
        person_wipe(x.v, x.n * sizeof(*x.v));
    }
    if (rc == 0 && x.lost > 0 && g->said)
        g->said(g->arg, "records for other units left out, whose keys are gone", x.lost);
    free(x.v);
    free(x.openings);
    free(x.read);
    return rc;
}
