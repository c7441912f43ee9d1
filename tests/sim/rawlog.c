/* Logs written by hand with a unit's own key: kinds and fields of later versions, malformed payloads, corrections, references to
 * anywhere, several logs side by side; and two histories of one log. All that a node must relay unchanged and fold alike, whatever
 * the order in which it comes. See sim.h. */
#include "tests/sim/sim.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    RAW_LOGS_MAX = 14,
    RAW_LOGS_FEW = 6, /* in most seeds; more than a first event can name in the others */
    RAW_MANY_EVERY = 7,
    RAW_EVENTS_MAX = 600,
    RAW_SUBJECTS = 4,
    RAW_OFFICES = 2,
    RAW_RUN_MAX = 10,
    RAW_PAUSE_MS = 6000,
    KIND_LATER = 210, /* of a range that this version does not know */
};

struct raw_log {
    struct log_id id;
    struct chain_value chain;
    uint64_t seq;
    struct hlc clock;
    bool dead; /* forked: nothing more is written */
    struct log_opened opened;
    struct event_header first;
};

struct raw_event {
    struct log_id log;
    uint64_t seq;
    struct chain_value chain;
    uint16_t kind;
    struct subject_id subject;
};

struct rawlogs {
    size_t n_logs, n_events;
    struct raw_log logs[RAW_LOGS_MAX];
    struct raw_event events[RAW_EVENTS_MAX];
};

/* Decided by the seed alone: what is drawn stays as it is. */
static bool
opens_many(const struct sim_node *n)
{
    return (n->w->seed + (uint64_t)n->unit->index) % RAW_MANY_EVERY == 0;
}

/* A run under construction; becomes real when it is stored. */
struct draft_run {
    struct raw_log log;
    uint64_t first;
    struct buf frames;
    size_t n;
    struct raw_event events[RAW_RUN_MAX + RAW_OFFICES + 1];
};

struct rawlogs *
rawlogs_new(void)
{
    struct rawlogs *r = calloc(1, sizeof(*r));
    MUST(r);
    return r;
}

void
rawlogs_free(struct rawlogs **r)
{
    free(*r);
    *r = NULL;
}

static void
subject_of(const struct sim_node *n, uint8_t tag, unsigned i, struct subject_id *ret)
{
    memset(ret->b, 0, sizeof(ret->b));
    ret->b[0] = tag;
    ret->b[1] = (uint8_t)n->unit->index;
    ret->b[15] = (uint8_t)(i + 1);
}

/* ---- one event ---- */

static void
put_event(struct sim_node *n, struct draft_run *d, struct event_header *h, struct slice payload,
          const struct subject_id *subject)
{
    struct err err;
    struct buf header;
    buf_init(&header, HEADER_BYTES_MAX);
    h->suite = SUITE_1;
    h->seq = d->log.seq + 1;
    d->log.clock = hlc_next(d->log.clock, (struct wall_ms){node_wall(n)});
    h->clock = d->log.clock;
    h->payload_hash = crypto_hash1("smart.payload", payload);
    h->payload_bytes = (uint32_t)payload.len;
    MUST(event_header_encode(h, &header, &err) == 0);
    if (h->seq == 1) {
        d->log.id = crypto_log_id(buf_slice(&header));
        d->log.chain = crypto_chain_start(d->log.id);
        d->log.first = *h;
    }
    d->log.chain = crypto_chain(d->log.chain, crypto_header_hash(buf_slice(&header)));
    d->log.seq++;
    event_frame_put(&d->frames, buf_slice(&header), payload);
    MUST(!d->frames.failed);
    d->events[d->n++] = (struct raw_event){
        .log = d->log.id, .seq = d->log.seq, .chain = d->log.chain, .kind = h->kind, .subject = *subject};
    buf_free(&header);
    n->w->stats.raw_events++;
}

static void
common_fields(struct sim_node *n, struct event_common *c, const struct subject_id *subject)
{
    c->has_actor = c->has_salt = c->has_effective = true;
    c->actor = n->unit->actor;
    rng_fill(&n->rng, c->salt, sizeof(c->salt));
    c->effective = date_from_ymd(2025, 6, 1);
    c->effective.days += (int32_t)rng_between(&n->rng, -20, 20);
    if (subject) {
        c->has_subject = true;
        c->subject = *subject;
    }
}

