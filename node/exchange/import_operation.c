/* Rows of operations: one dated entry of the register about one member; and of the share register, which is the same for shares. See
 * import.h. */
#include "node/command/names.h"
#include "node/command/person.h"
#include "node/command/text.h"
#include "node/exchange/import.h"
#include "node/host/entry_read.h"

/* What an operation takes and needs beside a date and whose it is. */
enum {
    F_CATEGORY = 1,
    F_TYPE = 2,
    F_OFFICE = 4,
    F_SHARES = 8,
    F_PRICE = 16,
    F_AMOUNT = 32,
    F_OTHER = 64,
    F_CONSENT = 128,
    F_TEXT_VERSION = 256,
    F_PERSON = 512,
    F_NOTE = 1024,
    F_CURRENCY = 2048,
};

static const struct {
    unsigned verb, takes, needs;
} OPERATIONS[] = {
    {ACTION_APPLY, F_CATEGORY | F_TYPE | F_OFFICE | F_PERSON | F_NOTE, F_CATEGORY | F_TYPE | F_OFFICE},
    {ACTION_REFUSE, F_NOTE, 0},
    {ACTION_ADMIT, F_CATEGORY | F_TYPE | F_OFFICE | F_SHARES | F_PRICE | F_CURRENCY | F_PERSON | F_NOTE,
     F_CATEGORY | F_TYPE | F_OFFICE | F_SHARES},
    {ACTION_SUBSCRIBE, F_SHARES | F_PRICE | F_CURRENCY | F_NOTE, F_SHARES},
    {ACTION_CHANGE_CATEGORY, F_CATEGORY | F_NOTE, F_CATEGORY},
    {ACTION_CHANGE_DATA, F_OFFICE | F_PERSON | F_NOTE, 0},
    {ACTION_REQUEST_WITHDRAWAL, F_NOTE, 0},
    {ACTION_GRANT_WITHDRAWAL, F_NOTE, 0},
    {ACTION_REFUSE_WITHDRAWAL, F_NOTE, 0},
    {ACTION_RESIGN, F_NOTE, 0},
    {ACTION_EXCLUDE, F_NOTE, 0},
    {ACTION_DECEASE, F_NOTE, 0},
    {ACTION_REPAY, F_SHARES | F_AMOUNT | F_CURRENCY | F_NOTE, F_SHARES},
    {ACTION_NAME_REPRESENTATIVE, F_OTHER | F_PERSON, 0},
    {ACTION_END_REPRESENTATIVE, F_OTHER | F_NOTE, F_OTHER},
    {ACTION_GIVE_CONSENT, F_CONSENT | F_TEXT_VERSION | F_NOTE, F_CONSENT},
    {ACTION_WITHDRAW_CONSENT, F_CONSENT | F_NOTE, F_CONSENT},
    {VERB_MERGE, F_OTHER, F_OTHER},
    {VERB_MOVED, F_NOTE, 0},
    {VERB_ARRIVED, F_CATEGORY | F_TYPE | F_OFFICE | F_SHARES | F_PRICE | F_CURRENCY | F_PERSON | F_NOTE,
     F_CATEGORY | F_TYPE | F_OFFICE | F_SHARES},
    {VERB_DOUBLE, F_NOTE, 0},
};

