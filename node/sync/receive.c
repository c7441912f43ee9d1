/* Runs that come in (§12.5): matched to our Want, verified, handed to the writer; first events are admitted by §7. Several
 * runs of a log may be on their way to the store; others hear of them only when they are durable. */
#include "node/sync/state.h"

enum { TURNS_ALARM = 4 /* growth of two tips in turn, so often, is two writers */ };

/* ERR_UNTRUSTED, ERR_FEDERATION, ERR_INVALID: reasons of §12.5. */
int
opened_admitted(struct sync *s, const struct log_opened *o, const struct event_header *h, struct err *err)
{
    const struct unit *u = unit_find(s, &o->unit);
    if (!u || !u->admitted)
        return err_set(err, ERR_UNTRUSTED, "unit %s is not trusted", o->unit_code);
    if (!TYPE_EQ(&o->federation, &s->config.federation))
        return err_set(err, ERR_FEDERATION, "another federation");
    if (o->production != s->config.production)
        return err_set(err, ERR_FEDERATION, "test against production");
    bool pinned = false;
    for (uint8_t i = 0; i < u->n_root_keys; i++)
        pinned = pinned || TYPE_EQ(&u->root_keys[i], &o->root_key);
    if (!pinned)
        return err_set(err, ERR_UNTRUSTED, "certificate by a root key that is not pinned");
    if (strcmp(u->code, o->unit_code) != 0)
        return err_set(err, ERR_UNTRUSTED, "unit code %s, pinned as %s", o->unit_code, u->code);
    for (uint8_t i = 0; i < h->n_refs; i++) {
        const struct log *pred = h->refs[i].role == REF_PREDECESSOR ? log_find(s, &h->refs[i].log) : NULL;
        if (pred && (pred->held || pred->opening) && !TYPE_EQ(&pred->unit, &o->unit))
            return err_set(err, ERR_INVALID, "names another unit's log as its predecessor");
    }
    return 0;
}

static void
refuse_log(struct sync *s, struct session *p, struct log *l, const struct err *err)
{
    bool newer = err->code == ERR_VERSION;
    s->totals.logs_refused++;
    s->totals.seal_failures += err->code == ERR_FORGED;
    want_close(s, l, true);
    if (newer)
        l->unsupported = true;
    else
        l->refused_until = s->now + SYNC_REFUSED_MS;
    emit_alarm(s, newer ? ALARM_UNSUPPORTED : ALARM_REFUSED_LOG, p, NULL, l, "log not admitted: %s", err->text);
}

/* Whether the frame is event 1 of that log at all: if not, the giver is at fault; if so, and it does not verify, the log is. */
static int
check_first_frame(const struct log *l, struct slice header, struct slice payload, struct err *err)
{
    struct event_header h;
    struct log_id id = crypto_log_id(header);
    if (!TYPE_EQ(&id, &l->id))
        return err_set(err, ERR_FORGED, "event 1 of another log");
    if (event_header_decode(header, &h, err) < 0)
        return err->code == ERR_VERSION ? 0 : err->code;
    struct hash hash = crypto_hash1("smart.payload", payload);
    if (payload.len != h.payload_bytes || !TYPE_EQ(&hash, &h.payload_hash))
        return err_set(err, ERR_FORGED, "payload of event 1 is another");
    return 0;
}

enum verdict { RUN_GOOD, RUN_GIVER_AT_FAULT, RUN_LOG_REFUSED };

static enum verdict
verify_opening(struct sync *s, const struct log *l, const struct run *run, struct event_header *ret_header,
               struct log_opened *ret_opened, struct err *err)
{
    struct slice header, payload;
    struct reader r = reader_of(run->frames);
    if (!event_frame_next(&r, &header, &payload)) {
        (void)err_set(err, ERR_INVALID, "run without a frame");
        return RUN_GIVER_AT_FAULT;
    }
    if (check_first_frame(l, header, payload, err) < 0)
        return RUN_GIVER_AT_FAULT;
    int rc = verify_first_event(&l->id, header, payload, ret_header, ret_opened, err);
    if (rc == 0)
        rc = opened_admitted(s, ret_opened, ret_header, err);
    return rc == 0 ? RUN_GOOD : rc == ERR_NOMEM ? RUN_GIVER_AT_FAULT : RUN_LOG_REFUSED;
}

/* The effect has its own copy of the bytes; what was read of event 1 is read from that copy. */
static bool
emit_append(struct sync *s, struct session *p, const struct log *l, const struct run *run,
            const struct chain_value *chain)
{
    struct run copy = *run;
    copy.frames = emit_copy(s, run->frames);
    struct event_header *first = NULL;
    struct log_opened *opened = NULL;
    if (copy.frames.len == 0)
        return false;
    if (run->first == 1) {
        struct slice header, payload;
        struct err err;
        struct reader r = reader_of(copy.frames);
        first = (struct event_header *)(void *)emit_block(s, sizeof(*first));
        opened = (struct log_opened *)(void *)emit_block(s, sizeof(*opened));
        if (!first || !opened || !event_frame_next(&r, &header, &payload) ||
            verify_first_event(&l->id, header, payload, first, opened, &err) < 0)
            return false;
    }
    struct sync_effect *e = emit(s, SYNC_APPEND, p);
    if (!e)
        return false;
    e->append.run = copy;
    e->append.chain_after = *chain;
    e->append.first_header = first;
    e->append.opened = opened;
    return true;
}

