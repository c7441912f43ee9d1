/* See double.h. */
#include "node/command/double.h"

#include "node/command/rows.h"
#include "node/command/text.h"

static int
check_other(const struct command_ctx *ctx, const struct double_request *q, struct err *err)
{
    static const struct unit_id no_unit;
    struct member_row other;
    if (TYPE_EQ(&q->unit, &no_unit) || TYPE_EQ(&q->unit, &ctx->unit))
        return err_field(err, ERR_INVALID, "unit",
                         TYPE_EQ(&q->unit, &no_unit)
                             ? "unit: of the other record is missing"
                             : "unit: is the own one; two records of the own unit are merged (member merge)");
    int rc = rows_member_of(ctx, &q->unit, &q->other, &other, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "other", "other: no such record of that unit is known here");
    if (rc == 0)
        member_row_release(&other);
    return rc;
}

static int
add_note(const struct double_request *q, struct draft *d, struct err *err)
{
    struct person_note note;
    if (!q->has_note)
        return 0;
    int rc = text_clean(q->note.s, "note", note.s, sizeof(note.s), err);
    if (rc == 0 && note.s[0] == '\0')
        rc = err_field(err, ERR_INVALID, "note", "note: is empty");
    if (rc == 0) {
        struct draft_capsule *c = &d->capsules[d->n_capsules++];
        c->class = CLASS_NOTE;
        buf_init(&c->plain, CAPSULE_BYTES_MAX);
        d->new_keys = true;
        rc = person_note_encode(&note, &c->plain, err);
    }
    person_wipe(&note, sizeof(note));
    return rc;
}

static int
make(const struct command_ctx *ctx, const struct double_request *q, const struct member_row *row, struct draft *d,
     struct err *err)
{
    struct civil_date day;
    int rc = draft_date(ctx, q->effective, &day, err);
    if (rc != 0)
        return rc;
    draft_init(d, ctx, q->action == DOUBLE_DECLARE ? KIND_DOUBLE_DECLARED : KIND_DOUBLE_SETTLED, &q->member, day);
    d->payload.doubled = (struct double_record){.unit = q->unit, .subject = q->other};
    if (q->action == DOUBLE_SETTLE) {
        if (q->outcome < DOUBLE_TWO_PERSONS || q->outcome > DOUBLE_OTHER_GIVEN_UP)
            return err_field(err, ERR_INVALID, "outcome", "outcome: two_persons, this_given_up or other_given_up");
        if (q->reason == 0)
            return err_field(err, ERR_INVALID, "reason", "reason: is missing");
        d->payload.doubled.outcome = q->outcome;
        d->payload.doubled.reason = q->reason;
    }
    rc = draft_check_payload(d, err);
    if (rc == 0)
        rc = draft_try_member(ctx, d, row, err);
    if (rc == 0 && q->action == DOUBLE_SETTLE && q->outcome == DOUBLE_THIS_GIVEN_UP) /* nothing else changes a figure */
        rc = draft_check_closed(ctx, day, CLOSED_SINCE, q->adjusts_closed, "effective_on", err);
    return rc == 0 ? add_note(q, d, err) : rc;
}

int
command_double(const struct command_ctx *ctx, const struct double_request *req, struct draft *ret, struct err *err)
{
    struct member_row row;
    struct member_state now;
    struct draft d;
    int rc = rows_member(ctx, &req->member, &row, err);
    if (rc != 0)
        return rc;
    memset(&d, 0, sizeof(d));
    member_state_at(&row, DATE_MAX, &now);
    if (req->has_if_match)
        rc = draft_check_match(&req->if_match, &now.last_change, "member", err);
    if (rc == 0 && req->action == DOUBLE_DECLARE)
        rc = check_other(ctx, req, err);
    if (rc == 0) {
        rc = make(ctx, req, &row, &d, err);
        if (rc == 0)
            *ret = d;
        else
            draft_release(&d);
    }
    member_row_release(&row);
    return rc;
}

/* ---- what is declared ---- */

/* Of who moved here the joining at the first of the homes: a move makes nobody a newer member. Each home is asked as it was on the day before
 * the move, for somebody may have been at one of them twice. */
static int
first_joining(const struct command_ctx *ctx, const struct subject_id *member, struct unit_id unit,
              struct civil_date *ret, struct err *err)
{
    static const struct unit_id nowhere;
    struct civil_date on = DATE_MAX;
    for (int hop = 0; hop <= COMPLETIONS_MAX; hop++) {
        struct member_row row;
        struct member_state s;
        int rc = rows_member_of(ctx, &unit, member, &row, err);
        if (rc != 0)
            return rc == ERR_NOTFOUND && hop > 0 ? 0 : rc; /* the former home's log is not here */
        member_state_at(&row, on, &s);
        member_row_release(&row);
        if (date_is_none(s.joined_on))
            return 0;
        *ret = s.joined_on;
        if (TYPE_EQ(&s.came_from, &nowhere))
            return 0;
        on.days = s.joined_on.days - 1;
        unit = s.came_from;
    }
    return 0;
}

