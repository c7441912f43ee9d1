/* Rows of activities, one for each or entry by entry. See import.h. */
#include "node/command/guest.h"
#include "node/command/names.h"
#include "node/command/work.h"
#include "node/exchange/import.h"

static int
read_dates(const struct import_cells *c, struct import_row *row, struct err *err)
{
    struct civil_date opened, closed;
    int rc = cell_date(c, COLUMN_OPENED_ON, &opened, err);
    if (rc == 0)
        rc = cell_date(c, COLUMN_CLOSED_ON, &closed, err);
    if (rc != 0)
        return rc;
    if (date_is_none(opened))
        return err_field(err, ERR_INVALID, "opened_on", "missing");
    row->steps[row->n_steps++] = (struct import_step){VERB_ACTIVITY_OPEN, opened};
    if (date_is_none(closed))
        return 0;
    if (closed.days < opened.days)
        return err_field(err, ERR_INVALID, "closed_on", "before opened_on");
    row->steps[row->n_steps++] = (struct import_step){VERB_ACTIVITY_CLOSE, closed};
    return 0;
}

static int
read_entry(const struct import_cells *c, struct import_row *row, struct err *err)
{
    struct import_step *s = &row->steps[0];
    int rc = cell_date(c, COLUMN_EFFECTIVE_ON, &s->on, err);
    if (rc != 0)
        return rc;
    for (s->verb = VERB_ACTIVITY_OPEN; s->verb <= VERB_ACTIVITY_CLOSE; s->verb++)
        if (strcmp(import_verb_name(s->verb), cell(c, COLUMN_OP)) == 0)
            break;
    if (s->verb > VERB_ACTIVITY_CLOSE)
        return err_field(err, ERR_INVALID, "op", "no such operation: activity.open, activity.change or activity.close");
    if (date_is_none(s->on))
        return err_field(err, ERR_INVALID, "effective_on", "missing");
    for (enum import_column k = COLUMN_OPENED_ON; k <= COLUMN_CLOSED_ON; k++)
        if (cell(c, k)[0] != '\0')
            return err_field(err, ERR_INVALID, import_column_names[k], "does not go with op: effective_on does");
    row->by_entry = true;
    row->n_steps = 1;
    return 0;
}

static int
read_sector(const struct import_cells *c, struct import_row *row, struct err *err)
{
    row->has_sector = cell(c, COLUMN_SECTOR)[0] != '\0';
    if (row->has_sector)
        return sector_parse(cell(c, COLUMN_SECTOR), &row->sector, err);
    if (row->steps[0].verb == VERB_ACTIVITY_OPEN)
        return err_field(err, ERR_INVALID, "sector", "missing");
    return 0;
}

