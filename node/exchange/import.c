/* Rows of a members file: one for each, with all that happened to the member. See import.h. */
#include "node/exchange/import.h"

#include "node/command/names.h"
#include "node/command/person.h"
#include "node/command/retention.h"

static const struct {
    const char *name;
    enum member_action action;
    unsigned moved; /* recorded as that action, though it was not */
} REASONS[] = {
    {"resigned", ACTION_RESIGN, 0},  {"withdrawn", ACTION_GRANT_WITHDRAWAL, 0}, {"excluded", ACTION_EXCLUDE, 0},
    {"deceased", ACTION_DECEASE, 0}, {"moved", ACTION_RESIGN, VERB_MOVED},      {"double", ACTION_RESIGN, VERB_DOUBLE},
};

/* ---- fields ---- */

static int
check_texts(const struct import_cells *c, struct err *err)
{
    for (int i = 0; i < IMPORT_MEMBER_COLUMNS; i++)
        if (strlen(cell(c, i)) > PERSON_TEXT_MAX)
            return err_field(err, ERR_LIMIT, import_column_names[i], "longer than %d bytes", PERSON_TEXT_MAX);
    return 0;
}

static int
shares_field(const struct import_cells *c, bool needed, uint64_t *ret, struct err *err)
{
    bool has = false;
    int rc = cell_uint(c, COLUMN_SHARES, &has, ret, err);
    if (rc == 0 && !has && needed)
        return err_field(err, ERR_INVALID, "shares", "missing for a member");
    if (rc == 0 && *ret == 0 && needed)
        rc = err_field(err, ERR_INVALID, "shares", "a member holds at least one share");
    if (rc == 0 && *ret > SHARES_MAX)
        rc = err_field(err, ERR_INVALID, "shares", "more than %llu", (unsigned long long)SHARES_MAX);
    return rc;
}

/* ---- what the dates say happened ---- */

struct dates {
    struct civil_date applied, admitted, refused, left;
    const char *reason;
};

static void
add_step(struct import_row *row, enum member_action action, struct civil_date on)
{
    MUST(row->n_steps < IMPORT_STEPS_MAX);
    row->steps[row->n_steps++] = (struct import_step){(unsigned)action, on};
}

static bool
before(struct civil_date a, struct civil_date b)
{
    return !date_is_none(a) && !date_is_none(b) && a.days < b.days;
}

static int
check_dates(const struct dates *d, struct err *err)
{
    if (!date_is_none(d->refused) && !date_is_none(d->admitted))
        return err_field(err, ERR_INVALID, "refused_on", "admitted as well");
    if (!date_is_none(d->refused) && date_is_none(d->applied))
        return err_field(err, ERR_INVALID, "applied_on", "missing although refused_on is given");
    if (date_is_none(d->applied) && date_is_none(d->admitted))
        return err_field(err, ERR_INVALID, "admitted_on", "missing, and applied_on too");
    if (before(d->admitted, d->applied))
        return err_field(err, ERR_INVALID, "admitted_on", "before applied_on");
    if (before(d->refused, d->applied))
        return err_field(err, ERR_INVALID, "refused_on", "before applied_on");
    if (d->reason[0] != '\0' && date_is_none(d->left))
        return err_field(err, ERR_INVALID, "left_on", "missing although left_reason is given");
    if (d->reason[0] == '\0' && !date_is_none(d->left))
        return err_field(err, ERR_INVALID, "left_reason", "missing although left_on is given");
    if (!date_is_none(d->left) && date_is_none(d->admitted))
        return err_field(err, ERR_INVALID, "left_on", "left without having been admitted");
    if (before(d->left, d->admitted))
        return err_field(err, ERR_INVALID, "left_on", "before admitted_on");
    return 0;
}

static int
plan(const struct dates *d, struct import_row *row, struct err *err)
{
    int rc = check_dates(d, err);
    if (rc != 0)
        return rc;
    if (!date_is_none(d->applied))
        add_step(row, ACTION_APPLY, d->applied);
    if (!date_is_none(d->refused))
        add_step(row, ACTION_REFUSE, d->refused);
    if (!date_is_none(d->admitted))
        add_step(row, ACTION_ADMIT, d->admitted);
    if (date_is_none(d->left))
        return 0;
    for (size_t i = 0; i < ARRAY_LEN(REASONS); i++) {
        if (strcmp(REASONS[i].name, d->reason) != 0)
            continue;
        if (REASONS[i].action == ACTION_GRANT_WITHDRAWAL)
            add_step(row, ACTION_REQUEST_WITHDRAWAL, d->left);
        add_step(row, REASONS[i].action, d->left);
        row->moved = REASONS[i].moved;
        return 0;
    }
    return err_field(err, ERR_INVALID, "left_reason",
                     "no such reason: resigned, withdrawn, excluded, deceased, moved or double");
}

