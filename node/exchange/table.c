/* Records of a file. See table.h. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "node/exchange/ndjson.h"
#include "node/exchange/rejects.h"
#include "node/exchange/table_private.h"

enum { READ_CHUNK = 1048576, TEXTS_MAX = TABLE_COLUMNS_MAX * (TABLE_TEXT_MAX + 1) + 1 };

static const char LOST[] = "\xef\xbf\xbd";

/* ---- opening ---- */

static int
read_all(const char *path, struct buf *to, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    int rc = 0, fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOTFOUND, "%s: there is no such file", path);
    if (fd < 0)
        return err_errno(err, "%s", path);
    for (ssize_t got = 1; rc == 0 && got != 0;) {
        uint8_t *room = buf_reserve(to, READ_CHUNK);
        if (!room) {
            rc = buf_check(to, path, err);
            break;
        }
        got = read(fd, room, READ_CHUNK);
        if (got > 0)
            buf_added(to, (size_t)got);
        else if (got < 0 && errno != EINTR)
            rc = err_errno(err, "%s", path);
    }
    if (!standard)
        close(fd);
    return rc;
}

static enum table_format
find_format(const struct table_reader *t)
{
    static const char *const ENDS[] = {".ndjson", ".jsonl"};
    size_t len = strlen(t->o.file), at = t->skip;
    if (t->o.format != TABLE_FORMAT_ANY)
        return t->o.format;
    if (mapping_file(t->o.mapping)->format != TABLE_FORMAT_ANY)
        return mapping_file(t->o.mapping)->format;
    for (size_t i = 0; i < ARRAY_LEN(ENDS); i++)
        if (len > strlen(ENDS[i]) && strcmp(t->o.file + len - strlen(ENDS[i]), ENDS[i]) == 0)
            return TABLE_NDJSON;
    while (at < t->bytes.len && strchr(" \t\r\n", t->bytes.data[at]) && t->bytes.data[at] != '\0')
        at++;
    return at < t->bytes.len && t->bytes.data[at] == '{' ? TABLE_NDJSON : TABLE_CSV;
}

/* With the bytes of the file there. */
static int
start(struct table_reader *t, struct err *err)
{
    const struct mapping_file *file = mapping_file(t->o.mapping);
    enum encoding named = t->o.encoding != ENCODING_UNNAMED ? t->o.encoding : file->encoding, found;
    int rc = encoding_settle(&t->bytes, named, &found, &t->skip, err);
    if (rc == 0)
        rc = decoder_init(&t->decoder, found, err);
    if (rc == 0)
        rc = table_columns_init(t, err);
    if (rc != 0)
        return rc;
    t->recoded = t->skip > 0 || (named != ENCODING_UNNAMED && named != ENCODING_UTF8);
    t->rules = file->rules;
    t->format = find_format(t);
    t->at = t->skip;
    t->line = 1;
    if (t->format == TABLE_NDJSON)
        return 0;
    char delimiter = t->o.delimiter != '\0' ? t->o.delimiter : file->delimiter;
    rc = csv_reader_new(slice_of(t->bytes.data + t->skip, t->bytes.len - t->skip), delimiter, &t->csv, err);
    return rc == 0 ? table_header_read(t, err) : rc;
}

static int
open_with(const struct table_options *o, const struct slice *bytes, struct table_reader **ret, struct err *err)
{
    struct table_reader *t = calloc(1, sizeof(*t));
    if (!t)
        return err_set(err, ERR_NOMEM, "%s: out of memory", o->file);
    t->o = *o;
    buf_init(&t->bytes, TABLE_FILE_BYTES_MAX);
    buf_init(&t->scratch, SIZE_MAX);
    buf_init(&t->text, TEXTS_MAX);
    int rc = 0;
    if (bytes) {
        buf_put(&t->bytes, bytes->data, bytes->len);
        rc = buf_check(&t->bytes, o->file, err);
    } else {
        rc = read_all(o->file, &t->bytes, err);
    }
    if (rc == 0 && t->bytes.len == 0 && !buf_reserve(&t->bytes, 1)) /* an empty file has an address, too */
        rc = err_set(err, ERR_NOMEM, "%s: out of memory", o->file);
    if (rc == 0)
        rc = start(t, err);
    if (rc != 0) {
        table_free(&t);
        return rc;
    }
    *ret = t;
    return 0;
}

int
table_open(const struct table_options *o, struct table_reader **ret, struct err *err)
{
    return open_with(o, NULL, ret, err);
}

int
table_open_bytes(const struct table_options *o, struct slice bytes, struct table_reader **ret, struct err *err)
{
    return open_with(o, &bytes, ret, err);
}

void
table_free(struct table_reader **table)
{
    struct table_reader *t = *table;
    if (!t)
        return;
    csv_reader_free(&t->csv);
    table_columns_release(t);
    free(t->header);
    buf_free(&t->bytes);
    buf_free(&t->scratch);
    buf_free(&t->text);
    free(t);
    *table = NULL;
}

/* ---- CSV ---- */

