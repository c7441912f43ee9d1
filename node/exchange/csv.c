/* libcsv, byte by byte, so that the place where a row begins and ends in the file is known. See csv.h. */
#include "node/exchange/csv.h"

#include <csv.h>

struct csv_reader {
    struct slice bytes;
    size_t at;
    uint64_t line, number;
    char delimiter;
    struct csv_parser parser;
    bool parser_ready;
    /* the record being read */
    struct buf text; /* its fields, each with a NUL */
    size_t n, starts[CSV_FIELDS_MAX];
    bool too_many, nul, row_done;
};

static void
on_field(void *data, size_t len, void *arg)
{
    struct csv_reader *r = arg;
    if (r->n == CSV_FIELDS_MAX) {
        r->too_many = true;
        return;
    }
    r->nul = r->nul || (len > 0 && memchr(data, '\0', len) != NULL);
    r->starts[r->n++] = r->text.len;
    if (len > 0)
        buf_put(&r->text, data, len);
    buf_put_u8(&r->text, 0);
}

static void
on_row(int end, void *arg)
{
    struct csv_reader *r = arg;
    (void)end;
    r->row_done = true;
}

/* ---- opening ---- */

static bool
line_end(uint8_t c)
{
    return c == '\n' || c == '\r';
}

/* "sep=;" in a line of its own. */
static bool
take_sep_line(struct csv_reader *r)
{
    const uint8_t *b = r->bytes.data;
    if (r->bytes.len < 5 || memcmp(b, "sep=", 4) != 0 || (b[4] != ',' && b[4] != ';' && b[4] != '\t') ||
        (r->bytes.len > 5 && !line_end(b[5])))
        return false;
    if (r->delimiter == '\0')
        r->delimiter = (char)b[4];
    r->at = 5;
    return true;
}

static void
find_delimiter(struct csv_reader *r)
{
    static const char DELIMITERS[] = ",;\t";
    size_t counts[3] = {0}, best = 0;
    bool quoted = false;
    size_t i = 0;
    while (i < r->bytes.len && line_end(r->bytes.data[i]))
        i++;
    for (; i < r->bytes.len && (quoted || !line_end(r->bytes.data[i])); i++) {
        char c = (char)r->bytes.data[i];
        const char *which = quoted || c == '\0' ? NULL : strchr(DELIMITERS, c);
        quoted ^= c == '"';
        if (which)
            counts[which - DELIMITERS]++;
    }
    for (size_t k = 1; k < ARRAY_LEN(counts); k++)
        best = counts[k] > counts[best] ? k : best;
    r->delimiter = DELIMITERS[best];
}

int
csv_reader_new(struct slice bytes, char delimiter, struct csv_reader **ret, struct err *err)
{
    struct csv_reader *r = calloc(1, sizeof(*r));
    if (!r)
        return err_set(err, ERR_NOMEM, "CSV: out of memory");
    buf_init(&r->text, CSV_ROW_BYTES_MAX * 2);
    r->bytes = bytes;
    r->line = 1;
    r->delimiter = delimiter;
    if (!take_sep_line(r) && delimiter == '\0')
        find_delimiter(r);
    *ret = r;
    return 0;
}

void
csv_reader_free(struct csv_reader **reader)
{
    struct csv_reader *r = *reader;
    if (!r)
        return;
    if (r->parser_ready)
        csv_free(&r->parser);
    buf_free(&r->text);
    free(r);
    *reader = NULL;
}

/* ---- reading ---- */

static int
parser_reset(struct csv_reader *r, struct err *err)
{
    if (r->parser_ready)
        csv_free(&r->parser);
    r->parser_ready = csv_init(&r->parser, CSV_STRICT | CSV_STRICT_FINI) == 0;
    if (!r->parser_ready)
        return err_set(err, ERR_NOMEM, "CSV: out of memory");
    csv_set_delim(&r->parser, (unsigned char)r->delimiter);
    return 0;
}

/* Over the ends of lines before a record, and of blank ones. */
static void
skip_blank(struct csv_reader *r)
{
    const uint8_t *b = r->bytes.data;
    while (r->at < r->bytes.len && line_end(b[r->at])) {
        if (b[r->at] == '\n' || r->at + 1 == r->bytes.len || b[r->at + 1] != '\n')
            r->line++;
        r->at++;
    }
}

