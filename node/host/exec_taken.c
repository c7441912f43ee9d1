/* Activities that members who moved here take along, on the writer's side. See engine_private.h, storage/taken.h. */
#include <stdlib.h>

#include "node/host/engine_private.h"

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
