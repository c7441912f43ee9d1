/* What the types of files share: their table, the guess from a first line, words, names of fields, members by id and number, and what a
 * run remembers. See import.h. */
#include "node/command/names.h"
#include "node/command/rows.h"
#include "node/exchange/import.h"
#include "node/host/person_read.h"

static const struct import_type *const TYPES[] = {&import_members,  &import_shares,     &import_activities,
                                                  &import_invoices, &import_operations, &import_units,
                                                  &import_offices,  &import_periods,    &import_postings};

const struct import_type *
import_type_of(enum table_type type)
{
    for (size_t i = 0; i < ARRAY_LEN(TYPES); i++)
        if (TYPES[i]->type == type)
            return TYPES[i];
    return NULL;
}

/* ---- words ---- */

const char *
import_verb_name(unsigned verb)
{
    switch (verb) {
    case ACTION_APPLY: return "member.apply";
    case ACTION_REFUSE: return "member.refuse";
    case ACTION_ADMIT: return "member.admit";
    case ACTION_SUBSCRIBE: return "member.shares";
    case ACTION_CHANGE_CATEGORY: return "member.category";
    case ACTION_CHANGE_DATA: return "member.data";
    case ACTION_REQUEST_WITHDRAWAL: return "member.withdrawal";
    case ACTION_GRANT_WITHDRAWAL: return "member.withdrawal.grant";
    case ACTION_REFUSE_WITHDRAWAL: return "member.withdrawal.refuse";
    case ACTION_RESIGN: return "member.resign";
    case ACTION_EXCLUDE: return "member.exclude";
    case ACTION_DECEASE: return "member.death";
    case ACTION_REPAY: return "member.repay";
    case ACTION_NAME_REPRESENTATIVE: return "member.representative";
    case ACTION_END_REPRESENTATIVE: return "member.representative.end";
    case ACTION_GIVE_CONSENT: return "member.consent";
    case ACTION_WITHDRAW_CONSENT: return "member.consent.withdraw";
    case VERB_MERGE: return "member.merge";
    case VERB_MOVED: return "member.moved";
    case VERB_ARRIVED: return "member.arrived";
    case VERB_DOUBLE: return "member.double";
    case VERB_ACTIVITY_OPEN: return "activity.open";
    case VERB_ACTIVITY_CHANGE: return "activity.change";
    case VERB_ACTIVITY_CLOSE: return "activity.close";
    case VERB_INVOICE: return "invoice.issue";
    case VERB_CREDIT: return "invoice.credit";
    case VERB_POSTING_ISSUE: return "posting.issue";
    case VERB_POSTING_CHANGE: return "posting.change";
    default: return "";
    }
}

/* Fields of the commands' errors and the columns that they come from: the second, if the row names something there. */
static const struct {
    enum table_type type; /* TABLE_OF_ANYTHING: all others */
    const char *field;
    enum import_column columns[2];
} FIELDS[] = {
    {TABLE_OF_MEMBERS, "person_type", {COLUMN_TYPE}},
    {TABLE_OF_MEMBERS, "unit", {COLUMN_ADMITTED_ON}},
    {TABLE_OF_ACTIVITIES, "number", {COLUMN_ACTIVITY_NO}},
    {TABLE_OF_ACTIVITIES, "member", {COLUMN_MEMBER_NO, COLUMN_ID}},
    {TABLE_OF_ACTIVITIES, "activity", {COLUMN_ACTIVITY_NO, COLUMN_ACTIVITY}},
    {TABLE_OF_INVOICES, "number", {COLUMN_INVOICE_NO}},
    {TABLE_OF_INVOICES, "activity", {COLUMN_ACTIVITY_NO, COLUMN_ACTIVITY}},
    {TABLE_OF_INVOICES, "effective_on", {COLUMN_DATE}},
    {TABLE_OF_INVOICES, "unit", {COLUMN_DATE}},
    {TABLE_OF_INVOICES, "rate_bp", {COLUMN_RATE}},
    {TABLE_OF_INVOICES, "contribution_minor", {COLUMN_CONTRIBUTION}},
    {TABLE_OF_POSTINGS, "from", {COLUMN_FROM}},
    {TABLE_OF_POSTINGS, "member", {COLUMN_MEMBER_NO, COLUMN_ID}},
    {TABLE_OF_POSTINGS, "posting", {COLUMN_REFERENCE, COLUMN_POSTING}},
    {TABLE_OF_ANYTHING, "amount_minor", {COLUMN_AMOUNT}},
    {TABLE_OF_ANYTHING, "share_price_minor", {COLUMN_SHARE_PRICE}},
    {TABLE_OF_ANYTHING, "subject", {COLUMN_MEMBER_NO, COLUMN_ID}},
    {TABLE_OF_ANYTHING, "from", {COLUMN_MEMBER_NO, COLUMN_ID}},
    {TABLE_OF_ANYTHING, "into", {COLUMN_OTHER}},
    {TABLE_OF_ANYTHING, "representative", {COLUMN_OTHER}},
    {TABLE_OF_ANYTHING, "action", {COLUMN_OP}},
    {TABLE_OF_ANYTHING, "unit", {COLUMN_EFFECTIVE_ON}},
};

