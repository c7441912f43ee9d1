/* Rows of the unit's descriptions and of its offices. See import.h. */
#include <stdlib.h>

#include "node/command/rows.h"
#include "node/command/text.h"
#include "node/exchange/import.h"

/* ---- the unit ---- */

static int
read_languages(const struct import_cells *c, struct unit_described *u, struct err *err)
{
    const char *at = cell(c, COLUMN_LANGUAGES);
    while (*at != '\0') {
        size_t len = strcspn(at, " ");
        if (u->n_languages == UNIT_LANGUAGES_MAX)
            return err_field(err, ERR_INVALID, "languages", "more than %d", UNIT_LANGUAGES_MAX);
        if (len >= sizeof(u->languages[0]))
            return err_field(err, ERR_INVALID, "languages", "one is too long");
        if (len > 0)
            memcpy(u->languages[u->n_languages++], at, len);
        at += len + (at[len] == ' ');
    }
    return 0;
}

static int
read_country(const struct import_cells *c, char ret[3], struct err *err)
{
    const char *text = cell(c, COLUMN_COUNTRY);
    if (strlen(text) > 2)
        return err_field(err, ERR_INVALID, "country", "two capital letters, such as BE");
    snprintf(ret, 3, "%.2s", text);
    return 0;
}

static int
read_rate(const struct import_cells *c, uint32_t *ret, struct err *err)
{
    uint64_t bp;
    bool has;
    int rc = cell_uint(c, COLUMN_RATE_BP, &has, &bp, err);
    if (rc == 0 && cell(c, COLUMN_RATE)[0] != '\0')
        return table_percent(c->table, c->local[COLUMN_RATE], ret, err);
    if (rc == 0 && (!has || bp > RATE_BP_MAX))
        return err_field(err, ERR_INVALID, "rate", has ? "more than 100 %%" : "missing");
    if (rc == 0)
        *ret = (uint32_t)bp;
    return rc;
}

