/* The step: one event in, its effects and those of the timers that are due out. See sync.h; state in state.h. */
#include <stdlib.h>

#include "node/sync/state.h"

enum { RESTART_MS = 1000 /* after memory ran out */ };

int
sync_new(const struct sync_config *config, struct sync **ret, struct err *err)
{
    size_t len = strnlen(config->program, sizeof(config->program));
    if (len > PROGRAM_BYTES_MAX || !text_ok(config->program, len))
        return err_field(err, ERR_INVALID, "program", "not a text of at most %d bytes", PROGRAM_BYTES_MAX);
    struct sync *s = calloc(1, sizeof(*s));
    if (!s)
        return err_set(err, ERR_NOMEM, "no memory for the exchange");
    s->config = *config;
    s->wake_told = s->logs_at = NEVER;
    map_init(&s->units, sizeof(struct unit_id), sizeof(struct unit), SYNC_UNITS_MAX, config->seed);
    map_init(&s->logs, sizeof(struct log_id), sizeof(struct log *), SYNC_LOGS_MAX, config->seed);
    *ret = s;
    return 0;
}

void
sync_free(struct sync **sp)
{
    struct sync *s = *sp;
    if (!s)
        return;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *p = s->sessions[i];
        map_free(&p->claims);
        pending_evidence_clear(p);
        free(p->served);
        free(p);
    }
    for (struct log *l = s->oldest, *next; l; l = next) {
        next = l->next;
        free(l->preds);
        free(l->proof);
        free(l);
    }
    map_free(&s->units);
    map_free(&s->logs);
    free(s->capsules);
    free(s);
    *sp = NULL;
}

/* A change of trust reaches what was already known: sessions, wants and refusals of that unit. */
static int
on_unit_trust(struct sync *s, const struct sync_event *ev, struct err *err)
{
    struct unit *u = map_put(&s->units, &ev->unit_trust.unit, NULL);
    if (!u)
        return err_set(err, s->units.count >= SYNC_UNITS_MAX ? ERR_INVALID : ERR_NOMEM, "no room for another unit");
    bool was = u->admitted;
    if (!ev->unit_trust.full)
        u->full_alarmed = false;
    u->id = ev->unit_trust.unit;
    u->admitted = ev->unit_trust.admitted;
    u->full = ev->unit_trust.full;
    memcpy(u->code, ev->unit_trust.code, sizeof(u->code));
    u->n_root_keys = ev->unit_trust.n_root_keys;
    memcpy(u->root_keys, ev->unit_trust.root_keys, sizeof(u->root_keys));
    bool is = u->admitted;
    struct log *l = s->oldest, *last = s->newest, *next;
    for (bool more = l != NULL; more; l = next) {
        next = l->next;
        more = l != last;
        if (!TYPE_EQ(&l->unit, &ev->unit_trust.unit))
            continue;
        l->refused_until = 0;
        if (!is)
            want_close(s, l, true);
        if (was != is && l->held)
            log_changed(s, l);
        want_schedule(s, l);
    }
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *p = s->sessions[i];
        if (!TYPE_EQ(&p->unit, &ev->unit_trust.unit))
            continue;
        if (!is && p->state != SESSION_CLOSED)
            session_bye(s, p, BYE_UNTRUSTED, bye_reason_name(BYE_UNTRUSTED), SYNC_CLOSED_MS);
        else if (!was && is && p->closed_until != NEVER)
            p->closed_until = s->now;
    }
    return 0;
}

static int
on_log_event(struct sync *s, const struct log_id *id, const struct sync_event *ev, struct err *err)
{
    struct log *l = log_find(s, id);
    if (!l || (!l->held && !l->opening))
        return ev->type == SYNC_APPEND_FAILED ? 0 : err_set(err, ERR_INVALID, "event about a log that is not known");
    if (ev->type == SYNC_LOCAL_WRITER) {
        l->local = true;
        want_schedule(s, l);
        return 0;
    }
    if (ev->type == SYNC_APPEND_FAILED) {
        on_append_failed(s, l);
        return 0;
    }
    if (ev->appended.seq > l->tail_seq) {
        if (!l->local)
            return err_set(err, ERR_INVALID, "appended beyond what was given");
        l->tail_seq = ev->appended.seq;
        l->tail_chain = ev->appended.chain;
    }
    if (ev->appended.seq > l->head_seq)
        on_appended(s, l, ev->appended.seq, &ev->appended.chain);
    return 0;
}

