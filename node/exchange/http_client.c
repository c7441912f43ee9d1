/* See http_client.h. */
#include "node/exchange/http_client.h"

#include <curl/curl.h>
#include <errno.h>
#include <jansson.h>
#include <sodium.h>
#include <unistd.h>

enum { TRIES_BUSY = 20, WAIT_BUSY_US = 500000, HEADER_MAX = 400 };

struct http {
    CURL *curl;
    char base[HTTP_URL_MAX], token[HTTP_TOKEN_MAX];
    char trouble[CURL_ERROR_SIZE];
    struct buf body;
    char etag[HTTP_ETAG_MAX];
};

int
http_new(const char *base, const char *token, struct http **ret, struct err *err)
{
    if ((strncmp(base, "http://", 7) != 0 && strncmp(base, "https://", 8) != 0) || strlen(base) >= HTTP_URL_MAX)
        return err_field(err, ERR_INVALID, "url", "url: of the form http://host:port");
    struct http *h = calloc(1, sizeof(*h));
    if (!h)
        return err_set(err, ERR_NOMEM, "http: out of memory");
    buf_init(&h->body, HTTP_ANSWER_BYTES_MAX);
    h->curl = curl_easy_init();
    if (!h->curl) {
        http_free(&h);
        return err_set(err, ERR_NOMEM, "http: out of memory");
    }
    snprintf(h->base, sizeof(h->base), "%s", base);
    size_t len = strlen(h->base);
    if (h->base[len - 1] == '/')
        h->base[len - 1] = '\0';
    if (token)
        snprintf(h->token, sizeof(h->token), "%s", token);
    *ret = h;
    return 0;
}

void
http_free(struct http **http)
{
    struct http *h = *http;
    if (!h)
        return;
    if (h->curl)
        curl_easy_cleanup(h->curl);
    buf_free(&h->body);
    sodium_memzero(h, sizeof(*h));
    free(h);
    *http = NULL;
}

static size_t
on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http *h = arg;
    buf_put(&h->body, data, size * n);
    return h->body.failed ? 0 : size * n;
}

static size_t
on_header(char *data, size_t size, size_t n, void *arg)
{
    struct http *h = arg;
    size_t len = size * n, at = 5;
    if (len > 5 && strncasecmp(data, "etag:", 5) == 0) {
        while (at < len && (data[at] == ' ' || data[at] == '\t'))
            at++;
        while (len > at && (data[len - 1] == '\r' || data[len - 1] == '\n'))
            len--;
        if (len - at < sizeof(h->etag)) {
            memcpy(h->etag, data + at, len - at);
            h->etag[len - at] = '\0';
        }
    }
    return size * n;
}

/* NULL stays NULL, which is how a failure of an earlier line is found at the end. */
static struct curl_slist *
add_header(struct curl_slist *list, bool *failed, const char *name, const char *value)
{
    char line[HEADER_MAX];
    int n = snprintf(line, sizeof(line), "%s: %s", name, value);
    struct curl_slist *more = n > 0 && n < (int)sizeof(line) ? curl_slist_append(list, line) : NULL;
    *failed = *failed || !more;
    sodium_memzero(line, sizeof(line));
    return more ? more : list;
}

