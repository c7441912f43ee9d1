/* Sessions, docs/PROTOCOL.md §12.3: the greeting, the two timers, what a message is handed to, and how a session ends.
 *
 *   closed ── connection up, first message ──> greeting ── Hello that echoes ours ──> open
 *      ^── Bye, misfit, malformed ── any          ^── silence, Hello of a new nonce ────┘ */
#include <stdlib.h>

#include "node/sync/state.h"

enum { ECHO_MS = 1000 };

struct session *
session_find(const struct sync *s, uint32_t conn)
{
    for (uint32_t i = 0; i < s->n_sessions; i++) {
        if (s->sessions[i]->conn == conn)
            return s->sessions[i];
    }
    return NULL;
}

static void
draw_nonce(struct sync *s, struct session *p)
{
    uint8_t counter[8];
    be64_put(counter, ++s->counter);
    struct slice parts[] = {slice_of(s->config.seed, sizeof(s->config.seed)), slice_of(counter, sizeof(counter))};
    struct hash h = crypto_hash_parts("sync.nonce", parts, ARRAY_LEN(parts));
    memcpy(p->nonce, h.b, ID_BYTES);
    p->has_nonce = true;
}

static void
send_hello(struct sync *s, struct session *p)
{
    struct message m = {.type = MSG_HELLO};
    m.hello.version_min = m.hello.version_max = SYNC_VERSION;
    m.hello.federation = s->config.federation;
    m.hello.production = s->config.production;
    m.hello.unit = s->config.unit;
    m.hello.has_echo = p->has_peer_nonce;
    memcpy(m.hello.nonce, p->nonce, ID_BYTES);
    memcpy(m.hello.echo, p->peer_nonce, ID_BYTES);
    memcpy(m.hello.program, s->config.program, sizeof(m.hello.program));
    (void)emit_send(s, p, &m);
    p->hello_at = s->now + SYNC_HELLO_MS;
}

static void
greet(struct sync *s, struct session *p)
{
    draw_nonce(s, p);
    p->state = SESSION_GREETING;
    send_hello(s, p);
}

/* The session is not open any more: what it asked for goes to others, what it was asked is forgotten. */
void
session_reset(struct sync *s, struct session *p)
{
    MUST(p->state != SESSION_OPEN);
    map_free(&p->claims);
    p->n_served = 0;
    p->peer_number = 0;
    p->has_fingerprints = p->heads_heard = false;
    pending_evidence_clear(p);
    bool any = p->wants > 0;
    p->wants = p->wants_first = 0;
    for (struct log *l = any ? s->oldest : NULL; l; l = l->next) {
        if (l->want.at == p)
            l->want = (struct want){.stall_at = NEVER};
    }
    capsules_session_lost(s, p);
    admissions_session_lost(s, p);
    if (any)
        log_timer(s, s->now);
}

static void
session_close(struct sync *s, struct session *p, enum bye_reason reason, int64_t for_ms)
{
    p->state = SESSION_CLOSED;
    p->closed_until = s->now + for_ms;
    p->has_peer_nonce = false;
    session_reset(s, p);
    struct sync_effect *e = emit(s, SYNC_CLOSE, p);
    if (e) {
        e->close.for_ms = (uint32_t)for_ms;
        e->close.reason = reason;
    }
}

void
session_bye(struct sync *s, struct session *p, enum bye_reason reason, const char *text, int64_t for_ms)
{
    struct message m = {.type = MSG_BYE};
    m.bye.reason = reason;
    (void)snprintf(m.bye.text, sizeof(m.bye.text), "%s", text);
    (void)emit_send(s, p, &m);
    session_close(s, p, reason, for_ms);
}

/* A peer broke the rules: the session ends, the operator learns of it. */
void
session_fault(struct sync *s, struct session *p, enum bye_reason reason, const struct log *l, const struct err *err)
{
    if (err->code == ERR_NOMEM) {
        s->oom = true;
        return;
    }
    s->totals.faults++;
    s->totals.seal_failures += err->code == ERR_FORGED;
    emit_alarm(s, ALARM_MALFORMED, p, &p->unit, l, "%s: %s", bye_reason_name(reason), err->text);
    session_bye(s, p, reason, bye_reason_name(reason), SYNC_CLOSED_MS);
}

/* More unanswered requests than a session may have. */
void
session_over_limit(struct sync *s, struct session *p, const char *what)
{
    struct err err;
    (void)err_set(&err, ERR_LIMIT, "too many unanswered requests for %s", what);
    session_fault(s, p, BYE_LIMIT, NULL, &err);
}