static int
read_dates(const struct import_cells *c, struct import_row *row, struct err *err)
{
    struct dates d = {.reason = cell(c, COLUMN_LEFT_REASON)};
    int rc = cell_date(c, COLUMN_APPLIED_ON, &d.applied, err);
    if (rc == 0)
        rc = cell_date(c, COLUMN_ADMITTED_ON, &d.admitted, err);
    if (rc == 0)
        rc = cell_date(c, COLUMN_REFUSED_ON, &d.refused, err);
    if (rc == 0)
        rc = cell_date(c, COLUMN_LEFT_ON, &d.left, err);
    if (rc == 0)
        rc = shares_field(c, !date_is_none(d.admitted), &row->shares, err);
    return rc != 0 ? rc : plan(&d, row, err);
}

static int
read_member(const struct import_cells *c, struct import_row *ret, struct err *err)
{
    int rc = check_texts(c, err);
    if (rc == 0)
        rc = cell_id(c, COLUMN_ID, &ret->has_id, &ret->id, err);
    if (rc != 0)
        return rc;
    snprintf(ret->member_no, sizeof(ret->member_no), "%s", cell(c, COLUMN_MEMBER_NO));
    if (ret->member_no[0] == '\0')
        return err_field(err, ERR_INVALID, "member_no", "missing");
    rc = cell_office(c, ret->office, err);
    if (rc == 0 && ret->office[0] == '\0')
        rc = err_field(err, ERR_INVALID, "office", "missing");
    if (rc == 0)
        rc = person_type_parse(cell(c, COLUMN_TYPE), &ret->person_type, err);
    if (rc == 0)
        rc = category_parse(cell(c, COLUMN_CATEGORY), &ret->category, err);
    if (rc == 0)
        rc = cell_person(c, &ret->person, err);
    ret->person.has_identity = ret->person.has_contact = ret->person.has_bank = true;
    if (rc == 0)
        rc = read_dates(c, ret, err);
    if (rc == 0)
        rc = person_check(&ret->person, ret->person_type, c->target->today, &ret->person, err);
    if (rc == 0 && ret->person_type == PERSON_LEGAL && ret->category != CATEGORY_C)
        rc = err_field(err, ERR_INVALID, "category", "%s", void_reason_text(VOID_CATEGORY_PERSON));
    return rc;
}

/* ---- a member who is there ---- */

/* The entry of a step: of the same kind and day, else any of that kind. */
static const struct member_entry *
find_entry(const struct import_row *row, const struct member_row *have, const struct import_step *s)
{
    const struct member_entry *any = NULL;
    for (size_t i = 0; i < have->n; i++) {
        const struct member_entry *e = &have->entries[i];
        if (!import_step_entry(row, s->verb, e) || e->outcome != OUTCOME_APPLIED)
            continue;
        if (e->effective.days == s->on.days)
            return e;
        any = e;
    }
    return any;
}

static const char *
date_column(unsigned verb)
{
    switch (verb) {
    case ACTION_APPLY: return "applied_on";
    case ACTION_ADMIT: return "admitted_on";
    case ACTION_REFUSE: return "refused_on";
    default: return "left_on";
    }
}

static int
contradicts(const char *column, struct err *err)
{
    return err_field(err, ERR_CONFLICT, column, "the member of this number is there with another %s", column);
}

/* What was said at the admission, or what it has become since. */
static int
compare_facts(const struct import_row *row, const struct office_id *office, const struct member_entry *e,
              const struct member_state *now, struct err *err)
{
    if (e->person_type != row->person_type)
        return contradicts("type", err);
    if (e->category != row->category && now->category != row->category)
        return contradicts("category", err);
    if (!TYPE_EQ(&e->office, office) && !TYPE_EQ(&now->office, office))
        return contradicts("office", err);
    if (e->kind == KIND_MEMBER_ADMITTED && e->shares != row->shares && now->shares != row->shares &&
        now->status != STATUS_LEFT)
        return contradicts("shares", err);
    return 0;
}

int
import_compare(const struct import_row *row, const struct office_id *office, const struct member_row *have,
               size_t *ret_next, struct err *err)
{
    struct member_state now;
    size_t next = row->n_steps;
    member_state_at(have, DATE_MAX, &now);
    for (size_t i = 0; i < row->n_steps; i++) {
        const struct import_step *s = &row->steps[i];
        const struct member_entry *e = find_entry(row, have, s);
        if (!e) {
            next = next < i ? next : i;
            continue;
        }
        if (e->effective.days != s->on.days)
            return contradicts(date_column(s->verb), err);
        if (next < i)
            return err_field(err, ERR_CONFLICT, date_column(row->steps[next].verb),
                             "the member of this number is there without %s", date_column(row->steps[next].verb));
        int rc = s->verb == ACTION_APPLY || s->verb == ACTION_ADMIT ? compare_facts(row, office, e, &now, err) : 0;
        if (rc != 0)
            return rc;
    }
    if (next < row->n_steps && now.status == STATUS_LEFT)
        return contradicts("left_reason", err);
    *ret_next = next;
    return 0;
}

