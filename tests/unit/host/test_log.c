/* Log lines: the form by what standard error is, the fields of a line, and nothing in it that ends it early. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

#include "node/host/log.h"

enum { OUT_MAX = 8192 };
static char out[OUT_MAX];

static const struct log_id a_log = {{0xab, 0xcd}};
static const struct log_about about = {
    .code = "fork", .peer = "SE", .log = &a_log, .seq = 12, .next = "stop one of the two"};

/* What a process of its own says whose standard error is a pipe, while JOURNAL_STREAM, inherited, names another file. The form is
 * looked up once for each process. */
static void
of_child(void (*say)(void))
{
    int ends[2];
    size_t n = 0;
    ssize_t got;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct stat st;
        char stream[64];
        dup2(ends[1], STDERR_FILENO);
        close(ends[0]);
        if (fstat(STDERR_FILENO, &st) != 0)
            _exit(1);
        snprintf(stream, sizeof(stream), "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino + 1);
        setenv("JOURNAL_STREAM", stream, 1);
        say();
        _exit(0);
    }
    close(ends[1]);
    while (n < OUT_MAX - 1 && (got = read(ends[0], out + n, OUT_MAX - 1 - n)) > 0)
        n += (size_t)got;
    out[n] = '\0';
    close(ends[0]);
    int status = 1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void
say_json(void)
{
    log_open(LOG_FORMAT_JSON, "BE");
    log_write(LOG_WARNING, &about, "a \"line\"\nof %s \x01 text", "two");
    log_line(LOG_NOTICE, "plain");
}

static void
a_json_line_has_time_level_message_and_what_it_is_about(void **state)
{
    of_child(say_json);
    char *second = strchr(out, '\n');
    assert_non_null(second);
    json_t *line = json_loadb(out, (size_t)(second - out), 0, NULL), *plain = json_loads(second + 1, 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "msg")),
                        "a \"line\" of two   text; stop one of the two");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "warning");
    assert_string_equal(json_string_value(json_object_get(line, "unit")), "BE");
    assert_string_equal(json_string_value(json_object_get(line, "peer")), "SE");
    assert_string_equal(json_string_value(json_object_get(line, "code")), "fork");
    assert_string_equal(json_string_value(json_object_get(line, "next")), "stop one of the two");
    assert_memory_equal(json_string_value(json_object_get(line, "log")), "abcd0000", 8);
    assert_int_equal(json_integer_value(json_object_get(line, "seq")), 12);
    assert_int_equal(strlen(json_string_value(json_object_get(line, "ts"))), 24);
    assert_null(json_object_get(plain, "peer"));
    assert_null(json_object_get(plain, "seq"));
    json_decref(line);
    json_decref(plain);
}

static void
say_auto(void)
{
    log_open(LOG_FORMAT_AUTO, "BE");
    log_write(LOG_WARNING, &about, "text");
}

static void
say_text(void)
{
    log_open(LOG_FORMAT_TEXT, "BE");
    log_write(LOG_WARNING, &about, "text");
}

static void
what_is_no_terminal_and_no_journal_gets_json(void **state)
{
    of_child(say_auto);
    assert_memory_equal(out, "{\"ts\":", 6);
}

static void
text_has_a_time_where_nobody_else_adds_one(void **state)
{
    of_child(say_text);
    assert_non_null(strstr(out, "Z smartnode: warning: text; stop one of the two\n"));
}

static void
say_cut(void)
{
    static char text[1022];
    memset(text, 'x', sizeof(text) - 1);
    log_open(LOG_FORMAT_JSON, "BE");
    log_line(LOG_NOTICE, "%s\u00e9", text);
}

static void
a_line_that_is_cut_within_a_character_is_json_all_the_same(void **state)
{
    of_child(say_cut);
    json_t *line = json_loads(out, 0, NULL);
    assert_non_null(line);
    assert_memory_equal(json_string_value(json_object_get(line, "msg")), "xxx", 3);
    json_decref(line);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_json_line_has_time_level_message_and_what_it_is_about),
        cmocka_unit_test(what_is_no_terminal_and_no_journal_gets_json),
        cmocka_unit_test(text_has_a_time_where_nobody_else_adds_one),
        cmocka_unit_test(a_line_that_is_cut_within_a_character_is_json_all_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
