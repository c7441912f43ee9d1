/* Activities that members who moved here take along, on the writer's side. See engine_private.h, storage/taken.h. */
#include <stdlib.h>

#include "node/command/rows.h"
#include "node/host/engine_private.h"
#include "storage/asks.h"

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

/* Requests to move; a failure leaves them to the desk. */
static void
settle_asks(struct engine *e, const struct subject_id *member)
{
    struct err ignored;
    size_t n = 0;
    struct ask *asks = calloc(ASKS_MAX, sizeof(*asks));
    if (!asks || asks_list(e->config.vault, member, NULL, asks, ASKS_MAX, &n, &ignored) != 0)
        n = 0;
    for (size_t i = 0; i < n; i++)
        if (asks[i].what == ASK_MOVE && asks_del(e->config.vault, member, &asks[i].id, NULL, &ignored) != 0)
            break;
    if (asks)
        person_wipe(asks, ASKS_MAX * sizeof(*asks));
    free(asks);
}

/* Those who act for a company are persons with keys of their own, of which the dossier has nothing. */
void
engine_moved(struct engine *e, const struct command_ctx *ctx, struct api_op *op)
{
    const struct handover_request *q = &op->handover.request;
    struct member_row row;
    struct member_state s;
    struct err ignored;
    if (q->action != HANDOVER_COMPLETE && q->action != HANDOVER_RECEIVE)
        return;
    if (q->action == HANDOVER_COMPLETE)
        settle_asks(e, &q->member);
    int rc = rows_member(ctx, &q->member, &row, &ignored);
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
}