static const struct {
    enum import_column column;
    unsigned part;
} PARTS[] = {
    {COLUMN_CATEGORY, F_CATEGORY}, {COLUMN_PERSON_TYPE, F_TYPE},    {COLUMN_OFFICE, F_OFFICE},
    {COLUMN_SHARES, F_SHARES},     {COLUMN_SHARE_PRICE, F_PRICE},   {COLUMN_SHARE_PRICE_MINOR, F_PRICE},
    {COLUMN_AMOUNT, F_AMOUNT},     {COLUMN_AMOUNT_MINOR, F_AMOUNT}, {COLUMN_CURRENCY, F_CURRENCY},
    {COLUMN_OTHER, F_OTHER},       {COLUMN_PURPOSE, F_CONSENT},     {COLUMN_TEXT_VERSION, F_TEXT_VERSION},
    {COLUMN_NOTE, F_NOTE},         {COLUMN_GIVEN_NAME, F_PERSON},   {COLUMN_FAMILY_NAME, F_PERSON},
    {COLUMN_LEGAL_NAME, F_PERSON}, {COLUMN_BIRTH_DATE, F_PERSON},   {COLUMN_LANGUAGE, F_PERSON},
    {COLUMN_EMAIL, F_PERSON},      {COLUMN_PHONE, F_PERSON},        {COLUMN_STREET, F_PERSON},
    {COLUMN_POSTCODE, F_PERSON},   {COLUMN_CITY, F_PERSON},         {COLUMN_COUNTRY, F_PERSON},
    {COLUMN_IBAN, F_PERSON},
};

/* ---- what a row says ---- */

static int
check_parts(const struct import_cells *c, size_t op, struct err *err)
{
    for (size_t i = 0; i < ARRAY_LEN(PARTS); i++) {
        bool given = cell(c, PARTS[i].column)[0] != '\0';
        if (given && !(OPERATIONS[op].takes & PARTS[i].part))
            return err_field(err, ERR_INVALID, import_column_names[PARTS[i].column], "does not go with %s",
                             cell(c, COLUMN_OP));
        if (!given && OPERATIONS[op].needs & PARTS[i].part)
            return err_field(err, ERR_INVALID, import_column_names[PARTS[i].column], "missing for %s",
                             cell(c, COLUMN_OP));
    }
    return 0;
}

static int
read_who(const struct import_cells *c, struct import_row *row, struct err *err)
{
    int rc = cell_id(c, COLUMN_ID, &row->has_id, &row->id, err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_MEMBER_NO, row->member_no, sizeof(row->member_no), err);
    if (rc == 0 && !row->has_id && row->member_no[0] == '\0')
        rc = err_field(err, ERR_INVALID, "member_no", "missing");
    if (rc == 0)
        rc = cell_date(c, COLUMN_EFFECTIVE_ON, &row->steps[0].on, err);
    if (rc == 0 && date_is_none(row->steps[0].on))
        rc = err_field(err, ERR_INVALID, "effective_on", "missing");
    row->n_steps = 1;
    return rc;
}

static int
read_shares(const struct import_cells *c, struct import_row *row, struct err *err)
{
    struct civil_date on = row->steps[0].on;
    int rc = cell_uint(c, COLUMN_SHARES, &row->has_shares, &row->shares, err);
    if (rc == 0 && row->has_shares && (row->shares < 1 || row->shares > SHARES_MAX))
        rc = err_field(err, ERR_INVALID, "shares", "a whole number from 1 to %d", SHARES_MAX);
    if (rc == 0)
        rc = cell_currency(c, on, row->currency, err);
    if (rc == 0)
        rc = cell_money(c, COLUMN_SHARE_PRICE, row->currency, &row->has_price, &row->share_price_minor, err);
    if (rc == 0)
        rc = cell_money(c, COLUMN_AMOUNT, row->currency, &row->has_amount, &row->amount_minor, err);
    return rc;
}

static int
read_person(const struct import_cells *c, struct import_row *row, struct err *err)
{
    bool of_member = row->steps[0].verb != ACTION_NAME_REPRESENTATIVE;
    int rc = cell_person(c, &row->person, err);
    if (rc != 0)
        return rc;
    if (!of_member)
        row->person.identity.member_no.s[0] = '\0';
    else if (row->has_id && row->member_no[0] != '\0')
        row->person.has_identity = true;
    if (row->person.has_identity || row->person.has_contact || row->person.has_bank)
        rc = person_check(&row->person, of_member ? row->person_type : PERSON_NATURAL, c->target->today, &row->person,
                          err);
    return rc;
}

