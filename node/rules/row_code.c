/* See row_code.h. One form for each value: a reader that finds another one fails, so rows are equal exactly if their bytes are. */
#include <stdlib.h>

#include "node/rules/row_code.h"

enum { REF_OTHER_LOG = 0x80, FLAG_VERSION = 0x20, FLAG_NO_DATE = 0x40, FLAG_MARK = 0x80 };

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
    bool taken = (ret->role >= REF_CORRECTS && ret->role <= REF_COMPLETION) || ret->role == REF_CANCELS;
    in->failed = in->failed || !taken || ret->seq == 0;
}

bool
row_outcome_ok(unsigned outcome, unsigned reason)
{
    switch (outcome) {
    case OUTCOME_VOID:
    case OUTCOME_CONFLICT: return reason != VOID_NONE && reason <= VOID_POSTING_LONG && reason != VOID_KEY;
    case OUTCOME_APPLIED:
    case OUTCOME_REPLACED:
    case OUTCOME_WAITING:
    case OUTCOME_UNKNOWN: return reason == VOID_NONE;
    default: return false;
    }
}

/* ---- heads ---- */

static bool
is_dated(const struct row_entry *e, struct row_dated dated)
{
    return dated.kind != 0 && e->kind == dated.kind && event_kind_known(e->kind, e->kind_version);
}

static void
put_head(struct buf *out, const struct position *before, const struct row_entry *e, bool mark, struct row_dated dated)
{
    bool no_date = date_is_none(e->effective);
    row_position_put(out, before, &e->at);
    buf_put_varint(out, e->kind);
    buf_put_u8(out,
               (uint8_t)((unsigned)e->outcome | (unsigned)e->n_refs << 3 | (e->kind_version != 1 ? FLAG_VERSION : 0) |
                         (no_date ? FLAG_NO_DATE : 0) | (mark ? FLAG_MARK : 0)));
    if (e->kind_version != 1) {
        buf_put_varint(out, e->kind_version);
    }
    if (!no_date && !is_dated(e, dated)) {
        buf_put_svarint(out, e->effective.days);
    }
    if (row_has_reason(e->outcome)) {
        buf_put_u8(out, (uint8_t)e->reason);
    }
}

static void
read_date(struct reader *in, bool no_date, struct row_dated dated, struct row_entry *ret)
{
    int64_t day = 0;
    if (is_dated(ret, dated)) {
        in->failed = in->failed || no_date;
        ret->effective = dated.date;
        return;
    }
    if (no_date) {
        ret->effective = DATE_NONE;
        return;
    }
    day = reader_svarint(in);
    in->failed = in->failed || day < DATE_MIN.days || day > DATE_MAX.days;
    ret->effective.days = (int32_t)day;
}

static void
read_head(struct reader *in, const struct position *before, size_t refs_max, struct row_dated dated,
          struct row_entry *ret, bool *ret_mark)
{
    row_position_read(in, before, &ret->at);
    uint64_t kind = reader_varint(in);
    uint8_t flags = reader_u8(in);
    uint64_t version = (flags & FLAG_VERSION) != 0 ? reader_varint(in) : 1;
    in->failed = in->failed || kind == 0 || kind > UINT16_MAX || version == 0 || version > UINT16_MAX ||
                 ((flags & FLAG_VERSION) != 0 && version == 1);
    ret->kind = (uint16_t)kind;
    ret->kind_version = (uint16_t)version;
    read_date(in, (flags & FLAG_NO_DATE) != 0, dated, ret);
    ret->outcome = (enum outcome)(flags & 7);
    ret->n_refs = flags >> 3 & 3;
    ret->reason = row_has_reason(ret->outcome) ? (enum void_reason)reader_u8(in) : VOID_NONE;
    in->failed = in->failed || !row_outcome_ok(ret->outcome, ret->reason) || ret->n_refs > refs_max;
    *ret_mark = (flags & FLAG_MARK) != 0;
}

