/* Answers: errors as problem+json (RFC 9457), results of operations, headers. */
#include "node/api/request.h"

enum { SEND_MS = 30000, SEND_BYTES_PER_MS = 16, RETRY_AFTER_S = 2 };

static const char json_type[] = "application/json";
static const char problem_type[] = "application/problem+json";

unsigned
http_status(const struct err *err)
{
    switch (err->code) {
    case ERR_NONE: return MHD_HTTP_OK;
    case ERR_INVALID:
    case ERR_FORGED: return MHD_HTTP_BAD_REQUEST;
    case ERR_VERSION:
    case ERR_UNKNOWN_KIND: return MHD_HTTP_UNPROCESSABLE_CONTENT;
    case ERR_LIMIT: /* of what is open, or too much at once */
        return strcmp(err->field, "requests") == 0 || strcmp(err->field, "tokens") == 0 ? MHD_HTTP_TOO_MANY_REQUESTS
                                                                                        : MHD_HTTP_CONTENT_TOO_LARGE;
    case ERR_NOTFOUND: return strcmp(err->field, "after") == 0 ? MHD_HTTP_GONE : MHD_HTTP_NOT_FOUND;
    case ERR_EXISTS:
        return strcmp(err->field, "idempotency-key") == 0 ? MHD_HTTP_UNPROCESSABLE_CONTENT : MHD_HTTP_CONFLICT;
    case ERR_CONFLICT: return strcmp(err->field, "if-match") == 0 ? MHD_HTTP_PRECONDITION_FAILED : MHD_HTTP_CONFLICT;
    case ERR_FEDERATION:
    case ERR_FORK:
    case ERR_WAITING: return MHD_HTTP_CONFLICT;
    case ERR_DENIED:
    case ERR_UNTRUSTED: return MHD_HTTP_FORBIDDEN;
    case ERR_FULL: return MHD_HTTP_INSUFFICIENT_STORAGE;
    case ERR_NOMEM:
    case ERR_BUSY:
    case ERR_UNAVAILABLE: return MHD_HTTP_SERVICE_UNAVAILABLE;
    case ERR_IO:
    case ERR_CORRUPT: break;
    }
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}

struct json_out
reply_json(struct request *r, unsigned status)
{
    r->status = status;
    r->content_type = json_type;
    buf_clear(r->out);
    return json_out_of(r->out);
}

/* Texts of errors are cut at their end, maybe within a character. */
static void
put_detail(struct json_out *j, const char *text)
{
    size_t len = strlen(text), least = len > 3 ? len - 3 : 0;

    while (len > least && !text_ok(text, len)) {
        len--;
    }
    json_text(j, text, text_ok(text, len) ? len : 0);
}

void
problem_write(struct json_out *j, unsigned status, const struct err *err)
{
    json_open(j, '{');
    json_key(j, "type");
    buf_put(j->b, "\"urn:smartnode:problem:", 23);
    text_put(j->b, err_name(err->code));
    buf_put(j->b, "\"", 1);
    j->comma = true;
    json_put_text(j, "title", MHD_get_reason_phrase_for(status));
    json_put_uint(j, "status", status);
    /* What went wrong inside is for the log, not for whoever asks. */
    json_key(j, "detail");
    put_detail(j, status == MHD_HTTP_INTERNAL_SERVER_ERROR ? "internal error, see the log of the node" : err->text);
    if (err->field[0] != '\0') {
        json_put_text(j, "field", err->field);
    }
    json_close(j, '}');
}

void
count_rejected(struct api *a, const struct err *err)
{
    size_t i = (size_t)-err->code;

    if (i < API_REASONS_MAX) {
        atomic_fetch_add_explicit(&a->counters.rejected[i], 1, memory_order_relaxed);
    }
}

void
reply_problem(struct request *r, unsigned status, const struct err *err)
{
    const struct api_deps *d = &r->api->deps;

    count_rejected(r->api, err);
    if (status == MHD_HTTP_INTERNAL_SERVER_ERROR && d->log != NULL) {
        char line[ERR_TEXT_MAX + 128];
        snprintf(line, sizeof(line), "http: %s %s: %s (%s)", r->route != NULL ? r->route->method : "?",
                 r->route != NULL ? r->route->pattern : "?", err->text, err_name(err->code));
        d->log(d->arg, line);
    }
    struct json_out j = reply_json(r, status);
    problem_write(&j, status, err);
    r->content_type = problem_type;
    r->etag[0] = '\0';
    r->location[0] = '\0';
}

void
result_write(struct json_out *j, const struct api_op *op)
{
    const struct api_result *res = &op->result;

    if (res->has_subject) {
        json_put_hex(j, "id", res->subject.b, ID_BYTES);
    } else if ((op->kind == OP_TOKEN_CREATE && !res->replayed) || op->kind == OP_TOKEN_REVOKE) {
        /* Of a token that was made before, nothing is kept but that it was made. */
        json_put_hex(j, "id", op->token.hash.b, TOKEN_ID_BYTES);
    }
    if (res->has_position) {
        put_position(j, &res->position);
    }
    if (res->keys_left > 0) {
        json_put_uint(j, "keys_left", res->keys_left);
    }
    if (res->representatives > 0) {
        json_put_uint(j, "representatives", res->representatives);
    }
}

