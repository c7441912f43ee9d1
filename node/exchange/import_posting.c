/* Rows of postings abroad, entry by entry. See import.h. */
#include "node/command/posting.h"
#include "node/exchange/import.h"

static int
read_dates(const struct import_cells *c, struct import_row *row, struct err *err)
{
    struct import_step *s = &row->steps[0];
    bool change = strcmp(cell(c, COLUMN_OP), import_verb_name(VERB_POSTING_CHANGE)) == 0;
    if (!change && cell(c, COLUMN_OP)[0] != '\0' &&
        strcmp(cell(c, COLUMN_OP), import_verb_name(VERB_POSTING_ISSUE)) != 0)
        return err_field(err, ERR_INVALID, "op", "no such operation: posting.issue or posting.change");
    s->verb = change ? VERB_POSTING_CHANGE : VERB_POSTING_ISSUE;
    row->n_steps = 1;
    int rc = cell_date(c, change ? COLUMN_EFFECTIVE_ON : COLUMN_FROM, &s->on, err);
    if (rc == 0)
        rc = cell_date(c, COLUMN_TO, &row->to, err);
    if (rc != 0)
        return rc;
    if (cell(c, change ? COLUMN_FROM : COLUMN_EFFECTIVE_ON)[0] != '\0')
        return err_field(err, ERR_INVALID, change ? "from" : "effective_on", "does not go with op");
    if (date_is_none(s->on))
        return err_field(err, ERR_INVALID, change ? "effective_on" : "from", "missing");
    return date_is_none(row->to) ? err_field(err, ERR_INVALID, "to", "missing") : 0;
}

