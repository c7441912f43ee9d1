/* See custody.h. */
#include "node/command/custody.h"

#include "node/command/handover.h"
#include "node/command/rows.h"

enum { KINDS_LEFT = 5, HANDOVERS_PAGE = 32 };

/* What a closing would leave behind, which nobody could end afterwards. */
struct standing {
    struct civil_date on; /* day of the closing */
    uint64_t members, applicants, accepted, activities, postings;
    struct civil_date free_on; /* first day on which none of the members is one, as far as it is known; DATE_NONE */
    bool staying;              /* one of them has no last day */
};

static void
look_at_member(struct standing *st, const struct member_row *row)
{
    struct member_state then, last;
    member_state_at(row, st->on, &then);
    member_state_at(row, DATE_MAX, &last);
    bool stays = last.status == STATUS_MEMBER;
    if (then.status == STATUS_MEMBER || stays) {
        st->members++;
        st->staying = st->staying || stays || date_is_none(last.left_on);
        if (!stays && (date_is_none(st->free_on) || last.left_on.days > st->free_on.days))
            st->free_on = last.left_on;
    }
    st->applicants += then.status == STATUS_APPLIED || last.status == STATUS_APPLIED;
}

static int
look_at_row(struct standing *st, enum table t, const struct unit_id *unit, const struct subject_id *id,
            struct slice value, struct err *err)
{
    if (t == TABLE_MEMBERS) {
        struct member_row row;
        int rc = member_row_decode(value, unit, id, &row, err);
        if (rc == 0) {
            look_at_member(st, &row);
            member_row_release(&row);
        }
        return rc;
    }
    if (t == TABLE_ACTIVITIES) {
        struct activity_row row;
        struct activity_state s;
        int rc = activity_row_decode(value, unit, id, &row, err);
        if (rc == 0) {
            activity_state_at(&row, DATE_MAX, &s);
            activity_row_release(&row);
            st->activities += s.exists && (s.open || s.closed.days > st->on.days);
        }
        return rc;
    }
    struct posting_row row;
    struct posting_state s;
    int rc = posting_row_decode(value, unit, id, &row, err);
    if (rc == 0) {
        posting_state_of(&row, &s);
        posting_row_release(&row);
        st->postings += s.exists && month_number(s.facts.last_month) > month_number(st->on);
    }
    return rc;
}

/* The unit's rows of a table; keys of members begin with the member, those of work with the unit. */
static int
look_at(const struct command_ctx *ctx, enum table t, struct standing *st, struct err *err)
{
    const size_t unit_at = t == TABLE_MEMBERS ? ID_BYTES : 0, id_at = t == TABLE_MEMBERS ? 0 : HASH_BYTES;
    struct db_cursor *c;
    struct slice key, value;
    int rc = db_cursor_open(ctx->txn, t, &c, err);
    if (rc != 0)
        return rc;
    rc = t == TABLE_MEMBERS ? db_cursor_first(c, &key, &value, err)
                            : db_cursor_seek(c, slice_of(ctx->unit.b, sizeof(ctx->unit.b)), &key, &value, err);
    for (; rc == 0; rc = db_cursor_next(c, &key, &value, err)) {
        struct subject_id id;
        bool ours = key.len == HASH_BYTES + ID_BYTES && memcmp(key.data + unit_at, ctx->unit.b, HASH_BYTES) == 0;
        if (!ours && t != TABLE_MEMBERS)
            break;
        if (!ours)
            continue;
        memcpy(id.b, key.data + id_at, sizeof(id.b));
        rc = look_at_row(st, t, &ctx->unit, &id, value, err);
        if (rc != 0)
            break;
    }
    db_cursor_close(&c);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        rc = 0;
    }
    return rc;
}

/* Who was accepted here may be handed over at any moment, and would be a member of a unit that can record nothing of it. */
static int
look_at_handovers(const struct command_ctx *ctx, struct standing *st, struct err *err)
{
    struct handover_view page[HANDOVERS_PAGE];
    uint8_t after[KEY_HANDOVER];
    size_t n = HANDOVERS_PAGE;
    int rc = 0;
    for (bool first = true; rc == 0 && n == HANDOVERS_PAGE; first = false) {
        rc = handovers_open(ctx, first ? NULL : after, page, HANDOVERS_PAGE, &n, err);
        for (size_t i = 0; rc == 0 && i < n; i++)
            st->accepted += page[i].turn == TURN_THEY_COMPLETE;
        if (rc == 0 && n > 0)
            memcpy(after, page[n - 1].key, sizeof(after));
    }
    return rc;
}

