/* Offices and the unit's own facts → drafts. See command.h. */
#include "node/command/names.h"
#include "node/command/rows.h"
#include "node/command/text.h"

/* ---- finding an office ---------------------------------------------------------------------- */

struct office_search {
    const char *folded;
    const struct office_id *but; /* left out; NULL = none */
    size_t n_open, n_closed;
    struct office_id open, closed;
};

static int
match_office(void *arg, const struct place_row *row)
{
    struct office_search *s = arg;
    struct office_state state;
    char folded[TEXT_FOLDED_MAX];
    if ((s->but && TYPE_EQ(s->but, &row->office)) || !office_state_at(row, DATE_MAX, &state))
        return 0;
    if (text_fold(state.facts.name.s, folded, sizeof(folded), NULL) != 0 || strcmp(folded, s->folded) != 0)
        return 0;
    if (state.open) {
        s->open = row->office;
        s->n_open++;
    } else {
        s->closed = row->office;
        s->n_closed++;
    }
    return 0;
}

int
office_find(const struct command_ctx *ctx, const char *text, struct office_id *ret, struct err *err)
{
    struct office_id id;
    struct place_row row;
    if (hex_decode(text, id.b, sizeof(id.b))) {
        int rc = rows_office(ctx, &id, &row, err);
        if (rc != 0)
            return rc;
        place_row_release(&row);
        *ret = id;
        return 0;
    }
    char name[NAME_BYTES_MAX + 1], folded[TEXT_FOLDED_MAX];
    int rc = text_clean(text, "office", name, sizeof(name), err);
    if (rc == 0 && text_fold(name, folded, sizeof(folded), err) != 0)
        rc = err_field(err, ERR_INVALID, "office", "office: not a name");
    if (rc != 0)
        return rc;
    struct office_search s = {.folded = folded};
    rc = rows_offices(ctx, match_office, &s, err);
    if (rc != 0)
        return rc;
    if (s.n_open > 1 || (s.n_open == 0 && s.n_closed > 1))
        return err_field(err, ERR_CONFLICT, "office", "several offices have that name: give the id");
    if (s.n_open == 0 && s.n_closed == 0)
        return err_field(err, ERR_NOTFOUND, "office", "the unit has no such office");
    *ret = s.n_open == 1 ? s.open : s.closed;
    return 0;
}

/* ---- drafts --------------------------------------------------------------------------------- */

/* Two open offices of one name could not be told apart by a desk or a list. */
static int
check_name_free(const struct command_ctx *ctx, const char *name, const struct office_id *but, struct err *err)
{
    char folded[TEXT_FOLDED_MAX];
    if (text_fold(name, folded, sizeof(folded), err) != 0)
        return err_field(err, ERR_INVALID, "name", "name: too long");
    struct office_search s = {.folded = folded, .but = but};
    int rc = rows_offices(ctx, match_office, &s, err);
    if (rc == 0 && s.n_open > 0)
        rc = err_field(err, ERR_CONFLICT, "name", "another open office has that name");
    return rc;
}

static int
clean_facts(const struct office_facts *in, struct office_facts *ret, struct err *err)
{
    struct office_facts f = *in;
    int rc = text_clean(in->name.s, "name", f.name.s, sizeof(f.name.s), err);
    if (rc == 0)
        rc = text_clean(in->city.s, "city", f.city.s, sizeof(f.city.s), err);
    if (rc == 0)
        *ret = f;
    return rc;
}

/* The last steps of all: bounds, then the rules on the row. */
static int
finish(const struct command_ctx *ctx, const struct draft *d, const struct place_row *row, struct draft *ret,
       struct err *err)
{
    struct event_header header;
    struct place_entry entry;
    const struct position next = {0};
    int rc = draft_check_payload(d, err);
    if (rc != 0)
        return rc;
    memset(&entry, 0, sizeof(entry));
    draft_header(d, &header);
    place_entry_from_event(&next, &header, &d->payload, &entry);
    rc = place_row_try(row, &entry, ctx->world, err);
    if (rc == 0)
        *ret = *d;
    return rc;
}