static int
read_posting(const struct import_cells *c, struct import_row *row, struct err *err)
{
    char country[8];
    int rc = cell_id(c, COLUMN_POSTING, &row->has_entity, &row->entity, err);
    if (rc == 0)
        rc = cell_id(c, COLUMN_ID, &row->has_id, &row->id, err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_REFERENCE, row->number.s, sizeof(row->number.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_MEMBER_NO, row->member_no, sizeof(row->member_no), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_TEXT, row->text.s, sizeof(row->text.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_COUNTRY, country, sizeof(country), err);
    if (rc == 0)
        rc = read_dates(c, row, err);
    if (rc != 0)
        return rc;
    bool issue = row->steps[0].verb == VERB_POSTING_ISSUE;
    if (strlen(country) != sizeof(row->country) - 1)
        return err_field(err, ERR_INVALID, "country", country[0] ? "is two letters" : "missing");
    memcpy(row->country, country, sizeof(row->country));
    if (issue && !row->has_id && row->member_no[0] == '\0')
        return err_field(err, ERR_INVALID, "member_no", "missing");
    if (!issue && !row->has_entity && row->number.s[0] == '\0')
        return err_field(err, ERR_INVALID, "reference", "missing");
    return 0;
}

/* ---- what is there ---- */

static int
links_of(struct import_match *m, const struct posting_row *have, size_t i, bool *ret_known, struct activity_links *ret,
         struct err *err)
{
    struct position at;
    *ret_known = false;
    return posting_slot_links(have, i, &at) ? import_links(m, &have->posting, &at, ret_known, ret, err) : 0;
}

/* The column in which the row says another than the entry; IMPORT_COLUMNS: none. */
static int
differs(struct import_match *m, const struct import_job *job, const struct posting_row *have, size_t i,
        enum import_column *ret, struct err *err)
{
    const struct import_row *row = &job->row;
    const struct posting_entry *e = &have->entries[i];
    bool issue = e->kind == KIND_POSTING_ISSUED, known, theirs = true;
    struct activity_links links;
    int rc = links_of(m, have, i, &known, &links, err);
    if (rc != 0)
        return rc;
    struct civil_date from = known && issue && !date_is_none(links.day) ? links.day : row->steps[0].on;
    struct civil_date to = known && !date_is_none(links.last_day) ? links.last_day : row->to;
    bool names = !issue && !row->has_entity; /* the reference says which posting it is */
    *ret = IMPORT_COLUMNS;
    if (known && row->text.s[0] != '\0' && strcmp(links.text.s, row->text.s) != 0)
        *ret = COLUMN_TEXT;
    if (known && !names && row->number.s[0] != '\0' && strcmp(links.number.s, row->number.s) != 0)
        *ret = COLUMN_REFERENCE;
    if (issue && known && job->has_member)
        rc = import_same_member(m, &links.member, &job->member, &theirs, err);
    if (!theirs)
        *ret = row->has_id ? COLUMN_ID : COLUMN_MEMBER_NO;
    if (strcmp(e->facts.country, row->country) != 0)
        *ret = COLUMN_COUNTRY;
    if (e->facts.last_month.days != date_month_start(row->to).days || to.days != row->to.days)
        *ret = COLUMN_TO;
    if (e->effective.days != date_month_start(row->steps[0].on).days || from.days != row->steps[0].on.days)
        *ret = issue ? COLUMN_FROM : COLUMN_EFFECTIVE_ON;
    if (known)
        person_wipe(&links, sizeof(links));
    return rc;
}

static int
compare(struct import_match *m, struct import_job *job, const struct posting_row *have, struct err *err)
{
    bool issue = job->row.steps[0].verb == VERB_POSTING_ISSUE;
    enum import_column column = IMPORT_COLUMNS;
    uint64_t equal = 0;
    int rc = 0;
    size_t i = import_standing(ROW_ENTRIES(have), issue ? KIND_POSTING_ISSUED : KIND_POSTING_CHANGED, 0);
    if (issue) {
        if (i == SIZE_MAX)
            return err_field(err, ERR_CONFLICT, job->row.has_entity ? "posting" : "reference",
                             "was cancelled in the register");
        rc = differs(m, job, have, i, &column, err);
        job->next = 1;
        return rc == 0 && column != IMPORT_COLUMNS ? import_contradicts(column, err) : rc;
    }
    for (; rc == 0 && i != SIZE_MAX; i = import_standing(ROW_ENTRIES(have), KIND_POSTING_CHANGED, i + 1)) {
        rc = differs(m, job, have, i, &column, err);
        equal += column == IMPORT_COLUMNS;
        if (rc == 0 && equal == m->nth) {
            job->next = 1;
            break;
        }
    }
    return rc;
}

static int
same(struct import_match *m, struct import_job *job, const struct subject_id *id, bool *ret, struct err *err)
{
    struct posting_row have;
    enum import_column column = IMPORT_COLUMNS;
    int rc = rows_posting(m->ctx, id, &have, err);
    if (rc != 0)
        return rc;
    size_t i = import_standing(ROW_ENTRIES(&have), KIND_POSTING_ISSUED, 0);
    if (i != SIZE_MAX)
        rc = differs(m, job, &have, i, &column, err);
    *ret = i != SIZE_MAX && column == IMPORT_COLUMNS;
    posting_row_release(&have);
    return rc;
}

static const struct import_finding finding = {
    .column = COLUMN_REFERENCE, .field = INDEX_POSTING_NO, .of_member = postings_of_member, .same = same};

static int
match_posting(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    struct posting_row have;
    bool found = false;
    int rc = import_named_member(m, job, err);
    if (rc == 0)
        rc = import_find_entity(m, job, &finding, &found, err);
    if (rc == 0 && found)
        rc = rows_posting(m->ctx, &job->subject, &have, err);
    found = found && rc == 0;
    rc = rc == ERR_NOTFOUND && row->has_entity ? 0 : rc;
    if (rc == 0 && !found && row->steps[0].verb != VERB_POSTING_ISSUE)
        return err_field(err, ERR_NOTFOUND, row->has_entity ? "posting" : "reference", "no posting has it");
    if (rc != 0 || !found)
        return rc;
    job->has_subject = true;
    rc = compare(m, job, &have, err);
    posting_row_release(&have);
    return rc;
}

static void
posting_op(const struct import_job *job, struct api_op *ret)
{
    const struct import_row *row = &job->row;
    const struct import_step *s = &row->steps[job->next];
    struct posting_request *q = &ret->posting.request;
    bool issue = s->verb == VERB_POSTING_ISSUE;
    ret->kind = OP_POSTING;
    ret->status_on_success = 200;
    q->action = issue ? POSTING_ISSUE : POSTING_CHANGE;
    q->has_posting = job->has_subject || row->has_entity;
    q->posting = job->has_subject ? job->subject : row->entity;
    q->as_recorded = row->has_entity;
    if (job->has_member)
        q->member = job->member;
    q->from = issue ? s->on : DATE_NONE;
    q->effective = issue ? DATE_NONE : s->on;
    q->to = row->to;
    memcpy(q->country, row->country, sizeof(q->country));
    q->has_reference = row->number.s[0] != '\0' && (issue || row->has_entity);
    q->reference = row->number;
    q->has_text = row->text.s[0] != '\0';
    q->text = row->text;
}

const struct import_type import_postings = {
    .type = TABLE_OF_POSTINGS,
    .needs_unit = true,
    .n_columns = 10,
    .columns = {{COLUMN_POSTING, false},
                {COLUMN_REFERENCE, false},
                {COLUMN_OP, false},
                {COLUMN_ID, false},
                {COLUMN_MEMBER_NO, false},
                {COLUMN_COUNTRY, true},
                {COLUMN_FROM, false},
                {COLUMN_TO, true},
                {COLUMN_EFFECTIVE_ON, false},
                {COLUMN_TEXT, false}},
    .read = read_posting,
    .match = match_posting,
    .op = posting_op,
};
