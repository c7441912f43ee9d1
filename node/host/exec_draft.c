/* One operation to its drafts: what it names by number is found, its command checks it. See engine.h, api.h. */
#include "node/host/engine_private.h"
#include "node/host/person_read.h"

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

_Static_assert((int)OP_DRAFTS_MAX >= (int)ERASE_DRAFTS_MAX, "an erasure fits");
_Static_assert((int)OP_DRAFTS_MAX >= (int)MERGE_DRAFTS, "a merge fits");
_Static_assert((int)OP_DRAFTS_MAX >= (int)ACCESS_REST_MAX + 1, "what is given with all keys fits");
_Static_assert((int)OP_DRAFTS_MAX >= (int)ACCESS_DRAFTS_MAX + 4,
               "so does the end of all access, beside what caused it");
_Static_assert((int)OP_DRAFTS_MAX >= (int)HANDOVER_DRAFTS_MAX, "and a handover");

int
engine_drafts(struct engine *e, const struct command_ctx *ctx, struct api_op *op, struct draft ret[OP_DRAFTS_MAX],
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
