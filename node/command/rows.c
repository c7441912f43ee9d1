/* Rows and drafts. See rows.h. */
#include <stdlib.h>

#include "node/command/room.h"
#include "node/command/rows.h"
int
rows_get(const struct command_ctx *ctx, enum table t, struct slice key, struct slice *ret, struct err *err)
{
    return ctx->state ? state_get(ctx->state, t, key, ret, err) : db_get(ctx->txn, t, key, ret, err);
}

int
rows_member(const struct command_ctx *ctx, const struct subject_id *subject, struct member_row *ret, struct err *err)
{
    uint8_t key[KEY_MEMBER];
    struct slice value;
    key_member(key, subject, &ctx->unit);
    int rc = rows_get(ctx, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "subject", "no such member");
    return rc != 0 ? rc : member_row_decode(value, &ctx->unit, subject, ret, err);
}

int
rows_office(const struct command_ctx *ctx, const struct office_id *office, struct place_row *ret, struct err *err)
{
    uint8_t key[KEY_OFFICE];
    struct slice value;
    key_office(key, &ctx->unit, office);
    int rc = rows_get(ctx, TABLE_OFFICES, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "office", "the unit has no such office");
    return rc != 0 ? rc : place_row_decode(value, &ctx->unit, office, ret, err);
}

int
rows_member_of(const struct command_ctx *ctx, const struct unit_id *unit, const struct subject_id *subject,
               struct member_row *ret, struct err *err)
{
    uint8_t key[KEY_MEMBER];
    struct slice value;
    key_member(key, subject, unit);
    int rc = rows_get(ctx, TABLE_MEMBERS, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "subject", "no such member of that unit is known here");
    return rc != 0 ? rc : member_row_decode(value, unit, subject, ret, err);
}

int
rows_activity(const struct command_ctx *ctx, const struct subject_id *activity, struct activity_row *ret,
              struct err *err)
{
    uint8_t key[KEY_ACTIVITY];
    struct slice value;
    key_activity(key, &ctx->unit, activity);
    int rc = rows_get(ctx, TABLE_ACTIVITIES, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "activity", "no such activity");
    return rc != 0 ? rc : activity_row_decode(value, &ctx->unit, activity, ret, err);
}