static void
fill_facets(struct sim_node *n, const struct subject_id *office, struct activity_facets *f)
{
    memcpy(f->office.b, office->b, sizeof(office->b));
    f->sector = (uint16_t)(1 + rng_below(&n->rng, 2));
    f->culture = rng_chance(&n->rng, 500);
}

/* Kinds from 44 on. */
static void
fill_later(struct sim_node *n, struct event_payload *p, const struct subject_id *office)
{
    static struct activity_cell cell;
    static struct period_figure figure;
    struct subject_id other;
    struct share_amount amount = {.shares = 1 + rng_below(&n->rng, 9), .amount_minor = 2500};
    subject_of(n, 0xa0, RAW_SUBJECTS + (unsigned)rng_below(&n->rng, 2), &other);
    memcpy(amount.currency, rng_chance(&n->rng, 800) ? "EUR" : "SEK", 4);
    switch (p->kind) {
    case KIND_SHARES_REPAID: p->repaid = amount; break;
    case KIND_REPRESENTATIVE_NAMED:
    case KIND_REPRESENTATIVE_ENDED:
    case KIND_MEMBER_MERGED: p->other = other; break;
    case KIND_MEMBER_ABSORBED:
        p->absorbed.from = other;
        p->absorbed.brought = amount;
        p->absorbed.brought.owed = rng_chance(&n->rng, 300);
        break;
    case KIND_CONSENT_GIVEN:
    case KIND_CONSENT_WITHDRAWN: p->consent.purpose = (uint16_t)(1 + rng_below(&n->rng, 2)); break;
    case KIND_ACTIVITY_OPENED:
    case KIND_ACTIVITY_CHANGED: fill_facets(n, office, &p->activity); break;
    case KIND_INVOICE_ISSUED:
        fill_facets(n, office, &p->invoice.facets);
        p->invoice.amount_minor = 1000 + (int64_t)rng_below(&n->rng, 1000);
        p->invoice.rate_bp = 1000;
        p->invoice.contribution_minor = p->invoice.amount_minor / 10;
        memcpy(p->invoice.currency, "EUR", 4);
        break;
    case KIND_INVOICE_CREDITED:
        p->credit.amount_minor = 1 + (int64_t)rng_below(&n->rng, 900);
        p->credit.contribution_minor = p->credit.amount_minor / 20;
        break;
    case KIND_PERSON_ACTIVE:
        fill_facets(n, office, &cell.facets);
        memcpy(cell.currency, "EUR", 4);
        p->active.n = rng_below(&n->rng, 2);
        p->active.cells = &cell;
        break;
    case KIND_PERIOD_CLOSED:
        figure = (struct period_figure){.number = FIGURE_MEMBERS, .value = (int64_t)rng_below(&n->rng, 100)};
        p->closed.year = (uint16_t)(2022 + rng_below(&n->rng, 3));
        p->closed.n = 1;
        p->closed.figures = &figure;
        break;
    default: break;
    }
}

static void
fill(struct sim_node *n, struct event_payload *p)
{
    struct subject_id office;
    subject_of(n, 0xf0, (unsigned)rng_below(&n->rng, RAW_OFFICES), &office);
    switch (p->kind) {
    case KIND_UNIT_DESCRIBED:
        p->unit.name = n->unit->identity.unit_name;
        memcpy(p->unit.country, "BE", 3);
        memcpy(p->unit.currency, "EUR", 4);
        p->unit.n_languages = 1;
        memcpy(p->unit.languages[0], "fr", 3);
        snprintf(p->unit.time_zone.s, sizeof(p->unit.time_zone.s), "Europe/Paris");
        p->unit.share_price_minor = 5000;
        break;
    case KIND_OFFICE_OPENED:
    case KIND_OFFICE_CHANGED:
        snprintf(p->office.name.s, sizeof(p->office.name.s), "Raw %llu",
                 (unsigned long long)rng_below(&n->rng, 1000000));
        snprintf(p->office.city.s, sizeof(p->office.city.s), "City");
        memcpy(p->office.country, "XX", 3);
        break;
    case KIND_APPLICATION_RECEIVED:
    case KIND_MEMBER_ADMITTED:
        p->admission.category = (uint8_t)(1 + rng_below(&n->rng, 3));
        p->admission.person_type = PERSON_NATURAL;
        memcpy(p->admission.office.b, office.b, sizeof(office.b));
        if (p->kind == KIND_MEMBER_ADMITTED) {
            p->admission.shares = 1 + rng_below(&n->rng, 9);
            p->admission.share_price_minor = 2500;
            memcpy(p->admission.currency, "EUR", 4);
        }
        break;
    case KIND_SHARES_SUBSCRIBED:
        p->shares.shares = 1 + rng_below(&n->rng, 9);
        p->shares.share_price_minor = 2500;
        memcpy(p->shares.currency, rng_chance(&n->rng, 800) ? "EUR" : "SEK", 4);
        break;
    case KIND_CATEGORY_CHANGED: p->category = (uint8_t)(1 + rng_below(&n->rng, 3)); break;
    case KIND_DATA_CHANGED:
        p->data.has_office = rng_chance(&n->rng, 500);
        memcpy(p->data.office.b, office.b, sizeof(office.b));
        break;
    default: fill_later(n, p, &office); break;
    }
}

