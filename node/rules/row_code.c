/* See row_code.h. One form for each value: a reader that finds another one fails, so rows are equal exactly if their bytes are. */
#include "node/rules/row_code.h"

enum { REF_OTHER_LOG = 0x80 };

void
row_position_put(struct buf *out, const struct position *before, const struct position *at)
{
    if (before != NULL && TYPE_EQ(&before->log, &at->log)) {
        buf_put_varint(out, at->seq - before->seq);
        return;
    }
    buf_put_varint(out, 0);
    buf_put(out, at->log.b, sizeof(at->log.b));
    buf_put_varint(out, at->seq);
}

void
row_position_read(struct reader *in, const struct position *before, struct position *ret)
{
    uint64_t step = reader_varint(in);
    if (step != 0) {
        in->failed = in->failed || before == NULL || step > (uint64_t)INT64_MAX - before->seq;
        if (!in->failed) {
            ret->log = before->log;
            ret->seq = before->seq + step;
        }
        return;
    }
    reader_copy(in, ret->log.b, sizeof(ret->log.b));
    ret->seq = reader_varint(in);
    in->failed =
        in->failed || ret->seq == 0 || ret->seq > INT64_MAX || (before != NULL && TYPE_EQ(&before->log, &ret->log));
}

void
row_ref_put(struct buf *out, const struct position *at, const struct event_ref *ref)
{
    bool same = TYPE_EQ(&at->log, &ref->log);
    buf_put_u8(out, (uint8_t)(ref->role | (same ? 0 : REF_OTHER_LOG)));
    if (!same) {
        buf_put(out, ref->log.b, sizeof(ref->log.b));
    }
    buf_put_varint(out, ref->seq);
    buf_put(out, ref->chain.b, sizeof(ref->chain.b));
}

void
row_ref_read(struct reader *in, const struct position *at, struct event_ref *ret)
{
    uint8_t role = reader_u8(in);
    ret->role = role & (REF_OTHER_LOG - 1);
    ret->log = at->log;
    if ((role & REF_OTHER_LOG) != 0) {
        reader_copy(in, ret->log.b, sizeof(ret->log.b));
        in->failed = in->failed || TYPE_EQ(&ret->log, &at->log);
    }
    ret->seq = reader_varint(in);
    reader_copy(in, ret->chain.b, sizeof(ret->chain.b));
    bool taken = (ret->role >= REF_CORRECTS && ret->role <= REF_REQUEST) || ret->role == REF_CANCELS;
    in->failed = in->failed || !taken || ret->seq == 0;
}

bool
row_outcome_ok(unsigned outcome, unsigned reason)
{
    switch (outcome) {
    case OUTCOME_VOID:
    case OUTCOME_CONFLICT: return reason != VOID_NONE && reason <= VOID_CREDIT && reason != VOID_KEY;
    case OUTCOME_APPLIED:
    case OUTCOME_REPLACED:
    case OUTCOME_WAITING:
    case OUTCOME_UNKNOWN: return reason == VOID_NONE;
    default: return false;
    }
}