/* ---- whole rows ---- */

static bool
mark_of(const struct row_type *t, const struct row_entry *e)
{
    return t->links_at != 0 && *(const bool *)((const uint8_t *)e + t->links_at);
}

void
row_entries_put(struct buf *out, const struct row *r, const struct row_layout *l, struct row_dated dated)
{
    buf_put_varint(out, r->n);
    for (size_t i = 0; i < r->n; i++) {
        const struct row_entry *e = row_at(r, i);
        put_head(out, i > 0 ? &row_at(r, i - 1)->at : NULL, e, mark_of(r->type, e), dated);
        if (event_kind_known(e->kind, e->kind_version)) {
            l->put(out, e);
        }
        for (uint8_t k = 0; k < e->n_refs; k++) {
            row_ref_put(out, &e->at, &e->refs[k]);
        }
    }
}

int
row_encode(const struct row *r, const struct row_layout *l, struct row_dated dated, struct buf *out, struct err *err)
{
    buf_put_u8(out, ROW_VERSION);
    row_entries_put(out, r, l, dated);
    return buf_check(out, r->type->what, err);
}

struct reading {
    const struct row_layout *layout;
    struct row_dated dated;
};

static void
read_entry(struct reader *in, const void *arg, const struct position *before, struct row_entry *ret)
{
    const struct reading *reading = arg;
    const struct row_type *t = reading->layout->type;
    bool mark;
    read_head(in, before, t->refs_max, reading->dated, ret, &mark);
    in->failed = in->failed || (mark && t->links_at == 0);
    if (in->failed) {
        return;
    }
    if (mark) {
        *(bool *)((uint8_t *)ret + t->links_at) = true;
    }
    if (event_kind_known(ret->kind, ret->kind_version)) {
        reading->layout->read(in, ret);
    }
    for (uint8_t k = 0; k < ret->n_refs && !in->failed; k++) {
        row_ref_read(in, &ret->at, &ret->refs[k]);
    }
}

int
row_entries_read(struct reader *in, const struct row_layout *l, struct row_dated dated, struct row *ret,
                 struct err *err)
{
    struct reading reading = {.layout = l, .dated = dated};
    ret->type = l->type;
    return row_read(in, l->entries_max, read_entry, &reading, ret, err);
}

int
row_decode(struct slice bytes, const struct row_layout *l, struct row_dated dated, struct row *ret, struct err *err)
{
    struct reader in = reader_of(bytes);
    in.failed = reader_u8(&in) != ROW_VERSION;
    return row_entries_read(&in, l, dated, ret, err);
}

int
row_read(struct reader *in, size_t max, row_entry_read read, const void *arg, struct row *ret, struct err *err)
{
    const char *what = ret->type->what;
    const size_t size = ret->type->entry_size;
    uint64_t n = reader_varint(in);
    if (in->failed || n > max) {
        return err_set(err, ERR_CORRUPT, "%s: another layout, or too many entries", what);
    }
    /* One more than needed: the next event is usually what it is read for. */
    ret->cap = (size_t)n + 1;
    ret->entries = malloc(ret->cap * size);
    if (ret->entries == NULL) {
        return err_set(err, ERR_NOMEM, "%s: out of memory", what);
    }
    for (ret->n = 0; ret->n < n && !in->failed; ret->n++) {
        struct row_entry *e = row_at(ret, ret->n);
        memset((void *)e, 0, size);
        read(in, arg, ret->n > 0 ? &row_at(ret, ret->n - 1)->at : NULL, e);
    }
    if (!reader_done(in)) {
        free(ret->entries);
        ret->entries = NULL;
        ret->n = 0;
        return err_set(err, ERR_CORRUPT, "%s: its bytes do not make sense", what);
    }
    return 0;
}

void
row_start_put(struct buf *out, size_t n)
{
    buf_put_u8(out, ROW_VERSION);
    buf_put_varint(out, n);
}
