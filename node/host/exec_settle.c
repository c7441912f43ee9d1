/* Answering what a host proposed (kind 86), by the writer: the record may have been answered, or erased, since the request was read. */
#include <stdlib.h>

#include "node/command/guest.h"
#include "node/command/rows.h"
#include "node/host/engine_private.h"
#include "node/host/settling.h"

static int
check_answered(struct engine *e, const struct visit *v, struct err *err)
{
    uint8_t as;
    int rc = settling_answered(e, v, &as, err);
    if (rc != 0 || as == VISIT_OPEN)
        return rc;
    return err_field(err, ERR_CONFLICT, "proposal", "proposal: it was %s already",
                     as == VISIT_ACCEPTED ? "accepted" : "declined");
}

/* What is dated before an erasure of contact is not entered again, whoever proposed it. */
static int
check_erased(struct engine *e, const struct actor_id *actor, const struct visit *v, const struct guest_record *r,
             struct err *err)
{
    struct member_world world;
    struct command_ctx ctx;
    struct member_row row;
    uint16_t erased = 0;
    engine_context(e, actor, &world, &ctx);
    int rc = rows_member(&ctx, &v->subject, &row, err);
    if (rc == 0) {
        rc = guest_erased_since(&ctx, &row, &v->at, r->day, &erased, NULL, err);
        member_row_release(&row);
    }
    if (rc == 0 && (r->n_contact == 0 || erased & GUEST_CONTACT_GOES_WITH))
        rc = err_field(err, ERR_CONFLICT, "proposal", "proposal: contact was erased since it was made");
    return rc;
}

int
engine_may_settle(struct engine *e, const struct actor_id *actor, struct api_op *op, struct err *err)
{
    struct guest_record *r = calloc(1, sizeof(*r));
    struct err refusal = {0};
    struct visit v;
    struct buf plain;
    if (r == NULL)
        return err_set(err, ERR_NOMEM, "a proposal: out of memory");
    buf_init(&plain, CAPSULE_BYTES_MAX);
    int rc = visits_get(e->config.vault, &op->settles.member, &op->settles.at, op->settles.index, &v, &plain, &refusal);
    if (rc == ERR_NOTFOUND)
        rc = err_field(&refusal, ERR_NOTFOUND, "proposal", "no such proposal for this member");
    if (rc == 0)
        rc = check_answered(e, &v, &refusal);
    if (rc == 0 && op->settles.as == VISIT_ACCEPTED)
        rc = guest_record_decode(buf_slice(&plain), r, &refusal);
    if (rc == 0 && op->settles.as == VISIT_ACCEPTED)
        rc = check_erased(e, actor, &v, r, &refusal);
    if (rc != 0)
        op->result.err = refusal;
    person_wipe(r, sizeof(*r));
    free(r);
    buf_free(&plain);
    return db_error(e->txn, err);
}