int
rows_invoice(const struct command_ctx *ctx, const struct subject_id *invoice, struct invoice_row *ret, struct err *err)
{
    uint8_t key[KEY_INVOICE];
    struct slice value;
    key_invoice(key, &ctx->unit, invoice);
    int rc = rows_get(ctx, TABLE_INVOICES, slice_of(key, sizeof(key)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "invoice", "no such invoice");
    return rc != 0 ? rc : invoice_row_decode(value, &ctx->unit, invoice, ret, err);
}

int
rows_unit(const struct command_ctx *ctx, struct place_row *ret, struct err *err)
{
    const struct office_id none = {0};
    struct slice value;
    int rc = rows_get(ctx, TABLE_UNITS, slice_of(ctx->unit.b, sizeof(ctx->unit.b)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, "unit", "the unit is not known here");
    return rc != 0 ? rc : place_row_decode(value, &ctx->unit, &none, ret, err);
}

struct walk {
    const struct command_ctx *ctx;
    int (*one)(void *arg, const struct place_row *row);
    void *arg;
    struct err *err;
};

static int
walk_row(void *arg, struct slice key, struct slice value)
{
    struct walk *w = arg;
    struct office_id office;
    struct place_row row;
    if (key.len != KEY_OFFICE)
        return err_set(w->err, ERR_CORRUPT, "offices: a key of %zu bytes", key.len);
    memcpy(office.b, key.data + sizeof(w->ctx->unit.b), sizeof(office.b));
    int rc = place_row_decode(value, &w->ctx->unit, &office, &row, w->err);
    if (rc != 0)
        return rc;
    rc = w->one(w->arg, &row);
    place_row_release(&row);
    return rc;
}

int
rows_offices(const struct command_ctx *ctx, int (*one)(void *arg, const struct place_row *row), void *arg,
             struct err *err)
{
    struct walk w = {ctx, one, arg, err};
    struct slice unit = slice_of(ctx->unit.b, sizeof(ctx->unit.b)), key, value;
    if (ctx->state)
        return state_scan(ctx->state, TABLE_OFFICES, unit, walk_row, &w, err);
    struct db_cursor *c;
    int rc = db_cursor_open(ctx->txn, TABLE_OFFICES, &c, err);
    if (rc != 0)
        return rc;
    rc = db_cursor_seek(c, unit, &key, &value, err);
    while (rc == 0 && key.len >= unit.len && memcmp(key.data, unit.data, unit.len) == 0) {
        rc = walk_row(&w, key, value);
        if (rc != 0)
            break;
        rc = db_cursor_next(c, &key, &value, err);
    }
    db_cursor_close(&c);
    return rc == ERR_NOTFOUND ? 0 : rc;
}

int
draft_date(const struct command_ctx *ctx, struct civil_date given, struct civil_date *ret, struct err *err)
{
    struct civil_date d = date_is_none(given) ? ctx->today : given;
    if (d.days < DATE_MIN.days || d.days > DATE_MAX.days)
        return err_field(err, ERR_INVALID, "effective_on", "date of effect: not between 1900 and 2199");
    *ret = d;
    return 0;
}

int
draft_check_ahead(const struct command_ctx *ctx, struct civil_date date, const char *field, struct err *err)
{
    if (date.days <= ctx->today.days + AHEAD_DAYS_MAX)
        return 0;
    return err_field(err, ERR_INVALID, field, "%s: lies more than a year ahead; is the year right?", field);
}

int
draft_check_unit(const struct command_ctx *ctx, const struct unit_id *unit, const char *field, struct err *err)
{
    struct place_row row;
    struct position closed;
    struct civil_date on;
    struct slice value;
    char day[DATE_TEXT_MAX];
    int rc = rows_get(ctx, TABLE_UNITS, slice_of(unit->b, sizeof(unit->b)), &value, err);
    if (rc == ERR_NOTFOUND)
        return err_field(err, ERR_NOTFOUND, field, "%s: is not known here", field);
    if (rc == 0)
        rc = place_row_decode(value, unit, NULL, &row, err);
    if (rc != 0)
        return rc;
    if (unit_closing(&row, &closed, &on))
        rc = err_field(err, ERR_CONFLICT, field, "%s: has closed on %s", field, date_format(on, day));
    place_row_release(&row);
    return rc;
}

/* Of another unit: what it was asked about itself. */
struct asked_there {
    int year;                  /* it was asked about this one and those that follow */
    const struct position *at; /* what it had closed before this */
};

static int
is_asked(const struct command_ctx *ctx, const struct asked_there *x, const struct unit_id *unit, int year,
         struct slice value, bool *ret, struct err *err)
{
    struct period_row row;
    int rc = period_row_decode(value, unit, (uint16_t)year, &row, err);
    if (rc != 0)
        return rc;
    *ret = year >= x->year && ctx->world != NULL && dag_before(ctx->world->dag, &row.at, x->at);
    period_row_release(&row);
    return 0;
}

/* there: NULL for the own unit. */
static int
check_years(const struct command_ctx *ctx, const struct unit_id *unit, const struct asked_there *there,
            struct civil_date date, enum closed_reach reach, const char *field, struct err *err)
{
    uint8_t key[KEY_PERIOD_ROW];
    struct slice value;
    char day[DATE_TEXT_MAX];
    int year, last, month, day_of_month;
    date_to_ymd(date, &year, &month, &day_of_month);
    date_to_ymd(ctx->today, &last, &month, &day_of_month);
    for (int y = year; y == year || (reach == CLOSED_SINCE && y <= last); y++) {
        bool asked = false;
        key_period_row(key, unit, (uint16_t)y);
        int rc = rows_get(ctx, TABLE_PERIODS, slice_of(key, sizeof(key)), &value, err);
        if (rc == 0 && there != NULL)
            rc = is_asked(ctx, there, unit, y, value, &asked, err);
        if (rc == 0 && !asked)
            return err_field(
                err, ERR_CONFLICT, field,
                "%s: %s lies in%s a closed year%s (%d); its published figures stay and the change will show "
                "as an adjustment. Say that this is meant, or choose another date",
                field, date_format(date, day), y == year ? "" : " or before", there != NULL ? " of the new home" : "",
                y);
        if (rc != 0 && rc != ERR_NOTFOUND)
            return rc;
        err_clear(err);
    }
    return 0;
}

int
draft_check_closed(const struct command_ctx *ctx, struct civil_date date, enum closed_reach reach, bool meant,
                   const char *field, struct err *err)
{
    return meant ? 0 : check_years(ctx, &ctx->unit, NULL, date, reach, field, err);
}

int
draft_check_closed_there(const struct command_ctx *ctx, const struct unit_id *unit, struct civil_date offered,
                         const struct position *accepted, struct civil_date date, bool meant, const char *field,
                         struct err *err)
{
    struct asked_there there = {.at = accepted};
    int month, day;
    date_to_ymd(offered, &there.year, &month, &day);
    return meant ? 0 : check_years(ctx, unit, &there, date, CLOSED_SINCE, field, err);
}

int
draft_check_match(const struct position *seen, const struct position *last, const char *what, struct err *err)
{
    if (seen->seq == last->seq && TYPE_EQ(&seen->log, &last->log))
        return 0;
    return err_field(err, ERR_CONFLICT, "if-match", "the %s was changed meanwhile", what);
}

static int
world_chain_at(void *arg, const struct position *at, struct chain_value *ret)
{
    const struct member_world *w = arg;
    return w->chain_at(w->arg, at, ret);
}

static bool
world_office_known(void *arg, const struct unit_id *unit, const struct office_id *office, const struct position *at)
{
    const struct member_world *w = arg;
    return at->seq == 0 || w->office_known(w->arg, unit, office, at);
}

static int
world_kin(void *arg, const struct subject_id *subject, const struct position *at, struct unit_id *ret_unit,
          struct member_entry *ret)
{
    const struct member_world *w = arg;
    return w->kin != NULL ? w->kin(w->arg, subject, at, ret_unit, ret) : ERR_NOTFOUND;
}

void
draft_world(const struct command_ctx *ctx, struct member_world *below, struct member_world *ret)
{
    *below = *ctx->world;
    *ret = (struct member_world){.dag = below->dag,
                                 .arg = below,
                                 .chain_at = world_chain_at,
                                 .office_known = world_office_known,
                                 .kin = world_kin};
}

/* As it would stand in the row, after everything that is there. */
static struct member_entry
draft_entry(const struct draft *d)
{
    struct event_header header;
    struct member_entry entry = {0};
    const struct position next = {0};
    draft_header(d, &header);
    member_entry_from_event(&next, &header, &d->payload, &entry);
    return entry;
}

int
draft_try_member(const struct command_ctx *ctx, const struct draft *d, const struct member_row *row, struct err *err)
{
    const struct member_entry entry = draft_entry(d);
    struct member_world below, world;
    draft_world(ctx, &below, &world);
    /* Nothing of the new home may stand beside the arrival without having it in its past (§10). */
    if (d->kind != KIND_HANDOVER_RECEIVED && member_arrival_unreceived(row) != SIZE_MAX)
        return err_field(err, ERR_CONFLICT, "subject",
                         "subject: the member has just arrived from another unit; record the reception first (the node "
                         "does so by itself once the data is here)");
    int rc = member_row_try(row, &entry, &world, err);
    if (rc == 0)
        rc = member_row_try_passed(row, &entry, &world, err);
    return rc == 0 ? room_in_row(row->n, d->kind, err) : rc;
}

int
draft_after_member(const struct command_ctx *ctx, const struct draft *d, const struct member_row *row,
                   struct member_row *ret, struct err *err)
{
    const struct member_entry entry = draft_entry(d);
    struct member_world below, world;
    draft_world(ctx, &below, &world);
    return member_row_after(row, &entry, &world, ret, err);
}

void
draft_init(struct draft *d, const struct command_ctx *ctx, uint16_t kind, const struct subject_id *subject,
           struct civil_date effective)
{
    memset(d, 0, sizeof(*d));
    d->kind = d->payload.kind = kind;
    struct event_common *c = &d->payload.common;
    c->has_actor = true;
    c->actor = ctx->actor;
    c->has_effective = true;
    c->effective = effective;
    c->precision = PRECISION_DAY;
    if (subject) {
        c->has_subject = true;
        c->subject = d->subject = d->key_subject = *subject;
    }
}

struct buf *
draft_capsule(struct draft *d, uint8_t class)
{
    MUST(d->n_capsules < DRAFT_CAPSULES_MAX);
    struct draft_capsule *c = &d->capsules[d->n_capsules++];
    c->has_key = false;
    c->class = class;
    buf_init(&c->plain, CAPSULE_BYTES_MAX);
    return &c->plain;
}

void
draft_release(struct draft *d)
{
    for (size_t i = 0; i < d->n_capsules; i++) {
        buf_free(&d->capsules[i].plain);
        person_wipe(&d->capsules[i].key, sizeof(d->capsules[i].key));
    }
    d->n_capsules = 0;
    free(d->cells);
    free(d->figures);
    free(d->places);
    free(d->escrow);
    d->cells = NULL;
    d->figures = NULL;
    d->places = NULL;
    d->escrow = NULL;
    d->n_escrow = 0;
}

int
draft_check_payload(const struct draft *d, struct err *err)
{
    struct event_payload p = d->payload;
    struct buf scratch;
    p.common.has_salt = true; /* any salt is as good as the writer's */
    buf_init(&scratch, PAYLOAD_BYTES_MAX);
    int rc = event_payload_encode(&p, &scratch, err);
    buf_free(&scratch);
    return rc;
}

void
draft_header(const struct draft *d, struct event_header *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->suite = SUITE_1;
    ret->kind = d->kind;
    ret->kind_version = 1;
    ret->n_refs = d->n_refs;
    memcpy(ret->refs, d->refs, d->n_refs * sizeof(d->refs[0]));
    for (size_t i = 0; i < d->n_capsules; i++)
        ret->capsules[ret->n_capsules++].class = d->capsules[i].class;
    if (d->new_keys)
        ret->capsules[ret->n_capsules++].class = CLASS_KEY;
}

int
draft_refer(struct draft *d, const struct command_ctx *ctx, enum ref_role role, const struct position *at,
            struct err *err)
{
    MUST(d->n_refs < ARRAY_LEN(d->refs));
    struct event_ref ref = {.role = (uint8_t)role, .log = at->log, .seq = at->seq};
    int rc = ctx->world->chain_at(ctx->world->arg, at, &ref.chain);
    if (rc != 0)
        return err_set(err, rc, "the event that it refers to is not held");
    d->refs[d->n_refs++] = ref;
    return 0;
}
