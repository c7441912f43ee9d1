/* One operation in the group: what was answered under its key, the command's check, the event or the row. See engine.h, api.h. */
#include <stdlib.h>

#include "node/api/idem.h"
#include "node/command/rows.h"
#include "node/host/engine_private.h"
#include "node/host/hearing.h"
#include "node/host/links.h"
#include "node/host/person_read.h"
#include "node/host/settling.h"
#include "node/host/tokens.h"
#include "node/host/trust.h"
#include "storage/lookups.h"
#include "storage/visits.h"

static void
make_context(struct engine *e, const struct actor_id *actor, const struct member_world *world, struct command_ctx *ret)
{
    *ret = (struct command_ctx){.txn = e->txn,
                                .state = e->state,
                                .world = world,
                                .vault = e->config.vault,
                                .unit = e->config.identity->unit,
                                .actor = *actor,
                                .today = e->config.today(e->config.arg),
                                .strays = &e->strays,
                                .random = draws_take,
                                .random_arg = &e->own.draws};
    memcpy(ret->unit_code, e->config.identity->unit_code, sizeof(ret->unit_code));
}

void
engine_context(struct engine *e, const struct actor_id *actor, struct member_world *world, struct command_ctx *ret)
{
    apply_world(e->apply, e->txn, world);
    make_context(e, actor, world, ret);
}

static int
check_office_tag(struct engine *e, const struct api_op *op, struct err *err)
{
    struct office_info info = {.id = op->office.id};
    struct place_row row;
    uint8_t key[KEY_OFFICE];
    struct slice value;
    if (!op->has_if_match)
        return 0;
    key_office(key, &e->config.identity->unit, &op->office.id);
    int rc = state_get(e->state, TABLE_OFFICES, slice_of(key, sizeof(key)), &value, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? err_set(err, ERR_NOTFOUND, "no such office") : rc;
    rc = place_row_decode(value, &e->config.identity->unit, &op->office.id, &row, err);
    if (rc != 0)
        return rc;
    bool there = office_state_at(&row, e->config.today(e->config.arg), &info.state);
    struct hash tag = api_office_tag(&info.id, &info.state);
    place_row_release(&row);
    if (!there || !TYPE_EQ(&tag, &op->if_match))
        return err_field(err, ERR_CONFLICT, "if-match", "the office has changed since it was read");
    return 0;
}

static int
check_unit_tag(struct engine *e, const struct api_op *op, struct err *err)
{
    struct unit_described facts = {0};
    struct place_row row;
    struct slice value;
    static const struct office_id no_office = {{0}};
    bool there = false;
    if (!op->has_if_match)
        return 0;
    int rc = state_get(e->state, TABLE_UNITS, slice_of(e->config.identity->unit.b, HASH_BYTES), &value, err);
    if (rc == 0)
        rc = place_row_decode(value, &e->config.identity->unit, &no_office, &row, err);
    if (rc == 0) {
        there = unit_state_at(&row, e->config.today(e->config.arg), &facts);
        place_row_release(&row);
    }
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    struct hash tag = api_unit_tag(&facts);
    if (!there || !TYPE_EQ(&tag, &op->if_match))
        return err_field(err, ERR_CONFLICT, "if-match", "the unit has changed since it was read");
    return 0;
}

static int
find_office(const struct command_ctx *ctx, const char *text, struct office_id *ret, bool *ret_has, struct err *err)
{
    if (text[0] == '\0')
        return 0;
    int rc = office_find(ctx, text, ret, err);
    *ret_has |= rc == 0;
    return rc;
}

static int
find_work(const struct command_ctx *ctx, enum index_field field, const char *number, const char *name,
          struct subject_id *ret, bool *ret_has, struct err *err)
{
    if (number[0] == '\0')
        return 0;
    int rc = work_find(ctx, field, number, ret, err);
    *ret_has |= rc == 0;
    return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, name, "%s: there is none of that number", name) : rc;
}

/* A member by the register's own number, where that was given instead of an id. */
static int
find_member(const struct command_ctx *ctx, const char *number, struct subject_id *ret, bool *ret_has, struct err *err)
{
    struct member_row row;
    bool found = false;
    if (number[0] == '\0')
        return 0;
    int rc = member_by_number(ctx->txn, ctx->vault, &ctx->unit, number, &found, &row, err);
    if (rc == 0 && !found)
        rc = err_field(err, ERR_NOTFOUND, "member_no", "member_no: no member has this number");
    if (rc != 0)
        return rc;
    *ret = row.subject;
    *ret_has = true;
    member_row_release(&row);
    return 0;
}