static void
init_place(struct draft *d, const struct command_ctx *ctx, uint16_t kind, const struct office_id *office,
           struct civil_date effective)
{
    struct subject_id subject;
    _Static_assert(sizeof(subject.b) == sizeof(office->b), "ids");
    if (office)
        memcpy(subject.b, office->b, sizeof(subject.b));
    draft_init(d, ctx, kind, office ? &subject : NULL, effective);
}

int
command_office_open(const struct command_ctx *ctx, const struct office_id *id_or_null, const struct office_facts *facts,
                    struct civil_date effective, struct draft *ret, struct err *err)
{
    struct draft d;
    struct office_id id;
    struct civil_date day;
    struct place_row there;
    int rc = id_or_null ? rows_office(ctx, id_or_null, &there, err) : ERR_NOTFOUND;
    if (rc == 0) {
        place_row_release(&there);
        return err_field(err, ERR_CONFLICT, "office", "office: there is one of that id");
    }
    if (rc != ERR_NOTFOUND)
        return rc;
    if (id_or_null)
        id = *id_or_null;
    else
        ctx->random(ctx->random_arg, id.b, sizeof(id.b));
    rc = draft_date(ctx, effective, &day, err);
    if (rc != 0)
        return rc;
    init_place(&d, ctx, KIND_OFFICE_OPENED, &id, day);
    rc = clean_facts(facts, &d.payload.office, err);
    if (rc == 0)
        rc = check_name_free(ctx, d.payload.office.name.s, NULL, err);
    if (rc != 0)
        return rc;
    struct place_row row;
    place_row_init(&row, &ctx->unit, &id);
    rc = finish(ctx, &d, &row, ret, err);
    place_row_release(&row);
    return rc;
}

int
command_office_change(const struct command_ctx *ctx, const struct office_id *office, const struct office_facts *facts,
                      struct civil_date effective, struct draft *ret, struct err *err)
{
    struct draft d;
    struct place_row row;
    struct civil_date day;
    int rc = draft_date(ctx, effective, &day, err);
    if (rc == 0)
        rc = rows_office(ctx, office, &row, err);
    if (rc != 0)
        return rc;
    init_place(&d, ctx, KIND_OFFICE_CHANGED, office, day);
    rc = clean_facts(facts, &d.payload.office, err);
    if (rc == 0)
        rc = check_name_free(ctx, d.payload.office.name.s, office, err);
    if (rc == 0)
        rc = finish(ctx, &d, &row, ret, err);
    place_row_release(&row);
    return rc;
}

int
command_office_close(const struct command_ctx *ctx, const struct office_id *office, struct civil_date effective,
                     struct draft *ret, struct err *err)
{
    struct draft d;
    struct place_row row;
    struct civil_date day;
    int rc = draft_date(ctx, effective, &day, err);
    if (rc == 0)
        rc = rows_office(ctx, office, &row, err);
    if (rc != 0)
        return rc;
    init_place(&d, ctx, KIND_OFFICE_CLOSED, office, day);
    rc = finish(ctx, &d, &row, ret, err);
    place_row_release(&row);
    return rc;
}

int
command_unit_describe(const struct command_ctx *ctx, const struct unit_described *unit, struct civil_date effective,
                      struct draft *ret, struct err *err)
{
    const struct office_id none = {0};
    struct draft d;
    struct place_row row;
    struct civil_date day;
    int rc = draft_date(ctx, effective, &day, err);
    if (rc != 0)
        return rc;
    init_place(&d, ctx, KIND_UNIT_DESCRIBED, NULL, day);
    d.payload.unit = *unit;
    rc = text_clean(unit->name.s, "name", d.payload.unit.name.s, sizeof(d.payload.unit.name.s), err);
    if (rc == 0)
        rc = rows_unit(ctx, &row, err);
    if (rc == ERR_NOTFOUND) { /* the first event of a new unit */
        place_row_init(&row, &ctx->unit, &none);
        memcpy(row.unit_code, ctx->unit_code, sizeof(row.unit_code));
        err_clear(err);
        rc = 0;
    }
    if (rc != 0)
        return rc;
    rc = finish(ctx, &d, &row, ret, err);
    place_row_release(&row);
    return rc;
}
