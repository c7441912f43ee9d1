/* What is asked of members' further life and of work: requests and lines of a batch are read field by field, wrong ones named; statuses,
 * ETags and replays of the answers; closed years in reports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/api/request.h"
#include "tests/support/api_server.h"

#define ID_TEXT "000102030405060708090a0b0c0d0e0f"
#define LOG_TEXT "ababababababababababababababababababababababababababababababab01"
#define EVENT "{\"log\":\"" LOG_TEXT "\",\"seq\":7}"

static char answer[ANSWER_BYTES_MAX];

/* ---- lines ---- */

static int
line(const char *text, struct api_op *op, struct err *err)
{
    char key[IDEM_KEY_BYTES_MAX + 1];
    memset(op, 0, sizeof(*op));
    err_clear(err);
    return batch_line_read(slice_of(text, strlen(text)), op, key, err);
}

static void
a_line_of_work_is_read_with_all_its_fields(void **state UNUSED)
{
    struct api_op op;
    struct err err;

    assert_int_equal(
        line(
            "{\"op\":\"activity.open\",\"member_no\":\"4711\",\"sector\":\"music\",\"culture\":true,\"office\":\"Gent\","
            "\"activity_no\":\"P-1\",\"text\":\"Concerts\",\"effective_on\":\"2024-03-01\",\"adjusts_closed\":true}",
            &op, &err),
        0);
    assert_int_equal(op.kind, OP_ACTIVITY);
    assert_int_equal(op.status_on_success, 201);
    assert_int_equal(op.activity.request.action, WORK_OPEN_ACTIVITY);
    assert_string_equal(op.activity.member_no, "4711");
    assert_string_equal(op.activity.office_text, "Gent");
    assert_string_equal(op.activity.request.number.s, "P-1");
    assert_true(op.activity.request.has_sector && op.activity.request.sector == 2);
    assert_true(op.activity.request.has_culture && op.activity.request.culture && op.activity.request.adjusts_closed);
    assert_int_equal(op.activity.request.effective.days, date_from_ymd(2024, 3, 1).days);

    assert_int_equal(
        line(
            "{\"op\":\"invoice.issue\",\"activity_no\":\"P-1\",\"amount_minor\":125050,\"currency\":\"HUF\",\"rate_bp\":0,"
            "\"contribution_minor\":0,\"invoice_no\":\"1\",\"client\":\"c\",\"client_number\":\"n\",\"text\":\"t\"}",
            &op, &err),
        0);
    const struct invoice_request *q = &op.invoice.request;
    assert_true(op.kind == OP_INVOICE && !q->credit && op.status_on_success == 201);
    assert_true(q->has_amount && q->amount_minor == 125050 && q->has_rate && q->rate_bp == 0);
    assert_true(q->has_contribution && q->contribution_minor == 0);
    assert_string_equal(q->currency, "HUF");
    assert_string_equal(op.invoice.activity_no, "P-1");
    assert_true(date_is_none(q->effective));

    assert_int_equal(line("{\"op\":\"invoice.credit\",\"credits_no\":\"1\"}", &op, &err), 0);
    assert_true(op.invoice.request.credit && !op.invoice.request.has_amount && op.status_on_success == 200);
    assert_string_equal(op.invoice.invoice_no, "1");
}

static void
a_line_that_changes_the_register_names_what_it_is_about(void **state UNUSED)
{
    struct api_op op;
    struct err err;

    assert_int_equal(line("{\"op\":\"member.cancel\",\"id\":\"" ID_TEXT "\",\"event\":" EVENT
                          ",\"if_match\":\"\\\"" LOG_TEXT ".9\\\"\"}",
                          &op, &err),
                     0);
    assert_true(op.kind == OP_CANCEL && op.cancel.what == CANCEL_MEMBER && op.cancel.event.seq == 7);
    assert_true(op.cancel.has_if_match && op.cancel.if_match.seq == 9);
    assert_int_equal(line("{\"op\":\"member.merge\",\"id\":\"" ID_TEXT "\",\"other\":\"" ID_TEXT "\"}", &op, &err), 0);
    assert_true(op.kind == OP_MERGE && !op.merge.undo && op.merge.into.b[15] == 15);
    assert_int_equal(line("{\"op\":\"member.unmerge\",\"id\":\"" ID_TEXT "\"}", &op, &err), 0);
    assert_true(op.merge.undo);
    assert_int_equal(line("{\"op\":\"member.resign\",\"member_no\":\"17\"}", &op, &err), 0);
    assert_true(!op.member.request.has_subject && op.status_on_success == 200);
    assert_string_equal(op.member.member_no, "17");
    /* Of somebody named, an admission is a change. */
    static const char admit[] =
        "{\"op\":\"member.admit\",%s\"category\":\"A\",\"person_type\":\"natural\",\"office\":\"x\",\"shares\":1}";
    char text[256];
    snprintf(text, sizeof(text), admit, "\"member_no\":\"17\",");
    assert_int_equal(line(text, &op, &err), 0);
    assert_int_equal(op.status_on_success, 200);
    snprintf(text, sizeof(text), admit, "");
    assert_int_equal(line(text, &op, &err), 0);
    assert_int_equal(op.status_on_success, 201);
}