static int
member_draft(const struct command_ctx *ctx, struct api_op *op, struct draft *ret, struct err *err)
{
    struct member_request *r = &op->member.request;
    int rc = find_office(ctx, op->member.office_text, &r->office, &r->has_office, err);
    if (rc == 0)
        rc = find_member(ctx, op->member.member_no, &r->subject, &r->has_subject, err);
    return rc == 0 ? command_member(ctx, r, ret, err) : rc;
}

static int
activity_draft(const struct command_ctx *ctx, struct api_op *op, struct draft *ret, struct err *err)
{
    struct activity_request *r = &op->activity.request;
    bool has_member = false;
    int rc = op->activity.taken ? engine_read_taken(ctx, op, err) : 0;
    if (rc == 0)
        rc = find_office(ctx, op->activity.office_text, &r->office, &r->has_office, err);
    if (rc == 0)
        rc = find_member(ctx, op->activity.member_no, &r->member, &has_member, err);
    if (rc == 0 && op->activity.unit_code[0] != '\0' && strcmp(op->activity.unit_code, ctx->unit_code) != 0) {
        r->has_unit = true;
        rc = view_unit_by_code(ctx->txn, op->activity.unit_code, &r->unit, err);
        rc = rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, "member_unit", "member_unit: no such unit") : rc;
    }
    return rc == 0 ? command_activity(ctx, r, ret, err) : rc;
}

static int
invoice_draft(const struct command_ctx *ctx, struct api_op *op, struct draft *ret, struct err *err)
{
    struct invoice_request *r = &op->invoice.request;
    int rc = find_office(ctx, op->invoice.office_text, &r->office, &r->has_office, err);
    if (rc == 0)
        rc = find_work(ctx, INDEX_ACTIVITY_NO, op->invoice.activity_no, "activity_no", &r->activity, &r->has_activity,
                       err);
    if (rc == 0)
        rc = find_work(ctx, INDEX_INVOICE_NO, op->invoice.invoice_no, "credits_no", &r->invoice, &r->has_invoice, err);
    return rc == 0 ? command_invoice(ctx, r, ret, err) : rc;
}

static int
posting_draft(const struct command_ctx *ctx, struct api_op *op, struct draft *ret, struct err *err)
{
    bool has_member = false;
    int rc = find_member(ctx, op->posting.member_no, &op->posting.request.member, &has_member, err);
    return rc == 0 ? command_posting(ctx, &op->posting.request, ret, err) : rc;
}

/* The figures are read from the tables: what the group changed before must be there. */
static int
period_draft(const struct command_ctx *ctx, const struct close_request *req, struct draft *ret, struct err *err)
{
    if (req->published)
        return command_close_period(ctx, req, req->published, req->n_published, ret, err);
    struct period_figure figures[FIGURES_MAX];
    size_t n = 0;
    int rc = state_flush(ctx->state, err);
    if (rc == 0)
        rc = report_figures(ctx->txn, &ctx->unit, req->year, figures, &n, err);
    return rc == 0 ? command_close_period(ctx, req, figures, n, ret, err) : rc;
}

static int
place_draft(struct engine *e, const struct command_ctx *ctx, struct api_op *op, struct draft *ret, struct err *err)
{
    int rc = op->kind == OP_UNIT_DESCRIBE ? check_unit_tag(e, op, err) : check_office_tag(e, op, err);
    if (rc != 0)
        return rc;
    if (op->kind == OP_UNIT_DESCRIBE)
        return command_unit_describe(ctx, &op->unit.facts, op->unit.effective, ret, err);
    if (op->kind == OP_OFFICE_CHANGE)
        return command_office_change(ctx, &op->office.id, &op->office.facts, op->office.effective, ret, err);
    return command_office_close(ctx, &op->office.id, op->office.effective, ret, err);
}

static int
handover_draft(const struct command_ctx *ctx, struct api_op *op, struct draft *ret, size_t *ret_n, struct err *err)
{
    struct handover_request *r = &op->handover.request;
    int rc = find_office(ctx, op->handover.office_text, &r->office, &r->has_office, err);
    return rc == 0 ? command_handover(ctx, r, ret, ret_n, err) : rc;
}

