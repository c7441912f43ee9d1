/* See export_sheet.h. */
#include "node/exchange/export_sheet.h"

#include <sodium.h>

#include "node/api/json_out.h"
#include "node/exchange/values.h"

enum { LINE_BYTES_MAX = 262144, NUMBER_BYTES_MAX = 40 };
enum { CELL_TEXT, CELL_NUMBER, CELL_BOOL, CELL_MINOR };

static int
write_line(struct sheet *s, struct err *err)
{
    int rc = buf_check(&s->line, "export", err);
    if (rc == 0 && fwrite(s->line.data, 1, s->line.len, s->to) != s->line.len)
        rc = err_errno(err, "export");
    return rc;
}

static void
empty(struct sheet *s)
{
    if (s->texts.data)
        sodium_memzero(s->texts.data, s->texts.len);
    if (s->line.data)
        sodium_memzero(s->line.data, s->line.len);
    buf_clear(&s->texts);
    buf_clear(&s->line);
    memset(s->cells, 0, sizeof(s->cells));
}

int
sheet_open(struct sheet *s, FILE *to, enum export_form form, const enum import_column *columns, size_t n,
           struct err *err)
{
    *s = (struct sheet){.to = to, .form = form, .columns = columns, .n_columns = n};
    buf_init(&s->texts, LINE_BYTES_MAX);
    buf_init(&s->line, LINE_BYTES_MAX);
    for (size_t i = 0; form == EXPORT_CSV && i < n; i++) {
        text_put(&s->line, i > 0 ? "," : "");
        text_put(&s->line, import_column_names[columns[i]]);
    }
    if (form == EXPORT_CSV)
        buf_put_u8(&s->line, '\n');
    int rc = s->line.len > 0 ? write_line(s, err) : 0;
    buf_clear(&s->line);
    return rc;
}

void
sheet_close(struct sheet *s)
{
    empty(s);
    buf_free(&s->texts);
    buf_free(&s->line);
}

static void
put(struct sheet *s, enum import_column column, uint8_t kind, const char *text, int64_t value)
{
    s->cells[column].has = true;
    s->cells[column].kind = kind;
    s->cells[column].at = s->texts.len;
    s->cells[column].value = value;
    buf_put(&s->texts, text, strlen(text) + 1);
}

void
sheet_text(struct sheet *s, enum import_column column, const char *text)
{
    if (text[0] != '\0')
        put(s, column, CELL_TEXT, text, 0);
}

void
sheet_id(struct sheet *s, enum import_column column, const uint8_t id[ID_BYTES])
{
    char hex[HEX16_MAX];
    put(s, column, CELL_TEXT, hex_encode(id, ID_BYTES, hex), 0);
}

void
sheet_date(struct sheet *s, enum import_column column, struct civil_date d)
{
    char text[DATE_TEXT_MAX];
    if (!date_is_none(d))
        put(s, column, CELL_TEXT, date_format(d, text), 0);
}

void
sheet_int(struct sheet *s, enum import_column column, int64_t v)
{
    char text[NUMBER_BYTES_MAX];
    snprintf(text, sizeof(text), "%lld", (long long)v);
    put(s, column, CELL_NUMBER, text, v);
}

void
sheet_bool(struct sheet *s, enum import_column column, bool v)
{
    put(s, column, CELL_BOOL, v ? "yes" : "no", v);
}

/* Whole units, the point, and as many decimals. */
static void
decimal(char out[NUMBER_BYTES_MAX], int64_t v, int decimals)
{
    int64_t one = 1;
    for (int i = 0; i < decimals; i++)
        one *= 10;
    int64_t rest = v % one < 0 ? -(v % one) : v % one;
    const char *minus = v < 0 && v / one == 0 ? "-" : "";
    if (decimals == 0)
        snprintf(out, NUMBER_BYTES_MAX, "%lld", (long long)v);
    else
        snprintf(out, NUMBER_BYTES_MAX, "%s%lld.%0*lld", minus, (long long)(v / one), decimals, (long long)rest);
}

void
sheet_money(struct sheet *s, enum import_column column, int64_t minor, const char *currency)
{
    char text[NUMBER_BYTES_MAX];
    decimal(text, minor, currency_decimals(currency));
    put(s, column, CELL_MINOR, text, minor);
}

void
sheet_rate(struct sheet *s, enum import_column column, uint32_t bp)
{
    char text[NUMBER_BYTES_MAX];
    decimal(text, bp, 2);
    put(s, column, CELL_MINOR, text, bp);
}

static void
object_put(struct json_out *j, const struct sheet *s, enum import_column column)
{
    const char *name = import_column_names[column];
    if (!s->cells[column].has)
        return;
    switch (s->cells[column].kind) {
    case CELL_NUMBER: json_put_int(j, name, s->cells[column].value); break;
    case CELL_BOOL: json_put_bool(j, name, s->cells[column].value != 0); break;
    case CELL_MINOR: json_put_int(j, import_column_names[column + 1], s->cells[column].value); break;
    default: json_put_text(j, name, (const char *)s->texts.data + s->cells[column].at); break;
    }
}

int
sheet_row(struct sheet *s, struct err *err)
{
    struct json_out j = json_out_of(&s->line);
    int rc = buf_check(&s->texts, "export", err);
    if (rc == 0 && s->form == EXPORT_NDJSON) {
        json_open(&j, '{');
        for (size_t i = 0; i < s->n_columns; i++)
            object_put(&j, s, s->columns[i]);
        json_close(&j, '}');
    }
    for (size_t i = 0; rc == 0 && s->form == EXPORT_CSV && i < s->n_columns; i++) {
        if (i > 0)
            buf_put_u8(&s->line, ',');
        if (s->cells[s->columns[i]].has)
            text_put_csv(&s->line, (const char *)s->texts.data + s->cells[s->columns[i]].at);
    }
    buf_put_u8(&s->line, '\n');
    if (rc == 0)
        rc = write_line(s, err);
    s->rows++;
    empty(s);
    return rc;
}