/* What is left, and by what it is ended. */
static int
refuse(const struct standing *st, struct err *err)
{
    char day[DATE_TEXT_MAX], free_on[DATE_TEXT_MAX], text[ERR_TEXT_MAX];
    const struct {
        uint64_t n;
        const char *what, *how;
    } left[KINDS_LEFT] = {
        {st->members, "members", "hand them over, or record that they left"},
        {st->applicants, "applicants", "admit or refuse them"},
        {st->accepted, "members of other units accepted here", "their homes complete or withdraw: smartnode handovers"},
        {st->activities, "open activities", "close them"},
        {st->postings, "running postings", "end them"},
    };
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = 0; i < KINDS_LEFT; i++) {
        if (left[i].n > 0)
            n += (size_t)snprintf(text + n, sizeof(text) - n, "%s%llu %s (%s)", n > 0 ? ", " : "",
                                  (unsigned long long)left[i].n, left[i].what, left[i].how);
    }
    if (n == 0)
        return 0;
    if (st->members > 0 && !st->staying)
        return err_field(err, ERR_CONFLICT, "unit", "unit: on %s there are %s; the last of the members leaves on %s",
                         date_format(st->on, day), text, date_format(st->free_on, free_on));
    return err_field(err, ERR_CONFLICT, "unit", "unit: on %s there are %s%s", date_format(st->on, day), text,
                     st->activities > 0 || st->postings > 0 ? "; work is ended by smartnode unit end-work" : "");
}

/* Months whose people are not counted: the node does it by itself once they are over. */
static int
check_counted(const struct command_ctx *ctx, struct err *err)
{
    struct db_cursor *c;
    struct slice key, value;
    char month[DATE_TEXT_MAX], from[DATE_TEXT_MAX];
    int rc = db_cursor_open(ctx->txn, TABLE_UNCOUNTED, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_last(c, &key, &value, err);
    uint16_t last = rc == 0 && key.len == KEY_UNCOUNTED ? be16_get(key.data) : 0;
    db_cursor_close(&c);
    if (rc == ERR_NOTFOUND) {
        err_clear(err);
        return 0;
    }
    if (rc != 0)
        return rc;
    if (last >= month_number(ctx->today))
        return err_field(err, ERR_CONFLICT, "unit",
                         "unit: the people of %.7s are counted when that month is over; close it from %s on",
                         date_format(month_first(last), month), date_format(month_first(last + 1), from));
    return err_field(
        err, ERR_CONFLICT, "unit",
        "unit: the people of %.7s are not counted yet; the node does it by itself, smartnode count at once",
        date_format(month_first(last), month));
}

static int
check_ended(const struct command_ctx *ctx, struct civil_date on, struct err *err)
{
    static const enum table tables[] = {TABLE_MEMBERS, TABLE_ACTIVITIES, TABLE_POSTINGS};
    struct standing s = {.on = on, .free_on = DATE_NONE};
    char day[DATE_TEXT_MAX];
    if (on.days > ctx->today.days)
        return err_field(err, ERR_INVALID, "effective_on",
                         "effective_on: a unit is closed at once; %s is a day to come: close it then",
                         date_format(on, day));
    int rc = ctx->state ? state_flush(ctx->state, err) : 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(tables); i++)
        rc = look_at(ctx, tables[i], &s, err);
    if (rc == 0)
        rc = look_at_handovers(ctx, &s, err);
    if (rc == 0)
        rc = refuse(&s, err);
    return rc == 0 ? check_counted(ctx, err) : rc;
}

static int
check_custodian(const struct command_ctx *ctx, const struct custody_request *q, struct err *err)
{
    if (!q->has_custodian)
        return q->close ? err_field(err, ERR_INVALID, "custodian", "custodian: who answers for the unit is missing")
                        : 0;
    if (TYPE_EQ(&q->custodian, &ctx->unit))
        return err_field(err, ERR_INVALID, "custodian", "custodian: is the own unit");
    return draft_check_unit(ctx, &q->custodian, "custodian", err);
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
        rc = check_ended(ctx, day, err);
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
