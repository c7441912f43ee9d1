/* What a row of a members file says. See import.h. */
#include "node/host/import.h"

#include "node/command/names.h"
#include "node/command/person.h"

const char *const import_column_names[IMPORT_COLUMNS] = {
    "member_no",  "type",        "category",   "given_name", "family_name", "legal_name",  "birth_date", "language",
    "email",      "phone",       "street",     "postcode",   "city",        "country",     "iban",       "office",
    "applied_on", "admitted_on", "refused_on", "shares",     "left_on",     "left_reason",
};

/* Without the required ones no row could be right; the others may be left out of a file whose rows do not use them. */
const struct table_column import_columns[IMPORT_COLUMNS] = {
    {"member_no", true},   {"type", true},         {"category", true},    {"given_name", false}, {"family_name", false},
    {"legal_name", false}, {"birth_date", false},  {"language", false},   {"email", false},      {"phone", false},
    {"street", false},     {"postcode", false},    {"city", false},       {"country", false},    {"iban", false},
    {"office", true},      {"applied_on", false},  {"admitted_on", true}, {"refused_on", false}, {"shares", true},
    {"left_on", false},    {"left_reason", false},
};

static const struct {
    const char *name;
    enum member_action action;
} REASONS[] = {
    {"resigned", ACTION_RESIGN},
    {"withdrawn", ACTION_GRANT_WITHDRAWAL},
    {"excluded", ACTION_EXCLUDE},
    {"deceased", ACTION_DECEASE},
};

/* ---- fields ---- */

static int
check_texts(const struct table_record *r, struct err *err)
{
    for (int c = 0; c < IMPORT_COLUMNS; c++)
        if (strlen(r->text[c]) > PERSON_TEXT_MAX)
            return err_field(err, ERR_LIMIT, import_column_names[c], "longer than %d bytes", PERSON_TEXT_MAX);
    return 0;
}

static int
date_field(const struct table_reader *t, const struct table_record *r, enum import_column c, struct civil_date *ret,
           struct err *err)
{
    *ret = DATE_NONE;
    return r->text[c][0] == '\0' ? 0 : table_date(t, c, ret, err);
}

static void
person_fields(const struct table_record *r, struct person_input *p)
{
    struct {
        struct person_text *to;
        enum import_column column;
    } texts[] = {
        {&p->identity.member_no, COLUMN_MEMBER_NO},
        {&p->identity.given_name, COLUMN_GIVEN_NAME},
        {&p->identity.family_name, COLUMN_FAMILY_NAME},
        {&p->identity.legal_name, COLUMN_LEGAL_NAME},
        {&p->identity.language, COLUMN_LANGUAGE},
        {&p->contact.email, COLUMN_EMAIL},
        {&p->contact.phone, COLUMN_PHONE},
        {&p->contact.street, COLUMN_STREET},
        {&p->contact.postcode, COLUMN_POSTCODE},
        {&p->contact.city, COLUMN_CITY},
        {&p->contact.country, COLUMN_COUNTRY},
        {&p->bank.iban, COLUMN_IBAN},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        snprintf(texts[i].to->s, sizeof(texts[i].to->s), "%s", r->text[texts[i].column]);
    p->has_identity = p->has_contact = p->has_bank = true;
}

static int
shares_field(const struct table_reader *t, const struct table_record *r, bool needed, uint64_t *ret, struct err *err)
{
    const char *text = r->text[COLUMN_SHARES];
    *ret = 0;
    if (text[0] == '\0' && !needed)
        return 0;
    if (text[0] == '\0')
        return err_field(err, ERR_INVALID, "shares", "missing for a member");
    int rc = table_uint(t, COLUMN_SHARES, ret, err);
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
    row->steps[row->n_steps++] = (struct import_step){action, on};
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
        return 0;
    }
    return err_field(err, ERR_INVALID, "left_reason", "no such reason: resigned, withdrawn, excluded or deceased");
}

static int
read_dates(const struct table_reader *t, const struct table_record *r, struct import_row *row, struct err *err)
{
    struct dates d = {.reason = r->text[COLUMN_LEFT_REASON]};
    int rc = date_field(t, r, COLUMN_APPLIED_ON, &d.applied, err);
    if (rc == 0)
        rc = date_field(t, r, COLUMN_ADMITTED_ON, &d.admitted, err);
    if (rc == 0)
        rc = date_field(t, r, COLUMN_REFUSED_ON, &d.refused, err);
    if (rc == 0)
        rc = date_field(t, r, COLUMN_LEFT_ON, &d.left, err);
    if (rc == 0)
        rc = shares_field(t, r, !date_is_none(d.admitted), &row->shares, err);
    return rc != 0 ? rc : plan(&d, row, err);
}

