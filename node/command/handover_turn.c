/* Handovers: who must act next. See handover.h. */
#include "node/command/handover.h"
#include "node/command/rows.h"

static int
look(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *member, uint8_t step,
     struct handover_view *ret, struct err *err)
{
    struct member_row row, other;
    struct member_state s;
    struct position accepted;
    bool ours = TYPE_EQ(unit, &ctx->unit);
    *ret = (struct handover_view){.member = *member, .since = DATE_NONE, .proposed = DATE_NONE};
    int rc = rows_member_of(ctx, unit, member, &row, err);
    if (rc != 0)
        return rc;
    member_state_at(&row, DATE_MAX, &s);
    if (step == HANDOVER_OFFERED && (ours || TYPE_EQ(&s.offer_to, &ctx->unit))) {
        size_t i = member_entry_find(&row, &s.offered_at);
        ret->from = *unit;
        ret->to = s.offer_to;
        ret->proposed = s.offer_day;
        ret->offer = s.offered_at;
        ret->since = i != SIZE_MAX ? row.entries[i].effective : DATE_NONE;
        ret->turn = ours ? TURN_THEY_ACCEPT : TURN_WE_ACCEPT;
        rc = rows_member_of(ctx, &s.offer_to, member, &other, err);
        if (rc == 0) {
            if (member_acceptance_of(&other, &s.offered_at, &accepted))
                ret->turn = ours ? TURN_WE_COMPLETE : TURN_THEY_COMPLETE;
            member_row_release(&other);
        }
        rc = rc == ERR_NOTFOUND ? 0 : rc;
    } else if (step == HANDOVER_ARRIVED) {
        size_t i = member_arrival_unreceived(&row);
        ret->to = *unit;
        ret->from = i != SIZE_MAX ? row.entries[i].home : s.came_from;
        ret->since = i != SIZE_MAX ? row.entries[i].effective : s.joined_on;
        bool part = ours || TYPE_EQ(&ret->from, &ctx->unit);
        ret->turn = !part ? TURN_NOBODY : ours ? TURN_WE_RECEIVE : TURN_THEY_RECEIVE;
    }
    member_row_release(&row);
    return rc;
}

int
handovers_open(const struct command_ctx *ctx, const uint8_t after[KEY_HANDOVER], struct handover_view *ret, size_t max,
               size_t *ret_n, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    uint8_t from[KEY_HANDOVER] = {0};
    size_t n = 0;
    if (after)
        memcpy(from, after, sizeof(from));
    int rc = ctx->state ? state_flush(ctx->state, err) : 0;
    if (rc == 0)
        rc = db_cursor_open(ctx->txn, TABLE_HANDOVERS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(from, sizeof(from)), &key, &value, err); rc == 0 && n < max;
         rc = db_cursor_next(c, &key, &value, err)) {
        struct unit_id unit;
        struct subject_id member;
        if (key.len != KEY_HANDOVER || value.len != 1 || (after && memcmp(key.data, from, sizeof(from)) == 0))
            continue;
        memcpy(unit.b, key.data, sizeof(unit.b));
        memcpy(member.b, key.data + sizeof(unit.b), sizeof(member.b));
        uint8_t at[KEY_HANDOVER];
        memcpy(at, key.data, sizeof(at));
        rc = look(ctx, &unit, &member, value.data[0], &ret[n], err);
        if (rc != 0)
            break;
        memcpy(ret[n].key, at, sizeof(at));
        n += ret[n].turn != TURN_NOBODY;
    }
    db_cursor_close(&c);
    if (rc == 0 || rc == ERR_NOTFOUND) {
        err_clear(err);
        *ret_n = n;
        rc = 0;
    }
    return rc;
}

/* What stands open in the row of one unit; TURN_NOBODY if nothing does, or this unit has no part in it. */
static int
look_in(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *member,
        struct handover_view *ret, struct err *err)
{
    struct slice step;
    uint8_t key[KEY_HANDOVER];
    key_handover(key, unit, member);
    int rc = db_get(ctx->txn, TABLE_HANDOVERS, slice_of(key, sizeof(key)), &step, err);
    if (rc != 0 || step.len != 1)
        return rc == ERR_NOTFOUND ? 0 : rc;
    rc = look(ctx, unit, member, step.data[0], ret, err);
    if (rc == 0)
        memcpy(ret->key, key, sizeof(ret->key));
    return rc;
}

/* The rows of a member stand side by side, one for each unit that is or was the home, or is to be. */
int
handover_of(const struct command_ctx *ctx, const struct subject_id *member, struct handover_view *ret, struct err *err)
{
    const struct handover_view nothing = {.member = *member, .since = DATE_NONE, .proposed = DATE_NONE};
    struct handover_view v = nothing;
    struct db_cursor *c;
    struct slice key, value;
    int rc = ctx->state ? state_flush(ctx->state, err) : 0;
    if (rc == 0)
        rc = db_cursor_open(ctx->txn, TABLE_MEMBERS, &c, err);
    if (rc != 0)
        return rc;
    for (rc = db_cursor_seek(c, slice_of(member->b, sizeof(member->b)), &key, &value, err);
         rc == 0 && v.turn == TURN_NOBODY && key.len == KEY_MEMBER && memcmp(key.data, member->b, ID_BYTES) == 0;
         rc = db_cursor_next(c, &key, &value, err)) {
        struct unit_id unit;
        memcpy(unit.b, key.data + ID_BYTES, sizeof(unit.b));
        rc = look_in(ctx, &unit, member, &v, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret = v.turn == TURN_NOBODY ? nothing : v;
    return 0;
}