static int
read_activity(const struct import_cells *c, struct import_row *row, struct err *err)
{
    int rc = cell_id(c, COLUMN_ACTIVITY, &row->has_entity, &row->entity, err);
    if (rc == 0)
        rc = cell_id(c, COLUMN_ID, &row->has_id, &row->id, err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_ACTIVITY_NO, row->number.s, sizeof(row->number.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_MEMBER_NO, row->member_no, sizeof(row->member_no), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_MEMBER_UNIT, row->member_unit, sizeof(row->member_unit), err);
    if (rc == 0)
        rc = cell(c, COLUMN_OP)[0] != '\0' ? read_entry(c, row, err) : read_dates(c, row, err);
    if (rc != 0)
        return rc;
    bool opens = row->steps[0].verb == VERB_ACTIVITY_OPEN;
    if (opens && !row->has_id && row->member_no[0] == '\0')
        return err_field(err, ERR_INVALID, "member_no", "missing");
    if (row->member_unit[0] != '\0' && !row->has_id)
        return err_field(err, ERR_INVALID, "id", "missing: a member of another unit has no number here");
    if (!opens && !row->has_entity && row->number.s[0] == '\0')
        return err_field(err, ERR_INVALID, "activity_no", "missing");
    rc = read_sector(c, row, err);
    if (rc == 0)
        rc = cell_bool(c, COLUMN_CULTURE, &row->has_culture, &row->culture, err);
    if (rc == 0)
        rc = cell_office(c, row->office, err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_TEXT, row->text.s, sizeof(row->text.s), err);
    return rc;
}

/* ---- what is there ---- */

static int
links_of(struct import_match *m, const struct activity_row *have, size_t i, bool *ret_known, struct activity_links *ret,
         struct err *err)
{
    struct position at;
    *ret_known = false;
    return activity_slot_links(have, activity_slot(have, i), &at)
               ? import_links(m, &have->activity, &at, ret_known, ret, err)
               : 0;
}

/* The column in which an entry, or what the activity has become since, differs from what a row says; IMPORT_COLUMNS: none. */
static int
differs(struct import_match *m, const struct import_job *job, const struct activity_row *have, size_t i,
        enum import_column *ret, struct err *err)
{
    const struct import_row *row = &job->row;
    const struct activity_entry *e = &have->entries[i];
    bool by_entry = row->by_entry, known, theirs = true;
    struct activity_state now;
    struct activity_links links;
    int rc = links_of(m, have, i, &known, &links, err);
    if (rc != 0)
        return rc;
    activity_state_at(have, DATE_MAX, &now);
    struct civil_date on = known && !date_is_none(links.day) ? links.day : row->steps[0].on;
    *ret = IMPORT_COLUMNS;
    if (known && row->text.s[0] != '\0' && strcmp(links.text.s, row->text.s) != 0)
        *ret = COLUMN_TEXT;
    if (job->office && !TYPE_EQ(&e->facets.office, &job->office->id) &&
        (by_entry || !TYPE_EQ(&now.facets.office, &job->office->id)))
        *ret = COLUMN_OFFICE;
    if (row->has_culture && e->facets.culture != row->culture && (by_entry || now.facets.culture != row->culture))
        *ret = COLUMN_CULTURE;
    if (row->has_sector && e->facets.sector != row->sector && (by_entry || now.facets.sector != row->sector))
        *ret = COLUMN_SECTOR;
    if (e->kind == KIND_ACTIVITY_OPENED && known && job->has_member)
        rc = import_same_member(m, &links.member, &job->member, &theirs, err);
    if (!theirs)
        *ret = row->has_id ? COLUMN_ID : COLUMN_MEMBER_NO;
    if (e->effective.days != date_month_start(row->steps[0].on).days || on.days != row->steps[0].on.days)
        *ret = by_entry ? COLUMN_EFFECTIVE_ON : COLUMN_OPENED_ON;
    if (known)
        person_wipe(&links, sizeof(links));
    return rc;
}

static uint16_t
kind_of(unsigned verb)
{
    return verb == VERB_ACTIVITY_OPEN     ? KIND_ACTIVITY_OPENED
           : verb == VERB_ACTIVITY_CHANGE ? KIND_ACTIVITY_CHANGED
                                          : KIND_ACTIVITY_CLOSED;
}

static int
match_closing(const struct import_row *row, const struct activity_row *have, const struct import_step *s,
              bool *ret_there, struct err *err)
{
    struct activity_state now;
    activity_state_at(have, DATE_MAX, &now);
    *ret_there = now.exists && !now.open;
    if (*ret_there && now.closed.days != date_month_start(s->on).days)
        return import_contradicts(row->by_entry ? COLUMN_EFFECTIVE_ON : COLUMN_CLOSED_ON, err);
    return 0;
}

static int
compare(struct import_match *m, struct import_job *job, const struct activity_row *have, struct err *err)
{
    const struct import_row *row = &job->row;
    const struct import_step *s = &row->steps[0];
    enum import_column column = IMPORT_COLUMNS;
    bool there = false;
    int rc = 0;
    size_t i = import_standing(ROW_ENTRIES(have), kind_of(s->verb), 0);
    if (s->verb == VERB_ACTIVITY_CLOSE) {
        rc = match_closing(row, have, s, &there, err);
        job->next = there;
        return rc;
    }
    if (s->verb == VERB_ACTIVITY_CHANGE) {
        for (uint64_t equal = 0; rc == 0 && i != SIZE_MAX;
             i = import_standing(ROW_ENTRIES(have), kind_of(s->verb), i + 1)) {
            rc = differs(m, job, have, i, &column, err);
            equal += column == IMPORT_COLUMNS;
            if (equal == m->nth) {
                job->next = 1;
                break;
            }
        }
        return rc;
    }
    if (i == SIZE_MAX)
        return err_field(err, ERR_CONFLICT, row->has_entity ? "activity" : "activity_no",
                         "was cancelled in the register");
    rc = differs(m, job, have, i, &column, err);
    if (rc == 0 && column != IMPORT_COLUMNS)
        rc = import_contradicts(column, err);
    job->next = 1;
    if (rc == 0 && row->n_steps > 1)
        rc = match_closing(row, have, &row->steps[1], &there, err);
    job->next += there;
    return rc;
}

static int
same(struct import_match *m, struct import_job *job, const struct subject_id *id, bool *ret, struct err *err)
{
    struct activity_row have;
    enum import_column column = IMPORT_COLUMNS;
    int rc = rows_activity(m->ctx, id, &have, err);
    if (rc != 0)
        return rc;
    size_t i = import_standing(ROW_ENTRIES(&have), KIND_ACTIVITY_OPENED, 0);
    if (i != SIZE_MAX)
        rc = differs(m, job, &have, i, &column, err);
    *ret = i != SIZE_MAX && column == IMPORT_COLUMNS;
    activity_row_release(&have);
    return rc;
}

static const struct import_finding finding = {
    .column = COLUMN_ACTIVITY_NO, .field = INDEX_ACTIVITY_NO, .of_member = work_of_member, .same = same};

static int
named_member(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    job->has_member = row->member_unit[0] != '\0';
    job->member = row->id;
    if (job->has_member)
        return 0;
    int rc = import_named_member(m, job, err);
    return rc == ERR_NOTFOUND && row->has_id
               ? err_field(err, ERR_NOTFOUND, "id",
                           "no member has it; if it is of another unit's member, member_unit says so")
               : rc;
}

/* What is sealed for a visitor is sealed with her key. */
static int
check_visitor(struct import_match *m, const struct import_row *row, struct err *err)
{
    struct unit_id unit;
    struct data_key key;
    int rc = guest_key(m->ctx, NULL, &row->id, "id", &unit, &key, err);
    person_wipe(&key, sizeof(key));
    return rc == ERR_CONFLICT
               ? err_field(
                     err, ERR_CONFLICT, "member_unit",
                     "the member of %s has given this unit no access, and without it nothing can be recorded of her: import the row, and "
                     "the invoices of its activity, once there is a grant or a pass, or leave them out",
                     row->member_unit)
               : rc;
}

static int
match_activity(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    struct activity_row have;
    bool found = false;
    if (strcmp(row->member_unit, m->ctx->unit_code) == 0)
        job->row.member_unit[0] = '\0';
    int rc = named_member(m, job, err);
    if (rc == 0)
        rc = import_find_entity(m, job, &finding, &found, err);
    if (rc == 0 && found)
        rc = rows_activity(m->ctx, &job->subject, &have, err);
    found = found && rc == 0;
    rc = rc == ERR_NOTFOUND && row->has_entity ? 0 : rc;
    if (rc == 0 && !found && row->steps[0].verb != VERB_ACTIVITY_OPEN)
        return err_field(err, ERR_NOTFOUND, row->has_entity ? "activity" : "activity_no", "no activity has it");
    if (rc == 0 && !found && row->member_unit[0] != '\0')
        rc = check_visitor(m, row, err);
    if (rc != 0 || !found)
        return rc;
    job->has_subject = true;
    rc = compare(m, job, &have, err);
    activity_row_release(&have);
    return rc;
}

static void
activity_op(const struct import_job *job, struct api_op *ret)
{
    const struct import_row *row = &job->row;
    const struct import_step *s = &row->steps[job->next];
    struct activity_request *q = &ret->activity.request;
    ret->kind = OP_ACTIVITY;
    ret->status_on_success = 200;
    q->action = s->verb == VERB_ACTIVITY_OPEN     ? WORK_OPEN_ACTIVITY
                : s->verb == VERB_ACTIVITY_CHANGE ? WORK_CHANGE_ACTIVITY
                                                  : WORK_CLOSE_ACTIVITY;
    q->effective = s->on;
    q->has_activity = job->has_subject || row->has_entity;
    q->activity = job->has_subject ? job->subject : row->entity;
    q->as_recorded = row->has_entity;
    if (job->has_member)
        q->member = job->member;
    snprintf(ret->activity.unit_code, sizeof(ret->activity.unit_code), "%s", row->member_unit);
    if (s->verb == VERB_ACTIVITY_CLOSE)
        return;
    q->has_sector = row->has_sector;
    q->sector = row->sector;
    q->has_culture = row->has_culture;
    q->culture = row->culture;
    q->has_office = job->office != NULL;
    if (job->office)
        q->office = job->office->id;
    /* A change names the activity by its number and says the number anew only where it has none. */
    q->has_number = row->number.s[0] != '\0' && s->verb == VERB_ACTIVITY_OPEN;
    q->number = row->number;
    q->has_text = row->text.s[0] != '\0';
    q->text = row->text;
}

const struct import_type import_activities = {
    .type = TABLE_OF_ACTIVITIES,
    .needs_unit = true,
    .n_columns = 13,
    .columns = {{COLUMN_ACTIVITY, false},
                {COLUMN_ACTIVITY_NO, false},
                {COLUMN_OP, false},
                {COLUMN_ID, false},
                {COLUMN_MEMBER_NO, false},
                {COLUMN_MEMBER_UNIT, false},
                {COLUMN_SECTOR, true},
                {COLUMN_CULTURE, false},
                {COLUMN_OFFICE, false},
                {COLUMN_TEXT, false},
                {COLUMN_OPENED_ON, false},
                {COLUMN_CLOSED_ON, false},
                {COLUMN_EFFECTIVE_ON, false}},
    .read = read_activity,
    .match = match_activity,
    .op = activity_op,
};