static int
perform(struct http *h, const struct http_request *q, long *ret_status, struct err *err)
{
    char url[HTTP_URL_MAX * 4], bearer[HTTP_TOKEN_MAX + 8];
    bool failed = false;
    struct curl_slist *headers = NULL;
    int n = snprintf(url, sizeof(url), "%s%s", h->base, q->path);
    if (n < 0 || n >= (int)sizeof(url))
        return err_set(err, ERR_LIMIT, "http: the address is too long");
    snprintf(bearer, sizeof(bearer), "Bearer %s", h->token);
    if (h->token[0] != '\0')
        headers = add_header(headers, &failed, "Authorization", bearer);
    if (q->key)
        headers = add_header(headers, &failed, "Idempotency-Key", q->key);
    if (q->if_match)
        headers = add_header(headers, &failed, "If-Match", q->if_match);
    headers = add_header(headers, &failed, "Content-Type", q->type ? q->type : "application/json");
    if (q->accept)
        headers = add_header(headers, &failed, "Accept", q->accept);
    headers = add_header(headers, &failed, "Expect", "");
    sodium_memzero(bearer, sizeof(bearer));
    buf_clear(&h->body);
    h->etag[0] = '\0';
    curl_easy_reset(h->curl);
    curl_easy_setopt(h->curl, CURLOPT_URL, url);
    curl_easy_setopt(h->curl, CURLOPT_CUSTOMREQUEST, q->method);
    curl_easy_setopt(h->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(h->curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(h->curl, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(h->curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(h->curl, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(h->curl, CURLOPT_ERRORBUFFER, h->trouble);
    curl_easy_setopt(h->curl, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS);
    curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(h->curl, CURLOPT_LOW_SPEED_TIME, (long)HTTP_STALL_S);
    curl_easy_setopt(h->curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(h->curl, CURLOPT_PROTOCOLS_STR, "http,https");
    if (strcmp(q->method, "GET") != 0) {
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDS, q->body.len > 0 ? (const char *)q->body.data : "");
        curl_easy_setopt(h->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.len);
    }
    h->trouble[0] = '\0';
    CURLcode code = failed ? CURLE_OUT_OF_MEMORY : curl_easy_perform(h->curl);
    curl_slist_free_all(headers);
    buf_put_u8(&h->body, 0);
    if (code == CURLE_OUT_OF_MEMORY)
        return err_set(err, ERR_NOMEM, "http: out of memory");
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return err_set(err, ERR_UNAVAILABLE, "no node answers at %s (%s); is it running, and is the address right?",
                       h->base, h->trouble);
    if (code != CURLE_OK)
        return err_set(err, ERR_IO, "%s: %s", h->base, h->trouble[0] != '\0' ? h->trouble : curl_easy_strerror(code));
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, ret_status);
    return 0;
}

static enum err_code
code_of(long status)
{
    switch (status) {
    case 400:
    case 422: return ERR_INVALID;
    case 401:
    case 403: return ERR_DENIED;
    case 404: return ERR_NOTFOUND;
    case 409:
    case 412: return ERR_CONFLICT;
    case 413: return ERR_LIMIT;
    case 503: return ERR_BUSY;
    case 507: return ERR_FULL;
    default: return ERR_IO;
    }
}

int
http_problem(long status, const struct json_t *problem, struct err *err)
{
    const char *detail = json_string_value(json_object_get(problem, "detail"));
    const char *name = json_string_value(json_object_get(problem, "field"));
    if (!detail)
        return err_set(err, code_of(status), "the node answered with status %ld", status);
    return err_field(err, code_of(status), name ? name : "", "%s", detail);
}

int
http_call(struct http *h, const struct http_request *q, struct http_answer *ret, struct err *err)
{
    long status = 0;
    int rc = 0;
    for (int i = 0; i < TRIES_BUSY; i++) {
        rc = perform(h, q, &status, err);
        if (rc != 0 || status != 503)
            break;
        usleep(WAIT_BUSY_US);
    }
    if (rc != 0)
        return rc;
    if (status >= 400) {
        json_t *problem = json_loads((const char *)h->body.data, 0, NULL);
        rc = http_problem(status, problem, err);
        json_decref(problem);
        return rc;
    }
    ret->status = status;
    ret->body = slice_of(h->body.data, h->body.len - 1);
    memcpy(ret->etag, h->etag, sizeof(ret->etag));
    return 0;
}

void
http_escape(struct buf *out, const char *text)
{
    static const char DIGITS[] = "0123456789ABCDEF";
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if ((*p >= '0' && *p <= '9') || (*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z') || strchr("-._~", *p)) {
            buf_put_u8(out, *p);
            continue;
        }
        buf_put_u8(out, '%');
        buf_put_u8(out, (uint8_t)DIGITS[*p >> 4]);
        buf_put_u8(out, (uint8_t)DIGITS[*p & 15]);
    }
}

int
http_token(const char *file, char ret[HTTP_TOKEN_MAX], struct err *err)
{
    const char *text = getenv("SMARTNODE_TOKEN");
    char line[HTTP_TOKEN_MAX] = "";
    if (file) {
        FILE *f = fopen(file, "r");
        if (!f)
            return errno == ENOENT ? err_set(err, ERR_NOTFOUND, "%s: there is no such file", file)
                                   : err_errno(err, "%s", file);
        text = fgets(line, sizeof(line), f);
        fclose(f);
        if (!text)
            return err_set(err, ERR_DENIED, "%s: holds no token", file);
        line[strcspn(line, " \t\r\n")] = '\0';
    }
    if (!text || text[0] == '\0')
        return err_set(
            err, ERR_DENIED,
            "this goes through the running node, which asks for a token: --token-file FILE or $SMARTNODE_TOKEN; smartnode token create makes one");
    if (strlen(text) >= HTTP_TOKEN_MAX)
        return err_set(err, ERR_DENIED, "the token is too long");
    snprintf(ret, HTTP_TOKEN_MAX, "%s", text);
    sodium_memzero(line, sizeof(line));
    return 0;
}