static bool
given(const struct import_row *row, enum import_column column)
{
    switch (column) {
    case COLUMN_ID: return row->has_id;
    case COLUMN_ACTIVITY: return row->type == TABLE_OF_ACTIVITIES ? row->has_entity : row->has_activity;
    case COLUMN_POSTING: return row->has_entity;
    default: return false;
    }
}

/* The event's date by the column that gave it. */
static enum import_column
date_column(const struct import_job *job)
{
    unsigned verb = job->row.steps[job->next < job->row.n_steps ? job->next : 0].verb;
    if (job->row.type == TABLE_OF_ACTIVITIES && !job->row.by_entry)
        return verb == VERB_ACTIVITY_CLOSE ? COLUMN_CLOSED_ON : COLUMN_OPENED_ON;
    if (job->row.type != TABLE_OF_MEMBERS)
        return COLUMN_EFFECTIVE_ON;
    return verb == ACTION_APPLY    ? COLUMN_APPLIED_ON
           : verb == ACTION_ADMIT  ? COLUMN_ADMITTED_ON
           : verb == ACTION_REFUSE ? COLUMN_REFUSED_ON
                                   : COLUMN_LEFT_ON;
}

const char *
import_field(const struct import_job *job, const char *field)
{
    const struct import_row *row = &job->row;
    if (row->type == TABLE_OF_INVOICES && strcmp(field, "invoice") == 0)
        return row->steps[0].verb == VERB_CREDIT && !row->has_entity ? "credits_no"
               : row->has_entity                                     ? "invoice"
                                                                     : "invoice_no";
    for (size_t i = 0; i < ARRAY_LEN(FIELDS); i++) {
        if (strcmp(FIELDS[i].field, field) != 0 || (FIELDS[i].type != TABLE_OF_ANYTHING && FIELDS[i].type != row->type))
            continue;
        enum import_column other = FIELDS[i].columns[1];
        return import_column_names[given(row, other) ? other : FIELDS[i].columns[0]];
    }
    if (strcmp(field, "effective_on") == 0 && row->n_steps > 0)
        return import_column_names[date_column(job)];
    return field;
}

bool
import_step_entry(const struct import_row *row, unsigned verb, const struct member_entry *e)
{
    if (verb == VERB_MERGE)
        return e->kind == KIND_MEMBER_MERGED;
    if (e->kind == KIND_HANDOVER_COMPLETED && e->arrival)
        return verb == ACTION_ADMIT;
    if (e->kind == KIND_HANDOVER_COMPLETED)
        return verb == ACTION_RESIGN && row->moved == VERB_MOVED;
    if (e->kind == KIND_DOUBLE_SETTLED)
        return verb == ACTION_RESIGN && row->moved == VERB_DOUBLE && e->settled == DOUBLE_THIS_GIVEN_UP;
    return e->kind == member_action_kind((enum member_action)verb);
}

int
import_contradicts(enum import_column column, struct err *err)
{
    const char *name = import_column_names[column];
    return err_field(err, ERR_CONFLICT, name, "the register has it with another %s", name);
}

/* ---- which type ---- */