/* Only two units together can say that a member moved, and only the other record's unit which of two is kept: an importing unit alone records
 * that somebody left or came. */
static unsigned
recorded_as(unsigned verb)
{
    switch (verb) {
    case VERB_ARRIVED: return ACTION_ADMIT;
    case VERB_MOVED:
    case VERB_DOUBLE: return ACTION_RESIGN;
    default: return verb;
    }
}

static int
read_operation(const struct import_cells *c, struct import_row *row, struct err *err)
{
    size_t op = 0;
    while (op < ARRAY_LEN(OPERATIONS) && strcmp(import_verb_name(OPERATIONS[op].verb), cell(c, COLUMN_OP)) != 0)
        op++;
    int rc = read_who(c, row, err);
    if (rc == 0 && op == ARRAY_LEN(OPERATIONS))
        rc = err_field(err, ERR_INVALID, "op", cell(c, COLUMN_OP)[0] == '\0' ? "missing" : "no such operation");
    if (rc == 0)
        rc = check_parts(c, op, err);
    if (rc != 0)
        return rc;
    row->steps[0].verb = recorded_as(OPERATIONS[op].verb);
    row->moved = row->steps[0].verb != OPERATIONS[op].verb ? OPERATIONS[op].verb : 0;
    if (cell(c, COLUMN_CATEGORY)[0] != '\0')
        rc = category_parse(cell(c, COLUMN_CATEGORY), &row->category, err);
    if (rc == 0 && cell(c, COLUMN_PERSON_TYPE)[0] != '\0')
        rc = person_type_parse(cell(c, COLUMN_PERSON_TYPE), &row->person_type, err);
    if (rc == 0)
        rc = cell_office(c, row->office, err);
    if (rc == 0)
        rc = read_shares(c, row, err);
    if (rc == 0)
        rc = cell_id(c, COLUMN_OTHER, &row->has_other, &row->other, err);
    if (rc == 0 && cell(c, COLUMN_PURPOSE)[0] != '\0')
        rc = purpose_parse(cell(c, COLUMN_PURPOSE), &row->consent.purpose, err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_TEXT_VERSION, row->consent.text_version, sizeof(row->consent.text_version), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_NOTE, row->note.s, sizeof(row->note.s), err);
    if (rc == 0)
        rc = OPERATIONS[op].takes & F_PERSON ? read_person(c, row, err) : 0;
    return rc;
}

static int
read_share(const struct import_cells *c, struct import_row *row, struct err *err)
{
    bool has, repaid = strcmp(cell(c, COLUMN_OP), "repaid") == 0;
    int rc = read_who(c, row, err);
    if (rc == 0 && !repaid && strcmp(cell(c, COLUMN_OP), "subscribed") != 0)
        rc = err_field(err, ERR_INVALID, "op", "no such operation: subscribed or repaid");
    row->steps[0].verb = repaid ? ACTION_REPAY : ACTION_SUBSCRIBE;
    if (rc == 0)
        rc = read_shares(c, row, err);
    if (rc == 0)
        rc = cell_uint(c, COLUMN_NUMBER, &has, &row->share_number, err);
    if (rc == 0 && !row->has_shares)
        rc = err_field(err, ERR_INVALID, "shares", "missing");
    if (rc == 0 && repaid && row->has_price)
        rc = err_field(err, ERR_INVALID, "share_price", "does not go with repaid: amount does");
    /* What a subscription amounts to follows from its price; a file that says both must agree with itself. */
    if (rc == 0 && !repaid && row->has_price && row->has_amount &&
        row->share_price_minor * (int64_t)row->shares != row->amount_minor)
        rc = err_field(err, ERR_INVALID, "amount", "is not shares times share_price");
    if (rc == 0 && !repaid && !row->has_price && row->has_amount)
        rc = err_field(err, ERR_INVALID, "share_price", "missing although amount is given");
    if (!repaid)
        row->has_amount = false;
    return rc;
}

