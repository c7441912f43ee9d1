/* Cells of a record as values, and the names of all columns. See import.h. */
#include "node/command/names.h"
#include "node/command/text.h"
#include "node/exchange/import.h"

enum { NO_COLUMN = 255, MINOR_MAX_DIGITS = 16 };

const char *const import_column_names[IMPORT_COLUMNS] = {
    "member_no",
    "type",
    "category",
    "given_name",
    "family_name",
    "legal_name",
    "birth_date",
    "language",
    "email",
    "phone",
    "street",
    "postcode",
    "city",
    "country",
    "iban",
    "office",
    "applied_on",
    "admitted_on",
    "refused_on",
    "shares",
    "left_on",
    "left_reason",
    [COLUMN_ID] = "id",
    [COLUMN_OP] = "op",
    [COLUMN_EFFECTIVE_ON] = "effective_on",
    [COLUMN_PERSON_TYPE] = "person_type",
    [COLUMN_SHARE_PRICE] = "share_price",
    [COLUMN_SHARE_PRICE_MINOR] = "share_price_minor",
    [COLUMN_AMOUNT] = "amount",
    [COLUMN_AMOUNT_MINOR] = "amount_minor",
    [COLUMN_CURRENCY] = "currency",
    [COLUMN_OTHER] = "other",
    [COLUMN_PURPOSE] = "purpose",
    [COLUMN_TEXT_VERSION] = "text_version",
    [COLUMN_NOTE] = "note",
    [COLUMN_NUMBER] = "number",
    [COLUMN_ACTIVITY] = "activity",
    [COLUMN_ACTIVITY_NO] = "activity_no",
    [COLUMN_SECTOR] = "sector",
    [COLUMN_CULTURE] = "culture",
    [COLUMN_TEXT] = "text",
    [COLUMN_OPENED_ON] = "opened_on",
    [COLUMN_CLOSED_ON] = "closed_on",
    [COLUMN_INVOICE] = "invoice",
    [COLUMN_INVOICE_NO] = "invoice_no",
    [COLUMN_CREDITS_NO] = "credits_no",
    [COLUMN_DATE] = "date",
    [COLUMN_RATE] = "rate",
    [COLUMN_RATE_BP] = "rate_bp",
    [COLUMN_CONTRIBUTION] = "contribution",
    [COLUMN_CONTRIBUTION_MINOR] = "contribution_minor",
    [COLUMN_CLIENT] = "client",
    [COLUMN_CLIENT_NUMBER] = "client_number",
    [COLUMN_CANCELLED] = "cancelled",
    [COLUMN_NAME] = "name",
    [COLUMN_LANGUAGES] = "languages",
    [COLUMN_TIME_ZONE] = "time_zone",
    [COLUMN_YEAR] = "year",
    [COLUMN_FIGURE] = "figure",
    [COLUMN_VALUE] = "value",
    [COLUMN_POSTING] = "posting",
    [COLUMN_REFERENCE] = "reference",
    [COLUMN_FROM] = "from",
    [COLUMN_TO] = "to",
    [COLUMN_MEMBER_UNIT] = "member_unit",
};

const char *
cell(const struct import_cells *c, enum import_column column)
{
    return c->local[column] == NO_COLUMN ? "" : c->record->text[c->local[column]];
}

int
cell_date(const struct import_cells *c, enum import_column column, struct civil_date *ret, struct err *err)
{
    *ret = DATE_NONE;
    return cell(c, column)[0] == '\0' ? 0 : table_date(c->table, c->local[column], ret, err);
}

int
cell_uint(const struct import_cells *c, enum import_column column, bool *ret_has, uint64_t *ret, struct err *err)
{
    *ret_has = cell(c, column)[0] != '\0';
    *ret = 0;
    return *ret_has ? table_uint(c->table, c->local[column], ret, err) : 0;
}

int
cell_bool(const struct import_cells *c, enum import_column column, bool *ret_has, bool *ret, struct err *err)
{
    *ret_has = cell(c, column)[0] != '\0';
    *ret = false;
    return *ret_has ? table_bool(c->table, c->local[column], ret, err) : 0;
}

int
cell_id(const struct import_cells *c, enum import_column column, bool *ret_has, struct subject_id *ret, struct err *err)
{
    *ret_has = cell(c, column)[0] != '\0';
    return *ret_has ? subject_parse(cell(c, column), import_column_names[column], ret, err) : 0;
}

