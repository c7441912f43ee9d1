/* The server against raw sockets: what a head may not say, deadlines, tokens, writes that wait. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/api_server.h"

#include <unistd.h>

static char answer[ANSWER_BYTES_MAX];
static const char admission[] =
    "{\"status\":\"admitted\",\"category\":\"B\",\"person_type\":\"natural\",\"office\":\"Ghent\",\"shares\":3,"
    "\"effective_on\":\"2026-05-01\",\"person\":{\"identity\":{\"given_name\":\"Ann\",\"family_name\":\"Maes\"}}}";
static const char key_header[] = "Idempotency-Key: a-1\r\n";

static int
setup(void **state)
{
    struct api_server *s = calloc(1, sizeof(*s));

    server_start(s);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    server_stop(*state);
    free(*state);
    return 0;
}

static unsigned
answers_in(const char *text)
{
    unsigned n = 0;

    for (const char *p = text; (p = strstr(p, "HTTP/1.1 ")) != NULL; p++) {
        n++;
    }
    return n;
}

/* One 400, then the end: nothing that came behind it was taken for a request. */
static void
refused_and_closed(struct api_server *s, const char *bytes)
{
    int fd = client_open(s);

    client_text(fd, bytes);
    client_text(fd, "GET /healthz HTTP/1.1\r\nHost: smuggled\r\n\r\n");
    assert_true(client_closed(fd, answer, sizeof(answer)));
    assert_int_equal(answer_status(answer), 400);
    assert_int_equal(answers_in(answer), 1);
}

static void
refuses_two_content_lengths(void **state)
{
    refused_and_closed(*state,
                       "POST /v1/members HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 44\r\n\r\nabc");
    refused_and_closed(*state, "GET /healthz HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n");
}

static void
refuses_a_content_length_that_is_not_a_plain_number(void **state)
{
    int fd;

    for (int i = 0; i < 3; i++) {
        static const char *const bad[] = {"+3", "3, 3", "0x3"};
        char text[128];
        snprintf(text, sizeof(text), "POST /v1/members HTTP/1.1\r\nHost: a\r\nContent-Length: %s\r\n\r\nabc", bad[i]);
        fd = client_open(*state);
        client_text(fd, text);
        assert_true(client_closed(fd, answer, sizeof(answer)));
        assert_int_equal(answer_status(answer), 400);
        assert_null(strstr(answer, " 200 ")); /* the library refuses by itself, and writes its status line twice */
    }
}