/* What an admission needs and only the state can say, before anything of the row is written. */
static int
check_steps(const struct import_match *m, const struct import_job *job, struct err *err)
{
    struct unit_described unit;
    for (size_t i = job->next; i < job->row.n_steps; i++) {
        const struct import_step *s = &job->row.steps[i];
        if (s->verb != ACTION_APPLY && s->verb != ACTION_ADMIT)
            continue;
        if (!job->office->open && s->on.days >= job->office->closed_on.days)
            return err_field(err, ERR_CONFLICT, "office", "the office is closed on that day");
        if (s->verb == ACTION_ADMIT && !m->target->unit(m->target->arg, s->on, &unit))
            return err_field(err, ERR_CONFLICT, "admitted_on", "the unit has no share price on that day");
    }
    return 0;
}

/* A row of the members' file has no date of its own: what was erased and not entered since is not its to bring back. */
static int
check_erased(const struct import_row *row, const struct member_row *have, struct err *err)
{
    const struct person_input *p = &row->person;
    const struct {
        uint8_t class;
        bool given;
        enum import_column column;
    } classes[] = {
        {CLASS_IDENTITY, true, p->identity.legal_name.s[0] != '\0' ? COLUMN_LEGAL_NAME : COLUMN_FAMILY_NAME},
        {CLASS_CONTACT, !person_contact_empty(&p->contact),
         p->contact.email.s[0] != '\0'    ? COLUMN_EMAIL
         : p->contact.phone.s[0] != '\0'  ? COLUMN_PHONE
         : p->contact.street.s[0] != '\0' ? COLUMN_STREET
                                          : COLUMN_CITY},
        {CLASS_BANK, !person_bank_empty(&p->bank), COLUMN_IBAN},
    };
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < ARRAY_LEN(classes); i++)
        if (classes[i].given && !retention_holds(have, classes[i].class))
            rc = retention_check_erased(have, classes[i].class, DATE_NONE, import_column_names[classes[i].column], err);
    return rc;
}

static int
match_member(struct import_match *m, struct import_job *job, struct err *err)
{
    struct member_row have;
    bool found = false;
    int rc = 0;
    if (!m->ctx) {
        rc = m->target->find(m->target->arg, job->row.member_no, &found, &have, err);
    } else {
        rc = import_find_member(m, &job->row, &found, &job->subject, err);
        if (rc == 0 && found)
            rc = import_member_row(m, &job->subject, &have, err);
    }
    if (rc != 0)
        return rc;
    if (found) {
        job->has_subject = true;
        job->subject = have.subject;
        rc = import_compare(&job->row, &job->office->id, &have, &job->next, err);
        if (rc == 0)
            rc = check_erased(&job->row, &have, err);
        member_row_release(&have);
    }
    return rc != 0 ? rc : check_steps(m, job, err);
}

void
import_member_op(const struct import_job *job, struct api_op *ret)
{
    const struct import_step *s = &job->row.steps[job->next];
    struct member_request *q = &ret->member.request;
    ret->kind = OP_MEMBER;
    ret->status_on_success = 200;
    q->action = (enum member_action)s->verb;
    q->effective = s->on;
    q->person.identity.birth_date = DATE_NONE;
    q->has_subject = job->has_subject || job->row.has_id;
    q->subject = job->has_subject ? job->subject : job->row.id;
}

static void
member_op(const struct import_job *job, struct api_op *ret)
{
    struct member_request *q = &ret->member.request;
    import_member_op(job, ret);
    if (!job->has_subject)
        q->person = job->row.person;
    if (q->action != ACTION_APPLY && q->action != ACTION_ADMIT)
        return;
    q->category = job->row.category;
    q->person_type = job->row.person_type;
    q->has_office = true;
    q->office = job->office->id;
    q->has_shares = q->action == ACTION_ADMIT;
    q->shares = job->row.shares;
}

/* Without the required ones no row could be right; the others may be left out of a file whose rows do not use them. */
const struct import_type import_members = {
    .type = TABLE_OF_MEMBERS,
    .needs_unit = true,
    .n_columns = IMPORT_MEMBER_COLUMNS + 1,
    .columns = {{COLUMN_MEMBER_NO, true},    {COLUMN_TYPE, true},         {COLUMN_CATEGORY, true},
                {COLUMN_GIVEN_NAME, false},  {COLUMN_FAMILY_NAME, false}, {COLUMN_LEGAL_NAME, false},
                {COLUMN_BIRTH_DATE, false},  {COLUMN_LANGUAGE, false},    {COLUMN_EMAIL, false},
                {COLUMN_PHONE, false},       {COLUMN_STREET, false},      {COLUMN_POSTCODE, false},
                {COLUMN_CITY, false},        {COLUMN_COUNTRY, false},     {COLUMN_IBAN, false},
                {COLUMN_OFFICE, true},       {COLUMN_APPLIED_ON, false},  {COLUMN_ADMITTED_ON, true},
                {COLUMN_REFUSED_ON, false},  {COLUMN_SHARES, true},       {COLUMN_LEFT_ON, false},
                {COLUMN_LEFT_REASON, false}, {COLUMN_ID, false}},
    .read = read_member,
    .match = match_member,
    .op = member_op,
};