/* ---- what is there ---- */

static bool
facts_equal(const struct import_job *job, const struct member_entry *e)
{
    const struct import_row *row = &job->row;
    bool money = row->has_price || row->has_amount;
    return (row->category == 0 || e->category == row->category) &&
           (row->person_type == 0 || e->person_type == row->person_type) &&
           (!job->office || (e->has_office && TYPE_EQ(&e->office, &job->office->id))) &&
           (!row->has_shares || e->shares == row->shares) &&
           (!row->has_price || e->share_price_minor == row->share_price_minor) &&
           (!row->has_amount || e->amount_minor == row->amount_minor) &&
           (!money || strcmp(e->currency, row->currency) == 0) &&
           (!row->has_other || (e->has_other && TYPE_EQ(&e->other, &row->other))) &&
           (row->consent.purpose == 0 || e->purpose == row->consent.purpose) &&
           (row->consent.text_version[0] == '\0' || strcmp(e->text_version, row->consent.text_version) == 0);
}

static bool
kind_equal(const struct import_row *row, const struct member_entry *e)
{
    unsigned verb = row->steps[0].verb;
    bool enters = e->kind == KIND_MEMBER_ADMITTED || (e->kind == KIND_HANDOVER_COMPLETED && e->arrival);
    if (row->type == TABLE_OF_SHARES && verb == ACTION_SUBSCRIBE && enters)
        return true; /* the register of shares does not tell which were subscribed at the admission */
    return import_step_entry(row, verb, e);
}

/* A class of the row against that of the entry; of one that is gone nothing can be said. */
static bool
person_equal(const struct person_input *row, const struct person_input *have)
{
    const struct person_identity *i = &row->identity;
    bool same = true,
         named = strcmp(i->family_name.s, IMPORT_NO_NAME) != 0 && strcmp(i->legal_name.s, IMPORT_NO_NAME) != 0;
    if (row->has_identity && named)
        same = same && have->has_identity && memcmp(&row->identity, &have->identity, sizeof(row->identity)) == 0;
    if (row->has_contact)
        same = same && have->has_contact && memcmp(&row->contact, &have->contact, sizeof(row->contact)) == 0;
    if (row->has_bank)
        same = same && have->has_bank && memcmp(&row->bank, &have->bank, sizeof(row->bank)) == 0;
    return same;
}

static int
entry_equal(struct import_match *m, const struct import_job *job, const struct member_row *have, size_t i, bool *ret,
            struct err *err)
{
    const struct import_row *row = &job->row;
    const struct member_entry *e = &have->entries[i];
    struct person_input p;
    bool person = row->person.has_identity || row->person.has_contact || row->person.has_bank;
    *ret = e->outcome == OUTCOME_APPLIED && kind_equal(row, e) && e->effective.days == row->steps[0].on.days &&
           facts_equal(job, e);
    if (!*ret || !person || e->arrival) /* whose name was entered later, with the reception */
        return 0;
    int rc = entry_person_read(m->ctx->txn, m->ctx->vault, have, i, &p, err);
    if (rc == 0)
        *ret = person_equal(&row->person, &p);
    person_wipe(&p, sizeof(p));
    return rc;
}

static bool
creates(unsigned verb)
{
    return verb == ACTION_APPLY || verb == ACTION_ADMIT;
}

static int
match_operation(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    struct member_row have;
    bool found = false;
    uint64_t equal = 0;
    int rc = import_find_member(m, row, &found, &job->subject, err);
    if (rc == 0 && !found && creates(row->steps[0].verb))
        return 0;
    if (rc == 0 && !found)
        rc = err_field(err, ERR_NOTFOUND, row->has_id ? "id" : "member_no", "no member has it");
    if (rc == 0)
        rc = import_member_row(m, &job->subject, &have, err);
    if (rc != 0)
        return rc;
    job->has_subject = true;
    for (size_t i = 0; rc == 0 && i < have.n && job->next == 0; i++) {
        bool same = false;
        rc = entry_equal(m, job, &have, i, &same, err);
        job->next = same && ++equal == m->nth;
    }
    member_row_release(&have);
    return rc;
}