const char *
import_field(const char *name)
{
    if (strcmp(name, "person_type") == 0)
        return "type";
    if (strcmp(name, "unit") == 0)
        return "admitted_on";
    return name;
}

/* The text of an error names its field at the front for those who have no column of it. */
static int
reject(struct err *err)
{
    char name[ERR_FIELD_MAX];
    snprintf(name, sizeof(name), "%s", import_field(err->field));
    memcpy(err->field, name, sizeof(name));
    return err->code;
}

int
import_row_read(const struct table_reader *t, const struct table_record *r, struct civil_date today,
                struct import_row *ret, struct err *err)
{
    memset(ret, 0, sizeof(*ret));
    if (r->err.code != ERR_NONE)
        return err_field(err, r->err.code, r->err.field, "%s", r->err.text);
    int rc = check_texts(r, err);
    if (rc != 0)
        return rc;
    snprintf(ret->member_no, sizeof(ret->member_no), "%s", r->text[COLUMN_MEMBER_NO]);
    if (ret->member_no[0] == '\0')
        return err_field(err, ERR_INVALID, "member_no", "missing");
    if (strlen(r->text[COLUMN_OFFICE]) > NAME_BYTES_MAX)
        return err_field(err, ERR_LIMIT, "office", "longer than %d bytes", NAME_BYTES_MAX);
    snprintf(ret->office, sizeof(ret->office), "%.*s", NAME_BYTES_MAX, r->text[COLUMN_OFFICE]);
    if (ret->office[0] == '\0')
        return err_field(err, ERR_INVALID, "office", "missing");
    ret->person.identity.birth_date = DATE_NONE;
    person_fields(r, &ret->person);
    rc = person_type_parse(r->text[COLUMN_TYPE], &ret->type, err);
    if (rc == 0)
        rc = category_parse(r->text[COLUMN_CATEGORY], &ret->category, err);
    if (rc == 0)
        rc = date_field(t, r, COLUMN_BIRTH_DATE, &ret->person.identity.birth_date, err);
    if (rc == 0)
        rc = read_dates(t, r, ret, err);
    if (rc == 0)
        rc = person_check(&ret->person, ret->type, today, &ret->person, err);
    if (rc == 0 && ret->type == PERSON_LEGAL && ret->category != CATEGORY_C)
        rc = err_field(err, ERR_INVALID, "category", "%s", void_reason_text(VOID_CATEGORY_PERSON));
    return rc == 0 ? 0 : reject(err);
}

/* ---- a member who is there ---- */

/* The entry of a step: of the same kind and day, else any of that kind. */
static const struct member_entry *
find_entry(const struct member_row *have, const struct import_step *s)
{
    const struct member_entry *any = NULL;
    for (size_t i = 0; i < have->n; i++) {
        const struct member_entry *e = &have->entries[i];
        if (e->kind != member_action_kind(s->action) || e->outcome != OUTCOME_APPLIED)
            continue;
        if (e->effective.days == s->on.days)
            return e;
        any = e;
    }
    return any;
}

static const char *
date_column(enum member_action action)
{
    switch (action) {
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
    if (e->person_type != row->type)
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
        const struct member_entry *e = find_entry(have, s);
        if (!e) {
            next = next < i ? next : i;
            continue;
        }
        if (e->effective.days != s->on.days)
            return contradicts(date_column(s->action), err);
        if (next < i)
            return err_field(err, ERR_CONFLICT, date_column(row->steps[next].action),
                             "the member of this number is there without %s", date_column(row->steps[next].action));
        int rc = s->action == ACTION_APPLY || s->action == ACTION_ADMIT ? compare_facts(row, office, e, &now, err) : 0;
        if (rc != 0)
            return rc;
    }
    if (next < row->n_steps && now.status == STATUS_LEFT)
        return contradicts("left_reason", err);
    *ret_next = next;
    return 0;
}

void
import_op(const struct import_row *row, size_t step, const struct office_id *office, const struct subject_id *subject,
          struct api_op *ret)
{
    const struct import_step *s = &row->steps[step];
    struct member_request *q = &ret->member.request;
    memset(ret, 0, sizeof(*ret));
    ret->kind = OP_MEMBER;
    ret->status_on_success = 200;
    q->action = s->action;
    q->effective = s->on;
    q->person.identity.birth_date = DATE_NONE;
    q->has_subject = subject != NULL;
    if (subject)
        q->subject = *subject;
    else
        q->person = row->person;
    if (s->action != ACTION_APPLY && s->action != ACTION_ADMIT)
        return;
    q->category = row->category;
    q->person_type = row->type;
    q->has_office = true;
    q->office = *office;
    q->has_shares = s->action == ACTION_ADMIT;
    q->shares = row->shares;
}