/* Events of one operation, in the order in which they are written; all of them or none is committed. */
enum { OP_DRAFTS_MAX = 160 };
_Static_assert((int)OP_DRAFTS_MAX >= (int)ERASE_DRAFTS_MAX, "an erasure fits");
_Static_assert((int)OP_DRAFTS_MAX >= (int)MERGE_DRAFTS, "a merge fits");
_Static_assert((int)OP_DRAFTS_MAX >= (int)ACCESS_DRAFTS_MAX + 4,
               "so does the end of all access, beside what caused it");
_Static_assert((int)OP_DRAFTS_MAX >= (int)HANDOVER_DRAFTS_MAX, "and a handover");

static int
drafts_for(struct engine *e, const struct command_ctx *ctx, struct api_op *op, struct draft ret[OP_DRAFTS_MAX],
           size_t *ret_n, struct err *err)
{
    static const struct office_id no_office;
    *ret_n = op->kind == OP_MERGE ? MERGE_DRAFTS : 1;
    switch (op->kind) {
    case OP_MEMBER: return member_draft(ctx, op, ret, err);
    case OP_OFFICE_OPEN:
        return command_office_open(ctx, TYPE_EQ(&op->office.id, &no_office) ? NULL : &op->office.id, &op->office.facts,
                                   op->office.effective, ret, err);
    case OP_OFFICE_CHANGE:
    case OP_OFFICE_CLOSE:
    case OP_UNIT_DESCRIBE: return place_draft(e, ctx, op, ret, err);
    case OP_ACTIVITY: return activity_draft(ctx, op, ret, err);
    case OP_INVOICE: return invoice_draft(ctx, op, ret, err);
    case OP_POSTING: return posting_draft(ctx, op, ret, err);
    case OP_CANCEL: return command_cancel(ctx, &op->cancel, ret, err);
    case OP_MERGE: return command_merge(ctx, &op->merge, ret, err);
    case OP_PROPOSE: return command_guest_proposal(ctx, &op->propose, ret, err);
    case OP_CLOSE_PERIOD: return period_draft(ctx, &op->close, ret, err);
    case OP_CUSTODY: return command_custody(ctx, &op->custody, ret, err);
    case OP_HANDOVER: return handover_draft(ctx, op, ret, ret_n, err);
    case OP_DOUBLE: return command_double(ctx, &op->doubled, ret, err);
    case OP_ACCESS: return command_access(ctx, &op->access, ret, ret_n, err);
    case OP_ERASE: return command_erase(ctx, &op->erase.request, ret, ret_n, &op->erase.outcome, err);
    default: break;
    }
    return err_set(err, ERR_INVALID, "no such operation");
}

/* Whether the operation may be taken up at all. */
int
engine_ready(struct engine *e, struct err *err)
{
    int rc = e->own.open ? 0 : hearing_check(e->txn, err);
    if (rc == 0)
        rc = ownlog_clock(&e->own, e->txn, err);
    if (rc == 0 && indexer_full(&e->indexer))
        rc = err_set(err, ERR_FULL, "the vault cannot be written: its disk or map is full");
    return rc;
}

/* A merge and its undoing say anew whose the invoices of the record given up are: the months of these are counted again. */
static int
mark_months(struct engine *e, const struct command_ctx *ctx, const struct subject_id *member, struct err *err)
{
    enum { STEP = 256 };
    struct subject_id found[STEP];
    struct subject_id after;
    uint32_t last = UINT32_MAX; /* ids of invoices begin with their month, and come in order */
    size_t n = STEP;
    int rc = 0;
    for (bool first = true; rc == 0 && n == STEP; first = false) {
        rc = work_of_member(ctx, member, first ? NULL : &after, STEP, found, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++) {
            struct vault_link link;
            uint8_t key[KEY_UNCOUNTED];
            uint16_t month = invoice_id_month(&found[i]);
            rc = vault_link_get(ctx->vault, &found[i], &link, err);
            if (rc != 0 || (link.flags & (LINK_INVOICE | LINK_ABROAD)) != LINK_INVOICE || month == last)
                continue;
            last = month;
            be16_put(key, month);
            rc = db_put(e->txn, TABLE_UNCOUNTED, slice_of(key, sizeof(key)), slice_of(NULL, 0), err);
        }
        after = n > 0 ? found[n - 1] : after;
    }
    return rc;
}

int
engine_write(struct engine *e, struct draft *d, struct position *ret, struct err *err)
{
    int rc = ownlog_write(&e->own, e->txn, d, ret, err);
    if (rc == 0)
        indexer_follow(&e->indexer, ret);
    if (rc == 0)
        rc = links_stage(e->config.vault, &e->config.identity->unit, d, err);
    e->group_events += rc == 0;
    return rc;
}