static void
refuses_content_length_beside_transfer_encoding(void **state)
{
    refused_and_closed(
        *state,
        "POST /v1/members HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
    refused_and_closed(
        *state,
        "POST /v1/members HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n");
}

static void
refuses_every_transfer_encoding_but_chunked(void **state)
{
    refused_and_closed(*state,
                       "POST /v1/members HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n");
    refused_and_closed(*state, "POST /v1/members HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n");
    refused_and_closed(*state, "GET /healthz HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n");
    refused_and_closed(
        *state,
        "POST /v1/members HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n");
}

static void
refuses_a_space_before_the_colon(void **state)
{
    refused_and_closed(*state, "POST /v1/members HTTP/1.1\r\nHost: a\r\nContent-Length : 5\r\n\r\n");
    refused_and_closed(*state, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Any\t: 5\r\n\r\n");
}

static void
refuses_two_tokens_and_a_hidden_nul(void **state)
{
    refused_and_closed(
        *state, "GET /v1/status HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a\r\nAuthorization: Bearer b\r\n\r\n");
    refused_and_closed(*state, "GET /healthz%00/x HTTP/1.1\r\nHost: a\r\n\r\n");
}

static void
keeps_a_connection_for_many_requests(void **state)
{
    int fd = client_open(*state);

    for (int i = 0; i < 3; i++) {
        client_text(fd,
                    i == 1 ? "GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n" : "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_true(client_answer(fd, answer, sizeof(answer)));
        assert_int_equal(answer_status(answer), i == 1 ? 404 : 200);
    }
    close(fd);
}

static void
pass_time(struct api_server *s, int64_t ms)
{
    pthread_mutex_lock(&s->lock);
    s->mono_ms += ms;
    struct mono_ms now = {s->mono_ms};
    pthread_mutex_unlock(&s->lock);
    api_tick(s->api, now);
}

/* A second connection that was answered proves that the first one, accepted before it, is in the server's list. */
static void
server_has_accepted(struct api_server *s)
{
    assert_int_equal(client_request(s, "GET", "/healthz", NULL, "", NULL, answer, sizeof(answer)), 200);
}

static void
closes_a_head_that_drips(void **state)
{
    struct api_server *s = *state;
    int fd = client_open(s);

    client_text(fd, "GET /healthz HTTP/1.1\r\nHost: a\r\nX-Slow: ");
    server_has_accepted(s);
    pass_time(s, 9000);
    client_text(fd, "aaa");
    pass_time(s, 2000);
    assert_true(client_closed(fd, answer, sizeof(answer)));
    assert_string_equal(answer, "");
}

static void
closes_a_body_that_drips(void **state)
{
    struct api_server *s = *state;
    int fd = client_open(s);

    client_text(
        fd,
        "POST /v1/members HTTP/1.1\r\nHost: a\r\nContent-Length: 500\r\nIdempotency-Key: k\r\nAuthorization: Bearer ");
    client_text(fd, s->desk);
    client_text(fd, "\r\n\r\n{\"status\":");
    server_has_accepted(s);
    pass_time(s, 11000);
    assert_true(client_closed(fd, answer, sizeof(answer)));
    assert_string_equal(answer, "");
    assert_int_equal(s->jobs, 0);
}

static void
does_not_close_a_request_that_waits_for_the_writer(void **state)
{
    struct api_server *s = *state;
    char text[1024];

    s->play = NULL;
    int fd = client_open(s);
    snprintf(text, sizeof(text),
             "POST /v1/members HTTP/1.1\r\nHost: a\r\n%sAuthorization: Bearer %s\r\nContent-Length: %zu\r\n\r\n%s",
             key_header, s->desk, strlen(admission), admission);
    client_text(fd, text);
    struct api_job *job = server_take(s);
    pass_time(s, 3600 * 1000);
    server_accept(s, job);
    job->done(job);
    assert_true(client_answer(fd, answer, sizeof(answer)));
    assert_int_equal(answer_status(answer), 201);
    close(fd);
}

static void
asks_for_a_token(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(client_request(s, "GET", "/v1/status", NULL, "", NULL, answer, sizeof(answer)), 401);
    assert_non_null(strstr(answer, "WWW-Authenticate: Bearer"));
    assert_non_null(strstr(answer, "application/problem+json"));
    assert_int_equal(client_request(s, "GET", "/v1/status", s->expired, "", NULL, answer, sizeof(answer)), 401);
    assert_int_equal(client_request(s, "GET", "/v1/status", "snt_short", "", NULL, answer, sizeof(answer)), 401);
    assert_int_equal(client_request(s, "GET", "/v1/status", s->reports, "", NULL, answer, sizeof(answer)), 200);
    assert_non_null(strstr(answer, "no keeper is named"));
}

static void
does_not_read_the_body_of_somebody_without_a_token(void **state)
{
    int fd = client_open(*state);

    client_text(fd, "POST /v1/batch HTTP/1.1\r\nHost: a\r\nContent-Length: 60000000\r\n\r\n{");
    assert_true(client_closed(fd, answer, sizeof(answer)));
    assert_int_equal(answer_status(answer), 401);
}

static void
refuses_by_role(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(
        client_request(s, "POST", "/v1/members", s->reports, key_header, admission, answer, sizeof(answer)), 403);
    assert_int_equal(client_request(s, "GET", "/v1/tokens", s->desk, "", NULL, answer, sizeof(answer)), 403);
    assert_int_equal(s->jobs, 0);
}

static void
answers_405_with_the_methods_there_are(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(client_request(s, "DELETE", "/v1/members", s->desk, "", NULL, answer, sizeof(answer)), 405);
    assert_non_null(strstr(answer, "Allow: GET, POST\r\n"));
}

static void
writes_a_member(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(client_request(s, "POST", "/v1/members", s->desk, key_header, admission, answer, sizeof(answer)),
                     201);
    assert_non_null(strstr(answer, "Location: /v1/members/00000000000000000000000000000001\r\n"));
    assert_non_null(strstr(answer, "ETag: \"abab"));
    assert_non_null(strstr(answer, "\"seq\":1}"));
    assert_int_equal(s->last.kind, OP_MEMBER);
    assert_int_equal(s->last.member.request.action, ACTION_ADMIT);
    assert_int_equal(s->last.member.request.category, CATEGORY_B);
    assert_int_equal(s->last.member.request.person_type, PERSON_NATURAL);
    assert_int_equal(s->last.member.request.shares, 3);
    assert_int_equal(s->last.member.request.effective.days, date_from_ymd(2026, 5, 1).days);
    assert_string_equal(s->last.member.office_text, "Ghent");
    assert_string_equal(s->last.member.request.person.identity.family_name.s, "Maes");
    assert_false(s->last.member.request.person.has_contact);
    assert_true(s->last.idempotent);
}

static void
the_same_request_has_the_same_hash_and_another_one_not(void **state)
{
    struct api_server *s = *state;
    struct hash key, request;

    assert_int_equal(client_request(s, "POST", "/v1/members", s->desk, key_header, admission, answer, sizeof(answer)),
                     201);
    key = s->last.idem_key;
    request = s->last.request_hash;
    assert_int_equal(client_request(s, "POST", "/v1/members", s->desk, key_header, admission, answer, sizeof(answer)),
                     201);
    assert_memory_equal(&key, &s->last.idem_key, sizeof(key));
    assert_memory_equal(&request, &s->last.request_hash, sizeof(key));
    char other[sizeof(admission)];
    memcpy(other, admission, sizeof(other));
    *strstr(other, "3,") = '4';
    assert_int_equal(client_request(s, "POST", "/v1/members", s->desk, key_header, other, answer, sizeof(answer)), 201);
    assert_memory_equal(&key, &s->last.idem_key, sizeof(key));
    assert_memory_not_equal(&request, &s->last.request_hash, sizeof(key));
}

static void
play_replay(struct api_server *s, struct api_job *job)
{
    server_accept(s, job);
    job->ops[0].result.replayed = true;
}

static void
says_that_an_answer_is_a_replay(void **state)
{
    struct api_server *s = *state;

    s->play = play_replay;
    assert_int_equal(client_request(s, "POST", "/v1/members", s->desk, key_header, admission, answer, sizeof(answer)),
                     201);
    assert_non_null(strstr(answer, "Idempotent-Replay: true\r\n"));
    assert_null(strstr(answer, "ETag:"));
}

static enum err_code play_code;
static const char *play_field;

static void
play_error(struct api_server *s UNUSED, struct api_job *job)
{
    err_field(&job->ops[0].result.err, play_code, play_field, "as the writer says");
}

static void
errors_of_the_writer_have_their_status(void **state)
{
    static const struct {
        enum err_code code;
        const char *field;
        int status;
    } cases[] = {
        {ERR_INVALID, "office", 400},
        {ERR_NOTFOUND, "member", 404},
        {ERR_CONFLICT, "status", 409},
        {ERR_CONFLICT, "if-match", 412},
        {ERR_EXISTS, "idempotency-key", 422},
        {ERR_FULL, "", 507},
        {ERR_UNAVAILABLE, "", 503},
        {ERR_CORRUPT, "", 500},
        {ERR_DENIED, "", 403},
    };
    struct api_server *s = *state;

    s->play = play_error;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        play_code = cases[i].code;
        play_field = cases[i].field;
        assert_int_equal(
            client_request(s, "POST", "/v1/members", s->desk, key_header, admission, answer, sizeof(answer)),
            cases[i].status);
        assert_non_null(strstr(answer, "urn:smartnode:problem:"));
        assert_true((strstr(answer, "as the writer says") == NULL) == (cases[i].status == 500));
    }
}

static void
a_full_queue_is_503_and_says_when(void **state)
{
    struct api_server *s = *state;

    s->refuse = ERR_BUSY;
    assert_int_equal(client_request(s, "POST", "/v1/members", s->desk, key_header, admission, answer, sizeof(answer)),
                     503);
    assert_non_null(strstr(answer, "Retry-After: "));
    s->refuse = ERR_NONE;
    assert_int_equal(client_request(s, "POST", "/v1/members", s->desk, key_header, admission, answer, sizeof(answer)),
                     201);
}

static void
names_what_is_wrong_with_a_request(void **state)
{
    static const struct {
        const char *headers, *body, *field;
    } cases[] = {
        {"", "{}", "idempotency-key"},
        {key_header, "{\"status\":\"admitted\"}", "category"},
        {key_header,
         "{\"status\":\"applied\",\"category\":\"A\",\"person_type\":\"natural\",\"office\":\"x\",\"colour\":1}",
         "colour"},
        {key_header,
         "{\"status\":\"applied\",\"category\":\"A\",\"person_type\":\"natural\",\"office\":\"x\",\"shares\":1}",
         "shares"},
        {key_header,
         "{\"status\":\"applied\",\"category\":\"A\",\"person_type\":\"natural\",\"office\":\"x\",\"person\":{\"contact\":{\"fax\":\"1\"}}}",
         "person.contact.fax"},
        {key_header, "{\"status\":\"applied\",\"category\":\"D\",\"person_type\":\"natural\",\"office\":\"x\"}",
         "category"},
        {key_header,
         "{\"status\":\"admitted\",\"category\":\"A\",\"person_type\":\"natural\",\"office\":\"x\",\"shares\":1.5}",
         "shares"},
        {key_header,
         "{\"status\":\"admitted\",\"category\":\"A\",\"person_type\":\"natural\",\"office\":\"x\",\"shares\":1,\"effective_on\":\"2026-02-30\"}",
         "effective_on"},
    };
    struct api_server *s = *state;
    char field[64];

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            client_request(s, "POST", "/v1/members", s->desk, cases[i].headers, cases[i].body, answer, sizeof(answer)),
            400);
        snprintf(field, sizeof(field), "\"field\":\"%s\"", cases[i].field);
        assert_non_null(strstr(answer, field));
    }
    assert_int_equal(client_request(s, "GET", "/v1/members?colour=1", s->desk, "", NULL, answer, sizeof(answer)), 400);
    assert_non_null(strstr(answer, "\"field\":\"colour\""));
    assert_int_equal(s->jobs, 0);
}

