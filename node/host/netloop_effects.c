/* One step of the core and what follows from it: each effect carried out, handed to the writer or noted for the loop. See netloop.h. */
#include <stdio.h>

#include "node/host/datadir.h"
#include "node/host/netloop_private.h"

static void
mute(struct netloop *l, uint32_t conn, uint32_t for_ms)
{
    int64_t now = mono_now().ms;
    for (size_t i = 0; i < MUTED_MAX; i++) {
        if (l->muted[i].until_ms <= now || l->muted[i].conn == conn) {
            l->muted[i] = (struct muted){conn, now + for_ms};
            return;
        }
    }
    net_close(l->net, conn, for_ms);
}

bool
netloop_is_muted(const struct netloop *l, uint32_t conn)
{
    int64_t now = mono_now().ms;
    for (size_t i = 0; i < MUTED_MAX; i++)
        if (l->muted[i].conn == conn && l->muted[i].until_ms > now)
            return true;
    return false;
}

static void
effect_append(struct netloop *l, const struct sync_effect *e)
{
    struct writer_append *a =
        writer_append_new(&e->append.run, &e->append.chain_after, e->append.opened, e->append.first_header);
    if (a) {
        writer_append(l->writer, a);
    } else {
        struct writer_notice failed = {.type = NOTICE_APPEND_FAILED, .log = e->append.run.log};
        netloop_notice(l, &failed);
    }
}

/* What the operator does now. `resume` is long enough for a log's digits and the options. */
static const char *
alarm_next(const struct sync_effect *e, bool own, const char *log, char resume[160])
{
    switch (e->alarm.code) {
    case ALARM_HELLO:
        return "both must be of one federation, and both test or both production: smartnode status on each";
    case ALARM_MALFORMED: return "nothing of it was taken; its operator looks at its version and its machine";
    case ALARM_REFUSED_LOG:
        return "if that unit has a new card, compare its words and pin it: smartnode peer trust FILE";
    case ALARM_UNSUPPORTED: return "upgrade this node";
    case ALARM_CLONE: return own ? "stop one of the two at once: OPERATIONS.md \"Clones\"" : "tell its operator";
    case ALARM_TWO_TIPS: return own ? "stop one of the two: OPERATIONS.md \"Clones\"" : "tell its operator";
    case ALARM_DIVERGED: return "run smartnode verify on both nodes";
    case ALARM_UNIT_FULL: return "raise unit_gib_max in smartnode.conf, or ask the unit why it grew";
    case ALARM_LIMIT: return "tell the operators of the peers: one of them has far too many logs";
    case ALARM_FORK:
        snprintf(resume, 160,
                 own ? "stop the node, then: smartnode rekey --resume %s (add --revoke if the key may be stolen)"
                     : "its own operator resumes it: smartnode rekey --resume %s",
                 log);
        return resume;
    }
    return NULL;
}

static void
effect_alarm(struct netloop *l, const struct sync_effect *e)
{
    char text[ERR_TEXT_MAX + 128], log[HEX32_MAX], resume[160];
    static const struct log_id no_log;
    const struct peer *peer = peers_find(&l->peers, &e->alarm.unit);
    bool own = TYPE_EQ(&e->alarm.unit, &l->config.identity->unit), has_log = !TYPE_EQ(&e->alarm.log, &no_log);
    const char *code = peer ? peer->trusted.card.unit_code : own ? l->config.identity->unit_code : "-";
    hex_encode(e->alarm.log.b, 6, log);
    struct log_about about = {.code = sync_alarm_name(e->alarm.code),
                              .peer = peer ? peer->trusted.card.unit_code : NULL,
                              .log = has_log ? &e->alarm.log : NULL,
                              .seq = e->alarm.seq,
                              .next = alarm_next(e, own, log, resume)};
    if (has_log)
        snprintf(text, sizeof(text), "%s: unit %s log %s… seq %llu: %s", about.code, code, log,
                 (unsigned long long)e->alarm.seq, e->alarm.text);
    else
        snprintf(text, sizeof(text), "%s: unit %s: %s", about.code, code, e->alarm.text);
    l->config.alarm(l->config.arg, &about, text);
}