static void
count_lines(struct csv_reader *r, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        if (r->bytes.data[i] == '\n' ||
            (r->bytes.data[i] == '\r' && (i + 1 == r->bytes.len || r->bytes.data[i + 1] != '\n')))
            r->line++;
}

/* The record is the first line alone; reading goes on after it. */
static void
give_up(struct csv_reader *r, size_t begin, struct csv_record *ret, const char *why, size_t open_field)
{
    size_t end = begin;
    while (end < r->bytes.len && !line_end(r->bytes.data[end]))
        end++;
    ret->raw = slice_of(r->bytes.data + begin, end - begin);
    ret->n = 0;
    ret->open_field = open_field;
    err_set(&ret->err, ERR_INVALID, "%s", why);
    r->at = end;
}

static void
fill(struct csv_reader *r, size_t begin, size_t end, struct csv_record *ret)
{
    ret->raw = slice_of(r->bytes.data + begin, end - begin);
    for (size_t i = 0; i < r->n; i++)
        ret->fields[i] = (const char *)r->text.data + r->starts[i];
    ret->n = r->n;
}

/* Feeds the record that begins at r->at; end of its text, or SIZE_MAX if it cannot be read. */
static size_t
feed(struct csv_reader *r, const char **why, bool *ret_open)
{
    size_t begin = r->at, at = begin;
    *ret_open = false;
    for (; at < r->bytes.len && !r->row_done; at++) {
        bool was_quoted = r->parser.quoted;
        if (csv_parse(&r->parser, r->bytes.data + at, 1, on_field, on_row, r) != 1) {
            *ret_open = was_quoted && memchr(r->bytes.data + begin, '\n', at - begin) != NULL;
            *why = *ret_open ? "quote never closed"
                             : "a quote in the middle of a field: double it, and put the field in quotes";
            return SIZE_MAX;
        }
        if (at - begin >= CSV_ROW_BYTES_MAX) {
            *ret_open = r->parser.quoted;
            *why = *ret_open ? "quote never closed" : "the row is too long";
            return SIZE_MAX;
        }
    }
    if (!r->row_done && csv_fini(&r->parser, on_field, on_row, r) != 0) {
        *why = "quote never closed";
        *ret_open = true;
        return SIZE_MAX;
    }
    size_t end = at;
    while (end > begin && line_end(r->bytes.data[end - 1]))
        end--;
    r->at = end;
    return end;
}

int
csv_reader_next(struct csv_reader *r, struct csv_record *ret, struct err *err)
{
    const char *why = NULL;
    bool open = false;
    size_t begin, end;
    do {
        skip_blank(r);
        if (r->at >= r->bytes.len)
            return ERR_NOTFOUND;
        int rc = parser_reset(r, err);
        if (rc != 0)
            return rc;
        buf_clear(&r->text);
        r->n = 0;
        r->too_many = r->nul = r->row_done = false;
        memset(ret, 0, sizeof(*ret));
        ret->open_field = SIZE_MAX;
        begin = r->at;
        ret->offset = begin;
        ret->line = r->line;
        end = feed(r, &why, &open);
    } while (end != SIZE_MAX && r->n == 0 && !r->too_many); /* a line of spaces */
    ret->number = r->number++;
    if (r->text.failed && !r->text.over)
        return err_set(err, ERR_NOMEM, "CSV: out of memory");
    if (end == SIZE_MAX)
        give_up(r, begin, ret, why, open ? r->n : SIZE_MAX);
    else if (r->too_many)
        give_up(r, begin, ret, "more fields than any register has", SIZE_MAX);
    else if (r->nul)
        give_up(r, begin, ret, "a NUL character: this is not text", SIZE_MAX);
    else
        fill(r, begin, end, ret);
    count_lines(r, begin, r->at);
    return 0;
}

char
csv_reader_delimiter(const struct csv_reader *r)
{
    return r->delimiter;
}

uint64_t
csv_reader_offset(const struct csv_reader *r)
{
    return r->at;
}