static void
a_change_needs_the_etag_of_what_was_seen(void **state)
{
    static const char target[] = "/v1/members/000102030405060708090a0b0c0d0e0f";
    struct api_server *s = *state;
    char headers[256], path[128], log[HEX32_MAX];
    uint8_t bytes[HASH_BYTES];

    assert_int_equal(client_request(s, "PATCH", target, s->desk, "", "{\"category\":\"C\"}", answer, sizeof(answer)),
                     428);
    assert_int_equal(client_request(s, "PATCH", target, s->desk, "If-Match: \"x\"\r\n", "{\"category\":\"C\"}", answer,
                                    sizeof(answer)),
                     400);
    memset(bytes, 0x5a, sizeof(bytes));
    snprintf(headers, sizeof(headers), "If-Match: \"%s.77\"\r\n%s", hex_encode(bytes, sizeof(bytes), log), key_header);
    assert_int_equal(
        client_request(s, "PATCH", target, s->desk, headers, "{\"category\":\"C\"}", answer, sizeof(answer)), 200);
    assert_int_equal(s->last.member.request.action, ACTION_CHANGE_CATEGORY);
    assert_int_equal(s->last.member.request.if_match.seq, 77);
    assert_memory_equal(s->last.member.request.if_match.log.b, bytes, sizeof(bytes));
    assert_int_equal(client_request(s, "PATCH", target, s->desk, headers, "{}", answer, sizeof(answer)), 400);
    snprintf(path, sizeof(path), "%s/withdrawal/refuse", target);
    assert_int_equal(client_request(s, "POST", path, s->desk, headers, NULL, answer, sizeof(answer)), 200);
    assert_int_equal(s->last.member.request.action, ACTION_REFUSE_WITHDRAWAL);
    assert_true(date_is_none(s->last.member.request.effective));
}

