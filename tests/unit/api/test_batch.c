/* Batches: order, groups, pieces of any size, lines that are wrong, limits. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/support/api_server.h"

#include <unistd.h>

static char answer[ANSWER_BYTES_MAX];
static char body[ANSWER_BYTES_MAX];

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

static int
batch_open(const struct api_server *s, const char *length)
{
    char head[512];
    int fd = client_open(s);

    snprintf(
        head, sizeof(head),
        "POST /v1/batch HTTP/1.1\r\nHost: a\r\nIdempotency-Key: b\r\nContent-Type: application/x-ndjson\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n",
        s->desk, length);
    client_text(fd, head);
    return fd;
}

static const char *
batch_send(const struct api_server *s, const char *text)
{
    char length[64];

    snprintf(length, sizeof(length), "Content-Length: %zu", strlen(text));
    int fd = batch_open(s, length);
    client_text(fd, text);
    assert_true(client_answer(fd, answer, sizeof(answer)));
    close(fd);
    assert_int_equal(answer_status(answer), 200);
    return strstr(answer, "\r\n\r\n") + 4;
}

static const char office_line[] = "{\"op\":\"office.open\",\"name\":\"Ghent\",\"city\":\"Ghent\",\"country\":\"BE\"}";

static void
answers_each_line_in_order(void **state)
{
    struct api_server *s = *state;

    snprintf(body, sizeof(body),
             "%s\n\n{\"op\":\"member.fly\"}\r\nnot json\n"
             "{\"op\":\"member.resign\",\"id\":\"000102030405060708090a0b0c0d0e0f\"}",
             office_line);
    const char *out = batch_send(s, body);
    const char *l1 = strstr(out, "{\"line\":1,\"status\":201,\"id\":\"00000000000000000000000000000001\"");
    const char *l3 = strstr(out, "{\"line\":3,\"status\":400,\"problem\":{\"type\":\"urn:smartnode:problem:invalid\"");
    const char *l4 = strstr(out, "{\"line\":4,\"status\":400");
    const char *l5 = strstr(out, "{\"line\":5,\"status\":200");
    assert_true(l1 == out && l1 < l3 && l3 < l4 && l4 < l5);
    assert_null(strstr(out, "\"line\":2"));
    assert_non_null(strstr(l3, "\"field\":\"op\""));
    assert_int_equal(s->jobs, 1);
    assert_int_equal(s->job_ops[0], 2);
}

static void
gives_the_writer_groups_of_1024(void **state)
{
    struct api_server *s = *state;
    size_t at = 0;

    for (int i = 0; i < 2500; i++) {
        at += (size_t)snprintf(body + at, sizeof(body) - at, "%s\n", office_line);
    }
    const char *out = batch_send(s, body);
    assert_int_equal(s->jobs, 3);
    assert_int_equal(s->job_ops[0], 1024);
    assert_int_equal(s->job_ops[1], 1024);
    assert_int_equal(s->job_ops[2], 452);
    for (int i = 1; i <= 2500; i++) {
        char expected[40];
        int n = snprintf(expected, sizeof(expected), "{\"line\":%d,\"status\":201,", i);
        assert_memory_equal(out, expected, (size_t)n);
        out = strchr(out, '\n') + 1;
    }
    assert_string_equal(out, "");
}

static void
a_group_that_waits_holds_the_upload(void **state)
{
    struct api_server *s = *state;
    size_t at = 0;

    s->play = NULL;
    for (int i = 0; i < 1025; i++) {
        at += (size_t)snprintf(body + at, sizeof(body) - at, "%s\n", office_line);
    }
    char length[64];
    snprintf(length, sizeof(length), "Content-Length: %zu", at);
    int fd = batch_open(s, length);
    client_send(fd, body, at);
    for (int i = 0; i < 2; i++) {
        struct api_job *job = server_take(s);
        assert_int_equal(job->n, i == 0 ? 1024 : 1);
        server_accept(s, job);
        job->done(job);
    }
    assert_true(client_answer(fd, answer, sizeof(answer)));
    assert_non_null(strstr(answer, "{\"line\":1025,\"status\":201"));
    close(fd);
}

static void
pieces_may_break_anywhere(void **state)
{
    struct api_server *s = *state;
    char text[256], chunk[16];

    snprintf(text, sizeof(text), "%s\n%s\n", office_line, office_line);
    int fd = batch_open(s, "Transfer-Encoding: chunked");
    for (size_t i = 0; i < strlen(text); i += 3) {
        size_t n = strlen(text) - i < 3 ? strlen(text) - i : 3;
        snprintf(chunk, sizeof(chunk), "%zx\r\n%.*s\r\n", n, (int)n, text + i);
        client_text(fd, chunk);
    }
    client_text(fd, "0\r\n\r\n");
    assert_true(client_answer(fd, answer, sizeof(answer)));
    assert_non_null(strstr(answer, "{\"line\":2,\"status\":201"));
    assert_int_equal(s->last.kind, OP_OFFICE_OPEN);
    assert_string_equal(s->last.office.facts.city.s, "Ghent");
    close(fd);
}

static void
a_line_that_is_too_long_is_an_error_of_its_own(void **state)
{
    struct api_server *s = *state;

    memset(body, 'x', 70000);
    snprintf(body + 70000, sizeof(body) - 70000, "\n%s\n", office_line);
    const char *out = batch_send(s, body);
    assert_non_null(strstr(out, "{\"line\":1,\"status\":413"));
    assert_non_null(strstr(out, "{\"line\":2,\"status\":201"));
}

static void
each_line_has_an_idempotency_of_its_own(void **state)
{
    struct api_server *s = *state;
    char text[256];

    snprintf(text, sizeof(text), "%s\n", office_line);
    (void)batch_send(s, text);
    struct hash first = s->last.idem_key;
    snprintf(text, sizeof(text), "%s\n%s\n", office_line, office_line);
    (void)batch_send(s, text);
    assert_memory_not_equal(&first, &s->last.idem_key, sizeof(first));
    snprintf(text, sizeof(text), "%s\n", office_line);
    (void)batch_send(s, text);
    assert_memory_equal(&first, &s->last.idem_key, sizeof(first));
}

static void
ends_at_the_most_lines(void **state)
{
    struct api_server *s = *state;

    memset(body, 0, sizeof(body));
    size_t n = API_BATCH_LINES_MAX + 10;
    for (size_t i = 0; i < n; i++) {
        memcpy(body + 2 * i, "{\n", 2);
    }
    char length[64];
    snprintf(length, sizeof(length), "Content-Length: %zu", 2 * n);
    int fd = batch_open(s, length);
    client_send(fd, body, 2 * n);
    static char large[1 << 26];
    assert_true(client_answer(fd, large, sizeof(large)));
    close(fd);
    char last[64];
    snprintf(last, sizeof(last), "{\"line\":%d,\"status\":413", API_BATCH_LINES_MAX + 1);
    const char *at = strstr(large, last);
    assert_non_null(at);
    assert_string_equal(strchr(at, '\n'), "\n");
}

static void
only_so_many_batches_at_a_time(void **state)
{
    struct api_server *s = *state;
    struct api_job *jobs[API_BATCHES_MAX];
    int fds[API_BATCHES_MAX];
    char length[64];

    s->play = NULL;
    snprintf(length, sizeof(length), "Content-Length: %zu", strlen(office_line));
    for (size_t i = 0; i < API_BATCHES_MAX; i++) {
        fds[i] = batch_open(s, length);
        client_text(fds[i], office_line);
        jobs[i] = server_take(s);
    }
    assert_int_equal(
        client_request(s, "POST", "/v1/batch", s->desk, "Idempotency-Key: x\r\n", "{}", answer, sizeof(answer)), 503);
    for (size_t i = 0; i < API_BATCHES_MAX; i++) {
        server_accept(s, jobs[i]);
        jobs[i]->done(jobs[i]);
        assert_true(client_answer(fds[i], answer, sizeof(answer)));
        assert_int_equal(answer_status(answer), 200);
        close(fds[i]);
    }
}

static void
a_key_of_its_own_goes_with_a_line_wherever_it_stands(void **state)
{
    struct api_server *s = *state;
    static const char first[] =
        "{\"op\":\"office.open\",\"idempotency_key\":\"k1\",\"name\":\"Ghent\",\"city\":\"Ghent\",\"country\":\"BE\"}\n";
    static const char second[] =
        "{\"op\":\"office.open\",\"idempotency_key\":\"k2\",\"name\":\"Ghent\",\"city\":\"Ghent\",\"country\":\"BE\"}\n";
    struct hash key, request;

    (void)batch_send(s, first);
    key = s->last.idem_key;
    request = s->last.request_hash;
    snprintf(body, sizeof(body), "%s\n%s", office_line, first);
    (void)batch_send(s, body);
    assert_memory_equal(&key, &s->last.idem_key, sizeof(key));
    assert_memory_equal(&request, &s->last.request_hash, sizeof(request));
    (void)batch_send(s, second);
    assert_memory_not_equal(&key, &s->last.idem_key, sizeof(key));
    assert_memory_not_equal(&request, &s->last.request_hash, sizeof(request));
    const char *out = batch_send(s, "{\"op\":\"office.open\",\"idempotency_key\":\"\",\"name\":\"Ghent\"}\n");
    assert_non_null(strstr(out, "\"status\":400"));
    assert_non_null(strstr(out, "\"field\":\"idempotency_key\""));
}

int
main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(answers_each_line_in_order),
        CASE(gives_the_writer_groups_of_1024),
        CASE(a_group_that_waits_holds_the_upload),
        CASE(pieces_may_break_anywhere),
        CASE(a_line_that_is_too_long_is_an_error_of_its_own),
        CASE(each_line_has_an_idempotency_of_its_own),
        CASE(a_key_of_its_own_goes_with_a_line_wherever_it_stands),
        CASE(ends_at_the_most_lines),
        CASE(only_so_many_batches_at_a_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