/* An earlier event, mostly one that fits; sometimes with a chain value that is not its own. */
static bool
refer(struct sim_node *n, const struct draft_run *d, struct event_header *h, uint8_t role, uint16_t kind,
      const struct subject_id *subject)
{
    const struct rawlogs *r = n->unit->raw;
    const struct raw_event *found = NULL;
    size_t total = r->n_events + d->n, start = rng_below(&n->rng, total);
    bool any = rng_chance(&n->rng, 100);
    for (size_t i = 0; i < total && !found; i++) {
        size_t k = (start + i) % total;
        const struct raw_event *e = k < r->n_events ? &r->events[k] : &d->events[k - r->n_events];
        if (any || (e->kind == kind && TYPE_EQ(&e->subject, subject)))
            found = e;
    }
    if (!found || h->n_refs == HEADER_REFS_MAX)
        return false;
    struct event_ref *ref = &h->refs[h->n_refs++];
    *ref = (struct event_ref){.role = role, .log = found->log, .seq = found->seq, .chain = found->chain};
    if (rng_chance(&n->rng, 20))
        ref->chain.b[7] ^= 1;
    return true;
}

static uint16_t
some_member_kind(struct sim_node *n)
{
    static const uint16_t kinds[] = {
        KIND_APPLICATION_RECEIVED, KIND_APPLICATION_RECEIVED, KIND_APPLICATION_REFUSED,  KIND_MEMBER_ADMITTED,
        KIND_MEMBER_ADMITTED,      KIND_MEMBER_ADMITTED,      KIND_MEMBER_ADMITTED,      KIND_SHARES_SUBSCRIBED,
        KIND_SHARES_SUBSCRIBED,    KIND_CATEGORY_CHANGED,     KIND_CATEGORY_CHANGED,     KIND_DATA_CHANGED,
        KIND_WITHDRAWAL_REQUESTED, KIND_WITHDRAWAL_REQUESTED, KIND_WITHDRAWAL_GRANTED,   KIND_WITHDRAWAL_REFUSED,
        KIND_MEMBER_RESIGNED,      KIND_MEMBER_EXCLUDED,      KIND_MEMBER_DECEASED,      KIND_SHARES_REPAID,
        KIND_SHARES_REPAID,        KIND_REPRESENTATIVE_NAMED, KIND_REPRESENTATIVE_ENDED, KIND_MEMBER_MERGED,
        KIND_MEMBER_ABSORBED,      KIND_CONSENT_GIVEN,        KIND_CONSENT_WITHDRAWN,    KIND_ENTRY_CANCELLED,
        KIND_ENTRY_CANCELLED,
    };
    enum { OLD_KINDS = 19 };
    return kinds[rng_below(&n->rng, n->old ? OLD_KINDS : ARRAY_LEN(kinds))];
}

