/* Drafts into sealed events. See ownlog.h. */
#include <sodium.h>
#include <stdlib.h>

#include "node/host/ownlog_private.h"

enum { KEY_CAPSULES_BYTES_MAX = 64 * 1024 * 1024, GROUP_BYTES_MAX = 256 * RUN_BYTES_MAX };

void
ownlog_init(struct ownlog *o, const struct engine_config *config, struct apply *apply)
{
    *o = (struct ownlog){.config = config, .apply = apply};
    draws_init(&o->draws, config->random, config->arg);
    buf_init(&o->frames, GROUP_BYTES_MAX);
    buf_init(&o->key_capsules, KEY_CAPSULES_BYTES_MAX);
}

void
ownlog_release(struct ownlog *o)
{
    buf_free(&o->frames);
    buf_free(&o->key_capsules);
    sodium_memzero(o, sizeof(*o));
}

void
ownlog_begin(struct ownlog *o)
{
    o->before.open = o->open;
    o->before.partial = o->partial;
    o->before.has_escrow = o->has_escrow;
    o->before.row = o->row;
    o->before.last = o->last;
    o->before.escrow_day = o->escrow_day;
    o->before.escrow = o->escrow;
    o->chain = o->row.head_chain;
    o->seq = o->row.head_seq;
    o->n_runs = 0;
    o->bridged = false;
    o->has_renewed = false;
    o->has_sealed = false;
    draws_clear(&o->draws);
    buf_clear(&o->frames);
    buf_clear(&o->key_capsules);
}

void
ownlog_rollback(struct ownlog *o)
{
    o->open = o->before.open;
    o->partial = o->before.partial;
    o->has_escrow = o->before.has_escrow;
    o->row = o->before.row;
    o->last = o->before.last;
    o->escrow_day = o->before.escrow_day;
    o->escrow = o->before.escrow;
    ownlog_begin(o);
}

void
ownlog_close(struct ownlog *o)
{
    o->open = o->partial = false;
    o->row = (struct log_row){0};
}

/* Clock of the last event of every tip: what is written now must not lie before it. */
static int
last_clock(struct db_txn *txn, const struct head *tips, size_t n, struct hlc *ret, struct err *err)
{
    struct hlc last = {0};
    int rc = 0;
    for (size_t i = 0; i < n && rc == 0; i++) {
        struct log_row row;
        struct stored_event ev;
        struct event_header h;
        rc = evlog_find(txn, &tips[i].log, &row, err);
        if (rc == 0)
            rc = evlog_event(txn, row.no, tips[i].seq, &ev, err);
        if (rc == 0)
            rc = event_header_decode(ev.header, &h, err);
        if (rc == 0 && h.clock.v > last.v)
            last = h.clock;
    }
    if (rc == 0)
        *ret = last;
    return rc;
}

static int
check_clock(const struct ownlog *o, struct hlc last, struct err *err)
{
    int64_t behind = hlc_wall(last).ms - o->config->now(o->config->arg).ms;
    if (behind <= ENGINE_CLOCK_BACK_MS || o->config->allow_clock_back)
        return 0;
    return err_set(err, ERR_UNAVAILABLE,
                   "this machine's clock is %lld s before the last event of the unit; set the clock, or allow it with "
                   "allow_clock_back",
                   (long long)(behind / 1000));
}

int
ownlog_clock(struct ownlog *o, struct db_txn *txn, struct err *err)
{
    if (o->open)
        return check_clock(o, o->last, err);
    struct head *tips = NULL;
    size_t n = 0;
    struct hlc last;
    int rc = ownlog_tips(txn, &o->config->identity->unit, &tips, &n, err);
    if (rc == 0)
        rc = last_clock(txn, tips, n, &last, err);
    if (rc == 0)
        rc = check_clock(o, last, err);
    if (rc == 0)
        o->last = last;
    free(tips);
    return rc;
}

/* Fills in what the writer gives: position, clock, commitment. Encoded once, never again. */
int
ownlog_emit(struct ownlog *o, struct event_header *h, struct slice payload, struct slice *ret_header,
            struct buf *header, struct err *err)
{
    h->suite = SUITE_1;
    h->seq = o->seq + 1;
    o->last = hlc_next(o->last, o->config->now(o->config->arg));
    h->clock = o->last;
    h->payload_hash = crypto_hash1("smart.payload", payload);
    h->payload_bytes = (uint32_t)payload.len;
    buf_clear(header);
    int rc = event_header_encode(h, header, err);
    if (rc == 0)
        *ret_header = buf_slice(header);
    return rc;
}

static int
frame(struct ownlog *o, struct slice header, struct slice payload, struct err *err)
{
    size_t before = o->frames.len;
    event_frame_put(&o->frames, header, payload);
    int rc = buf_check(&o->frames, "events of one commit", err);
    if (rc != 0)
        return rc;
    size_t added = o->frames.len - before;
    struct ownlog_run *r = o->n_runs > 0 ? &o->runs[o->n_runs - 1] : NULL;
    if (!r || r->count >= RUN_EVENTS_MAX || r->len + added > RUN_BYTES_MAX) {
        if (o->n_runs == OWNLOG_RUNS_MAX)
            return err_set(err, ERR_LIMIT, "more than %d runs in one commit", OWNLOG_RUNS_MAX);
        r = &o->runs[o->n_runs++];
        *r = (struct ownlog_run){.first = o->seq, .offset = before};
    }
    r->count++;
    r->len += added;
    r->chain = o->chain;
    return 0;
}