static int
bad_byte(const struct table_reader *t, const char *name, struct slice bytes, size_t at, struct err *err)
{
    if (t->decoder.from == ENCODING_UTF8)
        return err_field(err, ERR_INVALID, name, "not UTF-8 (byte 0x%02X)", bytes.data[at]);
    return err_field(err, ERR_INVALID, name, "byte 0x%02X is no character of %s", bytes.data[at],
                     encoding_name(t->decoder.from));
}

static int
csv_fields(struct table_reader *t, struct err *err)
{
    const struct csv_record *rec = &t->rec;
    if (rec->err.code != ERR_NONE) {
        bool open = rec->open_field < t->n_titles;
        return err_field(err, rec->err.code, table_first_name(t, open ? t->titles[rec->open_field].columns : 0), "%s",
                         rec->err.text);
    }
    if (rec->n != t->n_titles)
        return err_field(err, ERR_INVALID, "", "%zu fields, the header has %zu", rec->n, t->n_titles);
    for (size_t i = 0; i < rec->n; i++) {
        const struct title *title = &t->titles[i];
        struct slice field = slice_of(rec->fields[i], strlen(rec->fields[i]));
        size_t bad = SIZE_MAX;
        if (title->unnamed && field.len > 0)
            return err_field(err, ERR_INVALID, "", "a value in field %zu, which has no name in the first line", i + 1);
        if (title->columns == 0)
            continue;
        buf_clear(&t->scratch);
        decoder_put(&t->decoder, field, &t->scratch, &bad);
        if (bad != SIZE_MAX)
            return bad_byte(t, table_first_name(t, title->columns), field, bad, err);
        int rc = table_record_put(t, title->columns, buf_slice(&t->scratch), false, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int
next_csv(struct table_reader *t, struct err *err)
{
    int rc = csv_reader_next(t->csv, &t->rec, err);
    if (rc != 0)
        return rc;
    t->out.number = t->rec.number;
    t->out.line = t->rec.line;
    table_record_begin(t);
    return csv_fields(t, &t->out.err);
}

/* ---- NDJSON ---- */

/* The next line that is not blank; false at the end. */
static bool
next_line(struct table_reader *t)
{
    const uint8_t *b = t->bytes.data;
    for (;;) {
        size_t begin = t->at, end = begin;
        if (begin >= t->bytes.len)
            return false;
        while (end < t->bytes.len && b[end] != '\n' && b[end] != '\r')
            end++;
        t->raw = slice_of(b + begin, end - begin);
        t->out.line = t->line++;
        t->at = end + (end < t->bytes.len);
        if (end + 1 < t->bytes.len && b[end] == '\r' && b[end + 1] == '\n')
            t->at++;
        if (value_trimmed((const char *)t->raw.data, t->raw.len).len > 0)
            return true;
    }
}

/* What a name that was met before feeds, without folding it again. */
static uint64_t
columns_of_field(struct table_reader *t, const char *name)
{
    for (size_t i = 0; i < t->n_titles; i++)
        if (strcmp(t->titles[i].text, name) == 0)
            return t->titles[i].columns;
    uint64_t columns = table_columns_of(t, name);
    char *copy = columns != 0 && t->n_titles < TITLES_MAX ? strdup(name) : NULL;
    if (copy)
        t->titles[t->n_titles++] = (struct title){.text = copy, .columns = columns};
    return columns;
}

static int
unknown_field(const char *name, struct err *err)
{
    bool shown = strlen(name) < ERR_FIELD_MAX && text_ok(name, strlen(name));
    return err_field(err, ERR_INVALID, shown ? name : "", "unknown field; a mapping file names or ignores it");
}

static int
on_field(void *arg, const char *name, const char *text, enum ndjson_kind kind)
{
    struct table_reader *t = arg;
    struct err *err = &t->out.err;
    if (rejects_column(name)) {
        t->n_errors++;
        return 0;
    }
    t->n_fields++;
    uint64_t columns = columns_of_field(t, name);
    bool passed = columns == 0 && mapping_ignores(t->o.mapping, name);
    if (passed || kind == NDJSON_OBJECT)
        return passed ? NDJSON_PASS : 0;
    if (columns == 0)
        return unknown_field(name, err);
    if (t->seen & columns)
        return err_field(err, ERR_INVALID, table_first_name(t, columns), "stands twice");
    if (kind == NDJSON_NESTED)
        return err_field(err, ERR_INVALID, table_first_name(t, columns), "a list or object where one value belongs");
    t->seen |= columns;
    return text ? table_record_put(t, columns, slice_of(text, strlen(text)), kind == NDJSON_NUMBER, err) : 0;
}

static int
next_ndjson(struct table_reader *t, struct err *err)
{
    int rc = 0;
    do {
        size_t bad = SIZE_MAX;
        if (!next_line(t))
            return ERR_NOTFOUND;
        table_record_begin(t);
        buf_clear(&t->scratch);
        decoder_put(&t->decoder, t->raw, &t->scratch, &bad);
        rc = buf_check(&t->scratch, t->o.file, err);
        if (rc != 0)
            return rc;
        if (t->raw.len > TABLE_ROW_BYTES_MAX)
            rc = err_set(&t->out.err, ERR_LIMIT, "the line is too long");
        else if (bad != SIZE_MAX)
            rc = bad_byte(t, "", t->raw, bad, &t->out.err);
        else
            rc = ndjson_read(buf_slice(&t->scratch), on_field, t, &t->out.err);
    } while (rc == 0 && t->n_fields == 0 && t->n_errors > 0);
    t->out.number = ++t->number;
    return rc;
}

/* ---- records ---- */

int
table_next(struct table_reader *t, const struct table_record **ret, struct err *err)
{
    int rc = t->format == TABLE_CSV ? next_csv(t, err) : next_ndjson(t, err);
    if (rc == ERR_NOTFOUND)
        return rc;
    if (rc == ERR_NOMEM || t->text.failed || t->scratch.failed)
        return err_set(err, ERR_NOMEM, "%s: out of memory", t->o.file);
    table_record_end(t);
    *ret = &t->out;
    return 0;
}

/* The fields again, but for those of an earlier refusal. */
static void
put_kept_fields(struct table_reader *t, struct buf *out)
{
    char delimiter = csv_reader_delimiter(t->csv);
    bool first = true;
    for (size_t i = 0; i < t->n_titles; i++) {
        size_t bad;
        if (t->titles[i].of_error)
            continue;
        if (!first)
            buf_put_u8(out, (uint8_t)delimiter);
        first = false;
        buf_clear(&t->scratch);
        decoder_put(&t->decoder, slice_of(t->rec.fields[i], strlen(t->rec.fields[i])), &t->scratch, &bad);
        buf_put_u8(&t->scratch, 0);
        if (!t->scratch.failed)
            rejects_csv_field(out, (const char *)t->scratch.data, delimiter);
    }
}

char *
table_raw(struct table_reader *t)
{
    struct buf out;
    size_t bad;
    bool csv = t->format == TABLE_CSV;
    struct slice raw = csv ? t->rec.raw : t->raw;
    buf_init(&out, SIZE_MAX);
    if (csv && t->drops && t->rec.err.code == ERR_NONE && t->rec.n == t->n_titles) {
        put_kept_fields(t, &out);
    } else {
        for (size_t at = 0; at < raw.len;) { /* a NUL would end the text */
            const uint8_t *nul = memchr(raw.data + at, 0, raw.len - at);
            size_t len = (nul ? (size_t)(nul - raw.data) : raw.len) - at;
            decoder_put(&t->decoder, slice_of(raw.data + at, len), &out, &bad);
            at += len + (nul ? 1 : 0);
            if (nul)
                buf_put(&out, LOST, strlen(LOST));
        }
    }
    buf_put_u8(&out, 0);
    char *text = out.failed || t->scratch.failed ? NULL : strdup((const char *)out.data);
    buf_free(&out);
    return text;
}

/* ---- values ---- */

static char
decimal_of(const struct table_reader *t, size_t column)
{
    return t->out.number_mask >> column & 1 ? '.' : t->rules.decimal;
}

int
table_date(const struct table_reader *t, size_t column, struct civil_date *ret, struct err *err)
{
    return value_date(t->out.text[column], t->o.columns[column].name, t->rules.date, ret, err);
}

int
table_amount(const struct table_reader *t, size_t column, const char *currency, int64_t *ret_minor, struct err *err)
{
    return value_amount(t->out.text[column], t->o.columns[column].name, currency, decimal_of(t, column), ret_minor,
                        err);
}

int
table_uint(const struct table_reader *t, size_t column, uint64_t *ret, struct err *err)
{
    return value_uint(t->out.text[column], t->o.columns[column].name, decimal_of(t, column), ret, err);
}

int
table_percent(const struct table_reader *t, size_t column, uint32_t *ret_bp, struct err *err)
{
    return value_percent(t->out.text[column], t->o.columns[column].name, decimal_of(t, column), ret_bp, err);
}

int
table_bool(const struct table_reader *t, size_t column, bool *ret, struct err *err)
{
    return value_bool(t->out.text[column], t->o.columns[column].name, ret, err);
}

/* ---- asking ---- */

const char *
table_title(const struct table_reader *t, const char *column)
{
    for (size_t c = 0; c < t->o.n_columns; c++) {
        if (strcmp(t->o.columns[c].name, column) != 0)
            continue;
        for (size_t i = 0; i < t->n_titles; i++)
            if (t->titles[i].columns >> c & 1)
                return t->titles[i].text;
    }
    return column;
}

enum table_format
table_format(const struct table_reader *t)
{
    return t->format;
}

char
table_delimiter(const struct table_reader *t)
{
    return t->csv ? csv_reader_delimiter(t->csv) : '\0';
}

const char *
table_header(const struct table_reader *t)
{
    return t->header ? t->header : "";
}

bool
table_was_recoded(const struct table_reader *t)
{
    return t->recoded;
}

uint64_t
table_offset(const struct table_reader *t)
{
    return t->csv ? t->skip + csv_reader_offset(t->csv) : t->at;
}

uint64_t
table_bytes(const struct table_reader *t)
{
    return t->bytes.len;
}