static void
a_correction_says_only_what_changes(void **state UNUSED)
{
    struct api_op op;
    struct err err;

    assert_int_equal(
        line("{\"op\":\"member.admit\",\"id\":\"" ID_TEXT "\",\"corrects\":" EVENT ",\"shares\":3}", &op, &err), 0);
    assert_true(op.member.request.has_corrects && op.member.request.corrects.seq == 7 && op.member.request.shares == 3);
    assert_int_equal(op.member.request.category, 0);
    assert_int_equal(line("{\"op\":\"member.repay\",\"id\":\"" ID_TEXT "\",\"corrects\":" EVENT "}", &op, &err), 0);
}

static void
a_line_that_is_wrong_names_its_field(void **state UNUSED)
{
    static const struct {
        const char *text, *field;
    } wrong[] = {
        {"{\"op\":\"activity.open\",\"sector\":\"music\"}", "member"},
        {"{\"op\":\"activity.open\",\"member_no\":\"1\"}", "sector"},
        {"{\"op\":\"activity.open\",\"member_no\":\"1\",\"sector\":\"noise\"}", "sector"},
        {"{\"op\":\"activity.open\",\"member_no\":\"1\",\"sector\":\"music\",\"culture\":\"yes\"}", "culture"},
        {"{\"op\":\"activity.change\",\"sector\":\"music\"}", "activity"},
        {"{\"op\":\"activity.close\",\"activity\":\"" ID_TEXT "\",\"sector\":\"music\"}", "sector"},
        {"{\"op\":\"activity.cancel\",\"activity\":\"" ID_TEXT "\"}", "event"},
        {"{\"op\":\"activity.cancel\",\"activity\":\"" ID_TEXT "\",\"event\":{\"log\":\"ab\",\"seq\":1}}", "event.log"},
        {"{\"op\":\"invoice.issue\",\"amount_minor\":1}", "activity"},
        {"{\"op\":\"invoice.issue\",\"activity_no\":\"1\",\"amount_minor\":-1}", "amount_minor"},
        {"{\"op\":\"invoice.issue\",\"activity_no\":\"1\",\"amount_minor\":1.5}", "amount_minor"},
        {"{\"op\":\"invoice.issue\",\"activity_no\":\"1\",\"amount_minor\":1,\"rate_bp\":10001}", "rate_bp"},
        {"{\"op\":\"invoice.issue\",\"activity_no\":\"1\",\"amount_minor\":1,\"date\":\"2024-02-30\"}", "date"},
        {"{\"op\":\"invoice.issue\",\"activity_no\":\"1\",\"amount_minor\":1,\"currency\":\"EURO\"}", "currency"},
        {"{\"op\":\"invoice.credit\"}", "credits_no"},
        {"{\"op\":\"invoice.credit\",\"credits_no\":\"1\",\"currency\":\"EUR\"}", "currency"},
        {"{\"op\":\"member.resign\"}", "id"},
        {"{\"op\":\"member.resign\",\"id\":\"" ID_TEXT "\",\"if_match\":\"x\"}", "if_match"},
        {"{\"op\":\"member.repay\",\"id\":\"" ID_TEXT "\"}", "shares"},
        {"{\"op\":\"member.consent\",\"id\":\"" ID_TEXT "\",\"purpose\":\"0\"}", "purpose"},
        {"{\"op\":\"member.consent\",\"id\":\"" ID_TEXT "\",\"purpose\":\"pictures\",\"category\":\"A\"}", "category"},
        {"{\"op\":\"member.merge\",\"id\":\"" ID_TEXT "\"}", "other"},
        {"{\"op\":\"member.fly\"}", "op"},
    };
    struct api_op op;
    struct err err;

    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        if (line(wrong[i].text, &op, &err) != ERR_INVALID || strcmp(err.field, wrong[i].field) != 0) {
            fail_msg("%s: field \"%s\", not \"%s\" (%s)", wrong[i].text, err.field, wrong[i].field, err.text);
        }
    }
}