static void
answer(struct netloop *l, const struct sync_effect *e)
{
    struct sync_event ev;
    struct err err;
    if (netreads_answer(&l->reads, e, &ev, &err) == 0)
        netloop_step(l, &ev);
    else
        netloop_alarm(l, &err);
}

static void
effect_capsule(struct netloop *l, const struct sync_effect *e, bool freeze)
{
    struct writer_capsule *c = freeze ? writer_capsule_new(&e->freeze.log, 0, 0, true, e->freeze.proof)
                                      : writer_capsule_new(&e->capsule_got.log, e->capsule_got.seq,
                                                           (uint8_t)e->capsule_got.index, false, e->capsule_got.bytes);
    if (c && !freeze) {
        const struct position at = {.log = e->capsule_got.log, .seq = e->capsule_got.seq};
        c->wanted = wanted_got(&l->wanted, &at, (uint8_t)e->capsule_got.index);
    }
    if (c)
        writer_capsule(l->writer, c);
    else if (!freeze)
        keeper_missing(&l->keeper, &e->capsule_got.log, e->capsule_got.seq, mono_now().ms);
}

static void
effect_missing(struct netloop *l, const struct sync_effect *e)
{
    const struct position at = {.log = e->capsule_missing.log, .seq = e->capsule_missing.seq};
    int64_t now = mono_now().ms;
    if (!wanted_missing(&l->wanted, &at, (uint8_t)e->capsule_missing.index, now))
        keeper_missing(&l->keeper, &at.log, at.seq, now);
}

static void
ask(struct netloop *l, const struct sync_effect *e)
{
    if (l->n_asked == READS_MAX) {
        struct err err;
        (void)err_set(&err, ERR_LIMIT, "more reads for peers than the exchange allows; one is left out");
        netloop_alarm(l, &err);
        return;
    }
    l->asked[(l->asked_first + l->n_asked++) % READS_MAX] = *e;
}

static void
carry_out(struct netloop *l, const struct sync_effect *e)
{
    switch (e->type) {
    case SYNC_SEND:
        if (!netloop_is_muted(l, e->conn))
            (void)net_send(l->net, e->conn, e->send.bytes);
        break;
    case SYNC_CLOSE: mute(l, e->conn, e->close.for_ms); break;
    case SYNC_APPEND: effect_append(l, e); break;
    case SYNC_READ:
    case SYNC_READ_EVENT:
    case SYNC_READ_CAPSULE:
    case SYNC_READ_CHAIN:
    case SYNC_READ_EVIDENCE:
    case SYNC_FINGERPRINTS_NEEDED: ask(l, e); break;
    case SYNC_CAPSULE_GOT: effect_capsule(l, e, false); break; /* the writer says when it is stored */
    case SYNC_CAPSULE_MISSING: effect_missing(l, e); break;
    case SYNC_ADMISSION_ASKED:
    case SYNC_ADMISSION_ANSWERED:
    case SYNC_ADMISSION_UNANSWERED: l->config.admission(l->config.arg, e); break;
    case SYNC_FREEZE: effect_capsule(l, e, true); break;
    case SYNC_ALARM: effect_alarm(l, e); break;
    case SYNC_WAKE_AT: l->wake_ms = e->wake.at.ms; break;
    }
}

void
netloop_step(struct netloop *l, const struct sync_event *ev)
{
    struct sync_effects effects;
    struct err err;
    l->unobserved = true;
    sync_effects_init(&effects);
    if (sync_step(l->sync, mono_now(), ev, &effects, &err) != 0)
        netloop_alarm(l, &err);
    for (size_t i = 0; i < effects.n; i++)
        carry_out(l, &effects.items[i]);
    sync_effects_release(&effects);
}

/* Whoever reads slowly waits for its own queue to empty and holds up nobody else. */
void
netloop_answer_reads(struct netloop *l)
{
    size_t blocked = 0;
    for (int done = 0; done < READS_PER_TURN && blocked < l->n_asked;) {
        struct sync_effect e = l->asked[l->asked_first];
        l->asked_first = (l->asked_first + 1) % READS_MAX;
        l->n_asked--;
        if (e.type != SYNC_FINGERPRINTS_NEEDED && net_congested(l->net, e.conn)) {
            ask(l, &e);
            blocked++;
        } else {
            answer(l, &e);
            done++;
        }
    }
    l->asked_blocked = blocked >= l->n_asked;
}
