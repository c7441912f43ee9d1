/* Rejected records. See rejects.h. */
#include "node/exchange/rejects.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "node/api/json_out.h"
#include "node/exchange/ndjson.h"

enum { NAMES_MAX = 99, LINE_BYTES_MAX = TABLE_FILE_BYTES_MAX };

static const char *const COLUMNS[] = {"error_row", "error_field", "error_reason"};

bool
rejects_column(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(COLUMNS); i++)
        if (strcmp(COLUMNS[i], name) == 0)
            return true;
    return false;
}

void
rejects_csv_field(struct buf *b, const char *text, char delimiter)
{
    const char special[] = {delimiter, '"', '\r', '\n', '\0'};
    if (!strpbrk(text, special)) {
        buf_put(b, text, strlen(text));
        return;
    }
    buf_put_u8(b, '"');
    for (; *text != '\0'; text++) {
        if (*text == '"')
            buf_put_u8(b, '"');
        buf_put_u8(b, (uint8_t)*text);
    }
    buf_put_u8(b, '"');
}

void
rejects_init(struct rejects *r, const struct table_reader *table, const char *file, const char *path)
{
    *r = (struct rejects){.table = table, .file = file, .path = path};
}

/* The file's name without what says its format. */
static size_t
stem(const char *file)
{
    static const char *const ENDS[] = {".csv", ".tsv", ".txt", ".ndjson", ".jsonl"};
    size_t len = strlen(file);
    for (size_t i = 0; i < ARRAY_LEN(ENDS); i++) {
        size_t n = strlen(ENDS[i]);
        if (len > n && strcmp(file + len - n, ENDS[i]) == 0)
            return len - n;
    }
    return len;
}

static int
create(struct rejects *r, struct err *err)
{
    const char *end = table_format(r->table) == TABLE_NDJSON ? "ndjson" : "csv";
    const char *file = strcmp(r->file, "-") == 0 ? "import" : r->file;
    int fd = -1, len = (int)stem(file);
    if (r->path) {
        snprintf(r->made, sizeof(r->made), "%s", r->path);
        fd = open(r->made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    }
    for (int i = 1; !r->path && fd < 0 && i <= NAMES_MAX; i++) {
        if (i == 1)
            snprintf(r->made, sizeof(r->made), "%.*s.rejected.%s", len, file, end);
        else
            snprintf(r->made, sizeof(r->made), "%.*s.rejected-%d.%s", len, file, i, end);
        fd = open(r->made, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
        if (fd < 0 && errno != EEXIST)
            break;
    }
    r->to = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!r->to) {
        int rc = err_errno(err, "file of rejected rows: %s", r->made);
        if (fd >= 0)
            close(fd);
        r->made[0] = '\0';
        return rc;
    }
    return 0;
}

static void
put_csv(struct buf *b, const struct rejects *r, const char *raw, const char *const texts[3])
{
    char delimiter = table_delimiter(r->table);
    buf_put(b, raw, strlen(raw));
    for (size_t i = 0; i < 3; i++) {
        buf_put_u8(b, (uint8_t)delimiter);
        rejects_csv_field(b, texts[i], delimiter);
    }
    buf_put_u8(b, '\n');
}

static int
nothing(void *arg, const char *name, const char *text, enum ndjson_kind kind)
{
    (void)arg, (void)name, (void)text, (void)kind;
    return 0;
}

static void
put_ndjson(struct buf *b, const char *raw, uint64_t number, const char *const texts[3])
{
    struct buf errors;
    struct err ignored;
    struct slice line = slice_of(raw, strlen(raw));
    bool any = false;
    buf_init(&errors, 65536);
    struct json_out j = json_out_of(&errors);
    json_open(&j, '{');
    json_put_uint(&j, COLUMNS[0], number);
    json_put_text(&j, COLUMNS[1], texts[1]);
    json_put_text(&j, COLUMNS[2], texts[2]);
    json_close(&j, '}');
    if (ndjson_read(line, nothing, NULL, &ignored) == 0) {
        ndjson_without_errors(line, b, &any);
        if (any)
            buf_put_u8(b, ',');
        buf_put(b, errors.data + 1, errors.len - 1);
    } else {
        buf_put(b, raw, line.len);
        buf_put_u8(b, '\n');
        buf_put(b, errors.data, errors.len);
    }
    b->failed = b->failed || errors.failed;
    buf_put_u8(b, '\n');
    buf_free(&errors);
}

int
rejects_put(struct rejects *r, const char *raw, uint64_t number, const struct err *why, struct err *err)
{
    char digits[24];
    const char *texts[3] = {digits, table_title(r->table, why->field), why->text};
    bool ndjson = table_format(r->table) == TABLE_NDJSON;
    bool fresh = !r->to;
    struct buf b;
    int rc = fresh ? create(r, err) : 0;
    if (rc != 0)
        return rc;
    snprintf(digits, sizeof(digits), "%llu", (unsigned long long)number);
    buf_init(&b, LINE_BYTES_MAX);
    if (fresh &&
        table_was_recoded(r->table)) /* so that the encoding that the mapping names is not taken for this one's */
        buf_put(&b, "\xef\xbb\xbf", 3);
    if (ndjson)
        put_ndjson(&b, raw, number, texts);
    if (!ndjson && fresh)
        put_csv(&b, r, table_header(r->table), COLUMNS);
    if (!ndjson)
        put_csv(&b, r, raw, texts);
    rc = buf_check(&b, "rejected row", err);
    if (rc == 0 && fwrite(b.data, 1, b.len, r->to) != b.len)
        rc = err_errno(err, "%s", r->made);
    buf_free(&b);
    return rc;
}

int
rejects_close(struct rejects *r, struct err *err)
{
    FILE *to = r->to;
    r->to = NULL;
    return to && fclose(to) != 0 ? err_errno(err, "%s", r->made) : 0;
}
