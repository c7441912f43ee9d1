/* Checks of a request's head. */
#include "node/api/guard.h"

#include <strings.h>

static const char *const single_headers[] = {"authorization", "idempotency-key", "if-match", "host"};

static bool
name_is(const char *name, size_t len, const char *lower)
{
    return strlen(lower) == len && strncasecmp(name, lower, len) == 0;
}

/* tchar of RFC 9110 §5.6.2. */
static bool
is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c) != NULL);
}

static void
fault(struct guard *g, const char *text)
{
    if (g->wrong == NULL) {
        g->wrong = text;
    }
}

static void
content_length(struct guard *g, const char *value, size_t len)
{
    uint64_t v = 0;

    if (len == 0 || len > 18) {
        fault(g, "Content-Length is not a number");
    }
    for (size_t i = 0; i < len && i < 18; i++) {
        if (value[i] < '0' || value[i] > '9') {
            fault(g, "Content-Length is not a number");
            return;
        }
        v = v * 10 + (uint64_t)(value[i] - '0');
    }
    g->content_length = v;
    if (++g->content_lengths > 1) {
        fault(g, "Content-Length stands twice");
    }
}

void
guard_header(struct guard *g, const char *name, size_t name_len, const char *value, size_t value_len)
{
    if (name_len == 0) {
        fault(g, "a header without a name");
    }
    for (size_t i = 0; i < name_len; i++) {
        if (!is_token_char(name[i])) {
            fault(g, "a header name with a space or another character that may not be in it");
        }
    }
    for (size_t i = 0; i < value_len; i++) {
        if (((unsigned char)value[i] < 0x20 && value[i] != '\t') || value[i] == 0x7f) {
            fault(g, "a header value with control characters");
        }
    }
    if (name_is(name, name_len, "content-length")) {
        content_length(g, value, value_len);
    } else if (name_is(name, name_len, "transfer-encoding")) {
        g->transfer_encodings++;
        g->chunked = name_is(value, value_len, "chunked");
        if (!g->chunked || g->transfer_encodings > 1) {
            fault(g, "the only Transfer-Encoding here is chunked");
        }
    }
    for (size_t i = 0; i < ARRAY_LEN(single_headers); i++) {
        if (name_is(name, name_len, single_headers[i]) && ++g->single[i] > 1) {
            fault(g, "a header that may stand once stands twice");
        }
    }
}

const char *
guard_end(struct guard *g)
{
    if (g->transfer_encodings > 0 && g->content_lengths > 0) {
        fault(g, "Content-Length and Transfer-Encoding together");
    }
    return g->wrong;
}

bool
guard_target(const char *target)
{
    bool in_path = true;
    for (const char *p = target; *p != '\0'; p++) {
        if (*p <= 0x20 || *p >= 0x7f || (p[0] == '%' && p[1] == '0' && p[2] == '0')) {
            return false;
        }
        in_path &= *p != '?';
        if (in_path && p[0] == '%' &&
            ((p[1] == '2' && (p[2] == 'f' || p[2] == 'F')) || (p[1] == '5' && (p[2] == 'c' || p[2] == 'C')))) {
            return false;
        }
    }
    return target[0] == '/';
}