/* Words of a first line that stand in files of one type alone; the first that is there decides. */
static const struct {
    const char *word;
    enum table_type type;
} SIGNS[] = {
    {"figure", TABLE_OF_PERIODS},         {"invoice_no", TABLE_OF_INVOICES},     {"credits_no", TABLE_OF_INVOICES},
    {"invoice.issue", TABLE_OF_INVOICES}, {"invoice.credit", TABLE_OF_INVOICES}, {"activity_no", TABLE_OF_ACTIVITIES},
    {"reference", TABLE_OF_POSTINGS},     {"posting.issue", TABLE_OF_POSTINGS},  {"posting.change", TABLE_OF_POSTINGS},
    {"opened_on", TABLE_OF_ACTIVITIES},   {"sector", TABLE_OF_ACTIVITIES},       {"time_zone", TABLE_OF_UNIT},
    {"admitted_on", TABLE_OF_MEMBERS},    {"left_on", TABLE_OF_MEMBERS},         {"type", TABLE_OF_MEMBERS},
    {"subscribed", TABLE_OF_SHARES},      {"repaid", TABLE_OF_SHARES},           {"number", TABLE_OF_SHARES},
    {"person_type", TABLE_OF_OPERATIONS}, {"purpose", TABLE_OF_OPERATIONS},      {"name", TABLE_OF_OFFICES},
    {"op", TABLE_OF_OPERATIONS},
};

static bool
word_char(uint8_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.';
}

enum table_type
import_type_guess(struct slice head)
{
    size_t best = ARRAY_LEN(SIGNS);
    char word[24];
    size_t n = 0;
    for (size_t i = 0; i <= head.len; i++) {
        uint8_t c = i < head.len ? head.data[i] : '\n';
        c = c >= 'A' && c <= 'Z' ? (uint8_t)(c - 'A' + 'a') : c;
        if (c == '\0') /* UTF-16 */
            continue;
        if (word_char(c)) {
            if (n < sizeof(word) - 1)
                word[n] = (char)c;
            n++;
            continue;
        }
        word[n < sizeof(word) - 1 ? n : sizeof(word) - 1] = '\0';
        for (size_t k = 0; k < best && n < sizeof(word); k++)
            if (strcmp(word, SIGNS[k].word) == 0)
                best = k;
        n = 0;
        if (c == '\n' || c == '\r')
            break;
    }
    return best < ARRAY_LEN(SIGNS) ? SIGNS[best].type : TABLE_OF_ANYTHING;
}

/* ---- what a run remembers ---- */

enum { NUMBERS_MAX = 16777216 };

void
import_memory_init(struct import_memory *m)
{
    *m = (struct import_memory){0};
    map_init(&m->numbers, NUMBER_KEY_BYTES, sizeof(struct import_seen), NUMBERS_MAX, NULL);
    map_init(&m->equals, 32, sizeof(uint64_t), NUMBERS_MAX, NULL);
}

void
import_memory_release(struct import_memory *m)
{
    map_free(&m->numbers);
    map_free(&m->equals);
}

struct import_seen *
import_memory_find(struct import_memory *m, enum import_column kind, const char *number, bool add)
{
    uint8_t key[NUMBER_KEY_BYTES];
    struct err ignored;
    if (number_key(number, key, &ignored) != 0)
        return NULL;
    key[0] ^= (uint8_t)kind;
    return add ? map_put(&m->numbers, key, NULL) : map_get(&m->numbers, key);
}

/* ---- members ---- */

int
import_find_member(struct import_match *m, const struct import_row *row, bool *ret_found, struct subject_id *ret,
                   struct err *err)
{
    struct member_row have;
    *ret_found = false;
    if (row->has_id) {
        int rc = rows_member(m->ctx, &row->id, &have, err);
        if (rc == 0)
            member_row_release(&have);
        *ret_found = rc == 0;
        *ret = row->id;
        return rc == ERR_NOTFOUND ? 0 : rc;
    }
    struct import_seen *seen = import_memory_find(m->memory, COLUMN_MEMBER_NO, row->member_no, true);
    if (!seen)
        return err_field(err, ERR_INVALID, "member_no", "member_no: has no letter or digit");
    if (!seen->made) {
        int rc = member_by_number(m->ctx->txn, m->ctx->vault, &m->ctx->unit, row->member_no, &seen->made, &have, err);
        if (rc != 0)
            return rc;
        if (seen->made) {
            seen->subject = have.subject;
            member_row_release(&have);
        }
    }
    *ret_found = seen->made;
    *ret = seen->subject;
    return 0;
}

int
import_member_row(struct import_match *m, const struct subject_id *subject, struct member_row *ret, struct err *err)
{
    return rows_member(m->ctx, subject, ret, err);
}
