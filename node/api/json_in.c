/* Reading requests with jansson. */
#include "node/api/json_in.h"

#include <jansson.h>

int
json_depth_check(struct slice text, struct err *err)
{
    size_t depth = 0;
    bool in_string = false;

    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = text.data[i];
        if (in_string) {
            if (c == '\\') {
                i++;
            } else if (c == '"') {
                in_string = false;
            }
        } else if (c == '"') {
            in_string = true;
        } else if (c == '{' || c == '[') {
            if (++depth > JSON_DEPTH_MAX) {
                return err_set(err, ERR_INVALID, "nested deeper than %d", JSON_DEPTH_MAX);
            }
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return 0;
}

int
json_in_open(struct json_in *in, struct slice text, struct err *err)
{
    json_error_t e;

    *in = (struct json_in){.err = err};
    in->rc = json_depth_check(text, err);
    if (in->rc != 0) {
        return in->rc;
    }
    if (text.len == 0) {
        return in->rc = err_set(err, ERR_INVALID, "a JSON object is expected");
    }
    in->root = json_loadb((const char *)text.data, text.len, JSON_REJECT_DUPLICATES, &e);
    if (in->root == NULL) {
        /* jansson's text may quote the input: only the place is told. */
        bool twice = json_error_code(&e) == json_error_duplicate_key;
        return in->rc = err_set(err, ERR_INVALID, "%s (line %d, column %d)",
                                twice ? "a field stands twice" : "not JSON", e.line, e.column);
    }
    if (!json_is_object(in->root)) {
        json_decref(in->root);
        in->root = NULL;
        return in->rc = err_set(err, ERR_INVALID, "a JSON object is expected");
    }
    in->object = in->root;
    return 0;
}

void
json_in_fail(struct json_in *in, const char *key, const char *text)
{
    char field[ERR_FIELD_MAX];

    if (in->rc != 0) {
        return;
    }
    /* The key may be the client's own. */
    snprintf(field, sizeof(field), "%.40s%.20s", in->path, key);
    in->rc = err_field(in->err, ERR_INVALID, field, "%s", text);
}

/* The value of a key, NULL if absent, null, or an error is there already. */
static json_t *
take(struct json_in *in, const char *key, bool required)
{
    json_t *v = in->rc == 0 ? json_object_get(in->object, key) : NULL;

    if (v != NULL) {
        MUST(in->n_asked < JSON_FIELDS_MAX);
        in->asked[in->n_asked++] = key;
    }
    if (v != NULL && !json_is_null(v)) {
        return v;
    }
    if (required) {
        json_in_fail(in, key, "is missing");
    }
    return NULL;
}

bool
json_in_object(struct json_in *in, const char *key, struct json_in *ret)
{
    json_t *v = take(in, key, false);

    *ret = (struct json_in){.err = in->err, .parent = in};
    if (v == NULL) {
        return false;
    }
    if (!json_is_object(v)) {
        json_in_fail(in, key, "must be an object");
        return false;
    }
    ret->object = v;
    snprintf(ret->path, sizeof(ret->path), "%.24s%.20s.", in->path, key);
    return true;
}

static bool
is_asked_for(const char *key, const char *const *asked, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(key, asked[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* A key of the client's goes back to it only if it may be cut anywhere and shown anywhere. */
static bool
key_is_plain(const char *key)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-";

    return key[0] != '\0' && key[strspn(key, plain)] == '\0';
}

int
json_in_done(struct json_in *in)
{
    if (in->rc == 0 && in->object != NULL && json_object_size(in->object) != in->n_asked) {
        const char *key;
        json_t *value;
        json_object_foreach(in->object, key, value)
        {
            if (!is_asked_for(key, in->asked, in->n_asked)) {
                json_in_fail(in, key_is_plain(key) ? key : "?", "is not known here");
                break;
            }
        }
    }
    if (in->parent != NULL && in->parent->rc == 0) {
        in->parent->rc = in->rc;
    }
    json_decref(in->root);
    in->root = NULL;
    in->object = NULL;
    return in->rc;
}

int
json_in_end(struct json_in *in, int rc)
{
    if (in->rc == 0) {
        in->rc = rc;
    }
    int done = json_in_done(in);
    return rc != 0 ? rc : done;
}

bool
json_in_has(const struct json_in *in, const char *key)
{
    return in->rc == 0 && json_object_get(in->object, key) != NULL;
}

bool
json_in_slice(struct json_in *in, const char *key, bool required, struct slice *out)
{
    json_t *v = take(in, key, required);

    if (v == NULL) {
        return false;
    }
    if (!json_is_string(v)) {
        json_in_fail(in, key, "must be a text");
        return false;
    }
    *out = slice_of(json_string_value(v), json_string_length(v));
    return true;
}

bool
json_in_text(struct json_in *in, const char *key, bool required, char *out, size_t cap)
{
    struct slice s;

    if (!json_in_slice(in, key, required, &s)) {
        return false;
    }
    if (s.len >= cap) {
        json_in_fail(in, key, "is too long");
        return false;
    }
    if (!text_ok((const char *)s.data, s.len)) {
        json_in_fail(in, key, "contains control characters");
        return false;
    }
    if (required && s.len == 0) {
        json_in_fail(in, key, "is empty");
        return false;
    }
    memcpy(out, s.data, s.len);
    out[s.len] = '\0';
    return true;
}

bool
json_in_uint(struct json_in *in, const char *key, bool required, uint64_t max, uint64_t *out)
{
    json_t *v = take(in, key, required);

    if (v == NULL) {
        return false;
    }
    if (!json_is_integer(v) || json_integer_value(v) < 0) {
        json_in_fail(in, key, "must be a whole number, 0 or more");
        return false;
    }
    if ((uint64_t)json_integer_value(v) > max) {
        json_in_fail(in, key, "is too large");
        return false;
    }
    *out = (uint64_t)json_integer_value(v);
    return true;
}

bool
json_in_bool(struct json_in *in, const char *key, bool *out)
{
    json_t *v = take(in, key, false);

    if (v == NULL) {
        return false;
    }
    if (!json_is_boolean(v)) {
        json_in_fail(in, key, "must be true or false");
        return false;
    }
    *out = json_is_true(v);
    return true;
}

bool
json_in_event(struct json_in *in, const char *key, bool required, struct position *out)
{
    struct json_in event;

    if (!json_in_object(in, key, &event)) {
        if (required && in->rc == 0) {
            json_in_fail(in, key, "is missing: name an event, {\"log\": …, \"seq\": …}, as the history does");
        }
        return false;
    }
    (void)json_in_hex(&event, "log", true, out->log.b, HASH_BYTES);
    (void)json_in_uint(&event, "seq", true, INT64_MAX, &out->seq);
    return json_in_done(&event) == 0;
}

bool
json_in_date(struct json_in *in, const char *key, bool required, struct civil_date *out)
{
    char text[DATE_TEXT_MAX + 1];
    struct civil_date d;

    if (!json_in_text(in, key, required, text, sizeof(text))) {
        return false;
    }
    if (date_parse(text, key, &d, NULL) != 0) {
        json_in_fail(in, key, "must be a date, YYYY-MM-DD, from 1900 to 2199");
        return false;
    }
    *out = d;
    return true;
}

bool
json_in_choice(struct json_in *in, const char *key, bool required, const char *const *names, size_t n, size_t *out)
{
    char text[32] = "";
    char message[ERR_TEXT_MAX / 2] = "must be one of";

    if (!json_in_text(in, key, required, text, sizeof(text))) {
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
        size_t at = strlen(message);
        snprintf(message + at, sizeof(message) - at, "%s %s", i == 0 ? "" : ",", names[i]);
    }
    json_in_fail(in, key, message);
    return false;
}

bool
json_in_hex(struct json_in *in, const char *key, bool required, uint8_t *out, size_t len)
{
    char text[HEX32_MAX];

    if (!json_in_text(in, key, required, text, sizeof(text))) {
        return false;
    }
    if (!hex_decode(text, out, len)) {
        json_in_fail(in, key, "is not an id");
        return false;
    }
    return true;
}

bool
json_in_texts(struct json_in *in, const char *key, char *out, size_t cap, size_t max, size_t *ret_n)
{
    json_t *v = take(in, key, false);

    if (v == NULL) {
        return false;
    }
    if (!json_is_array(v) || json_array_size(v) > max) {
        json_in_fail(in, key, "must be a list, not too long");
        return false;
    }
    for (size_t i = 0; i < json_array_size(v); i++) {
        json_t *e = json_array_get(v, i);
        if (!json_is_string(e) || json_string_length(e) >= cap ||
            !text_ok(json_string_value(e), json_string_length(e))) {
            json_in_fail(in, key, "holds something else than short texts");
            return false;
        }
        memcpy(out + i * cap, json_string_value(e), json_string_length(e) + 1);
    }
    *ret_n = json_array_size(v);
    return true;
}
