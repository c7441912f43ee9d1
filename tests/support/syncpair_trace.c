/* What cores do, one line each: `A>B want L1 from 2` is a message as it is sent, `B: append L1 2..4` another effect. */
#include <stdarg.h>
#include <stdlib.h>

#include "tests/support/syncpair.h"
#include "tests/support/syncpair_private.h"

const char *
pair_name(const struct pair *w, const struct log_id *log, char out[HEX32_MAX])
{
    for (uint32_t i = 0; i < w->n_named; i++) {
        if (TYPE_EQ(&w->named[i], log)) {
            (void)snprintf(out, HEX32_MAX, "L%u", (unsigned)i + 1);
            return out;
        }
    }
    return "L?";
}

const char *
pair_trace(struct pair *w)
{
    buf_put_u8(&w->trace, 0);
    w->trace.len--;
    MUST(!w->trace.failed);
    return (const char *)w->trace.data;
}

void
pair_trace_clear(struct pair *w)
{
    buf_clear(&w->trace);
}

void
pair_trace_line(struct pair *w, const char *fmt, ...)
{
    char line[512];
    va_list args;
    if (!w->tracing)
        return;
    va_start(args, fmt);
    int n = vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
    MUST(n > 0 && (size_t)n < sizeof(line));
    buf_put(&w->trace, line, (size_t)n);
    buf_put_u8(&w->trace, '\n');
}

static void
trace_heads(struct pair *w, const char *who, const struct message *m)
{
    char line[256], name[HEX32_MAX];
    int n = snprintf(line, sizeof(line), "heads%s", m->heads.full ? " full" : "");
    for (size_t i = 0; i < m->heads.n && n < 200; i++)
        n += snprintf(line + n, sizeof(line) - (size_t)n, " %s:%llu", pair_name(w, &m->heads.heads[i].log, name),
                      (unsigned long long)m->heads.heads[i].seq);
    pair_trace_line(w, "%s %s", who, line);
}

void
pair_trace_message(struct pair *w, uint32_t from, uint32_t to, struct slice bytes)
{
    char who[8], name[HEX32_MAX];
    struct message m;
    struct err err;
    if (!w->tracing)
        return;
    (void)snprintf(who, sizeof(who), "%c>%c", w->nodes[from].name, w->nodes[to].name);
    if (message_decode(bytes, &m, &err) < 0) {
        pair_trace_line(w, "%s unreadable", who);
        return;
    }
    switch (m.type) {
    case MSG_HELLO: pair_trace_line(w, "%s hello%s", who, m.hello.has_echo ? " echo" : ""); break;
    case MSG_HEADS: trace_heads(w, who, &m); break;
    case MSG_WANT:
        pair_trace_line(w, "%s want %s from %llu", who, pair_name(w, &m.want.log, name),
                        (unsigned long long)m.want.from);
        break;
    case MSG_BATCH:
        pair_trace_line(w, "%s batch %s %llu..%llu", who, pair_name(w, &m.batch.run.log, name),
                        (unsigned long long)m.batch.run.first,
                        (unsigned long long)m.batch.run.first + m.batch.run.count - 1);
        break;
    case MSG_CREDIT: pair_trace_line(w, "%s %s", who, m.credit.bytes ? "credit" : "close want"); break;
    case MSG_GONE: pair_trace_line(w, "%s gone %s %d", who, pair_name(w, &m.gone.log, name), (int)m.gone.reason); break;
    case MSG_EVIDENCE:
        pair_trace_line(w, "%s evidence %s from %llu, %d+%d", who, pair_name(w, &m.evidence.log, name),
                        (unsigned long long)m.evidence.first, (int)(m.evidence.header_hashes.len / HASH_BYTES),
                        (int)(m.evidence.other_hashes.len / HASH_BYTES));
        break;
    case MSG_BYE: pair_trace_line(w, "%s bye %s", who, bye_reason_name(m.bye.reason)); break;
    case MSG_ADMISSION_ASK:
        pair_trace_line(w, "%s ask %llu, bucket %u", who, (unsigned long long)m.admission_ask.number,
                        m.admission_ask.bucket);
        break;
    case MSG_ADMISSION_ANSWER:
        pair_trace_line(w, "%s answer %llu, status %d, %zu entries", who, (unsigned long long)m.admission_answer.number,
                        (int)m.admission_answer.status, m.admission_answer.entries.len / LOOKUP_ENTRY_BYTES);
        break;
    case MSG_PING:
        if (w->trace_pings)
            pair_trace_line(w, "%s ping", who);
        break;
    default: pair_trace_line(w, "%s %s", who, message_name(m.type)); break;
    }
    message_release(&m);
}

void
pair_trace_effect(struct pair *w, const struct pair_node *node, const struct sync_effect *e)
{
    char name[HEX32_MAX];
    switch (e->type) {
    case SYNC_CLOSE: pair_trace_line(w, "%c: close for %u ms", node->name, (unsigned)e->close.for_ms); break;
    case SYNC_APPEND:
        pair_trace_line(w, "%c: append %s %llu..%llu%s", node->name, pair_name(w, &e->append.run.log, name),
                        (unsigned long long)e->append.run.first,
                        (unsigned long long)e->append.run.first + e->append.run.count - 1,
                        e->append.opened ? " opens" : "");
        break;
    case SYNC_FREEZE:
        pair_trace_line(w, "%c: freeze %s at %llu%s", node->name, pair_name(w, &e->freeze.log, name),
                        (unsigned long long)e->freeze.at, e->freeze.proof.len ? " with proof" : "");
        break;
    case SYNC_ALARM:
        pair_trace_line(w, "%c: alarm %s: %s", node->name, sync_alarm_name(e->alarm.code), e->alarm.text);
        break;
    case SYNC_ADMISSION_ASKED:
        pair_trace_line(w, "%c: asked %llu", node->name, (unsigned long long)e->admission_asked.number);
        break;
    case SYNC_ADMISSION_ANSWERED:
        pair_trace_line(w, "%c: answered %llu, status %d", node->name, (unsigned long long)e->admission_answered.number,
                        (int)e->admission_answered.status);
        break;
    case SYNC_ADMISSION_UNANSWERED:
        pair_trace_line(w, "%c: unanswered %llu", node->name, (unsigned long long)e->admission_unanswered.number);
        break;
    case SYNC_CAPSULE_GOT:
    case SYNC_CAPSULE_MISSING:
    case SYNC_FINGERPRINTS_NEEDED: pair_trace_line(w, "%c: %s", node->name, sync_effect_name(e->type)); break;
    case SYNC_SEND:
    case SYNC_READ:
    case SYNC_READ_CHAIN:
    case SYNC_READ_EVIDENCE:
    case SYNC_READ_EVENT:
    case SYNC_READ_CAPSULE:
    case SYNC_WAKE_AT: break;
    }
}
