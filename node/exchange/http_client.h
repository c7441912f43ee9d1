/* A small HTTP client over libcurl for the commands that speak to a node: one connection kept open, times and sizes bounded, problems
 * (RFC 9457) turned into errors. One thread. */
#ifndef SMARTNODE_EXCHANGE_HTTP_CLIENT_H
#define SMARTNODE_EXCHANGE_HTTP_CLIENT_H

#include "proto/base/bytes.h"

enum {
    HTTP_URL_MAX = 512,
    HTTP_ETAG_MAX = 128,
    HTTP_ANSWER_BYTES_MAX = 67108864,
    HTTP_CONNECT_MS = 5000,
    HTTP_STALL_S = 60
};

struct http;

/* base: http://host:port or https://…, without a path. token: NULL = none. ERR_INVALID, ERR_NOMEM. */
int http_new(const char *base, const char *token, struct http **ret, struct err *err) NODISCARD;
void http_free(struct http **h);

struct http_request {
    const char *method; /* "GET" */
    const char *path;   /* "/v1/…", with the query, escaped */
    const char *type;   /* of the body; NULL = application/json */
    struct slice body;
    const char *key;      /* Idempotency-Key or NULL */
    const char *if_match; /* or NULL */
    const char *accept;   /* or NULL */
};
struct http_answer {
    long status;
    struct slice body;        /* ends in a NUL that is not counted; borrowed until the next request */
    char etag[HTTP_ETAG_MAX]; /* or empty */
};
/* Any answer below 400 gives 0. Else the problem as an error: ERR_INVALID, ERR_DENIED (401, 403), ERR_NOTFOUND, ERR_CONFLICT (409, 412),
 * ERR_FULL (507), ERR_BUSY (503, after some tries), ERR_IO for the rest, with text and field of the problem. ERR_UNAVAILABLE:
 * nobody answers there. */
int http_call(struct http *h, const struct http_request *q, struct http_answer *ret, struct err *err) NODISCARD;

/* Error of a problem document or of a line of a batch's answer. */
struct json_t;
int http_problem(long status, const struct json_t *problem, struct err *err);

/* Escapes a value for a query or a path, appends it. */
void http_escape(struct buf *out, const char *text);

/* The token: from the file, or $SMARTNODE_TOKEN. ERR_DENIED says how to get one; ERR_IO, ERR_NOTFOUND. */
enum { HTTP_TOKEN_MAX = 256 };
int http_token(const char *file_or_null, char ret[HTTP_TOKEN_MAX], struct err *err) NODISCARD;

#endif
