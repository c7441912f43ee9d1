/* libcsv, byte by byte, so that the place where a row begins and ends in the file is known. See csv.h. */
#include "node/host/csv.h"

#include <csv.h>
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>
#include <utf8proc.h>

enum { READ_CHUNK = 1048576, UTF16_LOOK = 512 };

struct csv_reader {
    struct buf bytes;
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

static int
check_encoding(struct csv_reader *r, struct err *err)
{
    const uint8_t *b = r->bytes.data;
    size_t len = r->bytes.len;
    size_t look = len < UTF16_LOOK ? len : UTF16_LOOK;
    if (len >= 2 && ((b[0] == 0xff && b[1] == 0xfe) || (b[0] == 0xfe && b[1] == 0xff)))
        return err_set(
            err, ERR_INVALID,
            "the file is UTF-16: save it as “CSV UTF-8”, or convert it: iconv -f UTF-16 -t UTF-8 FILE > NEW");
    if (look > 0 && memchr(b, 0, look))
        return err_set(err, ERR_INVALID, "the file is not text, or UTF-16 without a mark: save it as “CSV UTF-8”");
    if (len >= 3 && b[0] == 0xef && b[1] == 0xbb && b[2] == 0xbf)
        r->at = 3;
    return 0;
}

static void
find_delimiter(struct csv_reader *r)
{
    size_t commas = 0, semicolons = 0;
    for (size_t i = r->at; i < r->bytes.len && r->bytes.data[i] != '\n' && r->bytes.data[i] != '\r'; i++) {
        commas += r->bytes.data[i] == ',';
        semicolons += r->bytes.data[i] == ';';
    }
    r->delimiter = commas == 0 && semicolons > 0 ? ';' : ',';
}

static struct csv_reader *
reader_alloc(void)
{
    struct csv_reader *r = calloc(1, sizeof(*r));
    if (r) {
        buf_init(&r->bytes, CSV_FILE_BYTES_MAX);
        buf_init(&r->text, CSV_ROW_BYTES_MAX * 2);
        r->line = 1;
    }
    return r;
}

static int
reader_start(struct csv_reader *r, struct csv_reader **ret, struct err *err)
{
    int rc = buf_check(&r->bytes, "file", err);
    if (rc == 0)
        rc = check_encoding(r, err);
    if (rc != 0) {
        csv_reader_free(&r);
        return rc;
    }
    find_delimiter(r);
    *ret = r;
    return 0;
}

int
csv_reader_new(struct slice bytes, struct csv_reader **ret, struct err *err)
{
    struct csv_reader *r = reader_alloc();
    if (!r)
        return err_set(err, ERR_NOMEM, "CSV: out of memory");
    buf_put(&r->bytes, bytes.data, bytes.len);
    return reader_start(r, ret, err);
}

int
csv_reader_open(const char *path, struct csv_reader **ret, struct err *err)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return err_set(err, ERR_NOTFOUND, "%s: there is no such file", path);
    if (fd < 0)
        return err_errno(err, "%s", path);
    struct csv_reader *r = reader_alloc();
    int rc = r ? 0 : err_set(err, ERR_NOMEM, "%s: out of memory", path);
    for (ssize_t got = 1; rc == 0 && got != 0;) {
        uint8_t *room = buf_reserve(&r->bytes, READ_CHUNK);
        if (!room) {
            rc = buf_check(&r->bytes, path, err);
            break;
        }
        got = read(fd, room, READ_CHUNK);
        if (got > 0)
            buf_added(&r->bytes, (size_t)got);
        else if (got < 0 && errno != EINTR)
            rc = err_errno(err, "%s", path);
    }
    if (!standard)
        close(fd);
    if (rc != 0) {
        csv_reader_free(&r);
        return rc;
    }
    return reader_start(r, ret, err);
}

void
csv_reader_free(struct csv_reader **reader)
{
    struct csv_reader *r = *reader;
    if (!r)
        return;
    if (r->parser_ready)
        csv_free(&r->parser);
    buf_free(&r->bytes);
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

static bool
line_end(uint8_t c)
{
    return c == '\n' || c == '\r';
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

uint64_t
csv_reader_bytes(const struct csv_reader *r)
{
    return r->bytes.len;
}

bool
csv_utf8(const char *text, size_t len)
{
    const utf8proc_uint8_t *p = (const utf8proc_uint8_t *)text;
    while (len > 0) {
        utf8proc_int32_t c;
        utf8proc_ssize_t n = utf8proc_iterate(p, (utf8proc_ssize_t)len, &c);
        if (n <= 0)
            return false;
        p += n;
        len -= (size_t)n;
    }
    return true;
}
