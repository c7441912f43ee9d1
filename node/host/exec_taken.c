/* Activities that members who moved here take along, on the writer's side. See engine_private.h, storage/taken.h. */
#include <stdlib.h>

#include "node/command/rows.h"
#include "node/host/engine_private.h"
#include "node/host/settling.h"
#include "storage/keyslots.h"

/* Durable before the reception is: a stop between the two leaves a list of somebody who is not received, which nobody opens and the next reception
 * replaces. */
int
engine_note_taken(struct engine *e, const struct command_ctx *ctx, const struct handover_request *req, struct err *err)
{
    size_t n = 0;
    struct taken_activity *list = calloc(TAKEN_MAX, sizeof(*list));
    if (!list)
        return err_set(err, ERR_NOMEM, "an operation: out of memory");
    int rc = handover_taken(ctx, req, list, &n, err);
    if (rc == 0)
        rc = taken_put(e->config.vault, &req->member, list, n, err);
    person_wipe(list, TAKEN_MAX * sizeof(*list));
    free(list);
    return rc;
}

/* Read by the writer, which erasures go through as well: what was erased is not there any more. */
int
engine_read_taken(const struct command_ctx *ctx, struct api_op *op, struct err *err)
{
    const struct taken_key key = {op->activity.request.member, op->activity.request.activity};
    return handover_open_taken(ctx, &key, &op->activity.request, err);
}

/* The event has room for the latest 16: what is under keys of before stays readable at the old home alone, and its desk is told. */
int
engine_keys_left(struct engine *e, const struct command_ctx *ctx, const struct draft *d, struct api_op *op,
                 struct err *err)
{
    struct keyslot_key *keys = NULL;
    struct keys_going going;
    size_t n = 0, given = 1;
    if (d->kind != KIND_HANDOVER_OFFERED && d->kind != KIND_HANDOVER_COMPLETED)
        return 0;
    int rc = keys_going(ctx->txn, &ctx->unit, &d->seal.member, &going, err);
    if (rc == 0)
        rc = keyslots_class(ctx->txn, e->config.vault, &d->seal.member, &going, CLASS_ACTIVITY, SIZE_MAX, &keys, &n,
                            err);
    keyslot_keys_free(&keys, n);
    for (size_t i = 0; i < d->seal.n_older; i++)
        given += d->seal.older[i].class == CLASS_ACTIVITY;
    op->result.keys_left = rc == 0 && n > given ? (uint32_t)(n - given) : 0;
    return rc;
}

/* Those who act for a company are persons with keys of their own, of which the dossier has nothing. */
int
engine_moved(struct engine *e, const struct command_ctx *ctx, struct api_op *op, struct err *err)
{
    const struct handover_request *q = &op->handover.request;
    struct member_row row;
    struct member_state s;
    struct err ignored;
    if (q->action != HANDOVER_COMPLETE && q->action != HANDOVER_RECEIVE)
        return 0;
    int rc = q->action == HANDOVER_COMPLETE ? settling_note_moved(e, &q->member, err) : 0;
    if (rc != 0)
        return rc;
    rc = rows_member(ctx, &q->member, &row, &ignored);
    if (rc == 0) {
        member_state_at(&row, DATE_MAX, &s);
        member_row_release(&row);
    }
    if (rc == 0 && q->action == HANDOVER_RECEIVE &&
        (rc = rows_member_of(ctx, &s.came_from, &q->member, &row, &ignored)) == 0) {
        member_state_at(&row, DATE_MAX, &s);
        member_row_release(&row);
    }
    op->result.representatives = rc == 0 ? s.n_representatives : 0;
    return 0;
}