static void
a_body_that_is_too_large_is_refused_unread(void **state)
{
    struct api_server *s = *state;
    char text[512];

    int fd = client_open(s);
    snprintf(text, sizeof(text),
             "POST /v1/members HTTP/1.1\r\nHost: a\r\n%sAuthorization: Bearer %s\r\nContent-Length: 1048577\r\n\r\n",
             key_header, s->desk);
    client_text(fd, text);
    assert_true(client_closed(fd, answer, sizeof(answer)));
    assert_int_equal(answer_status(answer), 413);
}

static void
makes_lists_and_revokes_tokens(void **state)
{
    struct api_server *s = *state;
    char path[96];

    assert_int_equal(client_request(s, "POST", "/v1/tokens", s->operator_token, key_header,
                                    "{\"name\":\"till\",\"role\":\"desk\"}", answer, sizeof(answer)),
                     201);
    assert_non_null(strstr(answer, "\"token\":\"snt_"));
    assert_int_equal(s->last.kind, OP_TOKEN_CREATE);
    assert_int_equal(s->last.token.row.role, ROLE_DESK);
    assert_true(s->last.token.row.expires.ms > s->wall_ms);
    assert_int_equal(client_request(s, "GET", "/v1/tokens", s->operator_token, "", NULL, answer, sizeof(answer)), 200);
    const char *id = strstr(answer, "\"id\":\"");
    assert_non_null(id);
    snprintf(path, sizeof(path), "/v1/tokens/%.32s", id + 6);
    assert_int_equal(client_request(s, "DELETE", path, s->operator_token, "", NULL, answer, sizeof(answer)), 200);
    assert_int_equal(s->last.kind, OP_TOKEN_REVOKE);
    path[strlen(path) - 1] ^= 1;
    assert_int_equal(client_request(s, "DELETE", path, s->operator_token, "", NULL, answer, sizeof(answer)), 404);
}