void
on_conn_up(struct sync *s, uint32_t conn, const struct unit_id *unit, bool dialled)
{
    struct session *p = s->n_sessions < SYNC_SESSIONS_MAX ? calloc(1, sizeof(*p)) : NULL;
    struct served *served = p ? calloc(SYNC_WANTS_MAX, sizeof(*served)) : NULL;
    if (!served) {
        struct session gone = {.conn = conn};
        s->oom = s->oom || s->n_sessions < SYNC_SESSIONS_MAX;
        struct sync_effect *e = emit(s, SYNC_CLOSE, &gone);
        if (e) {
            e->close.for_ms = SYNC_CLOSED_MS;
            e->close.reason = BYE_LIMIT;
        }
        free(p);
        return;
    }
    p->served = served;
    p->conn = conn;
    p->ordinal = ++s->ordinal;
    p->unit = *unit;
    p->dialled = dialled;
    p->heard = p->sent = s->now;
    p->closed_until = NEVER;
    map_init(&p->claims, sizeof(struct log_id), sizeof(struct claim), SYNC_CLAIMS_MAX, s->config.seed);
    s->sessions[s->n_sessions++] = p;
    if (dialled)
        greet(s, p);
}

void
session_remove(struct sync *s, struct session *p)
{
    uint32_t i = 0;
    p->state = SESSION_CLOSED;
    session_reset(s, p);
    s->totals.runs_received += p->runs_received;
    s->totals.runs_sent += p->runs_sent;
    s->totals.dropped += p->dropped;
    while (s->sessions[i] != p)
        i++;
    memmove(&s->sessions[i], &s->sessions[i + 1], (s->n_sessions - i - 1) * sizeof(struct session *));
    s->n_sessions--;
    free(p->served);
    free(p);
}

/* 0, or why this Hello ends the session. */
static int
hello_misfit(const struct sync *s, const struct session *p, const struct message *m)
{
    if (m->hello.version_min > SYNC_VERSION || m->hello.version_max < SYNC_VERSION)
        return BYE_VERSION;
    if (!TYPE_EQ(&m->hello.unit, &p->unit))
        return BYE_WRONG_UNIT;
    if (!TYPE_EQ(&m->hello.federation, &s->config.federation))
        return BYE_FEDERATION;
    if (m->hello.production != s->config.production)
        return BYE_PRODUCTION;
    if (!unit_admitted(s, &p->unit))
        return BYE_UNTRUSTED;
    return 0;
}

static void
session_open(struct sync *s, struct session *p)
{
    p->state = SESSION_OPEN;
    p->full_heads_at = s->now + SYNC_FINGERPRINTS_MS;
    p->fingerprints_after = s->now;
    p->claims_at = NEVER;
    heads_send(s, p, true);
    capsules_pump(s);
}

static void
on_hello(struct sync *s, struct session *p, const struct message *m)
{
    int reason = hello_misfit(s, p, m);
    if (reason != 0) {
        if (!(p->alarmed & 1u << reason))
            emit_alarm(s, ALARM_HELLO, p, &p->unit, NULL, "hello refused: %s",
                       bye_reason_name((enum bye_reason)reason));
        p->alarmed |= 1u << reason;
        session_bye(s, p, (enum bye_reason)reason, bye_reason_name((enum bye_reason)reason), SYNC_CLOSED_MS);
        return;
    }
    if (!p->has_nonce)
        draw_nonce(s, p);
    if (p->state == SESSION_CLOSED)
        p->state = SESSION_GREETING;
    bool known = p->has_peer_nonce && memcmp(p->peer_nonce, m->hello.nonce, ID_BYTES) == 0;
    bool echoes = m->hello.has_echo && memcmp(m->hello.echo, p->nonce, ID_BYTES) == 0;
    if (!known) {
        p->state = SESSION_GREETING;
        session_reset(s, p);
        p->has_peer_nonce = true;
        memcpy(p->peer_nonce, m->hello.nonce, ID_BYTES);
        memcpy(p->program, m->hello.program, sizeof(p->program));
        send_hello(s, p);
        p->echo_after = s->now + ECHO_MS;
        if (echoes)
            session_open(s, p);
    } else if (!echoes) {
        if (s->now >= p->echo_after) {
            p->echo_after = s->now + ECHO_MS;
            send_hello(s, p);
        }
    } else if (p->state == SESSION_GREETING) {
        session_open(s, p);
    } else if (!p->heads_heard && s->now >= p->echo_after) {
        /* It is still greeting: what opened us reached us, what would open it was lost, and our list with it. */
        p->echo_after = s->now + ECHO_MS;
        send_hello(s, p);
        heads_send(s, p, true);
    }
}