int
ownlog_apply(struct ownlog *o, struct db_txn *txn, struct slice header, struct slice payload, struct err *err)
{
    enum outcome outcome = OUTCOME_APPLIED;
    enum void_reason reason = VOID_NONE;
    o->chain = crypto_chain(o->chain, crypto_header_hash(header));
    o->seq++;
    int rc = apply_local(o->apply, txn, &o->row, header, payload, &o->chain, &outcome, &reason, err);
    if (rc == 0 && outcome != OUTCOME_APPLIED)
        rc = err_set(err, ERR_CONFLICT, "the event would have no effect: %s", void_reason_text(reason));
    if (rc == 0)
        rc = frame(o, header, payload, err);
    return rc;
}

static int
write_draft(struct ownlog *o, struct db_txn *txn, struct draft *d, struct slot_keys *keys, struct buf *key_capsule,
            struct position *ret, struct err *err)
{
    struct event_header h = {.kind = d->kind,
                             .kind_version = 1,
                             .n_refs = d->n_refs,
                             .must_understand = event_kind_must_understand(d->kind)};
    uint64_t seq = o->seq + 1;
    struct buf payload, header;
    struct slice header_bytes;
    memcpy(h.refs, d->refs, d->n_refs * sizeof(d->refs[0]));
    d->payload.common.has_salt = true;
    draws_take(&o->draws, d->payload.common.salt, sizeof(d->payload.common.salt));
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    buf_init(&header, HEADER_BYTES_MAX);
    int rc = event_payload_encode(&d->payload, &payload, err);
    if (rc == 0)
        rc = ownlog_seal_capsules(o, txn, d, keys, seq, &h, err);
    if (rc == 0)
        rc = ownlog_seal_keys(o, txn, &d->seal, seq, &h, err);
    if (rc == 0 && key_capsule->len > 0) {
        ownlog_keep_key_capsule(o, seq, h.n_capsules, buf_slice(key_capsule));
        h.capsules[h.n_capsules++] = (struct capsule_commitment){
            .class = CLASS_KEY, .hash = capsule_hash(buf_slice(key_capsule)), .bytes = (uint32_t)key_capsule->len};
        rc = buf_check(&o->key_capsules, "key capsules of one commit", err);
    }
    if (rc == 0)
        rc = ownlog_escrow_rest(o, d, seq, &h, err);
    if (rc == 0)
        rc = ownlog_emit(o, &h, buf_slice(&payload), &header_bytes, &header, err);
    if (rc == 0)
        rc = ownlog_apply(o, txn, header_bytes, buf_slice(&payload), err);
    if (rc == 0)
        *ret = (struct position){.log = o->row.id, .seq = seq};
    buf_free(&payload);
    buf_free(&header);
    return rc;
}

int
ownlog_write(struct ownlog *o, struct db_txn *txn, struct draft *d, struct position *ret, struct err *err)
{
    struct slot_keys keys = {0};
    struct buf key_capsule;
    buf_init(&key_capsule, CAPSULE_BYTES_MAX);
    int rc = o->open ? 0 : ownlog_open(o, txn, NULL, NULL, err);
    if (rc == 0 && (d->n_capsules > 0 || d->new_keys || d->n_escrow > 0))
        rc = ownlog_escrow(o, txn, err);
    if (rc == 0 && (d->n_capsules > 0 || d->new_keys))
        rc = ownlog_find_keys(o, txn, d, &keys, &key_capsule, err);
    if (rc == 0)
        rc = write_draft(o, txn, d, &keys, &key_capsule, ret, err);
    sodium_memzero(&keys, sizeof(keys));
    buf_free(&key_capsule);
    return rc;
}

bool
ownlog_payload(const struct ownlog *o, uint64_t seq, struct slice *ret)
{
    for (size_t i = 0; i < o->n_runs; i++) {
        const struct ownlog_run *r = &o->runs[i];
        struct reader frames = reader_of(slice_of(o->frames.data + r->offset, r->len));
        struct slice header, payload;
        if (seq < r->first || seq >= r->first + r->count)
            continue;
        for (uint64_t at = r->first; event_frame_next(&frames, &header, &payload); at++) {
            if (at == seq) {
                *ret = payload;
                return true;
            }
        }
    }
    return false;
}

int
ownlog_seal(struct ownlog *o, struct db_txn *txn, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < o->n_runs && rc == 0; i++) {
        const struct ownlog_run *r = &o->runs[i];
        uint64_t last = r->first + r->count - 1;
        struct run run = {.log = o->row.id,
                          .first = r->first,
                          .count = r->count,
                          .frames = slice_of(o->frames.data + r->offset, r->len)};
        run.seal = crypto_seal(&o->config->identity->signing_secret, &o->row.id, last, &r->chain);
        rc = evlog_append(txn, &o->row, &run, &r->chain, err);
    }
    o->n_runs = 0;
    return rc;
}
