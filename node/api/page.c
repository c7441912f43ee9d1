/* An answer in JSON as a page that a person can read: self-contained, without scripts, every text escaped. Keys become plain words, lists of
 * objects tables. */
#include <jansson.h>

#include "node/api/request.h"

enum { DEPTH_MAX = 16, COLUMNS_MAX = 24 };

static const char STYLE[] = "body{font:16px/1.5 sans-serif;max-width:70rem;margin:2rem auto;padding:0 1rem;color:#222}"
                            "table{border-collapse:collapse;margin:.5rem 0}"
                            "th,td{border:1px solid #bbb;padding:.3rem .6rem;text-align:left;vertical-align:top}"
                            "th{background:#f2f2f2}h2{margin-top:2rem}";
/* Of the bytes of STYLE, in base64: the policy lets no other style in. */
static const char STYLE_SHA256[] = "zwSBfMOHGE7OjToe2YSFdOqPWgIh2MTBfrdl1nhT4TM=";

static void
put(struct buf *out, const char *text)
{
    buf_put(out, text, strlen(text));
}

static void
put_escaped(struct buf *out, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        switch (text[i]) {
        case '&': put(out, "&amp;"); break;
        case '<': put(out, "&lt;"); break;
        case '>': put(out, "&gt;"); break;
        case '"': put(out, "&quot;"); break;
        case '\'': put(out, "&#39;"); break;
        default: buf_put(out, &text[i], 1); break;
        }
    }
}

/* effective_on → Effective on */
static void
put_words(struct buf *out, const char *key)
{
    for (size_t i = 0; key[i] != '\0'; i++) {
        char c = key[i] == '_' ? ' ' : key[i];
        if (i == 0 && c >= 'a' && c <= 'z')
            c = (char)(c - 'a' + 'A');
        put_escaped(out, &c, 1);
    }
}

static void put_value(struct buf *out, const json_t *v, int depth);

static bool
is_table(const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v) if (!json_is_object(v)) return false;
    return json_array_size(list) > 0;
}

/* Columns: all keys of all rows, in the order in which they come. */
static void
put_table(struct buf *out, const json_t *list, int depth)
{
    const char *columns[COLUMNS_MAX], *key;
    size_t n = 0, i;
    json_t *row, *v;
    json_array_foreach(list, i, row)
    {
        json_object_foreach(row, key, v)
        {
            size_t c = 0;
            while (c < n && strcmp(columns[c], key) != 0)
                c++;
            if (c == n && n < COLUMNS_MAX)
                columns[n++] = key;
        }
    }
    put(out, "<table><tr>");
    for (size_t c = 0; c < n; c++) {
        put(out, "<th>");
        put_words(out, columns[c]);
        put(out, "</th>");
    }
    put(out, "</tr>");
    json_array_foreach(list, i, row)
    {
        put(out, "<tr>");
        for (size_t c = 0; c < n; c++) {
            put(out, "<td>");
            if ((v = json_object_get(row, columns[c])) != NULL)
                put_value(out, v, depth + 1);
            put(out, "</td>");
        }
        put(out, "</tr>");
    }
    put(out, "</table>\n");
}

static void
put_list(struct buf *out, const json_t *list, int depth)
{
    size_t i;
    json_t *v;
    if (json_array_size(list) == 0) {
        put(out, "none");
        return;
    }
    if (is_table(list)) {
        put_table(out, list, depth);
        return;
    }
    json_array_foreach(list, i, v)
    {
        put(out, i > 0 ? ", " : "");
        put_value(out, v, depth + 1);
    }
}

static void
put_object(struct buf *out, json_t *object, int depth)
{
    const char *key;
    json_t *v;
    put(out, "<table>");
    json_object_foreach(object, key, v)
    {
        put(out, "<tr><th>");
        put_words(out, key);
        put(out, "</th><td>");
        put_value(out, v, depth + 1);
        put(out, "</td></tr>");
    }
    put(out, "</table>\n");
}

static void
put_value(struct buf *out, const json_t *v, int depth)
{
    char number[32];
    if (depth > DEPTH_MAX)
        return;
    switch (json_typeof(v)) {
    case JSON_OBJECT: put_object(out, (json_t *)(uintptr_t)v, depth); break;
    case JSON_ARRAY: put_list(out, v, depth); break;
    case JSON_STRING: put_escaped(out, json_string_value(v), json_string_length(v)); break;
    case JSON_INTEGER:
        snprintf(number, sizeof(number), "%lld", (long long)json_integer_value(v));
        put(out, number);
        break;
    case JSON_TRUE: put(out, "yes"); break;
    case JSON_FALSE: put(out, "no"); break;
    default: put(out, "–"); break;
    }
}

static void
put_page(struct buf *out, const char *title, json_t *root)
{
    const char *key;
    json_t *v;
    put(out, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>");
    put_escaped(out, title, strlen(title));
    put(out, "</title><style>");
    put(out, STYLE);
    put(out, "</style></head><body>\n<h1>");
    put_escaped(out, title, strlen(title));
    put(out, "</h1>\n");
    json_object_foreach(root, key, v)
    {
        if (!json_is_array(v)) {
            put(out, "<p><b>");
            put_words(out, key);
            put(out, ":</b> ");
            put_value(out, v, 1);
            put(out, "</p>\n");
            continue;
        }
        put(out, "<h2>");
        put_words(out, key);
        put(out, "</h2>\n");
        put_value(out, v, 1);
        put(out, "\n");
    }
    put(out, "</body></html>\n");
}

void
page_policy(char out[PAGE_POLICY_MAX])
{
    snprintf(out, PAGE_POLICY_MAX,
             "default-src 'none'; style-src 'sha256-%s'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
             STYLE_SHA256);
}

int
page_from_json(struct request *r, const char *title, struct err *err)
{
    int rc = buf_check(r->out, "answer", err);
    if (rc != 0)
        return rc;
    json_t *root = json_loadb((const char *)r->out->data, r->out->len, JSON_ALLOW_NUL, NULL);
    if (root == NULL)
        return err_set(err, ERR_NOMEM, "page: out of memory");
    person_wipe(r->out->data, r->out->len);
    buf_clear(r->out);
    put_page(r->out, title, root);
    json_decref(root);
    r->content_type = "text/html; charset=utf-8";
    r->page = true;
    return 0;
}