/* ---- requests ---- */

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
post(const struct api_server *s, const char *path, const char *token, const char *headers, const char *body)
{
    char all[512];

    snprintf(all, sizeof(all), "Idempotency-Key: k\r\n%s", headers);
    return client_request(s, "POST", path, token, all, body, answer, sizeof(answer));
}

#define IF_MATCH "If-Match: \"" LOG_TEXT ".9\"\r\n"

static void
what_is_new_has_a_place_and_what_changes_has_none(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(post(s, "/v1/activities", s->desk, "", "{\"member_no\":\"1\",\"sector\":\"2\"}"), 201);
    assert_non_null(strstr(answer, "Location: /v1/activities/"));
    assert_non_null(strstr(answer, "ETag: \""));
    assert_int_equal(post(s, "/v1/periods", s->operator_token, "", "{\"year\":2024}"), 201);
    assert_non_null(strstr(answer, "/2024\r\n"));
    assert_int_equal(s->last.close.year, 2024);
    assert_int_equal(post(s, "/v1/invoices/" ID_TEXT "/credit-notes", s->desk, IF_MATCH, "{\"amount_minor\":5}"), 200);
    assert_null(strstr(answer, "Location:"));
    assert_true(s->last.invoice.request.has_if_match && s->last.invoice.request.if_match.seq == 9);
    assert_int_equal(post(s, "/v1/members/" ID_TEXT "/unmerge", s->desk, IF_MATCH, NULL), 200);
    assert_true(s->last.merge.undo && s->last.merge.from.b[15] == 15);
}

static void
what_is_ended_stands_in_the_path(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(post(s, "/v1/members/" ID_TEXT "/consents/3/withdraw", s->desk, IF_MATCH, NULL), 200);
    assert_int_equal(s->last.member.request.action, ACTION_WITHDRAW_CONSENT);
    assert_int_equal(s->last.member.request.consent.purpose, 3);
    assert_int_equal(post(s, "/v1/members/" ID_TEXT "/consents/65536/withdraw", s->desk, IF_MATCH, NULL), 400);
    assert_non_null(strstr(answer, "\"field\":\"purpose\""));
    assert_int_equal(post(s, "/v1/members/" ID_TEXT "/representatives/" ID_TEXT "/end", s->desk, IF_MATCH, "{}"), 200);
    assert_true(s->last.member.request.has_other && s->last.member.request.other.b[15] == 15);
    assert_int_equal(post(s, "/v1/members/" ID_TEXT "/representatives/x/end", s->desk, IF_MATCH, "{}"), 404);
}

static void
a_change_needs_the_etag_of_what_was_seen(void **state)
{
    struct api_server *s = *state;
    static const char *const paths[] = {"/v1/members/" ID_TEXT "/merge", "/v1/members/" ID_TEXT "/repayments",
                                        "/v1/activities/" ID_TEXT "/close", "/v1/invoices/" ID_TEXT "/credit-notes"};

    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        assert_int_equal(post(s, paths[i], s->desk, "", "{}"), 428);
        assert_non_null(strstr(answer, "\"field\":\"if-match\""));
        assert_int_equal(post(s, paths[i], s->desk, "If-Match: \"x\"\r\n", "{}"), 400);
    }
    assert_int_equal(s->jobs, 0);
}

static void
refuse_stale(struct api_server *s UNUSED, struct api_job *job)
{
    err_field(&job->ops[0].result.err, ERR_CONFLICT, "if-match", "it has changed since it was read");
}

static void
refuse_number(struct api_server *s UNUSED, struct api_job *job)
{
    err_field(&job->ops[0].result.err, ERR_CONFLICT, "number", "another one of the unit has it");
}

static void
replay(struct api_server *s, struct api_job *job)
{
    server_accept(s, job);
    job->ops[0].result.replayed = true;
}

static void
a_refusal_names_the_field_of_the_request(void **state)
{
    struct api_server *s = *state;

    s->play = refuse_stale;
    assert_int_equal(post(s, "/v1/activities/" ID_TEXT "/close", s->desk, IF_MATCH, "{}"), 412);
    s->play = refuse_number;
    assert_int_equal(post(s, "/v1/activities", s->desk, "", "{\"member_no\":\"1\",\"sector\":\"2\"}"), 409);
    assert_non_null(strstr(answer, "\"field\":\"activity_no\""));
    assert_int_equal(post(s, "/v1/invoices", s->desk, "", "{\"activity_no\":\"1\",\"amount_minor\":2}"), 409);
    assert_non_null(strstr(answer, "\"field\":\"invoice_no\""));
}