static void
operation_op(const struct import_job *job, struct api_op *ret)
{
    const struct import_row *row = &job->row;
    if (row->steps[job->next].verb == VERB_MERGE) {
        ret->kind = OP_MERGE;
        ret->status_on_success = 200;
        ret->merge =
            (struct merge_request){.from = job->subject, .into = row->other, .effective = row->steps[job->next].on};
        return;
    }
    import_member_op(job, ret);
    struct member_request *q = &ret->member.request;
    q->category = row->category;
    q->person_type = row->person_type;
    q->has_office = job->office != NULL;
    if (job->office)
        q->office = job->office->id;
    q->has_shares = row->has_shares;
    q->shares = row->shares;
    q->person = row->person;
    q->has_amount = row->has_amount;
    q->amount_minor = row->amount_minor;
    q->has_price = row->has_price;
    q->share_price_minor = row->share_price_minor;
    if (row->has_price || row->has_amount)
        memcpy(q->currency, row->currency, sizeof(q->currency));
    q->has_other = row->has_other;
    q->other = row->other;
    q->consent = row->consent;
    q->has_note = row->note.s[0] != '\0';
    q->note = row->note;
}

const struct import_type import_operations = {
    .type = TABLE_OF_OPERATIONS,
    .needs_unit = true,
    .n_columns = 29,
    .columns = {{COLUMN_ID, false},          {COLUMN_MEMBER_NO, false},
                {COLUMN_OP, true},           {COLUMN_EFFECTIVE_ON, true},
                {COLUMN_CATEGORY, false},    {COLUMN_PERSON_TYPE, false},
                {COLUMN_OFFICE, false},      {COLUMN_SHARES, false},
                {COLUMN_SHARE_PRICE, false}, {COLUMN_SHARE_PRICE_MINOR, false},
                {COLUMN_AMOUNT, false},      {COLUMN_AMOUNT_MINOR, false},
                {COLUMN_CURRENCY, false},    {COLUMN_OTHER, false},
                {COLUMN_PURPOSE, false},     {COLUMN_TEXT_VERSION, false},
                {COLUMN_NOTE, false},        {COLUMN_GIVEN_NAME, false},
                {COLUMN_FAMILY_NAME, false}, {COLUMN_LEGAL_NAME, false},
                {COLUMN_BIRTH_DATE, false},  {COLUMN_LANGUAGE, false},
                {COLUMN_EMAIL, false},       {COLUMN_PHONE, false},
                {COLUMN_STREET, false},      {COLUMN_POSTCODE, false},
                {COLUMN_CITY, false},        {COLUMN_COUNTRY, false},
                {COLUMN_IBAN, false}},
    .read = read_operation,
    .match = match_operation,
    .op = operation_op,
};

const struct import_type import_shares = {
    .type = TABLE_OF_SHARES,
    .needs_unit = true,
    .n_columns = 11,
    .columns = {{COLUMN_ID, false},
                {COLUMN_MEMBER_NO, false},
                {COLUMN_NUMBER, false},
                {COLUMN_OP, true},
                {COLUMN_EFFECTIVE_ON, true},
                {COLUMN_SHARES, true},
                {COLUMN_SHARE_PRICE, false},
                {COLUMN_SHARE_PRICE_MINOR, false},
                {COLUMN_AMOUNT, false},
                {COLUMN_AMOUNT_MINOR, false},
                {COLUMN_CURRENCY, false}},
    .read = read_share,
    .match = match_operation,
    .op = operation_op,
};
