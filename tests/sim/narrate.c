/* One line for each thing that happens, for people. See sim.h. */
#include "tests/sim/sim.h"

#include <stdarg.h>
#include <stdio.h>

#include "node/command/names.h"

void
say(struct world *w, const struct sim_node *n, const char *fmt, ...)
{
    va_list args;
    if (!w->narrate)
        return;
    printf("%6lld.%03lld  %-5s ", (long long)(w->now_ms / 1000), (long long)(w->now_ms % 1000), n ? n->name : "-");
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

/* Enough of an id to tell logs and members apart. A few may stand in one line. */
const char *
short_id(const void *id)
{
    static char text[8][9];
    static unsigned next;
    char *out = text[next++ % 8];
    return hex_encode(id, 4, out);
}

void
narrate_message(struct sim_node *from, struct sim_node *to, struct slice bytes)
{
    struct message m;
    struct err err;
    if (!from->w->narrate)
        return;
    if (message_decode(bytes, &m, &err) != 0) {
        say(from->w, to, "hears nonsense from %s (%zu bytes)", from->name, bytes.len);
        return;
    }
    switch (m.type) {
    case MSG_PING: break;
    case MSG_BATCH:
        say(from->w, to, "hears from %s: events %llu to %llu of %s", from->name, (unsigned long long)m.batch.run.first,
            (unsigned long long)(m.batch.run.first + m.batch.run.count - 1), short_id(&m.batch.run.log));
        break;
    case MSG_WANT:
        say(from->w, to, "hears from %s: want %s from %llu", from->name, short_id(&m.want.log),
            (unsigned long long)m.want.from);
        break;
    case MSG_HEADS:
        say(from->w, to, "hears from %s: %zu heads%s", from->name, m.heads.n, m.heads.full ? ", all" : "");
        break;
    case MSG_BYE: say(from->w, to, "hears from %s: bye, %s", from->name, bye_reason_name(m.bye.reason)); break;
    case MSG_EVIDENCE:
        say(from->w, to, "hears from %s: evidence on %s from %llu, %s", from->name, short_id(&m.evidence.log),
            (unsigned long long)m.evidence.first, m.evidence.has_other ? "both branches" : "one branch");
        break;
    default: say(from->w, to, "hears from %s: %s", from->name, message_name(m.type)); break;
    }
    message_release(&m);
}

static const char *
op_name(const struct api_op *op)
{
    static const char *const handovers[] = {"",
                                            "offer of a handover",
                                            "withdrawal of a handover",
                                            "acceptance of a handover",
                                            "completion of a handover",
                                            "reception of a handover"};
    static const char *const accesses[] = {"", "grant", "pass", "revocation", "renewal", "end of all access"};
    switch (op->kind) {
    case OP_MEMBER: return member_action_name(op->member.request.action);
    case OP_OFFICE_OPEN: return "open office";
    case OP_OFFICE_CHANGE: return "change office";
    case OP_OFFICE_CLOSE: return "close office";
    case OP_UNIT_DESCRIBE: return "describe unit";
    case OP_HANDOVER: return handovers[op->handover.request.action];
    case OP_ACCESS: return accesses[op->access.action];
    case OP_ERASE: return "erasure";
    case OP_DOUBLE: return op->doubled.action == DOUBLE_DECLARE ? "declaration of a double" : "settlement of a double";
    case OP_CANCEL: return "cancel";
    case OP_MERGE: return "merge";
    default: return "other";
    }
}

void
narrate_op(struct sim_node *n, const struct api_op *op)
{
    char date[DATE_TEXT_MAX];
    struct civil_date d = op->kind == OP_MEMBER          ? op->member.request.effective
                          : op->kind == OP_HANDOVER      ? op->handover.request.effective
                          : op->kind == OP_UNIT_DESCRIBE ? op->unit.effective
                                                         : op->office.effective;
    if (!n->w->narrate)
        return;
    date_format(d, date);
    if (op->result.err.code != ERR_NONE)
        say(n->w, n, "refuses: %s on %s: %s", op_name(op), date, op->result.err.text);
    else
        say(n->w, n, "writes: %s on %s at %s/%llu%s%s", op_name(op), date, short_id(&op->result.position.log),
            (unsigned long long)op->result.position.seq, op->result.has_subject ? ", subject " : "",
            op->result.has_subject ? short_id(&op->result.subject) : "");
}