static void
a_replay_has_the_same_answer_but_no_etag(void **state)
{
    struct api_server *s = *state;

    s->play = replay;
    assert_int_equal(post(s, "/v1/invoices", s->desk, "", "{\"activity_no\":\"1\",\"amount_minor\":2}"), 201);
    assert_non_null(strstr(answer, "Idempotent-Replay: true"));
    assert_non_null(strstr(answer, "Location: /v1/invoices/"));
    assert_null(strstr(answer, "ETag:"));
}

/* ---- closed years ---- */

static void
close_2025(struct api_server *s)
{
    struct period_figure figure = {.number = FIGURE_MEMBERS, .value = 5};
    struct period_row row;
    uint8_t key[KEY_PERIOD_ROW];
    struct db_txn *txn;
    struct buf value;
    struct err err;

    period_row_init(&row, &s->deps.unit, 2025);
    row.has = true;
    row.at.seq = 3;
    row.closed_on = date_from_ymd(2026, 2, 3);
    row.n = 1;
    row.figures = &figure;
    buf_init(&value, 4096);
    assert_int_equal(period_row_encode(&row, &value, &err), 0);
    key_period_row(key, &s->deps.unit, 2025);
    assert_int_equal(db_begin_write(s->db, &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_PERIODS, slice_of(key, sizeof(key)), buf_slice(&value), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    buf_free(&value);
}

static const char *
report(const struct api_server *s, const char *target, const char *headers)
{
    assert_int_equal(client_request(s, "GET", target, s->reports, headers, NULL, answer, sizeof(answer)), 200);
    return strstr(answer, "\r\n\r\n") + 4;
}

static void
a_report_names_the_closed_years_that_it_touches(void **state)
{
    struct api_server *s = *state;
    static const char *const touching[] = {"/v1/reports/members?as_of=2025-01-01",
                                           "/v1/reports/flows?from=2024-06-01&to=2025-01-01",
                                           "/v1/reports/activity?from=2025-12-01&to=2026-01-31"};
    static const char *const others[] = {"/v1/reports/members?as_of=2024-12-31",
                                         "/v1/reports/flows?from=2026-01-01&to=2026-02-01",
                                         "/v1/reports/activity?from=2024-01-01&to=2024-12-31"};

    close_2025(s);
    for (size_t i = 0; i < ARRAY_LEN(touching); i++) {
        assert_non_null(
            strstr(report(s, touching[i], ""), "\"year\":2025,\"closed_on\":\"2026-02-03\",\"adjusted\":true}]"));
        const char *csv = report(s, touching[i], "Accept: text/csv\r\n");
        assert_non_null(strstr(csv, ",2025,2026-02-03\r\n"));
        assert_non_null(strstr(csv, "adjusted,"));
        assert_non_null(strstr(report(s, others[i], ""), "\"closed_years\":[]"));
        assert_null(strstr(report(s, others[i], "Accept: text/csv\r\n"), "closed,"));
    }
}

static void
a_line_of_csv_has_as_many_cells_as_its_head(void **state)
{
    struct api_server *s = *state;
    static const char *const targets[] = {"/v1/reports/members?as_of=2025-06-01",
                                          "/v1/reports/activity?from=2025-01-01&to=2025-12-31"};

    close_2025(s);
    for (size_t i = 0; i < ARRAY_LEN(targets); i++) {
        const char *p = report(s, targets[i], "Accept: text/csv\r\n");
        size_t commas[2] = {0, 0}, lines = 0;
        for (; *p != '\0'; p++) {
            commas[lines > 0] += *p == ',';
            if (*p == '\n') {
                assert_int_equal(commas[lines > 0], commas[0]);
                commas[1] = 0;
                lines++;
            }
        }
        assert_true(lines >= 3);
    }
}

#define test_with_server(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_of_work_is_read_with_all_its_fields),
        cmocka_unit_test(a_line_that_changes_the_register_names_what_it_is_about),
        cmocka_unit_test(a_correction_says_only_what_changes),
        cmocka_unit_test(a_line_that_is_wrong_names_its_field),
        test_with_server(what_is_new_has_a_place_and_what_changes_has_none),
        test_with_server(what_is_ended_stands_in_the_path),
        test_with_server(a_change_needs_the_etag_of_what_was_seen),
        test_with_server(a_refusal_names_the_field_of_the_request),
        test_with_server(a_replay_has_the_same_answer_but_no_etag),
        test_with_server(a_report_names_the_closed_years_that_it_touches),
        test_with_server(a_line_of_csv_has_as_many_cells_as_its_head),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
