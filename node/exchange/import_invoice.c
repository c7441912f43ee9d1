/* Rows of invoices and credit notes. See import.h. */
#include "node/command/names.h"
#include "node/command/rows.h"
#include "node/exchange/import.h"

/* ---- what a row says ---- */

static int
read_op(const struct import_cells *c, struct import_row *row, struct err *err)
{
    const char *op = cell(c, COLUMN_OP);
    row->steps[0].verb = strcmp(op, import_verb_name(VERB_CREDIT)) == 0 ? VERB_CREDIT : VERB_INVOICE;
    row->n_steps = 1;
    if (op[0] != '\0' && strcmp(op, import_verb_name(row->steps[0].verb)) != 0)
        return err_field(err, ERR_INVALID, "op", "no such operation: invoice.issue or invoice.credit");
    int rc = cell_date(c, COLUMN_DATE, &row->steps[0].on, err);
    if (rc == 0 && date_is_none(row->steps[0].on))
        rc = err_field(err, ERR_INVALID, "date", "missing");
    if (rc == 0 && row->steps[0].on.days > c->target->today.days)
        rc = err_field(err, ERR_INVALID, "date", "in the future");
    return rc;
}

static int
read_names(const struct import_cells *c, struct import_row *row, struct err *err)
{
    int rc = cell_id(c, COLUMN_INVOICE, &row->has_entity, &row->entity, err);
    if (rc == 0)
        rc = cell_id(c, COLUMN_ACTIVITY, &row->has_activity, &row->activity, err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_INVOICE_NO, row->number.s, sizeof(row->number.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_ACTIVITY_NO, row->activity_no.s, sizeof(row->activity_no.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_CREDITS_NO, row->credits_no.s, sizeof(row->credits_no.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_CLIENT, row->client.s, sizeof(row->client.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_CLIENT_NUMBER, row->client_number.s, sizeof(row->client_number.s), err);
    if (rc == 0)
        rc = cell_text(c, COLUMN_TEXT, row->text.s, sizeof(row->text.s), err);
    if (rc == 0)
        rc = cell_office(c, row->office, err);
    return rc;
}

static int
read_rate(const struct import_cells *c, struct import_row *row, struct err *err)
{
    uint64_t bp = 0;
    bool decimal = cell(c, COLUMN_RATE)[0] != '\0';
    int rc = cell_uint(c, COLUMN_RATE_BP, &row->has_rate, &bp, err);
    if (rc == 0 && row->has_rate && decimal)
        return err_field(err, ERR_INVALID, "rate_bp", "given twice: in rate too");
    if (rc == 0 && bp > RATE_BP_MAX)
        return err_field(err, ERR_INVALID, "rate_bp", "more than %d", RATE_BP_MAX);
    row->rate_bp = (uint32_t)bp;
    if (rc != 0 || !decimal)
        return rc;
    row->has_rate = true;
    return table_percent(c->table, c->local[COLUMN_RATE], &row->rate_bp, err);
}

static int
read_money(const struct import_cells *c, struct import_row *row, struct err *err)
{
    int rc = cell_currency(c, row->steps[0].on, row->currency, err);
    if (rc == 0)
        rc = cell_money(c, COLUMN_AMOUNT, row->currency, &row->has_amount, &row->amount_minor, err);
    if (rc == 0 && !row->has_amount)
        rc = err_field(err, ERR_INVALID, "amount", "missing");
    if (rc == 0 && row->amount_minor == 0)
        rc = err_field(err, ERR_INVALID, "amount", "is zero");
    if (rc == 0 && row->amount_minor > DOCUMENT_MINOR_MAX)
        rc = err_field(err, ERR_INVALID, "amount", "more than 10^12 minor units");
    if (rc == 0)
        rc = cell_money(c, COLUMN_CONTRIBUTION, row->currency, &row->has_contribution, &row->contribution_minor, err);
    if (rc == 0 && row->contribution_minor > row->amount_minor)
        rc = err_field(err, ERR_INVALID, "contribution", "more than the amount");
    if (rc == 0)
        rc = read_rate(c, row, err);
    return rc;
}

/* What only an invoice has. */
static int
check_credit(const struct import_cells *c, const struct import_row *row, struct err *err)
{
    static const enum import_column OF_INVOICES[] = {COLUMN_SECTOR, COLUMN_CULTURE, COLUMN_OFFICE, COLUMN_RATE,
                                                     COLUMN_RATE_BP};
    for (size_t i = 0; i < ARRAY_LEN(OF_INVOICES); i++)
        if (cell(c, OF_INVOICES[i])[0] != '\0')
            return err_field(err, ERR_INVALID, import_column_names[OF_INVOICES[i]],
                             "a credit note has that of its invoice");
    if (row->cancelled)
        return err_field(err, ERR_INVALID, "cancelled", "only invoices are imported as cancelled");
    if (!row->has_entity && row->credits_no.s[0] == '\0')
        return err_field(err, ERR_INVALID, "credits_no", "missing");
    return 0;
}

static bool
names_activity(const struct import_row *row)
{
    return row->has_activity || row->activity_no.s[0] != '\0';
}

static int
read_invoice(const struct import_cells *c, struct import_row *row, struct err *err)
{
    bool said;
    int rc = read_op(c, row, err);
    if (rc == 0)
        rc = read_names(c, row, err);
    if (rc == 0)
        rc = read_money(c, row, err);
    if (rc == 0)
        rc = cell_bool(c, COLUMN_CANCELLED, &said, &row->cancelled, err);
    if (rc == 0)
        rc = cell_bool(c, COLUMN_CULTURE, &row->has_culture, &row->culture, err);
    row->has_sector = cell(c, COLUMN_SECTOR)[0] != '\0';
    if (rc == 0 && row->has_sector)
        rc = sector_parse(cell(c, COLUMN_SECTOR), &row->sector, err);
    if (rc != 0 || row->steps[0].verb == VERB_CREDIT)
        return rc != 0 ? rc : check_credit(c, row, err);
    if (row->credits_no.s[0] != '\0')
        return err_field(err, ERR_INVALID, "credits_no", "only a credit note (op invoice.credit) names an invoice");
    if (!row->has_entity && !names_activity(row))
        return err_field(err, ERR_INVALID, "activity_no", "missing");
    if (row->cancelled)
        row->steps[row->n_steps++] = (struct import_step){VERB_CANCEL_INVOICE, row->steps[0].on};
    return 0;
}

/* ---- what is there ---- */

static bool
given_differs(const struct person_text *given, const struct person_text *have)
{
    return given->s[0] != '\0' && strcmp(given->s, have->s) != 0;
}

static int
links_of(struct import_match *m, const struct invoice_row *have, size_t i, bool *ret_known, struct activity_links *ret,
         struct err *err)
{
    struct position at;
    *ret_known = false;
    return invoice_links_position(have, i, &at) ? import_links(m, &have->invoice, &at, ret_known, ret, err) : 0;
}

static enum import_column
facts_differ(const struct import_job *job, const struct invoice_facts *f)
{
    const struct import_row *row = &job->row;
    if (row->amount_minor != f->amount_minor)
        return COLUMN_AMOUNT;
    if (row->currency[0] != '\0' && strcmp(row->currency, f->currency) != 0)
        return COLUMN_CURRENCY;
    if (row->has_rate && row->rate_bp != f->rate_bp)
        return COLUMN_RATE;
    if (row->has_contribution && row->contribution_minor != f->contribution_minor)
        return COLUMN_CONTRIBUTION;
    if (row->has_sector && row->sector != f->facets.sector)
        return COLUMN_SECTOR;
    if (row->has_culture && row->culture != f->facets.culture)
        return COLUMN_CULTURE;
    if (job->office && !TYPE_EQ(&job->office->id, &f->facets.office))
        return COLUMN_OFFICE;
    return IMPORT_COLUMNS;
}

static enum import_column
links_differ(const struct import_job *job, const struct activity_links *l)
{
    const struct import_row *row = &job->row;
    if (!date_is_none(l->day) && l->day.days != row->steps[0].on.days)
        return COLUMN_DATE;
    if (job->has_activity && l->has_activity && !TYPE_EQ(&job->activity, &l->activity))
        return row->has_activity ? COLUMN_ACTIVITY : COLUMN_ACTIVITY_NO;
    if (given_differs(&row->number, &l->number))
        return COLUMN_INVOICE_NO;
    if (given_differs(&row->client, &l->client))
        return COLUMN_CLIENT;
    if (given_differs(&row->client_number, &l->client_number))
        return COLUMN_CLIENT_NUMBER;
    return given_differs(&row->text, &l->text) ? COLUMN_TEXT : IMPORT_COLUMNS;
}

/* The column in which entry i (an issue or a credit note) differs from what the row says. */
static int
differs(struct import_match *m, const struct import_job *job, const struct invoice_row *have, size_t i,
        enum import_column *ret, struct err *err)
{
    const struct import_row *row = &job->row;
    const struct invoice_entry *e = &have->entries[i];
    struct activity_links links;
    bool known;
    int rc = links_of(m, have, i, &known, &links, err);
    if (rc != 0)
        return rc;
    *ret = IMPORT_COLUMNS;
    if (row->steps[0].verb == VERB_INVOICE)
        *ret = facts_differ(job, &e->facts);
    else if (e->credit.amount_minor != row->amount_minor)
        *ret = COLUMN_AMOUNT;
    else if (row->has_contribution && e->credit.contribution_minor != row->contribution_minor)
        *ret = COLUMN_CONTRIBUTION;
    if (known && *ret == IMPORT_COLUMNS)
        *ret = links_differ(job, &links);
    if (e->effective.days != date_month_start(row->steps[0].on).days)
        *ret = COLUMN_DATE;
    if (known)
        person_wipe(&links, sizeof(links));
    return 0;
}

/* The issue that stands, or the one that was cancelled: its facts are what was cancelled. */
static size_t
issue_of(const struct invoice_row *have)
{
    size_t found = SIZE_MAX;
    for (size_t i = 0; i < have->n; i++) {
        const struct invoice_entry *e = &have->entries[i];
        bool valid = e->outcome == OUTCOME_APPLIED || e->outcome == OUTCOME_REPLACED;
        if (e->kind == KIND_INVOICE_ISSUED && valid &&
            (found == SIZE_MAX || e->outcome == OUTCOME_APPLIED || have->entries[found].outcome != OUTCOME_APPLIED))
            found = i;
    }
    return found;
}

static int
compare_invoice(struct import_match *m, struct import_job *job, const struct invoice_row *have, struct err *err)
{
    enum import_column column = IMPORT_COLUMNS;
    struct invoice_state now;
    size_t i = issue_of(have);
    invoice_state_at(have, DATE_MAX, &now);
    if (i == SIZE_MAX)
        return err_field(err, ERR_CONFLICT, job->row.has_entity ? "invoice" : "invoice_no", "is void in the register");
    int rc = differs(m, job, have, i, &column, err);
    if (rc == 0 && column != IMPORT_COLUMNS)
        rc = import_contradicts(column, err);
    if (rc == 0 && now.cancelled && !job->row.cancelled)
        rc = import_contradicts(COLUMN_CANCELLED, err);
    job->at = have->entries[i].at;
    job->next = now.cancelled ? 2 : 1;
    return rc;
}

/* A credit note by its number, or the nth that says the same; those of other numbers are others. */
static int
compare_credit(struct import_match *m, struct import_job *job, const struct invoice_row *have, struct err *err)
{
    uint64_t equal = 0;
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < have->n; i++) {
        const struct invoice_entry *e = &have->entries[i];
        enum import_column column = IMPORT_COLUMNS;
        struct activity_links links;
        bool known = false;
        if (e->kind != KIND_INVOICE_CREDITED || e->outcome != OUTCOME_APPLIED)
            continue;
        rc = differs(m, job, have, i, &column, err);
        if (rc != 0)
            break;
        if (column == IMPORT_COLUMNS && (job->row.number.s[0] != '\0' || ++equal == m->nth)) {
            job->next = 1;
            return 0;
        }
        if (job->row.number.s[0] == '\0')
            continue;
        rc = links_of(m, have, i, &known, &links, err);
        bool same = known && strcmp(links.number.s, job->row.number.s) == 0;
        if (known)
            person_wipe(&links, sizeof(links));
        if (rc == 0 && same)
            return import_contradicts(column, err);
    }
    return rc;
}

/* ---- finding ---- */

static int
find_activity(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    job->has_activity = true;
    job->activity = row->activity;
    if (row->has_activity) {
        struct activity_row have;
        int rc = rows_activity(m->ctx, &row->activity, &have, err);
        if (rc == 0)
            activity_row_release(&have);
        return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, "activity", "no activity has it") : rc;
    }
    struct import_seen *seen = import_memory_find(m->memory, COLUMN_ACTIVITY_NO, row->activity_no.s, true);
    if (!seen)
        return err_field(err, ERR_INVALID, "activity_no", "has no letter or digit");
    if (!seen->made) {
        int rc = work_find(m->ctx, INDEX_ACTIVITY_NO, row->activity_no.s, &seen->subject, err);
        if (rc != 0)
            return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, "activity_no", "no activity has it") : rc;
        seen->made = true;
    }
    job->activity = seen->subject;
    return 0;
}

static int
same(struct import_match *m, struct import_job *job, const struct subject_id *id, bool *ret, struct err *err)
{
    struct invoice_row have;
    enum import_column column = IMPORT_COLUMNS;
    if (invoice_id_month(id) != month_number(job->row.steps[0].on))
        return 0;
    int rc = rows_invoice(m->ctx, id, &have, err);
    if (rc != 0)
        return rc;
    size_t i = issue_of(&have);
    if (i != SIZE_MAX)
        rc = differs(m, job, &have, i, &column, err);
    *ret = i != SIZE_MAX && column == IMPORT_COLUMNS;
    invoice_row_release(&have);
    return rc;
}

static const struct import_finding finding = {
    .column = COLUMN_INVOICE_NO, .field = INDEX_INVOICE_NO, .of_member = work_of_member, .same = same};

/* Whose work the row belongs to is known by its activity. */
static int
find_issue(struct import_match *m, struct import_job *job, bool *ret_found, struct err *err)
{
    const struct import_row *row = &job->row;
    struct vault_link link;
    if (row->has_entity || row->number.s[0] != '\0')
        return import_find_entity(m, job, &finding, ret_found, err);
    *ret_found = false;
    int rc = vault_link_get(m->ctx->vault, &job->activity, &link, err);
    return rc == 0 ? import_find_nth(m, job, &link.member, &finding, ret_found, err) : rc == ERR_NOTFOUND ? 0 : rc;
}

static int
match_issue(struct import_match *m, struct import_job *job, struct err *err)
{
    struct invoice_row have;
    bool found = false, named = names_activity(&job->row);
    int rc = named ? find_activity(m, job, err) : 0;
    if (rc == 0)
        rc = find_issue(m, job, &found, err);
    if (rc == 0 && found)
        rc = rows_invoice(m->ctx, &job->subject, &have, err);
    /* An export has no activity where whose it was is erased: such an invoice can be there, and not be made. */
    if (!named && (rc == ERR_NOTFOUND || (rc == 0 && !found)))
        return err_field(err, ERR_INVALID, "activity_no", "missing, and no invoice here has that id");
    if (rc != 0 || !found)
        return rc == ERR_NOTFOUND && found ? 0 : rc;
    job->has_subject = true;
    rc = compare_invoice(m, job, &have, err);
    invoice_row_release(&have);
    return rc;
}

static int
match_credit(struct import_match *m, struct import_job *job, struct err *err)
{
    const struct import_row *row = &job->row;
    const char *column = row->has_entity ? "invoice" : "credits_no";
    struct invoice_row have;
    struct invoice_state now;
    int rc = 0;
    if (row->has_entity)
        job->subject = row->entity;
    else
        rc = import_find_number(m, COLUMN_INVOICE_NO, INDEX_INVOICE_NO, row->credits_no.s, &job->subject, err);
    if (rc == 0)
        rc = rows_invoice(m->ctx, &job->subject, &have, err);
    if (rc != 0)
        return rc == ERR_NOTFOUND ? err_field(err, ERR_NOTFOUND, column, "no invoice has it") : rc;
    job->has_subject = true;
    invoice_state_at(&have, DATE_MAX, &now);
    if (now.cancelled)
        rc = err_field(err, ERR_CONFLICT, column, "the invoice was cancelled");
    else if (row->currency[0] != '\0' && strcmp(row->currency, now.facts.currency) != 0)
        rc = err_field(err, ERR_CONFLICT, "currency", "the invoice is in %s", now.facts.currency);
    else
        rc = compare_credit(m, job, &have, err);
    invoice_row_release(&have);
    return rc;
}

static int
match_invoice(struct import_match *m, struct import_job *job, struct err *err)
{
    return job->row.steps[0].verb == VERB_CREDIT ? match_credit(m, job, err) : match_issue(m, job, err);
}

static void
invoice_op(const struct import_job *job, struct api_op *ret)
{
    const struct import_row *row = &job->row;
    const struct import_step *s = &row->steps[job->next];
    struct invoice_request *q = &ret->invoice.request;
    ret->status_on_success = 200;
    if (s->verb == VERB_CANCEL_INVOICE) {
        ret->kind = OP_CANCEL;
        ret->cancel = (struct cancel_request){.what = CANCEL_INVOICE, .subject = job->subject, .event = job->at};
        return;
    }
    ret->kind = OP_INVOICE;
    q->credit = s->verb == VERB_CREDIT;
    q->effective = s->on;
    q->has_invoice = job->has_subject || row->has_entity;
    q->invoice = job->has_subject ? job->subject : row->entity;
    q->as_recorded = row->has_entity; /* only an export names invoices by their ids */
    q->has_activity = !q->credit && job->has_activity;
    q->activity = job->activity;
    q->has_amount = true;
    q->amount_minor = row->amount_minor;
    q->has_contribution = row->has_contribution;
    q->contribution_minor = row->contribution_minor;
    q->has_rate = row->has_rate;
    q->rate_bp = row->rate_bp;
    memcpy(q->currency, row->currency, sizeof(q->currency));
    q->has_sector = row->has_sector;
    q->sector = row->sector;
    q->has_culture = row->has_culture;
    q->culture = row->culture;
    q->has_office = job->office != NULL;
    if (job->office)
        q->office = job->office->id;
    q->has_number = row->number.s[0] != '\0';
    q->number = row->number;
    q->has_client = row->client.s[0] != '\0';
    q->client = row->client;
    q->has_client_number = row->client_number.s[0] != '\0';
    q->client_number = row->client_number;
    q->has_text = row->text.s[0] != '\0';
    q->text = row->text;
}

const struct import_type import_invoices = {
    .type = TABLE_OF_INVOICES,
    .needs_unit = true,
    .n_columns = 21,
    .columns = {{COLUMN_INVOICE, false},
                {COLUMN_INVOICE_NO, false},
                {COLUMN_OP, false},
                {COLUMN_CREDITS_NO, false},
                {COLUMN_ACTIVITY, false},
                {COLUMN_ACTIVITY_NO, false},
                {COLUMN_DATE, true},
                {COLUMN_SECTOR, false},
                {COLUMN_CULTURE, false},
                {COLUMN_OFFICE, false},
                {COLUMN_AMOUNT, false},
                {COLUMN_AMOUNT_MINOR, false},
                {COLUMN_CURRENCY, false},
                {COLUMN_RATE, false},
                {COLUMN_RATE_BP, false},
                {COLUMN_CONTRIBUTION, false},
                {COLUMN_CONTRIBUTION_MINOR, false},
                {COLUMN_CLIENT, false},
                {COLUMN_CLIENT_NUMBER, false},
                {COLUMN_TEXT, false},
                {COLUMN_CANCELLED, false}},
    .read = read_invoice,
    .match = match_invoice,
    .op = invoice_op,
};
