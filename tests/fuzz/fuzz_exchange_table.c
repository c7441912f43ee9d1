/* Any bytes as a mapping file and as the file that it tells of: nothing crashes, what is taken is within its bounds, and a record that
 * goes into the file of rejected ones comes out of it the same. Layout: options, length of the mapping, mapping, file. */
#include "node/exchange/ndjson.h"
#include "node/exchange/rejects.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { COLUMNS = 4, AGAIN_MAX = 4, REREAD_BYTES_MAX = 4096 };
static const struct table_column OURS[COLUMNS] = {{"a", true}, {"b", false}, {"c", false}, {"d", false}};

static void
try_values(const struct table_reader *t, size_t column, const char *text)
{
    static const char *const CURRENCIES[] = {"EUR", "JPY", "KWD", "CLF"};
    struct err err = {0};
    struct civil_date day, same;
    int64_t minor = 0;
    uint64_t n = 0;
    uint32_t bp = 0;
    bool yes = false;
    char iso[DATE_TEXT_MAX], folded[64];
    if (table_date(t, column, &day, &err) == 0) {
        MUST(day.days >= DATE_MIN.days && day.days <= DATE_MAX.days);
        MUST(value_date(date_format(day, iso), "same", DATE_ORDER_YMD, &same, &err) == 0 && same.days == day.days);
    }
    for (size_t i = 0; i < ARRAY_LEN(CURRENCIES); i++)
        if (table_amount(t, column, CURRENCIES[i], &minor, &err) == 0)
            MUST(minor <= (int64_t)VALUE_NUMBER_MAX && minor >= -(int64_t)VALUE_NUMBER_MAX);
    if (table_uint(t, column, &n, &err) == 0)
        MUST(n <= VALUE_NUMBER_MAX && text[0] != '-');
    if (table_percent(t, column, &bp, &err) == 0)
        MUST(bp <= PERCENT_BP_MAX);
    (void)!table_bool(t, column, &yes, &err);
    (void)value_folded(text, folded, sizeof(folded));
}

static int
nothing(void *arg, const char *name, const char *text, enum ndjson_kind kind)
{
    (void)arg, (void)name, (void)text, (void)kind;
    return 0;
}

/* What stands in the file of rejected records, read by the same mapping. */
static void
reread(struct table_reader *t, const struct table_options *o, const struct table_record *rec)
{
    struct table_options with = *o;
    struct table_reader *again = NULL;
    const struct table_record *same = NULL;
    struct err err = {0};
    struct buf file;
    char *raw = table_raw(t);
    bool any = false;
    MUST(raw);
    buf_init(&file, TABLE_FILE_BYTES_MAX);
    buf_put(&file, "\xef\xbb\xbf", 3);
    if (table_format(t) == TABLE_NDJSON) {
        ndjson_without_errors(slice_of(raw, strlen(raw)), &file, &any);
        buf_put_u8(&file, '}');
        MUST(ndjson_read(slice_of(file.data + 3, file.len - 3), nothing, NULL, &err) == 0);
    } else {
        const char *header = table_header(t);
        buf_put(&file, header, strlen(header));
        buf_put_u8(&file, '\n');
        buf_put(&file, raw, strlen(raw));
    }
    with.format = table_format(t);
    with.delimiter = table_delimiter(t);
    if (strlen(raw) < REREAD_BYTES_MAX && table_open_bytes(&with, buf_slice(&file), &again, &err) == 0) {
        MUST(table_next(again, &same, &err) == 0 && same->err.code == ERR_NONE);
        for (size_t c = 0; c < COLUMNS; c++)
            MUST(strcmp(same->text[c], rec->text[c]) == 0);
    } else {
        MUST(strlen(raw) >= REREAD_BYTES_MAX);
    }
    table_free(&again);
    buf_free(&file);
    free(raw);
}

static void
try_records(struct table_reader *t, const struct table_options *o)
{
    const struct table_record *rec = NULL;
    struct err err = {0};
    uint64_t line = 0;
    for (size_t n = 0; table_next(t, &rec, &err) == 0; n++) {
        MUST(rec->number == n + 1 && rec->line > line);
        line = rec->line;
        for (size_t c = 0; c < COLUMNS; c++) {
            MUST(strlen(rec->text[c]) <= TABLE_TEXT_MAX);
            if (rec->err.code == ERR_NONE)
                try_values(t, c, rec->text[c]);
        }
        if (rec->err.code == ERR_NONE && n < AGAIN_MAX)
            reread(t, o, rec);
        char *raw = rec->err.code != ERR_NONE && n < AGAIN_MAX ? table_raw(t) : NULL;
        if (raw)
            MUST(utf8_valid((const uint8_t *)raw, strlen(raw)) == strlen(raw));
        free(raw);
    }
    MUST(table_offset(t) <= table_bytes(t));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char DELIMITERS[] = {'\0', ',', ';', '\t'};
    struct mapping *m = NULL;
    struct table_reader *t = NULL;
    struct err err = {0};
    char text[256] = "";
    if (size < 2)
        return 0;
    size_t len = data[1] < size - 2 ? data[1] : size - 2;
    memcpy(text, data + 2, len);
    if (len > 0 && mapping_parse(text, "x", &m, &err) != 0) {
        MUST(err.code != ERR_NONE && err.text[0] != '\0');
        return 0;
    }
    struct table_options o = {.file = "x",
                              .columns = OURS,
                              .n_columns = COLUMNS,
                              .mapping = m,
                              .encoding = (enum encoding)((data[0] & 15) % (ENCODING_UTF16BE + 1)),
                              .format = (enum table_format)((data[0] >> 4 & 3) % 3),
                              .delimiter = DELIMITERS[data[0] >> 6]};
    if (table_open_bytes(&o, slice_of(data + 2 + len, size - 2 - len), &t, &err) == 0)
        try_records(t, &o);
    else
        MUST(err.code != ERR_NONE && err.text[0] != '\0');
    table_free(&t);
    mapping_free(&m);
    return 0;
}