static void
add_refs(struct sim_node *n, const struct draft_run *d, struct event_header *h, const struct subject_id *subject)
{
    if (h->kind == KIND_APPLICATION_REFUSED || (h->kind == KIND_MEMBER_ADMITTED && rng_chance(&n->rng, 400)))
        refer(n, d, h, REF_APPLICATION, KIND_APPLICATION_RECEIVED, subject);
    if (h->kind == KIND_WITHDRAWAL_GRANTED || h->kind == KIND_WITHDRAWAL_REFUSED)
        refer(n, d, h, REF_REQUEST, KIND_WITHDRAWAL_REQUESTED, subject);
    if (h->kind == KIND_ENTRY_CANCELLED)
        refer(n, d, h, REF_CANCELS, some_member_kind(n), subject);
    else if (h->kind == KIND_ACTIVITY_CANCELLED)
        refer(n, d, h, REF_CANCELS, (uint16_t)(KIND_ACTIVITY_OPENED + rng_below(&n->rng, 3)), subject);
    else if (h->kind == KIND_INVOICE_CANCELLED)
        refer(n, d, h, REF_CANCELS, (uint16_t)(KIND_INVOICE_ISSUED + rng_below(&n->rng, 2)), subject);
    else if (rng_chance(&n->rng, 150))
        refer(n, d, h, REF_CORRECTS, h->kind, subject);
    if (rng_chance(&n->rng, 15))
        refer(n, d, h, (uint8_t)(2 + rng_below(&n->rng, 8)), h->kind, subject);
}

/* Fields that this version does not know. */
static void
later_fields(struct sim_node *n, struct buf *payload)
{
    buf_put_varint(payload, 100 << 3);
    buf_put_varint(payload, rng_next(&n->rng));
    buf_put_varint(payload, 101 << 3 | 2);
    buf_put_varint(payload, 11);
    buf_put(payload, "of tomorrow", 11);
}

/* Of an activity, an invoice, a pseudonym or a year; false: not of this program. */
static bool
work_kind(struct sim_node *n, struct event_payload *p, struct subject_id *subject)
{
    static const uint16_t kinds[] = {KIND_ACTIVITY_OPENED,    KIND_ACTIVITY_CHANGED, KIND_ACTIVITY_CLOSED,
                                     KIND_ACTIVITY_CANCELLED, KIND_INVOICE_ISSUED,   KIND_INVOICE_ISSUED,
                                     KIND_INVOICE_CREDITED,   KIND_INVOICE_CREDITED, KIND_INVOICE_CANCELLED,
                                     KIND_PERSON_ACTIVE,      KIND_PERSON_ACTIVE,    KIND_PERIOD_CLOSED};
    if (n->old || !rng_chance(&n->rng, 350))
        return false;
    p->kind = kinds[rng_below(&n->rng, ARRAY_LEN(kinds))];
    bool invoice = p->kind >= KIND_INVOICE_ISSUED && p->kind <= KIND_INVOICE_CANCELLED;
    subject_of(n, p->kind == KIND_PERSON_ACTIVE ? 0xd0 : 0xb0, (unsigned)rng_below(&n->rng, RAW_SUBJECTS), subject);
    p->common = (struct event_common){0};
    common_fields(n, &p->common, p->kind == KIND_PERIOD_CLOSED ? NULL : subject);
    if (p->kind == KIND_PERIOD_CLOSED)
        return true;
    p->common.precision = PRECISION_MONTH;
    p->common.effective = date_month_start(p->common.effective);
    if (!invoice)
        return true;
    if (p->kind == KIND_INVOICE_ISSUED)
        p->common.effective = date_from_ymd(2025, 5, 1);
    be16_put(subject->b, month_number(date_from_ymd(2025, 5, 1)));
    subject->b[2] = (uint8_t)n->unit->index;
    p->common.subject = *subject;
    return true;
}