/* The claim was met. */
static void
run_met(struct sync *s, struct session *p, struct log *l, const struct run *run)
{
    struct claim *c = map_get(&p->claims, &l->id);
    p->runs_received++;
    l->want.balance -= (int64_t)run->frames.len + CREDIT_PER_RUN;
    if (l->want.first) {
        l->want.first = false;
        p->wants_first--;
        if (s->starved)
            log_timer(s, s->now);
    }
    if (c)
        c->backoff_ms = 0;
    bool more = claim_seq(l, c) > l->tail_seq || l->need_seq > l->tail_seq;
    l->want.stall_at = more ? s->now + SYNC_STALL_MS : NEVER;
    log_timer(s, l->want.stall_at);
    want_credit(s, l);
}

/* Nobody but a second writer of our unit can have gone on from a log that this process began. What comes back after a restore
 * was written before and knows nothing of it. */
static void
watch_successor(struct sync *s, struct session *p, const struct log *l, const struct event_header *first)
{
    struct unit *u = unit_find(s, &l->unit);
    for (size_t i = 0; u && s->now >= u->tips_alarm_after && i < first->n_refs; i++) {
        const struct log *before = log_find(s, &first->refs[i].log);
        if (first->refs[i].role == REF_PREDECESSOR && before && before->local) {
            u->tips_alarm_after = s->now + SYNC_DISREGARD_MAX_MS;
            emit_alarm(s, ALARM_CLONE, p, &l->unit, l,
                       "somebody else goes on from the log that this node writes: a clone or a stolen key");
        }
    }
}

static void
take_run(struct sync *s, struct session *p, struct log *l, const struct run *run)
{
    struct err err;
    struct chain_value chain;
    struct event_header header;
    struct log_opened opened;
    bool opens = run->first == 1;
    enum verdict verdict = opens ? verify_opening(s, l, run, &header, &opened, &err) : RUN_GOOD;
    struct sign_public key = opens && verdict == RUN_GOOD ? opened.signing_key : l->signing_key;
    /* A log has the suite of its event 1 (§3), which verify_opening judged: another one further on was turned by the giver. */
    if (verdict == RUN_GOOD && verify_run(run, &l->tail_chain, &key, &chain, &err) < 0)
        verdict = RUN_GIVER_AT_FAULT;
    if (verdict == RUN_LOG_REFUSED) {
        refuse_log(s, p, l, &err);
        return;
    }
    if (verdict == RUN_GIVER_AT_FAULT) {
        session_fault(s, p, BYE_MALFORMED, l, &err);
        return;
    }
    if (!emit_append(s, p, l, run, &chain))
        return;
    if (opens) {
        log_set_unit(s, l, &opened.unit);
        l->signing_key = opened.signing_key;
        l->opening = true;
    }
    l->tail_seq = run->first + run->count - 1;
    l->tail_chain = chain;
    l->inflight_bytes += run->frames.len;
    run_met(s, p, l, run);
    if (opens) {
        watch_successor(s, p, l, &header);
        (void)log_set_predecessors(s, l, header.refs, header.n_refs);
        if (opened.has_root_statement)
            logs_decide(s, opened.root_statement);
    }
}

void
on_batch(struct sync *s, struct session *p, const struct message *m)
{
    const struct run *run = &m->batch.run;
    struct log *l = log_find(s, &run->log);
    if (l && l->want.at == p && l->want.number == m->batch.number && !(l->frozen && l->tail_seq > 0) && !l->local) {
        if (run->first == l->tail_seq + 1) {
            take_run(s, p, l, run);
            return;
        }
        if (run->first > l->tail_seq + 1) {
            /* Something between us lost a message; the same again from here. */
            want_close(s, l, false);
            want_schedule(s, l);
        }
    } else if (p->query != 0 && p->query == m->batch.number) {
        /* The peer is on our branch after all. */
        struct message stop = {.type = MSG_CREDIT};
        stop.credit.number = p->query;
        p->query = 0;
        (void)emit_send(s, p, &stop);
    }
    p->dropped++;
}

/* Two tips of a unit that grow in turn, both past the point where everything claimed was held. */
static void
watch_tips(struct sync *s, struct log *l)
{
    struct unit *u = unit_find(s, &l->unit);
    if (!u || !log_tip(l))
        return;
    if (TYPE_EQ(&u->grown, &l->id))
        return;
    const struct log *other = log_find(s, &u->grown);
    u->turns = other && log_tip(other) ? u->turns + 1 : 0;
    u->grown = l->id;
    if (u->turns >= TURNS_ALARM && s->now >= u->tips_alarm_after) {
        u->tips_alarm_after = s->now + SYNC_DISREGARD_MAX_MS;
        emit_alarm(s, ALARM_TWO_TIPS, NULL, &u->id, l,
                   "two logs of unit %s grow at the same time: two nodes write as it", u->code);
    }
}

void
on_appended(struct sync *s, struct log *l, uint64_t seq, const struct chain_value *chain)
{
    uint64_t left = l->tail_seq - seq, before = l->tail_seq - l->head_seq;
    bool was_caught_up = l->caught_up;
    /* Scaled, as the runs in flight are not listed one by one; exact when nothing is left. */
    l->inflight_bytes = left == 0 ? 0 : l->inflight_bytes / before * left;
    l->head_seq = seq;
    l->head_chain = *chain;
    log_became_held(s, l);
    log_changed(s, l);
    if (was_caught_up)
        watch_tips(s, l);
    l->caught_up = left == 0 && (!l->want.at || claim_seq(l, map_get(&l->want.at->claims, &l->id)) <= seq);
    want_credit(s, l);
    want_schedule(s, l);
    serve_log(s, l);
}

void
on_append_failed(struct sync *s, struct log *l)
{
    l->tail_seq = l->head_seq;
    l->tail_chain = l->head_chain;
    l->inflight_bytes = 0;
    l->opening = false;
    l->paused_until = s->now + SYNC_APPEND_PAUSE_MS;
    want_schedule(s, l);
}