static void
on_gone(struct sync *s, struct session *p, const struct message *m)
{
    if (m->gone.has_index) {
        on_gone_capsule(s, p, m);
        return;
    }
    struct log *l = log_find(s, &m->gone.log);
    if (l)
        on_gone_log(s, p, l);
}

static void
on_open_message(struct sync *s, struct session *p, const struct message *m)
{
    struct message pong = {.type = MSG_PING};
    switch (m->type) {
    case MSG_HEADS: on_heads(s, p, m); break;
    case MSG_WANT: on_want(s, p, m); break;
    case MSG_BATCH: on_batch(s, p, m); break;
    case MSG_CAPSULE_WANT: on_capsule_want(s, p, m); break;
    case MSG_CAPSULE: on_capsule(s, p, m); break;
    case MSG_GONE: on_gone(s, p, m); break;
    case MSG_EVIDENCE: on_evidence(s, p, m); break;
    case MSG_CREDIT: on_credit(s, p, m); break;
    case MSG_EVENT_WANT: on_event_want(s, p, m); break;
    case MSG_FINGERPRINTS: on_fingerprints(s, p, m); break;
    case MSG_ADMISSION_ASK: on_admission_message(s, p, m); break;
    case MSG_ADMISSION_ANSWER: on_admission_answer(s, p, m); break;
    case MSG_PING:
        if (m->ping.reply_wanted)
            (void)emit_send(s, p, &pong);
        break;
    /* An EventAt is always one that was not asked for: nothing here asks yet. */
    case MSG_EVENT_AT: p->dropped++; break;
    case MSG_UNKNOWN:
    case MSG_HELLO:
    case MSG_BYE: break;
    }
}

void
on_message(struct sync *s, struct session *p, struct slice bytes)
{
    struct message m;
    struct err err;
    if (p->state == SESSION_CLOSED && p->closed_until != NEVER && s->now < p->closed_until)
        return;
    p->heard = s->now;
    int rc = message_decode(bytes, &m, &err);
    if (rc == 0 && m.type == MSG_BYE) {
        session_close(s, p, m.bye.reason, SYNC_CLOSED_BYE_MS);
    } else if (rc == 0 && m.type == MSG_HELLO) {
        p->closed_until = NEVER;
        on_hello(s, p, &m);
    } else if (p->state == SESSION_OPEN) {
        if (rc < 0)
            session_fault(s, p, BYE_MALFORMED, NULL, &err);
        else
            on_open_message(s, p, &m);
    } else if (p->state == SESSION_CLOSED) {
        p->closed_until = NEVER;
        greet(s, p);
    }
    if (rc == 0)
        message_release(&m);
}

/* A closed session greets again by itself after a Bye or a fault; one that waits for its first message has no timer. */
int64_t
session_next(const struct sync *s, const struct session *p)
{
    switch (p->state) {
    case SESSION_CLOSED: return p->closed_until;
    case SESSION_GREETING: return p->hello_at;
    case SESSION_OPEN: break;
    }
    int64_t at = earlier(p->heard + SYNC_SILENCE_MS, p->sent + SYNC_PING_MS);
    if (p->told_version < s->version)
        at = earlier(at, p->heads_at);
    return earlier(at, earlier(p->full_heads_at, p->claims_at));
}

void
session_timers(struct sync *s, struct session *p)
{
    struct message ping = {.type = MSG_PING};
    if (p->state == SESSION_CLOSED && s->now >= p->closed_until) {
        p->closed_until = NEVER;
        greet(s, p);
    } else if (p->state == SESSION_GREETING && s->now >= p->hello_at) {
        send_hello(s, p);
    } else if (p->state == SESSION_OPEN && s->now >= p->heard + SYNC_SILENCE_MS) {
        p->state = SESSION_GREETING;
        session_reset(s, p);
        greet(s, p);
    }
    if (p->state != SESSION_OPEN)
        return;
    if (s->now >= p->full_heads_at) {
        p->full_heads_at = s->now + SYNC_FINGERPRINTS_MS;
        heads_send(s, p, true);
    } else if (p->told_version < s->version && s->now >= p->heads_at) {
        heads_send(s, p, false);
    }
    if (s->now >= p->claims_at)
        claims_check(s, p);
    if (s->now >= p->sent + SYNC_PING_MS)
        (void)emit_send(s, p, &ping);
}
