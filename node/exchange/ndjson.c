/* JSON lines. See ndjson.h. */
#include "node/exchange/ndjson.h"

#include <jansson.h>

#include "node/api/json_in.h"
#include "node/exchange/rejects.h"

static bool
is_blank(uint8_t c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Behind the string that begins at `at`, or the end. */
static size_t
skip_string(struct slice s, size_t at)
{
    for (at++; at < s.len && s.data[at] != '"'; at++)
        at += s.data[at] == '\\';
    return at < s.len ? at + 1 : s.len;
}

static size_t
skip_digits(struct slice s, size_t at)
{
    while (at < s.len && s.data[at] >= '0' && s.data[at] <= '9')
        at++;
    return at;
}

/* Behind the number (RFC 8259, 6) that begins at `at`; at itself if it is none. */
static size_t
skip_number(struct slice s, size_t begin)
{
    size_t at = begin + (s.data[begin] == '-');
    size_t end = skip_digits(s, at);
    if (end == at || (s.data[at] == '0' && end > at + 1))
        return begin;
    if (end < s.len && s.data[end] == '.') {
        at = end + 1;
        end = skip_digits(s, at);
        if (end == at)
            return begin;
    }
    if (end < s.len && (s.data[end] == 'e' || s.data[end] == 'E')) {
        at = end + 1;
        at += at < s.len && (s.data[at] == '+' || s.data[at] == '-');
        end = skip_digits(s, at);
        if (end == at)
            return begin;
    }
    return end;
}

/* Marks a string that was a number. No other string begins so: jansson takes no raw control character, and a string that writes
 * this one as an escape is refused here. */
static const char NUMBER_MARK[] = "\\u0001";

/* The line with its numbers as marked strings. NULL, or what is wrong: what begins like a number is none or is a name. */
static const char *
quote_numbers(struct slice s, struct buf *out)
{
    const size_t mark_len = strlen(NUMBER_MARK);
    size_t at = 0;
    while (at < s.len) {
        uint8_t c = s.data[at];
        size_t end = at + 1;
        if (c == '"') {
            end = skip_string(s, at);
            if (end - at > mark_len && memcmp(s.data + at + 1, NUMBER_MARK, mark_len) == 0)
                return "has a control character";
            buf_put(out, s.data + at, end - at);
        } else if (c == '-' || (c >= '0' && c <= '9')) {
            end = skip_number(s, at);
            size_t next = end;
            while (next < s.len && is_blank(s.data[next]))
                next++;
            if (end == at || (next < s.len && !strchr(",}]", s.data[next])))
                return "not JSON: a number is not written as JSON has it";
            buf_put_u8(out, '"');
            buf_put(out, NUMBER_MARK, mark_len);
            buf_put(out, s.data + at, end - at);
            buf_put_u8(out, '"');
        } else {
            buf_put_u8(out, c);
        }
        at = end;
    }
    return NULL;
}

/* ---- fields ---- */

struct reading {
    ndjson_field *on_field;
    void *arg;
    size_t n;
    struct err *err;
};

static int
read_value(struct reading *r, const char *name, const json_t *v, bool inner)
{
    if (++r->n > NDJSON_FIELDS_MAX)
        return err_set(r->err, ERR_LIMIT, "more than %d fields", NDJSON_FIELDS_MAX);
    switch (json_typeof(v)) {
    case JSON_NULL: return r->on_field(r->arg, name, NULL, NDJSON_NULL);
    case JSON_TRUE: return r->on_field(r->arg, name, "true", NDJSON_TEXT);
    case JSON_FALSE: return r->on_field(r->arg, name, "false", NDJSON_TEXT);
    case JSON_STRING: {
        const char *text = json_string_value(v);
        bool number = text[0] == '\x01';
        return r->on_field(r->arg, name, text + number, number ? NDJSON_NUMBER : NDJSON_TEXT);
    }
    case JSON_OBJECT: return r->on_field(r->arg, name, NULL, inner ? NDJSON_NESTED : NDJSON_OBJECT);
    default: return r->on_field(r->arg, name, NULL, NDJSON_NESTED);
    }
}

static int
read_object(struct reading *r, json_t *object, const char *outer)
{
    const char *key = NULL;
    json_t *v = NULL;
    json_object_foreach(object, key, v)
    {
        char name[NDJSON_NAME_MAX];
        bool inner = outer[0] != '\0';
        int len = snprintf(name, sizeof(name), "%s%s%s", outer, inner ? "." : "", key);
        if (len < 0 || (size_t)len >= sizeof(name))
            return err_set(r->err, ERR_LIMIT, "a name longer than %d bytes", NDJSON_NAME_MAX);
        if (key[0] == '\0')
            return err_set(r->err, ERR_INVALID, "a field without a name");
        int rc = read_value(r, name, v, inner);
        if (rc == 0 && json_is_object(v) && !inner)
            rc = read_object(r, v, key);
        if (rc < 0)
            return rc;
    }
    return 0;
}

int
ndjson_read(struct slice line, ndjson_field *on_field, void *arg, struct err *err)
{
    struct buf quoted;
    json_error_t e;
    json_t *root = NULL;
    struct reading r = {on_field, arg, 0, err};
    int rc = json_depth_check(line, err);
    if (rc != 0)
        return rc;
    buf_init(&quoted, line.len * 12 + 16);
    const char *why = quote_numbers(line, &quoted);
    rc = buf_check(&quoted, "line", err);
    if (rc == 0 && !why && quoted.len > 0)
        root = json_loadb((const char *)quoted.data, quoted.len, JSON_REJECT_DUPLICATES, &e);
    buf_free(&quoted);
    if (rc != 0)
        return rc;
    if (why)
        return err_set(err, ERR_INVALID, "%s", why);
    if (!root && line.len > 0 && json_error_code(&e) == json_error_duplicate_key)
        return err_set(err, ERR_INVALID, "a field stands twice");
    rc =
        json_is_object(root) ? read_object(&r, root, "") : err_set(err, ERR_INVALID, "not one JSON object in one line");
    json_decref(root);
    return rc;
}

/* ---- the fields of an earlier refusal ---- */

/* Behind the value that begins at `at` of a valid line. */
static size_t
skip_value(struct slice s, size_t at)
{
    size_t depth = 0;
    while (at < s.len) {
        uint8_t c = s.data[at];
        if (depth == 0 && (c == ',' || c == '}'))
            break;
        depth += c == '{' || c == '[';
        depth -= c == '}' || c == ']';
        at = c == '"' ? skip_string(s, at) : at + 1;
    }
    return at;
}

void
ndjson_without_errors(struct slice line, struct buf *out, bool *ret_any)
{
    size_t at = 0;
    *ret_any = false;
    while (at < line.len && line.data[at] != '{')
        at++;
    buf_put_u8(out, '{');
    for (at++; at < line.len;) {
        while (at < line.len && (is_blank(line.data[at]) || line.data[at] == ','))
            at++;
        if (at >= line.len || line.data[at] != '"')
            break;
        size_t name_end = skip_string(line, at), end = skip_value(line, name_end);
        char name[NDJSON_NAME_MAX];
        size_t len = name_end - at - 2;
        snprintf(name, sizeof(name), "%.*s", (int)(len < sizeof(name) ? len : 0), (const char *)line.data + at + 1);
        if (!rejects_column(name)) {
            while (is_blank(line.data[end - 1]))
                end--;
            if (*ret_any)
                buf_put_u8(out, ',');
            buf_put(out, line.data + at, end - at);
            *ret_any = true;
        }
        at = end;
    }
}