/* Where keys were replaced that others have: the accesses that are open get the new ones. */
static int
renew_access(struct engine *e, const struct command_ctx *ctx, struct err *err)
{
    struct draft drafts[ACCESS_OPEN_MAX];
    struct position at;
    size_t n = 0;
    if (!e->own.has_renewed)
        return 0;
    e->own.has_renewed = false;
    int rc = access_renew_all(ctx, &e->own.renewed, drafts, &n, err);
    for (size_t i = 0; i < n && rc == 0; i++)
        rc = engine_write(e, &drafts[i], &at, err);
    for (size_t i = 0; i < n; i++)
        draft_release(&drafts[i]);
    return rc;
}

/* What a closed unit writes has no effect, but what is due (§10): the desk is told, instead of a group that fails. */
static int
check_open(const struct command_ctx *ctx, const struct draft *drafts, size_t n, struct err *err)
{
    struct place_row row;
    struct position at;
    struct civil_date on;
    char day[DATE_TEXT_MAX];
    bool allowed = true;
    for (size_t i = 0; i < n; i++)
        allowed = allowed && unit_closed_allows(drafts[i].kind);
    int rc = allowed ? ERR_NOTFOUND : rows_unit(ctx, &row, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    if (unit_closing(&row, &at, &on))
        rc = err_field(err, ERR_CONFLICT, "unit", "unit: was closed on %s; nothing new can be recorded in its name",
                       date_format(on, day));
    place_row_release(&row);
    return rc;
}

/* Events. op's own refusal is in op->result.err and 0 comes back; other errors are the group's. */
static int
exec_event(struct engine *e, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct member_world world;
    struct command_ctx ctx;
    struct position at;
    size_t n = 0, answer;
    if (!e->drafts)
        e->drafts = malloc(OP_DRAFTS_MAX * sizeof(*e->drafts));
    if (!e->drafts)
        return err_set(err, ERR_NOMEM, "an operation: out of memory");
    struct draft *const drafts = e->drafts;
    apply_world(e->apply, e->txn, &world);
    make_context(e, actor, &world, &ctx);
    struct err refusal;
    int rc = engine_ready(e, &refusal);
    if (rc == 0)
        rc = drafts_for(e, &ctx, op, drafts, &n, &refusal);
    if (rc != 0) {
        op->result.err = refusal;
        return db_error(e->txn, err);
    }
    if (n == 0)
        return 0;
    rc = check_open(&ctx, drafts, n, &refusal);
    if (rc == 0 && op->kind == OP_HANDOVER && op->handover.request.action == HANDOVER_RECEIVE)
        rc = engine_note_taken(e, &ctx, &op->handover.request, &refusal);
    if (rc != 0) {
        for (size_t i = 0; i < n; i++)
            draft_release(&drafts[i]);
        op->result.err = refusal;
        return db_error(e->txn, err);
    }
    if (op->kind == OP_MERGE)
        rc = mark_months(e, &ctx, &op->merge.from, err);
    /* Of a merge and its undoing, what was written of the record that was given up; of an erasure what is said of the member last. */
    answer = (op->kind == OP_MERGE && op->merge.undo) || op->kind == OP_ERASE ? n - 1 : 0;
    op->result.has_subject = drafts[answer].payload.common.has_subject;
    op->result.subject = drafts[answer].payload.common.subject;
    for (size_t i = 0; i < n && rc == 0; i++) {
        rc = engine_write(e, &drafts[i], i == answer ? &op->result.position : &at, err);
        op->result.has_position = rc == 0;
    }
    if (rc == 0 && op->kind == OP_MEMBER)
        rc = indexer_add(&e->indexer, &op->member.request.person, &op->result.subject, &op->result.position, err);
    if (rc == 0 && op->kind == OP_HANDOVER && op->handover.request.action == HANDOVER_RECEIVE)
        rc = indexer_add(&e->indexer, &op->handover.request.person, &op->result.subject, &op->result.position, err);
    if (rc == 0)
        rc = renew_access(e, &ctx, err);
    if (rc == 0 && op->kind == OP_HANDOVER)
        rc = engine_moved(e, &ctx, op, err);
    if (rc == 0 && op->kind == OP_MEMBER && op->member.ask) {
        struct lookup_question q = {.since = e->config.now(e->config.arg), .subject = op->result.subject};
        rc = lookup_question_put(e->txn, &q, err);
    }
    for (size_t i = 0; i < n; i++)
        draft_release(&drafts[i]);
    return rc;
}

/* ---- keys of others ---- */

static int
exec_keep(struct engine *e, struct api_op *op, struct err *err)
{
    struct err refusal;
    int rc = received_put(e->config.vault, op->kept.keys, op->kept.n, &refusal);
    if (rc != 0)
        op->result.err = refusal;
    return db_error(e->txn, err);
}

/* ---- counting ---- */

static int
count_mark(struct engine *e, struct slice key, bool begin, bool *ret_counted, struct err *err)
{
    struct slice mark;
    if (begin)
        return db_put(e->txn, TABLE_UNCOUNTED, key, slice_of("\1", 1), err);
    int rc = db_get(e->txn, TABLE_UNCOUNTED, key, &mark, err);
    if (rc != 0 || mark.len == 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    *ret_counted = true;
    return db_del(e->txn, TABLE_UNCOUNTED, key, err);
}

static int
exec_count(struct engine *e, struct api_op *op, struct err *err)
{
    uint8_t key[KEY_UNCOUNTED];
    struct err refusal;
    int rc = engine_ready(e, &refusal);
    be16_put(key, op->count.month);
    op->count.counted = false;
    if (rc != 0) {
        op->result.err = refusal;
        return db_error(e->txn, err);
    }
    if (op->count.step != COUNT_WRITE)
        return count_mark(e, slice_of(key, sizeof(key)), op->count.step == COUNT_BEGIN, &op->count.counted, err);
    for (size_t i = 0; i < op->count.n && rc == 0; i++)
        rc = engine_write(e, &op->count.drafts[i], &op->result.position, err);
    op->result.has_position = op->count.n > 0;
    return rc;
}

static int
exec_token(struct engine *e, struct api_op *op, struct err *err)
{
    struct slice key = slice_of(op->token.hash.b, sizeof(op->token.hash.b));
    struct slice value;
    struct buf row;
    struct err refusal;
    if (op->kind == OP_TOKEN_END) {
        op->result.has_subject = true;
        op->result.subject = op->token.row.subject;
        if (tokens_end(e->txn, &op->token.row.subject, e->config.now(e->config.arg), NULL, &refusal) != 0)
            op->result.err = refusal;
        return db_error(e->txn, err);
    }
    buf_init(&row, TOKEN_ROW_BYTES_MAX);
    int rc = 0;
    if (op->kind == OP_TOKEN_REVOKE) {
        rc = db_get(e->txn, TABLE_TOKENS, key, &value, &refusal);
        if (rc == 0)
            rc = token_row_decode(value, &op->token.row, &refusal);
        if (rc == 0 && op->token.row.revoked.ms == 0)
            op->token.row.revoked = e->config.now(e->config.arg);
    }
    if (rc == 0)
        rc = token_row_encode(&op->token.row, &row, &refusal);
    if (rc == 0)
        rc = db_put(e->txn, TABLE_TOKENS, key, buf_slice(&row), &refusal);
    if (rc != 0)
        op->result.err = refusal;
    buf_free(&row);
    return db_error(e->txn, err);
}

static int
exec_peer(struct engine *e, struct api_op *op, struct err *err)
{
    struct err refusal;
    int rc = op->kind == OP_PEER_TRUST ? trust_pin(e->txn, e->config.identity, op->peer_trust.card, NULL, &refusal)
                                       : trust_remove(e->txn, &op->peer_remove.unit, &refusal);
    if (rc != 0)
        op->result.err = refusal;
    return db_error(e->txn, err);
}

static int
replay(struct engine *e, struct api_op *op, const struct idem_row *row, struct err *err)
{
    struct stored_event ev;
    struct event_common common;
    struct log_row log;
    op->result.replayed = true;
    op->result.status = row->status;
    if (row->log_no == 0)
        return 0;
    /* An event of this very group is not stored yet; its log is the one being written. */
    int rc = evlog_get(e->txn, row->log_no, &log, err);
    if (rc != 0)
        return rc;
    op->result.has_position = true;
    op->result.position = (struct position){.log = log.id, .seq = row->seq};
    if (row->seq > log.head_seq) {
        if (!e->own.open || e->own.row.no != row->log_no || !ownlog_payload(&e->own, row->seq, &ev.payload))
            return err_set(err, ERR_CORRUPT, "an idempotency key names event %llu, which is not there",
                           (unsigned long long)row->seq);
    } else {
        rc = evlog_event(e->txn, row->log_no, row->seq, &ev, err);
    }
    if (rc == 0 && ev.payload.len > 0 && event_common_decode(ev.payload, &common, err) == 0 && common.has_subject) {
        op->result.has_subject = true;
        op->result.subject = common.subject;
    }
    return rc;
}

/* 1 = answered from what was kept (or refused), 0 = go on. */
static int
idem_look(struct engine *e, struct api_op *op, struct err *err)
{
    struct slice value;
    struct idem_row row;
    struct err ignored;
    if (!op->idempotent)
        return 0;
    int rc = db_get(e->txn, TABLE_IDEMPOTENCY, slice_of(op->idem_key.b, sizeof(op->idem_key.b)), &value, &ignored);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : db_error(e->txn, err);
    rc = idem_row_decode(value, &row, err);
    if (rc != 0)
        return rc;
    if (!TYPE_EQ(&row.request_hash, &op->request_hash)) {
        err_field(&op->result.err, ERR_EXISTS, "idempotency-key", "this key was used for another request");
        return 1;
    }
    rc = replay(e, op, &row, err);
    return rc != 0 ? rc : 1;
}

static int
idem_keep(struct engine *e, const struct api_op *op, struct err *err)
{
    uint8_t value[IDEM_ROW_BYTES], time_key[IDEM_TIME_KEY_BYTES];
    struct idem_row row = {
        .request_hash = op->request_hash, .status = op->result.status, .recorded = e->config.now(e->config.arg)};
    if (op->result.has_position) {
        row.log_no = e->own.row.no;
        row.seq = op->result.position.seq;
    }
    idem_row_encode(&row, value);
    idem_time_key(row.recorded, &op->idem_key, time_key);
    int rc = db_put(e->txn, TABLE_IDEMPOTENCY, slice_of(op->idem_key.b, sizeof(op->idem_key.b)),
                    slice_of(value, sizeof(value)), err);
    if (rc == 0)
        rc = db_put(e->txn, TABLE_IDEM_TIME, slice_of(time_key, sizeof(time_key)), slice_of("", 1), err);
    return rc;
}

/* Kept in the vault alone: durable before the answer, whatever becomes of the group. */
static int
exec_ask(struct engine *e, struct api_op *op, struct err *err)
{
    struct ask *ask = &op->ask.ask;
    struct err refusal = {0};
    size_t n = 0;
    int rc;
    (void)err;
    op->result.has_subject = true;
    if (op->ask.dealt_with) {
        rc = asks_del(e->config.vault, &ask->member, &ask->id, &n, &refusal);
        if (rc == 0 && n == 0)
            rc = err_field(&refusal, ERR_NOTFOUND, "request", "no such request is open");
    } else {
        e->config.random(e->config.arg, ask->id.b, sizeof(ask->id.b));
        ask->asked_at = e->config.now(e->config.arg);
        rc = asks_put(e->config.vault, ask, &refusal);
    }
    op->result.subject = ask->id;
    if (rc != 0)
        op->result.err = refusal;
    return 0;
}

int
engine_exec(struct engine *e, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    op->result = (struct api_result){0};
    int rc = idem_look(e, op, err);
    if (rc != 0)
        return rc > 0 ? 0 : rc;
    if (op->settles.as != VISIT_OPEN)
        rc = engine_may_settle(e, actor, op, err);
    if (rc != 0 || op->result.err.code != ERR_NONE)
        return rc;
    switch (op->kind) {
    case OP_TOKEN_CREATE:
    case OP_TOKEN_REVOKE:
    case OP_TOKEN_END: rc = exec_token(e, op, err); break;
    case OP_PEER_TRUST:
    case OP_PEER_REMOVE: rc = exec_peer(e, op, err); break;
    case OP_COUNT: rc = exec_count(e, op, err); break;
    case OP_KEYS_KEEP: rc = exec_keep(e, op, err); break;
    case OP_GUEST: rc = engine_exec_guest(e, op, err); break;
    case OP_ASK: rc = exec_ask(e, op, err); break;
    case OP_SETTLE: break;
    default: rc = exec_event(e, actor, op, err); break;
    }
    if (rc == 0 && op->result.err.code == ERR_NONE && op->settles.as != VISIT_OPEN)
        rc = settling_note_answer(
            e, &(struct visit){.subject = op->settles.member, .at = op->settles.at, .index = op->settles.index},
            (enum visit_settled)op->settles.as, err);
    if (rc != 0 || op->result.err.code != ERR_NONE)
        return rc;
    op->result.status = op->status_on_success;
    return op->idempotent ? idem_keep(e, op, err) : 0;
}