static void
random_event(struct sim_node *n, struct draft_run *d)
{
    struct event_header h = {.kind_version = 1};
    struct event_payload p = {0};
    struct subject_id subject, none = {0};
    struct buf payload;
    struct err err;
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    uint64_t which = rng_below(&n->rng, 100);
    bool office = which >= 78 && which < 88, unit = which >= 88 && which < 91;
    subject_of(n, office ? 0xf0 : 0xa0, (unsigned)rng_below(&n->rng, office ? RAW_OFFICES : RAW_SUBJECTS), &subject);
    h.kind = p.kind = office ? (uint16_t)(KIND_OFFICE_OPENED + rng_below(&n->rng, 3))
                      : unit ? KIND_UNIT_DESCRIBED
                             : some_member_kind(n);
    common_fields(n, &p.common, unit ? NULL : &subject);
    if (!office && !unit && work_kind(n, &p, &subject))
        h.kind = p.kind;
    fill(n, &p);
    h.must_understand =
        h.kind == KIND_MEMBER_MERGED || h.kind == KIND_MEMBER_ABSORBED || h.kind == KIND_ENTRY_CANCELLED;
    MUST(event_payload_encode(&p, &payload, &err) == 0);
    add_refs(n, d, &h, &subject);
    if (rng_chance(&n->rng, 100))
        later_fields(n, &payload);
    if (which >= 91 && which < 97) { /* a kind of later, about an entity of today or about nothing */
        h.kind = (uint16_t)(KIND_LATER + rng_below(&n->rng, 20));
        h.must_understand = rng_chance(&n->rng, 150);
    } else if (which == 97) {
        h.kind_version = 2;
        h.must_understand = rng_chance(&n->rng, 200);
    } else if (which == 98) { /* malformed, and yet to be relayed */
        buf_put_u8(&payload, 0x0f);
    } else if (which == 99 && rng_chance(&n->rng, 300)) {
        h.kind = KIND_LOG_OPENED;
        h.must_understand = true;
    }
    put_event(n, d, &h, buf_slice(&payload), unit || h.kind == KIND_PERIOD_CLOSED ? &none : &subject);
    buf_free(&payload);
}

/* ---- logs ---- */

static void
open_log(struct sim_node *n, struct draft_run *d)
{
    struct rawlogs *r = n->unit->raw;
    const struct identity *id = &n->unit->identity;
    struct event_header h = {.kind = KIND_LOG_OPENED, .kind_version = 1, .must_understand = true};
    struct event_payload p = {.kind = KIND_LOG_OPENED};
    struct log_opened *o = &p.log_opened;
    struct subject_id none = {0};
    struct buf payload;
    struct err err;
    common_fields(n, &p.common, NULL);
    p.common.has_effective = p.common.has_actor = false;
    p.common.effective = DATE_NONE;
    *o = (struct log_opened){.unit = id->unit,
                             .federation = id->federation,
                             .production = id->production,
                             .root_key = id->root_key,
                             .signing_key = id->signing_key,
                             .exchange_key = id->exchange_key,
                             .transport_key = id->transport_key,
                             .recovery_key = id->recovery_key,
                             .serial = id->serial,
                             .certificate = id->certificate,
                             .program = "later"};
    memcpy(o->unit_code, id->unit_code, sizeof(o->unit_code));
    rng_fill(&n->rng, o->nonce, sizeof(o->nonce));
    for (size_t i = 0; i < r->n_logs && h.n_refs < 3; i++) {
        const struct raw_log *l = &r->logs[(i + r->n_logs / 2) % r->n_logs];
        if (!l->dead && rng_chance(&n->rng, 500))
            h.refs[h.n_refs++] =
                (struct event_ref){.role = REF_PREDECESSOR, .log = l->id, .seq = l->seq, .chain = l->chain};
    }
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    MUST(event_payload_encode(&p, &payload, &err) == 0);
    d->log.opened = *o;
    put_event(n, d, &h, buf_slice(&payload), &none);
    buf_free(&payload);
    for (unsigned i = 0; i < RAW_OFFICES; i++) {
        struct event_header oh = {.kind = KIND_OFFICE_OPENED, .kind_version = 1};
        struct event_payload op = {.kind = KIND_OFFICE_OPENED};
        struct subject_id office;
        subject_of(n, 0xf0, i, &office);
        common_fields(n, &op.common, &office);
        op.common.effective = date_from_ymd(2020, 1, 1);
        fill(n, &op);
        buf_init(&payload, PAYLOAD_BYTES_MAX);
        MUST(event_payload_encode(&op, &payload, &err) == 0);
        put_event(n, d, &oh, buf_slice(&payload), &office);
        buf_free(&payload);
    }
}