static int
read_unit(const struct import_cells *c, struct import_row *row, struct err *err)
{
    struct unit_described *u = &row->unit;
    bool has = false;
    row->steps[0].verb = VERB_UNIT;
    row->n_steps = 1;
    int rc = cell_date(c, COLUMN_EFFECTIVE_ON, &row->steps[0].on, err);
    if (rc == 0 && date_is_none(row->steps[0].on))
        rc = err_field(err, ERR_INVALID, "effective_on", "missing");
    if (rc == 0)
        rc = cell_text(c, COLUMN_NAME, u->name.s, sizeof(u->name.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_TIME_ZONE, u->time_zone.s, sizeof(u->time_zone.s), err);
    if (rc == 0)
        rc = read_country(c, u->country, err);
    if (rc == 0 && cell(c, COLUMN_CURRENCY)[0] == '\0')
        rc = err_field(err, ERR_INVALID, "currency", "missing");
    if (rc == 0)
        rc = cell_currency(c, DATE_NONE, u->currency, err);
    if (rc == 0)
        rc = read_languages(c, u, err);
    if (rc == 0)
        rc = read_rate(c, &u->contribution_bp, err);
    if (rc == 0)
        rc = cell_money(c, COLUMN_SHARE_PRICE, u->currency, &has, &u->share_price_minor, err);
    if (rc == 0 && !has)
        rc = err_field(err, ERR_INVALID, "share_price", "missing");
    return rc;
}

static bool
unit_equal(const struct unit_described *a, const struct unit_described *b)
{
    bool same = strcmp(a->name.s, b->name.s) == 0 && strcmp(a->country, b->country) == 0 &&
                strcmp(a->currency, b->currency) == 0 && strcmp(a->time_zone.s, b->time_zone.s) == 0 &&
                a->contribution_bp == b->contribution_bp && a->share_price_minor == b->share_price_minor &&
                a->n_languages == b->n_languages;
    for (size_t i = 0; same && i < a->n_languages; i++)
        same = strcmp(a->languages[i], b->languages[i]) == 0;
    return same;
}

/* There if it is what holds on the day: said again it would change nothing. */
static int
match_unit(struct import_match *m, struct import_job *job, struct err *err)
{
    struct unit_described now;
    struct place_row have;
    int rc = rows_unit(m->ctx, &have, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? 0 : rc;
    bool since = false;
    for (size_t i = 0; i < have.n; i++)
        since |= have.entries[i].outcome == OUTCOME_APPLIED && have.entries[i].kind == KIND_UNIT_DESCRIBED &&
                 have.entries[i].effective.days == job->row.steps[0].on.days;
    job->has_subject = true;
    if (since && unit_state_at(&have, job->row.steps[0].on, &now) && unit_equal(&now, &job->row.unit))
        job->next = 1;
    place_row_release(&have);
    return 0;
}

static void
unit_op(const struct import_job *job, struct api_op *ret)
{
    ret->kind = OP_UNIT_DESCRIBE;
    ret->status_on_success = 200;
    ret->unit.facts = job->row.unit;
    ret->unit.effective = job->row.steps[job->next].on;
}

const struct import_type import_units = {
    .type = TABLE_OF_UNIT,
    .n_columns = 10,
    .columns = {{COLUMN_EFFECTIVE_ON, true},
                {COLUMN_NAME, true},
                {COLUMN_COUNTRY, true},
                {COLUMN_CURRENCY, true},
                {COLUMN_LANGUAGES, true},
                {COLUMN_TIME_ZONE, true},
                {COLUMN_RATE, false},
                {COLUMN_RATE_BP, false},
                {COLUMN_SHARE_PRICE, false},
                {COLUMN_SHARE_PRICE_MINOR, false}},
    .read = read_unit,
    .match = match_unit,
    .op = unit_op,
};

/* ---- offices ---- */

static int
read_office(const struct import_cells *c, struct import_row *row, struct err *err)
{
    struct import_step *s = &row->steps[0];
    const char *op = cell(c, COLUMN_OP);
    row->n_steps = 1;
    s->verb = strcmp(op, "change") == 0  ? VERB_OFFICE_CHANGE
              : strcmp(op, "close") == 0 ? VERB_OFFICE_CLOSE
                                         : VERB_OFFICE_OPEN;
    if (s->verb == VERB_OFFICE_OPEN && op[0] != '\0' && strcmp(op, "open") != 0)
        return err_field(err, ERR_INVALID, "op", "no such operation: open, change or close");
    int rc = cell_date(c, COLUMN_EFFECTIVE_ON, &s->on, err);
    if (rc == 0 && date_is_none(s->on))
        rc = err_field(err, ERR_INVALID, "effective_on", "missing");
    if (rc == 0)
        rc = cell_id(c, COLUMN_OFFICE, &row->has_entity, &row->entity, err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_NAME, row->place.name.s, sizeof(row->place.name.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_CITY, row->place.city.s, sizeof(row->place.city.s), err);
    if (rc == 0)
        rc = read_country(c, row->place.country, err);
    if (rc == 0 && row->place.name.s[0] == '\0' && (s->verb != VERB_OFFICE_CLOSE || !row->has_entity))
        rc = err_field(err, ERR_INVALID, "name", "missing");
    return rc;
}

static bool
place_equal(const struct import_row *row, const struct place_entry *e)
{
    return e->effective.days == row->steps[0].on.days &&
           (row->steps[0].verb == VERB_OFFICE_CLOSE ||
            (strcmp(row->place.name.s, e->facts.name.s) == 0 && strcmp(row->place.city.s, e->facts.city.s) == 0 &&
             strcmp(row->place.country, e->facts.country) == 0));
}

static uint16_t
kind_of(unsigned verb)
{
    return verb == VERB_OFFICE_OPEN     ? KIND_OFFICE_OPENED
           : verb == VERB_OFFICE_CHANGE ? KIND_OFFICE_CHANGED
                                        : KIND_OFFICE_CLOSED;
}

static int
compare_office(struct import_match *m, struct import_job *job, const struct place_row *have, struct err *err)
{
    uint64_t equal = 0;
    unsigned verb = job->row.steps[0].verb;
    for (size_t i = 0; i < have->n && job->next == 0; i++) {
        const struct place_entry *e = &have->entries[i];
        if (e->kind != kind_of(verb) || e->outcome != OUTCOME_APPLIED)
            continue;
        if (place_equal(&job->row, e))
            job->next = verb != VERB_OFFICE_CHANGE || ++equal == m->nth;
        else if (verb == VERB_OFFICE_OPEN || verb == VERB_OFFICE_CLOSE)
            return import_contradicts(
                e->effective.days != job->row.steps[0].on.days ? COLUMN_EFFECTIVE_ON : COLUMN_NAME, err);
    }
    return 0;
}

static int
match_office(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    bool opens = row->steps[0].verb == VERB_OFFICE_OPEN;
    struct office_id id;
    struct place_row have;
    int rc = 0;
    memcpy(id.b, row->entity.b, sizeof(id.b));
    if (!row->has_entity)
        rc = office_find(m->ctx, row->place.name.s, &id, err);
    if (rc == 0)
        rc = rows_office(m->ctx, &id, &have, err);
    if (rc == ERR_NOTFOUND && opens)
        return 0;
    if (rc != 0)
        return rc == ERR_NOTFOUND
                   ? err_field(err, rc, row->has_entity ? "office" : "name", "the unit has no such office")
                   : rc;
    job->has_subject = true;
    memcpy(job->subject.b, id.b, sizeof(id.b));
    rc = compare_office(m, job, &have, err);
    place_row_release(&have);
    return rc;
}

static void
office_op(const struct import_job *job, struct api_op *ret)
{
    unsigned verb = job->row.steps[job->next].verb;
    ret->kind = verb == VERB_OFFICE_OPEN     ? OP_OFFICE_OPEN
                : verb == VERB_OFFICE_CHANGE ? OP_OFFICE_CHANGE
                                             : OP_OFFICE_CLOSE;
    ret->status_on_success = 200;
    ret->office.effective = job->row.steps[job->next].on;
    ret->office.facts = job->row.place;
    memcpy(ret->office.id.b, job->has_subject ? job->subject.b : job->row.entity.b, ID_BYTES);
}

const struct import_type import_offices = {
    .type = TABLE_OF_OFFICES,
    .n_columns = 6,
    .columns = {{COLUMN_OFFICE, false},
                {COLUMN_OP, false},
                {COLUMN_NAME, true},
                {COLUMN_CITY, false},
                {COLUMN_COUNTRY, false},
                {COLUMN_EFFECTIVE_ON, true}},
    .read = read_office,
    .match = match_office,
    .op = office_op,
};