static int
check_log_held(const struct sync_log *e, struct err *err)
{
    if (e->head_seq > INT64_MAX || e->n_predecessors > HEADER_REFS_MAX)
        return err_set(err, ERR_INVALID, "log held: positions out of range");
    return 0;
}

static void
on_shutdown(struct sync *s)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        if (s->sessions[i]->state != SESSION_CLOSED)
            session_bye(s, s->sessions[i], BYE_SHUTDOWN, bye_reason_name(BYE_SHUTDOWN), SYNC_CLOSED_MS);
    }
}

/* Events about a connection that is gone are late, not wrong. */
static void
on_session_event(struct sync *s, const struct sync_event *ev)
{
    uint32_t conn = 0;
    switch (ev->type) {
    case SYNC_CONN_DOWN: conn = ev->conn_down.conn; break;
    case SYNC_MESSAGE: conn = ev->message.conn; break;
    case SYNC_READ_DONE: conn = ev->read_done.conn; break;
    case SYNC_CHAIN_DONE: conn = ev->chain_done.conn; break;
    case SYNC_EVIDENCE_DONE: conn = ev->evidence_done.conn; break;
    case SYNC_EVENT_DONE: conn = ev->event_done.conn; break;
    case SYNC_CAPSULE_DONE: conn = ev->capsule_done.conn; break;
    case SYNC_ADMISSION_DONE: conn = ev->admission_done.conn; break;
    default: return;
    }
    struct session *p = session_find(s, conn);
    if (!p)
        return;
    switch (ev->type) {
    case SYNC_CONN_DOWN: session_remove(s, p); break;
    case SYNC_MESSAGE: on_message(s, p, ev->message.bytes); break;
    case SYNC_READ_DONE: on_read_done(s, p, ev); break;
    case SYNC_CHAIN_DONE: on_chain_done(s, p, ev); break;
    case SYNC_EVIDENCE_DONE: on_evidence_done(s, p, ev); break;
    case SYNC_EVENT_DONE: on_event_done(s, p, ev); break;
    case SYNC_CAPSULE_DONE: on_capsule_done(s, p, ev); break;
    case SYNC_ADMISSION_DONE: on_admission_done(s, p, ev); break;
    default: break;
    }
}

static int
dispatch(struct sync *s, const struct sync_event *ev, struct err *err)
{
    int rc = 0;
    switch (ev->type) {
    case SYNC_CONN_UP:
        if (session_find(s, ev->conn_up.conn))
            return err_set(err, ERR_INVALID, "connection %u is up already", (unsigned)ev->conn_up.conn);
        on_conn_up(s, ev->conn_up.conn, &ev->conn_up.unit, ev->conn_up.dialled);
        break;
    case SYNC_LOG_HELD:
        rc = check_log_held(&ev->log_held, err);
        if (rc == 0)
            on_log_held(s, &ev->log_held);
        break;
    case SYNC_PROOF_KEPT: on_proof_kept(s, ev); break;
    case SYNC_LOCAL_WRITER: rc = on_log_event(s, &ev->local_writer.log, ev, err); break;
    case SYNC_APPENDED: rc = on_log_event(s, &ev->appended.log, ev, err); break;
    case SYNC_APPEND_FAILED: rc = on_log_event(s, &ev->append_failed.log, ev, err); break;
    case SYNC_CAPSULE_NEEDED: on_capsule_needed(s, ev); break;
    case SYNC_ADMISSION_ASK: rc = on_admission_ask(s, ev, err); break;
    case SYNC_UNIT_TRUST:
        if (ev->unit_trust.n_root_keys > SYNC_ROOT_KEYS_MAX)
            return err_set(err, ERR_INVALID, "more than %d root keys", SYNC_ROOT_KEYS_MAX);
        rc = on_unit_trust(s, ev, err);
        break;
    case SYNC_FINGERPRINTS:
        if (ev->fingerprints.n > MESSAGE_TABLES_MAX)
            return err_set(err, ERR_INVALID, "more than %d tables", MESSAGE_TABLES_MAX);
        on_fingerprints_own(s, ev);
        break;
    case SYNC_TICK: break;
    case SYNC_SHUTDOWN: on_shutdown(s); break;
    default: on_session_event(s, ev); break;
    }
    return rc;
}

static void
run_timers(struct sync *s)
{
    wants_timers(s);
    for (uint32_t i = 0; i < s->n_sessions; i++)
        session_timers(s, s->sessions[i]);
    if (s->n_capsules > 0 && s->now >= capsules_next(s))
        capsules_pump(s);
    admissions_timer(s);
    if (s->now >= s->fingerprints_at) {
        logs_gc(s);
        fingerprints_timer(s);
    }
}