/* Commands have one word for the unit's own number of whatever they write; a request has a field of its own for each. */
void
op_field_name(struct api_op *op)
{
    static const struct {
        enum api_op_kind kind;
        const char *theirs, *ours;
    } names[] = {{OP_ACTIVITY, "number", "activity_no"},
                 {OP_INVOICE, "number", "invoice_no"},
                 {OP_MEMBER, "representative", "other"}};

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (names[i].kind == op->kind && strcmp(op->result.err.field, names[i].theirs) == 0) {
            snprintf(op->result.err.field, sizeof(op->result.err.field), "%s", names[i].ours);
            return;
        }
    }
}

static void
location_of(struct request *r, const struct api_op *op)
{
    char id[HEX16_MAX];

    if (op->result.status != MHD_HTTP_CREATED || r->location[0] != '\0') {
        return; /* nothing was made, or the handler has said where */
    }
    if (op->result.has_subject) {
        hex_encode(op->result.subject.b, ID_BYTES, id);
    } else if (op->kind == OP_TOKEN_CREATE) {
        if (!op->result.replayed) {
            hex_encode(op->token.hash.b, TOKEN_ID_BYTES, id);
            snprintf(r->location, sizeof(r->location), "/v1/tokens/%s", id);
        }
        return;
    } else {
        return;
    }
    snprintf(r->location, sizeof(r->location), "%.80s/%s", r->path, id);
}

void
reply_op(struct request *r)
{
    struct api_op *op = &r->ops[0];
    const struct api_result *res = &op->result;

    if (r->route->handle == post_retention) {
        erase_reply_many(r);
        return;
    }
    if (res->err.code != ERR_NONE) {
        op_field_name(op);
        reply_problem(r, http_status(&res->err), &res->err);
        return;
    }
    if (op->kind == OP_ACCESS && op->access.action == ACCESS_ISSUE) {
        reply_pass(r, op);
        return;
    }
    if (op->kind == OP_KEYS_KEEP) {
        reply_pass_seen(r);
        return;
    }
    struct json_out j = reply_json(r, res->status);
    json_open(&j, '{');
    result_write(&j, op);
    if (op->kind == OP_TOKEN_CREATE && !res->replayed) {
        json_put_text(&j, "token", r->new_token);
        if (op->token.row.expires.ms != 0) {
            json_put_time(&j, "expires", op->token.row.expires);
        }
        r->personal = true; /* wiped likewise */
    }
    if (op->kind == OP_ERASE)
        erase_result_write(&j, op);
    json_close(&j, '}');
    r->replayed = res->replayed;
    /* Of a replay the ETag could be an old one. */
    bool entity = op->kind == OP_MEMBER || op->kind == OP_ACTIVITY || op->kind == OP_INVOICE ||
                  op->kind == OP_POSTING || op->kind == OP_CANCEL || op->kind == OP_MERGE || op->kind == OP_ERASE;
    if (entity && res->has_position && !res->replayed) {
        etag_position(&res->position, r->etag);
    }
    location_of(r, op);
}

static void
add_headers(struct request *r, struct MHD_Response *response)
{
    MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, r->content_type);
    MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    if (r->page) {
        char policy[PAGE_POLICY_MAX];
        page_policy(policy);
        MHD_add_response_header(response, "Content-Security-Policy", policy);
        MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    }
    if (r->etag[0] != '\0') {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ETAG, r->etag);
    }
    if (r->location[0] != '\0') {
        MHD_add_response_header(response, MHD_HTTP_HEADER_LOCATION, r->location);
    }
    if (r->allow[0] != '\0') {
        MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, r->allow);
    }
    if (r->replayed) {
        MHD_add_response_header(response, "Idempotent-Replay", "true");
    }
    if (r->status == MHD_HTTP_UNAUTHORIZED) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer realm=\"smartnode\"");
    }
    if (r->status == MHD_HTTP_SERVICE_UNAVAILABLE || r->status == MHD_HTTP_TOO_MANY_REQUESTS) {
        char seconds[12];
        snprintf(seconds, sizeof(seconds), "%u", r->retry_after_s != 0 ? (unsigned)r->retry_after_s : RETRY_AFTER_S);
        MHD_add_response_header(response, MHD_HTTP_HEADER_RETRY_AFTER, seconds);
    }
    if (r->close) {
        MHD_add_response_header(response, MHD_HTTP_HEADER_CONNECTION, "close");
    }
}

static void
count_answer(struct request *r)
{
    struct api_counters *c = &r->api->counters;

    atomic_fetch_add_explicit(&c->requests[r->status / 100 % 6], 1, memory_order_relaxed);
    if (r->status == MHD_HTTP_UNAUTHORIZED) {
        atomic_fetch_add_explicit(&c->unauthorized, 1, memory_order_relaxed);
    }
    if (r->status == MHD_HTTP_TOO_MANY_REQUESTS) {
        atomic_fetch_add_explicit(&c->limited, 1, memory_order_relaxed);
    }
    if (r->replayed) {
        atomic_fetch_add_explicit(&c->replayed, 1, memory_order_relaxed);
    }
}

/* The buffer belongs to the connection, outlives the response and is wiped when the request is over. */
enum MHD_Result
reply_send(struct request *r)
{
    struct MHD_Response *response = MHD_create_response_from_buffer(r->out->len, r->out->data, MHD_RESPMEM_PERSISTENT);

    if (response == NULL) {
        return MHD_NO;
    }
    add_headers(r, response);
    count_answer(r);
    conn_deadline(r->conn, SEND_MS + (int64_t)(r->out->len / SEND_BYTES_PER_MS));
    enum MHD_Result ok = MHD_queue_response(r->mhd, r->status, response);
    MHD_destroy_response(response);
    return ok;
}