static int
side(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *member,
     const struct unit_id *other_unit, const struct subject_id *other, struct double_side *ret, struct err *err)
{
    uint8_t key[KEY_DOUBLE];
    struct slice value;
    *ret = (struct double_side){.joined_on = DATE_NONE};
    key_double(key, unit, member, other_unit, other);
    int rc = rows_get(ctx, TABLE_DOUBLES, slice_of(key, sizeof(key)), &value, err);
    if (rc == 0 && value.len == 1) {
        ret->declared = true;
        ret->settled = value.data[0];
    }
    if (rc == 0 || rc == ERR_NOTFOUND)
        rc = first_joining(ctx, member, *unit, &ret->joined_on, err);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

/* §10 "Doubles": somebody who never joined does not stay. */
static bool
stays(const struct command_ctx *ctx, const struct double_view *v)
{
    struct civil_date a = v->ours.joined_on, b = v->theirs.joined_on;
    if (date_is_none(a) != date_is_none(b))
        return date_is_none(b);
    if (!date_is_none(a) && a.days != b.days)
        return a.days < b.days;
    int by_unit = memcmp(ctx->unit.b, v->unit.b, HASH_BYTES);
    return by_unit != 0 ? by_unit < 0 : memcmp(v->member.b, v->other.b, ID_BYTES) < 0;
}

/* The pair at a key; *ret_ours false: it is not for this unit to see, or it stands under this unit's own key too. */
static int
pair_at(const struct command_ctx *ctx, const uint8_t *key, struct double_view *ret, bool *ret_ours, struct err *err)
{
    struct unit_id unit, other_unit;
    struct subject_id member, other;
    memcpy(unit.b, key, HASH_BYTES);
    memcpy(member.b, key + HASH_BYTES, ID_BYTES);
    memcpy(other_unit.b, key + KEY_ENTITY, HASH_BYTES);
    memcpy(other.b, key + KEY_ENTITY + HASH_BYTES, ID_BYTES);
    bool ours = TYPE_EQ(&unit, &ctx->unit), theirs = TYPE_EQ(&other_unit, &ctx->unit);
    *ret_ours = false;
    if (!ours && !theirs)
        return 0;
    struct double_view v = ours ? (struct double_view){.member = member, .unit = other_unit, .other = other}
                                : (struct double_view){.member = other, .unit = unit, .other = member};
    int rc = side(ctx, &ctx->unit, &v.member, &v.unit, &v.other, &v.ours, err);
    if (rc == 0)
        rc = side(ctx, &v.unit, &v.other, &ctx->unit, &v.member, &v.theirs, err);
    if (rc != 0 || (!ours && v.ours.declared))
        return rc;
    v.ours_stays = stays(ctx, &v);
    *ret = v;
    *ret_ours = true;
    return 0;
}

int
doubles_list(const struct command_ctx *ctx, const struct double_after *after, struct double_view *ret, size_t max,
             size_t *ret_n, struct double_after *ret_last, struct err *err)
{
    _Static_assert((int)sizeof(after->key) == (int)KEY_DOUBLE, "a key of the table");
    static const uint8_t first[1] = {0};
    struct db_cursor *c;
    struct slice key, value;
    size_t n = 0;
    bool ours = false;
    int rc = ctx->state ? state_flush(ctx->state, err) : 0;
    if (rc == 0)
        rc = db_cursor_open(ctx->txn, TABLE_DOUBLES, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, after ? slice_of(after->key, sizeof(after->key)) : slice_of(first, sizeof(first)), &key,
                        &value, err);
    if (rc == 0 && after && key.len == KEY_DOUBLE && memcmp(key.data, after->key, KEY_DOUBLE) == 0)
        rc = db_cursor_next(c, &key, &value, err);
    while (rc == 0 && n < max) {
        if (key.len == KEY_DOUBLE) {
            rc = pair_at(ctx, key.data, &ret[n], &ours, err);
            if (rc == 0 && ours) {
                memcpy(ret_last->key, key.data, KEY_DOUBLE);
                n++;
            }
        }
        if (rc == 0)
            rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    if (rc != 0 && rc != ERR_NOTFOUND)
        return rc;
    err_clear(err);
    *ret_n = n;
    return 0;
}

int
double_side_of(const struct command_ctx *ctx, const struct subject_id *member, const struct unit_id *unit,
               const struct subject_id *other, struct double_side *ret, struct err *err)
{
    return side(ctx, &ctx->unit, member, unit, other, ret, err);
}