static void
tell_wake(struct sync *s)
{
    int64_t at = earlier(earlier(s->logs_at, s->fingerprints_at), earlier(capsules_next(s), admissions_next(s)));
    for (uint32_t i = 0; i < s->n_sessions; i++)
        at = earlier(at, session_next(s, s->sessions[i]));
    if (at <= s->now)
        at = s->now + 1;
    if (at >= s->wake_told && s->wake_told > s->now)
        return;
    struct sync_effect *e = emit(s, SYNC_WAKE_AT, NULL);
    if (!e)
        return;
    e->wake.at.ms = at;
    s->wake_told = at;
}

/* What could not be sent or noted is lost: with new sessions everybody tells and asks anew. */
static void
start_over(struct sync *s)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        struct session *p = s->sessions[i];
        p->state = SESSION_CLOSED;
        p->closed_until = s->now + RESTART_MS;
        p->has_peer_nonce = false;
        session_reset(s, p);
    }
}

int
sync_step(struct sync *s, struct mono_ms now, const struct sync_event *ev, struct sync_effects *out, struct err *err)
{
    for (size_t i = 0; i < out->n_blocks; i++)
        free(out->blocks[i]);
    out->n_blocks = out->n = 0;
    s->out = out;
    s->now = now.ms > s->now ? now.ms : s->now;
    s->oom = false;
    int rc = dispatch(s, ev, err);
    run_timers(s);
    if (s->oom)
        start_over(s);
    tell_wake(s);
    if (s->oom)
        rc = err_set(err, ERR_NOMEM, "no memory for a step of the exchange");
    s->out = NULL;
    return rc;
}

size_t
sync_sessions(const struct sync *s, struct sync_session_info *ret, size_t max)
{
    for (uint32_t i = 0; i < s->n_sessions && i < max; i++) {
        const struct session *p = s->sessions[i];
        ret[i] = (struct sync_session_info){.conn = p->conn,
                                            .unit = p->unit,
                                            .dialled = p->dialled,
                                            .open = p->state == SESSION_OPEN,
                                            .wants_open = p->wants,
                                            .wants_served = p->n_served,
                                            .claims = (uint32_t)p->claims.count,
                                            .heard = {p->heard},
                                            .sent = {p->sent},
                                            .runs_received = p->runs_received,
                                            .runs_sent = p->runs_sent,
                                            .dropped = p->dropped};
        memcpy(ret[i].program, p->program, sizeof(ret[i].program));
    }
    return s->n_sessions;
}

size_t
sync_session_lags(const struct sync *s, struct sync_session_lag *ret, size_t max)
{
    size_t n = s->n_sessions < max ? s->n_sessions : max;
    struct head h;
    for (size_t i = 0; i < n; i++)
        ret[i] = (struct sync_session_lag){.heads_heard =
                                               s->sessions[i]->state == SESSION_OPEN && s->sessions[i]->heads_heard};
    for (const struct log *l = s->oldest; l; l = l->next) {
        bool offered = TYPE_EQ(&l->unit, &s->config.unit) && log_offered(s, l, &h);
        for (size_t i = 0; i < n; i++) {
            uint64_t seq = ret[i].heads_heard ? claim_seq(l, map_get(&s->sessions[i]->claims, &l->id)) : 0;
            if (seq > l->head_seq) {
                ret[i].behind_logs++;
                ret[i].behind_events += seq - l->head_seq;
            }
            if (ret[i].heads_heard && offered && seq < h.seq)
                ret[i].unannounced_events += h.seq - seq;
        }
    }
    return s->n_sessions;
}

struct sync_totals
sync_totals(const struct sync *s)
{
    struct sync_totals t = s->totals;
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        t.runs_received += s->sessions[i]->runs_received;
        t.runs_sent += s->sessions[i]->runs_sent;
        t.dropped += s->sessions[i]->dropped;
    }
    return t;
}

void
sync_lag(const struct sync *s, uint32_t *ret_logs, uint64_t *ret_events)
{
    *ret_logs = 0;
    *ret_events = 0;
    for (const struct log *l = s->oldest; l; l = l->next) {
        uint64_t most = 0;
        for (uint32_t i = 0; i < s->n_sessions; i++) {
            const struct session *p = s->sessions[i];
            uint64_t seq = p->state == SESSION_OPEN ? claim_seq(l, map_get(&p->claims, &l->id)) : 0;
            most = seq > most ? seq : most;
        }
        if (most > l->head_seq) {
            (*ret_logs)++;
            *ret_events += most - l->head_seq;
        }
    }
}
