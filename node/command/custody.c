/* See custody.h. */
#include "node/command/custody.h"

#include "node/command/rows.h"

struct standing {
    uint64_t members, applicants, owed;
};

/* What is left of the register: rows of this unit whose last word is not an end. */
static int
look_at_members(const struct command_ctx *ctx, struct standing *ret, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    int rc = ctx->state ? state_flush(ctx->state, err) : 0;
    if (rc == 0)
        rc = db_cursor_open(ctx->txn, TABLE_MEMBERS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_first(c, &key, &value, err); rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        struct subject_id subject;
        struct member_row row;
        struct member_state s;
        if (key.len != KEY_MEMBER || memcmp(key.data + sizeof(subject.b), ctx->unit.b, sizeof(ctx->unit.b)) != 0)
            continue;
        memcpy(subject.b, key.data, sizeof(subject.b));
        rc = member_row_decode(value, &ctx->unit, &subject, &row, err);
        if (rc != 0)
            break;
        member_state_at(&row, DATE_MAX, &s);
        member_row_release(&row);
        ret->members += s.status == STATUS_MEMBER;
        ret->applicants += s.status == STATUS_APPLIED;
        ret->owed += s.n_owed > 0;
    }
    db_cursor_close(&c);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

static int
check_ended(const struct command_ctx *ctx, struct err *err)
{
    struct standing s = {0};
    int rc = look_at_members(ctx, &s, err);
    if (rc != 0)
        return rc;
    if (s.members > 0 || s.applicants > 0)
        return err_field(err, ERR_CONFLICT, "unit",
                         "unit: %llu members and %llu applicants are left; hand them over, or record that they left",
                         (unsigned long long)s.members, (unsigned long long)s.applicants);
    if (db_table_entries(ctx->txn, TABLE_UNCOUNTED) > 0)
        return err_field(err, ERR_CONFLICT, "unit",
                         "unit: the people of some months are not counted yet; smartnode count does it");
    return 0;
}

static int
check_custodian(const struct command_ctx *ctx, const struct custody_request *q, struct err *err)
{
    struct slice ignored;
    if (!q->has_custodian)
        return q->close ? err_field(err, ERR_INVALID, "custodian", "custodian: who answers for the unit is missing")
                        : 0;
    if (TYPE_EQ(&q->custodian, &ctx->unit))
        return err_field(err, ERR_INVALID, "custodian", "custodian: is the own unit");
    int rc = rows_get(ctx, TABLE_UNITS, slice_of(q->custodian.b, sizeof(q->custodian.b)), &ignored, err);
    return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, "custodian", "custodian: is not known here") : rc;
}

int
command_custody(const struct command_ctx *ctx, const struct custody_request *req, struct draft *ret, struct err *err)
{
    struct draft d;
    struct place_row row;
    struct place_entry entry;
    struct event_header header;
    struct civil_date day;
    const struct position next = {0};
    int rc = check_custodian(ctx, req, err);
    if (rc == 0)
        rc = draft_date(ctx, req->effective, &day, err);
    if (rc == 0 && req->close)
        rc = check_ended(ctx, err);
    if (rc == 0)
        rc = rows_unit(ctx, &row, err);
    if (rc != 0)
        return rc;
    draft_init(&d, ctx, req->close ? KIND_UNIT_CLOSED : KIND_CUSTODIAN_NAMED, NULL, day);
    d.payload.custodian = (struct custodian){.has_unit = req->has_custodian, .unit = req->custodian};
    rc = draft_check_payload(&d, err);
    if (rc == 0) {
        memset(&entry, 0, sizeof(entry));
        draft_header(&d, &header);
        place_entry_from_event(&next, &header, &d.payload, &entry);
        rc = place_row_try(&row, &entry, ctx->world, err);
    }
    place_row_release(&row);
    if (rc == 0)
        *ret = d;
    return rc;
}
