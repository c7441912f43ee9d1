/* One operation in the group: what was answered under its key, the command's check, the event or the row. See engine.h, api.h. */
#include <stdlib.h>

#include "node/api/idem.h"
#include "node/command/guest.h"
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
        rc = engine_drafts(e, &ctx, op, drafts, &n, &refusal);
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
    if (rc == 0 && op->kind == OP_HANDOVER)
        rc = engine_keys_left(e, &ctx, &drafts[0], op, err);
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
exec_keep(struct engine *e, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct member_world world;
    struct command_ctx ctx;
    struct err refusal;
    bool stands = true;
    int rc = 0;
    engine_context(e, actor, &world, &ctx);
    /* Revoked since it was verified: what it gave may be destroyed and confirmed already. */
    for (size_t i = 0; i < op->kept.n && rc == 0 && stands; i++)
        rc = guest_key_stands(&ctx, &op->kept.keys[i], &stands, err);
    if (rc != 0 || !stands)
        return rc;
    rc = received_put(e->config.vault, op->kept.keys, op->kept.n, &refusal);
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
    } else if (op->token.row.role == ROLE_MEMBER) {
        rc = tokens_check_room(e->txn, &op->token.row.subject, e->config.now(e->config.arg), &refusal);
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
    case OP_KEYS_KEEP: rc = exec_keep(e, actor, op, err); break;
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