int
cell_money(const struct import_cells *c, enum import_column column, const char *currency, bool *ret_has, int64_t *ret,
           struct err *err)
{
    enum import_column minor = column + 1;
    uint64_t units = 0;
    bool decimal = cell(c, column)[0] != '\0';
    *ret = 0;
    int rc = cell_uint(c, minor, ret_has, &units, err);
    if (rc != 0)
        return rc;
    if (decimal && *ret_has)
        return err_field(err, ERR_INVALID, import_column_names[minor], "given twice: in %s too",
                         import_column_names[column]);
    *ret = (int64_t)units; /* VALUE_NUMBER_MAX */
    if (!decimal)
        return 0;
    *ret_has = true;
    if (currency[0] == '\0')
        return err_field(err, ERR_INVALID, "currency", "missing: the unit has none on that day");
    rc = table_amount(c->table, c->local[column], currency, ret, err);
    if (rc == 0 && *ret < 0)
        rc = err_field(err, ERR_INVALID, import_column_names[column], "negative");
    return rc;
}

int
cell_text(const struct import_cells *c, enum import_column column, char *ret, size_t cap, struct err *err)
{
    if (strlen(cell(c, column)) >= cap)
        return err_field(err, ERR_LIMIT, import_column_names[column], "longer than %zu bytes", cap - 1);
    return text_clean(cell(c, column), import_column_names[column], ret, cap, err);
}

int
cell_office(const struct import_cells *c, char ret[NAME_BYTES_MAX + 1], struct err *err)
{
    if (strlen(cell(c, COLUMN_OFFICE)) > NAME_BYTES_MAX)
        return err_field(err, ERR_LIMIT, "office", "longer than %d bytes", NAME_BYTES_MAX);
    snprintf(ret, NAME_BYTES_MAX + 1, "%.*s", NAME_BYTES_MAX, cell(c, COLUMN_OFFICE));
    return 0;
}

int
cell_person(const struct import_cells *c, struct person_input *ret, struct err *err)
{
    struct person_input p = {.identity = {.birth_date = DATE_NONE}};
    struct {
        struct person_text *to;
        bool *has;
        enum import_column column;
    } texts[] = {
        {&p.identity.given_name, &p.has_identity, COLUMN_GIVEN_NAME},
        {&p.identity.family_name, &p.has_identity, COLUMN_FAMILY_NAME},
        {&p.identity.legal_name, &p.has_identity, COLUMN_LEGAL_NAME},
        {&p.identity.language, &p.has_identity, COLUMN_LANGUAGE},
        {&p.contact.email, &p.has_contact, COLUMN_EMAIL},
        {&p.contact.phone, &p.has_contact, COLUMN_PHONE},
        {&p.contact.street, &p.has_contact, COLUMN_STREET},
        {&p.contact.postcode, &p.has_contact, COLUMN_POSTCODE},
        {&p.contact.city, &p.has_contact, COLUMN_CITY},
        {&p.contact.country, &p.has_contact, COLUMN_COUNTRY},
        {&p.bank.iban, &p.has_bank, COLUMN_IBAN},
        {&p.identity.member_no, NULL, COLUMN_MEMBER_NO},
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const char *text = cell(c, texts[i].column);
        if (strlen(text) > PERSON_TEXT_MAX)
            return err_field(err, ERR_LIMIT, import_column_names[texts[i].column], "longer than %d bytes",
                             PERSON_TEXT_MAX);
        snprintf(texts[i].to->s, sizeof(texts[i].to->s), "%s", text);
        if (texts[i].has && text[0] != '\0')
            *texts[i].has = true;
    }
    int rc = cell_date(c, COLUMN_BIRTH_DATE, &p.identity.birth_date, err);
    p.has_identity |= !date_is_none(p.identity.birth_date);
    if (rc == 0)
        *ret = p;
    person_wipe(&p, sizeof(p));
    return rc;
}

int
cell_currency(const struct import_cells *c, struct civil_date on, char ret[CURRENCY_MAX], struct err *err)
{
    const char *text = cell(c, COLUMN_CURRENCY);
    struct unit_described unit;
    memset(ret, 0, CURRENCY_MAX);
    if (text[0] != '\0' && (strlen(text) >= CURRENCY_MAX || !currency_ok(text)))
        return err_field(err, ERR_INVALID, "currency", "three capital letters, such as EUR");
    if (text[0] != '\0')
        snprintf(ret, CURRENCY_MAX, "%s", text);
    else if (!date_is_none(on) && c->target->unit(c->target->arg, on, &unit))
        memcpy(ret, unit.currency, CURRENCY_MAX);
    return 0;
}