/* Stores the run at a node, in a commit of its own, as one that came from a peer. */
static bool
store(struct sim_node *n, const struct draft_run *d)
{
    struct world *w = n->w;
    struct err err = {0};
    bool stored = false;
    struct run run = {.log = d->log.id,
                      .first = d->first,
                      .count = (uint32_t)d->n,
                      .frames = buf_slice(&d->frames),
                      .seal = crypto_seal(&n->unit->identity.signing_secret, &d->log.id, d->log.seq, &d->log.chain)};
    node_program(n);
    int rc = engine_begin(n->engine, &err);
    if (rc == 0)
        rc = engine_append(n->engine, &run, &d->log.chain, d->first == 1 ? &d->log.opened : NULL,
                           d->first == 1 ? &d->log.first : NULL, &stored, &err);
    if (rc == 0)
        rc = engine_commit(n->engine, &err);
    if (rc != 0)
        engine_abort(n->engine);
    if (rc != 0 || !stored)
        world_fail(w, n, "a log written by hand was not stored: %s", err.text);
    else
        say(w, n, "writes by hand: events %llu to %llu of %s", (unsigned long long)run.first,
            (unsigned long long)d->log.seq, short_id(&d->log.id));
    return rc == 0 && stored;
}

static void
write_random(struct sim_node *n, struct draft_run *d)
{
    uint64_t most = 1 + rng_below(&n->rng, RAW_RUN_MAX);
    node_program(n);
    while (d->n < most)
        random_event(n, d);
}

/* Whether the node holds all of the log, and exactly it. */
static bool
is_current(struct sim_node *n, const struct raw_log *l)
{
    int at = ledger_find(n->w, &l->id);
    return !l->dead && at >= 0 && n->held[at] == l->seq;
}

void
rawlogs_step(struct sim_node *n)
{
    struct rawlogs *r = n->unit->raw;
    struct draft_run d = {0};
    if (n->w->healing || r->n_events + ARRAY_LEN(d.events) > RAW_EVENTS_MAX)
        return;
    world_post(n->w, rng_between(&n->rng, 100, opens_many(n) ? RAW_PAUSE_MS / 4 : RAW_PAUSE_MS), EV_RAW, n, 0, 0, NULL,
               0);
    if (!n->up)
        return;
    bool many = opens_many(n);
    size_t most = many ? RAW_LOGS_MAX : RAW_LOGS_FEW;
    bool new_log = r->n_logs == 0 || (r->n_logs < most && rng_chance(&n->rng, many ? 600 : 120));
    size_t at = new_log ? r->n_logs : rng_below(&n->rng, r->n_logs);
    if (!new_log && !is_current(n, &r->logs[at]))
        return;
    buf_init(&d.frames, RUN_BYTES_MAX);
    if (new_log)
        open_log(n, &d);
    else
        d.log = r->logs[at];
    d.first = new_log ? 1 : d.log.seq + 1;
    write_random(n, &d);
    if (store(n, &d)) {
        node_committed(n, &d.log.id, d.first - 1, d.log.seq);
        r->logs[at] = d.log;
        r->n_logs += new_log;
        memcpy(&r->events[r->n_events], d.events, d.n * sizeof(d.events[0]));
        r->n_events += d.n;
        node_log_held(n, &d.log.id);
    }
    buf_free(&d.frames);
}

bool
rawlogs_fork(struct sim_node *n, struct sim_node *copy)
{
    struct rawlogs *r = n->unit->raw;
    struct ledger_log *l = NULL;
    struct draft_run a = {0}, b = {0};
    size_t at = 0;
    for (; at < r->n_logs && !(is_current(n, &r->logs[at]) && is_current(copy, &r->logs[at])); at++)
        ;
    if (at == r->n_logs)
        return false;
    l = &n->w->ledger[ledger_find(n->w, &r->logs[at].id)];
    a.log = b.log = r->logs[at];
    a.first = b.first = a.log.seq + 1;
    buf_init(&a.frames, RUN_BYTES_MAX);
    buf_init(&b.frames, RUN_BYTES_MAX);
    write_random(n, &a);
    write_random(n, &b);
    r->logs[at].dead = true;
    if (store(n, &a) && store(copy, &b)) {
        l->forked = true;
        l->fork_seq = a.first - 1;
        l->fork_n = b.n;
        l->fork_chain = calloc(b.n, sizeof(*l->fork_chain));
        MUST(l->fork_chain);
        for (size_t i = 0; i < b.n; i++)
            l->fork_chain[i] = b.events[i].chain;
        node_committed(n, &a.log.id, a.first - 1, a.log.seq);
        node_log_held(n, &a.log.id);
        node_log_held(copy, &a.log.id);
        say(n->w, n, "log %s has two histories after %llu", short_id(&a.log.id), (unsigned long long)l->fork_seq);
    }
    buf_free(&a.frames);
    buf_free(&b.frames);
    return true;
}