static void
tells_peers_readiness_and_metrics(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(client_request(s, "GET", "/v1/peers", s->reports, "", NULL, answer, sizeof(answer)), 200);
    assert_non_null(strstr(answer, "\"state\":\"catching-up\",\"keeper\":false,\"lag_events\":42"));
    assert_int_equal(client_request(s, "GET", "/readyz", NULL, "", NULL, answer, sizeof(answer)), 200);
    s->readiness = API_STARTING;
    assert_int_equal(client_request(s, "GET", "/readyz", NULL, "", NULL, answer, sizeof(answer)), 503);
    assert_int_equal(client_request(s, "GET", "/v1/peers", s->reports, "", NULL, answer, sizeof(answer)), 503);
    assert_int_equal(client_request(s, "GET", "/healthz", NULL, "", NULL, answer, sizeof(answer)), 200);
    assert_int_equal(client_request(s, "GET", "/metrics", NULL, "", NULL, answer, sizeof(answer)), 200);
    assert_non_null(strstr(answer, "smartnode_http_requests_total{status=\"5xx\"} 2\n"));
    assert_non_null(strstr(answer, "smartnode_http_rejected_total{reason=\"unavailable\"} 1\n"));
    assert_non_null(strstr(answer, "smartnode_http_rejected_total{reason=\"denied\"} 0\n"));
    assert_non_null(strstr(answer, "smartnode_test 1\n"));
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(refuses_two_content_lengths),
        CASE(refuses_a_content_length_that_is_not_a_plain_number),
        CASE(refuses_content_length_beside_transfer_encoding),
        CASE(refuses_every_transfer_encoding_but_chunked),
        CASE(refuses_a_space_before_the_colon),
        CASE(refuses_two_tokens_and_a_hidden_nul),
        CASE(keeps_a_connection_for_many_requests),
        CASE(closes_a_head_that_drips),
        CASE(closes_a_body_that_drips),
        CASE(does_not_close_a_request_that_waits_for_the_writer),
        CASE(asks_for_a_token),
        CASE(does_not_read_the_body_of_somebody_without_a_token),
        CASE(refuses_by_role),
        CASE(answers_405_with_the_methods_there_are),
        CASE(writes_a_member),
        CASE(the_same_request_has_the_same_hash_and_another_one_not),
        CASE(says_that_an_answer_is_a_replay),
        CASE(errors_of_the_writer_have_their_status),
        CASE(a_full_queue_is_503_and_says_when),
        CASE(names_what_is_wrong_with_a_request),
        CASE(a_change_needs_the_etag_of_what_was_seen),
        CASE(a_body_that_is_too_large_is_refused_unread),
        CASE(makes_lists_and_revokes_tokens),
        CASE(tells_peers_readiness_and_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
