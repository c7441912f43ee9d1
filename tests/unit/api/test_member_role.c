/* The role member: a token opens its own member's data and nothing else, on every route that there is, the ones to come included. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/api/router.h"
#include "node/apply/apply.h"
#include "node/command/guest.h"
#include "storage/visits.h"
#include "tests/support/api_server.h"
#include "tests/support/register.h"
#include "tests/support/storage.h"

enum { ANN = 1, BEN, GIVEN_UP, KEPT, MERGED_LATER, KEPT_LATER, ERASED, UNREACHABLE, RESTRICTED, NOBODY };

static const char some_headers[] = "Idempotency-Key: one\r\nIf-Match: \"x\"\r\n";
static const struct subject_id office = {{0x22}};
static char answer[ANSWER_BYTES_MAX], ann[TOKEN_TEXT_MAX], given_up[TOKEN_TEXT_MAX], kept[TOKEN_TEXT_MAX],
    later[TOKEN_TEXT_MAX], erased[TOKEN_TEXT_MAX], unreachable[TOKEN_TEXT_MAX], restricted[TOKEN_TEXT_MAX],
    over[TOKEN_TEXT_MAX], vault_dir[TEST_PATH_MAX];

static const char *
hex_of(uint32_t n)
{
    static char hex[HEX16_MAX];
    struct subject_id s = test_subject(n);
    return hex_encode(s.b, ID_BYTES, hex);
}

static void
merge(struct test_log *log, uint32_t from, uint32_t into, struct civil_date on)
{
    struct event_payload p = test_payload(KIND_MEMBER_MERGED, test_subject(from), on);
    p.other = test_subject(into);
    test_log_event(log, &p, NULL, 0);
    p = test_payload(KIND_MEMBER_ABSORBED, test_subject(into), on);
    p.absorbed.from = test_subject(from);
    p.absorbed.brought.shares = 2;
    p.absorbed.brought.amount_minor = 6000;
    memcpy(p.absorbed.brought.currency, "EUR", 3);
    test_log_event(log, &p, NULL, 0);
}

static void
erase(struct test_log *log, uint32_t who, uint8_t class)
{
    struct event_payload p = test_payload(KIND_ERASURE_ORDERED, test_subject(who), date_from_ymd(2026, 5, 1));
    p.erasure = (struct erasure){.n_classes = 1, .classes = {class}, .ground = GROUND_ASKED};
    test_log_event(log, &p, NULL, 0);
}

static void
register_write(struct api_server *s)
{
    static struct test_unit unit;
    static struct test_log log;
    struct apply *apply;
    struct state *state;
    struct db_txn *txn;
    struct log_row row;
    struct err err;
    bool more;

    test_unit_make(&unit, "BE", 7);
    s->deps.unit = unit.id;
    test_log_start(&log, &unit, 1, NULL, 0);
    struct event_payload p = test_payload(KIND_OFFICE_OPENED, test_subject(0), date_from_ymd(2026, 1, 1));
    memcpy(p.common.subject.b, office.b, ID_BYTES);
    p.office = (struct office_facts){.name.s = "Ghent", .city.s = "Ghent", .country = "BE"};
    test_log_event(&log, &p, NULL, 0);
    for (uint32_t who = ANN; who < NOBODY; who++)
        test_admission(&log, test_subject(who), date_from_ymd(2026, 3, 1), office, CATEGORY_A, 2);
    merge(&log, GIVEN_UP, KEPT, date_from_ymd(2026, 4, 1));
    merge(&log, MERGED_LATER, KEPT_LATER, date_from_ymd(2026, 6, 1)); /* after today */
    erase(&log, ERASED, CLASS_IDENTITY);
    erase(&log, UNREACHABLE, CLASS_CONTACT);
    p = test_payload(KIND_RESTRICTION_ORDERED, test_subject(RESTRICTED), date_from_ymd(2026, 5, 1));
    p.erasure =
        (struct erasure){.n_classes = 1, .classes = {CLASS_CONTACT}, .ground = GROUND_ASKED, .until = DATE_NONE};
    test_log_event(&log, &p, NULL, 0);
    assert_int_equal(state_new(s->db, &state, &err), 0);
    assert_int_equal(apply_new(s->db, state, &apply, &err), 0);
    assert_int_equal(db_begin_write(s->db, &txn, &err), 0);
    state_begin(state, txn);
    test_log_store(&log, txn, &row);
    assert_int_equal(apply_log(apply, txn, row.no, 0, &more, &err), 0);
    assert_int_equal(state_flush(state, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    apply_free(&apply);
    state_free(&state);
    test_log_release(&log);
}

static void
token_write(struct api_server *s, uint32_t who, uint8_t byte, int64_t made_ms_ago, char out[TOKEN_TEXT_MAX])
{
    uint8_t random[TOKEN_RANDOM_BYTES], room[TOKEN_ROW_BYTES_MAX];
    struct subject_id member = test_subject(who);
    struct actor_id actor = {{byte}};
    struct token_row row = token_row_member(&member, &actor, (struct wall_ms){s->wall_ms - made_ms_ago}, 15);
    struct db_txn *txn;
    struct hash hash;
    struct buf b;
    struct err err;

    memset(random, byte, sizeof(random));
    token_text(random, out);
    buf_fixed(&b, room, sizeof(room));
    assert_int_equal(token_hash(out, TOKEN_TEXT_LEN, &hash, &err), 0);
    assert_int_equal(token_row_encode(&row, &b, &err), 0);
    assert_int_equal(db_begin_write(s->db, &txn, &err), 0);
    assert_int_equal(db_put(txn, TABLE_TOKENS, slice_of(hash.b, HASH_BYTES), buf_slice(&b), &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
}

static void
prepare(struct api_server *s)
{
    static const uint8_t wrap[32] = {9};
    struct err err;

    test_dir_make(vault_dir);
    struct vault_opts opts = {.path = vault_dir,
                              .map_bytes = TEST_MAP_BYTES,
                              .wrap_key = wrap,
                              .create = true,
                              .volatile_for_simulation = true};
    assert_int_equal(vault_open(&opts, &s->vault, &err), 0);
    s->deps.vault = s->vault;
    register_write(s);
    token_write(s, ANN, 0x41, 0, ann);
    token_write(s, GIVEN_UP, 0x42, 0, given_up);
    token_write(s, KEPT, 0x43, 0, kept);
    token_write(s, MERGED_LATER, 0x44, 0, later);
    token_write(s, ERASED, 0x46, 0, erased);
    token_write(s, UNREACHABLE, 0x47, 0, unreachable);
    token_write(s, RESTRICTED, 0x48, 0, restricted);
    token_write(s, ANN, 0x45, 15 * 60000, over);
}

static int
setup(void **state)
{
    struct api_server *s = calloc(1, sizeof(*s));

    s->prepare = prepare;
    server_start(s);
    *state = s;
    return 0;
}

static int
teardown(void **state)
{
    server_stop(*state);
    test_dir_remove(vault_dir);
    free(*state);
    return 0;
}

static int
ask(struct api_server *s, const char *method, const char *target, const char *token, const char *body)
{
    return client_request(s, method, target, token, strcmp(method, "GET") == 0 ? "" : some_headers, body, answer,
                          sizeof(answer));
}

static int
get_member_of(struct api_server *s, uint32_t who, const char *tail, const char *token)
{
    char path[128];

    snprintf(path, sizeof(path), "/v1/members/%s%s", hex_of(who), tail);
    return ask(s, "GET", path, token, NULL);
}

/* ---- every route ---- */

/* The pattern with the id in the place of its first {…}, and something that reads in the others. */
static void
concrete(const struct route *route, const char *id, char *out, size_t cap)
{
    bool first = true;
    size_t n = 0;

    for (const char *p = route->pattern; *p != '\0'; p++) {
        if (*p == '{') {
            bool code = strncmp(p, "{code}", 6) == 0, number = strncmp(p, "{seq}", 5) == 0;
            n += (size_t)snprintf(out + n, cap - n, "%s", code ? "BE" : number ? "1" : first ? id : "2025");
            first = false;
            p = strchr(p, '}');
        } else {
            out[n++] = *p;
        }
        assert_true(n + 1 < cap);
    }
    out[n] = '\0';
}

static bool
for_members(const struct route *route)
{
    return route->flags & (ROUTE_OWN_PATH | ROUTE_OWN_QUERY);
}

static void
every_route_for_members_says_where_the_member_stands(void **state)
{
    size_t n;
    const struct route *table = router_table(&n);

    for (size_t i = 0; i < n; i++) {
        const struct route *r = &table[i];
        bool path = r->flags & ROUTE_OWN_PATH, query = r->flags & ROUTE_OWN_QUERY;
        if ((path || query) != ((r->roles & ROLE_MEMBER) != 0) || (path && query))
            fail_msg("%s %s: ROLE_MEMBER goes with one of ROUTE_OWN_PATH and ROUTE_OWN_QUERY", r->method, r->pattern);
        if (path && strncmp(r->pattern, "/v1/members/{id}", 16) != 0)
            fail_msg("%s %s: the first of its names is not a member", r->method, r->pattern);
        if (query && (strcmp(r->method, "GET") != 0 || strstr(r->query, "member") == NULL))
            fail_msg("%s %s: no ?member= to be bound", r->method, r->pattern);
        if (r->roles != 0 && !(r->flags & ROUTE_READS))
            fail_msg("%s %s: tokens are read in its transaction", r->method, r->pattern);
    }
}

static void
every_route_is_closed_to_the_token_of_another_member(void **state)
{
    struct api_server *s = *state;
    char path[512], nobody[4096], *end;
    size_t n, asked = 0;
    const struct route *table = router_table(&n);

    for (size_t i = 0; i < n; i++) {
        const struct route *r = &table[i];
        const char *body = r->flags & ROUTE_WRITES && strcmp(r->method, "DELETE") != 0 ? "{}" : NULL;
        if (r->roles == 0)
            continue;
        concrete(r, hex_of(NOBODY), path, sizeof(path) - 64);
        end = path + strlen(path);
        if (r->flags & ROUTE_OWN_QUERY)
            snprintf(end, 64, "?member=%s", hex_of(NOBODY));
        (void)ask(s, r->method, path, ann, body);
        snprintf(nobody, sizeof(nobody), "%s", strstr(answer, "\r\n\r\n"));
        concrete(r, hex_of(BEN), path, sizeof(path) - 64);
        end = path + strlen(path);
        if (r->flags & ROUTE_OWN_QUERY)
            snprintf(end, 64, "?member=%s", hex_of(BEN));
        int status = ask(s, r->method, path, ann, body);
        if (status != (for_members(r) ? 404 : 403))
            fail_msg("%s %s: %d", r->method, path, status);
        if (strcmp(strstr(answer, "\r\n\r\n"), nobody) != 0)
            fail_msg("%s %s: another member is not as nobody: %s", r->method, path, nobody);
        asked++;
    }
    assert_true(asked > 50);
    assert_int_equal(s->jobs, 0);
}

static void
a_list_takes_no_filter_that_could_lead_past_the_member(void **state)
{
    struct api_server *s = *state;
    size_t n;
    const struct route *table = router_table(&n);

    for (size_t i = 0; i < n; i++) {
        const struct route *r = &table[i];
        if (!(r->flags & ROUTE_OWN_QUERY))
            continue;
        for (const char *p = r->query; *p != '\0';) {
            char name[64], path[256];
            size_t len = strcspn(p, " ");
            snprintf(name, sizeof(name), "%.*s", (int)len, p);
            p += len + (p[len] == ' ');
            bool harmless = strcmp(name, "member") == 0 || strcmp(name, "after") == 0 || strcmp(name, "limit") == 0;
            snprintf(path, sizeof(path), "%s?%s=%s", r->pattern, name, strcmp(name, "limit") == 0 ? "5" : hex_of(ANN));
            int status = ask(s, "GET", path, ann, NULL);
            if (status != (harmless ? 200 : 400))
                fail_msg("%s: %d", path, status);
            snprintf(path, sizeof(path), "%s?member=%s&%s=1", r->pattern, hex_of(ANN), name);
            if (!harmless)
                assert_int_equal(ask(s, "GET", path, ann, NULL), 400);
        }
        char twice[256];
        int at = snprintf(twice, sizeof(twice), "%s?member=%s", r->pattern, hex_of(ANN));
        snprintf(twice + at, sizeof(twice) - (size_t)at, "&member=%s", hex_of(BEN));
        assert_int_equal(ask(s, "GET", twice, ann, NULL), 400);
    }
}

/* ---- one's own ---- */

static void
a_member_reads_its_own_record_and_history(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(get_member_of(s, ANN, "", ann), 200);
    assert_non_null(strstr(answer, "\"status\":\"member\""));
    assert_int_equal(get_member_of(s, ANN, "/history", ann), 200);
    assert_non_null(strstr(answer, "member.admitted"));
    assert_int_equal(get_member_of(s, ANN, "?as_of=2026-01-01", ann), 200);
    assert_int_equal(ask(s, "GET", "/v1/invoices", ann, NULL), 200);
    assert_non_null(strstr(answer, "{\"invoices\":[],\"next\":null}"));
    assert_int_equal(get_member_of(s, ANN, "", over), 401);
}

static void
records_that_were_merged_are_one_member(void **state)
{
    struct api_server *s = *state;
    static const uint32_t both[] = {GIVEN_UP, KEPT};

    for (size_t i = 0; i < ARRAY_LEN(both); i++) {
        assert_int_equal(get_member_of(s, both[i], "", given_up), 200);
        assert_int_equal(get_member_of(s, both[i], "/history", kept), 200);
        assert_int_equal(get_member_of(s, both[i], "", ann), 404);
    }
    assert_int_equal(get_member_of(s, ANN, "", kept), 404);
    assert_int_equal(get_member_of(s, MERGED_LATER, "", later), 200);
    assert_int_equal(get_member_of(s, KEPT_LATER, "", later), 404); /* not yet */
}

static void
a_token_ends_when_who_the_member_was_is_erased(void **state)
{
    struct api_server *s = *state;

    assert_int_equal(get_member_of(s, ERASED, "", erased), 401);
    assert_int_equal(get_member_of(s, ANN, "", erased), 401);
    assert_int_equal(ask(s, "GET", "/v1/invoices", erased, NULL), 401);
    assert_int_equal(ask(s, "GET", "/v1/members", erased, NULL), 403);
    assert_int_equal(get_member_of(s, UNREACHABLE, "", unreachable), 200);
}

/* ---- making and ending ---- */

static int
make_token(struct api_server *s, uint32_t who, const char *token, const char *body)
{
    char path[128];

    snprintf(path, sizeof(path), "/v1/members/%s/token", hex_of(who));
    return ask(s, "POST", path, token, body);
}

static void
the_units_platform_makes_a_token_that_ends_soon(void **state)
{
    struct api_server *s = *state;
    struct subject_id member = test_subject(BEN);

    assert_int_equal(make_token(s, BEN, s->integration, NULL), 201);
    assert_non_null(strstr(answer, "\"token\":\"snt_"));
    assert_non_null(strstr(answer, "\"expires\":\""));
    assert_int_equal(s->last.kind, OP_TOKEN_CREATE);
    assert_int_equal(s->last.token.row.role, ROLE_MEMBER);
    assert_memory_equal(&s->last.token.row.subject, &member, sizeof(member));
    assert_int_equal(s->last.token.row.expires.ms, s->wall_ms + 15 * 60000);
    assert_int_equal(make_token(s, BEN, s->operator_token, "{\"minutes\":1440}"), 201);
    assert_int_equal(s->last.token.row.expires.ms, s->wall_ms + 24 * 3600000);
    unsigned jobs = s->jobs;
    assert_int_equal(make_token(s, BEN, s->integration, "{\"minutes\":1441}"), 400);
    assert_int_equal(make_token(s, BEN, s->integration, "{\"minutes\":0}"), 400);
    assert_int_equal(make_token(s, NOBODY, s->integration, "{}"), 404);
    assert_int_equal(make_token(s, ERASED, s->integration, "{}"), 409);
    assert_int_equal(make_token(s, BEN, s->desk, "{}"), 403);
    assert_int_equal(make_token(s, ANN, ann, "{}"), 403);
    assert_int_equal(s->jobs, jobs);
}

static void
no_other_way_makes_a_token_of_a_member(void **state)
{
    struct api_server *s = *state;
    char body[128];

    snprintf(body, sizeof(body), "{\"name\":\"x\",\"role\":\"member\",\"member\":\"%s\"}", hex_of(BEN));
    assert_int_equal(ask(s, "POST", "/v1/tokens", s->operator_token, body), 400);
    assert_int_equal(s->jobs, 0);
}

static void
a_member_ends_its_own_tokens(void **state)
{
    struct api_server *s = *state;
    struct subject_id member = test_subject(ANN);
    char path[128];

    snprintf(path, sizeof(path), "/v1/members/%s/token", hex_of(ANN));
    assert_int_equal(ask(s, "DELETE", path, ann, NULL), 200);
    assert_int_equal(s->last.kind, OP_TOKEN_END);
    assert_memory_equal(&s->last.token.row.subject, &member, sizeof(member));
    assert_int_equal(ask(s, "DELETE", path, s->integration, NULL), 200);
    assert_int_equal(ask(s, "DELETE", path, s->desk, NULL), 403);
    assert_int_equal(s->jobs, 2);
}

static void
an_idempotency_key_of_one_token_is_not_that_of_another(void **state)
{
    struct api_server *s = *state;
    char path[128];

    snprintf(path, sizeof(path), "/v1/members/%s/token", hex_of(KEPT));
    assert_int_equal(ask(s, "DELETE", path, given_up, NULL), 200);
    struct hash key = s->last.idem_key;
    assert_true(s->last.idempotent);
    assert_int_equal(ask(s, "DELETE", path, kept, NULL), 200);
    assert_memory_not_equal(&s->last.idem_key, &key, sizeof(key));
    assert_int_equal(ask(s, "DELETE", path, given_up, NULL), 200);
    assert_memory_equal(&s->last.idem_key, &key, sizeof(key));
}

static void
tokens_of_members_are_listed_only_where_they_are_asked_for(void **state)
{
    struct api_server *s = *state;
    char path[128];

    assert_int_equal(ask(s, "GET", "/v1/tokens", s->operator_token, NULL), 200);
    assert_non_null(strstr(answer, "\"role\":\"desk\""));
    assert_null(strstr(answer, "\"role\":\"member\""));
    snprintf(path, sizeof(path), "/v1/tokens?member=%s", hex_of(KEPT));
    assert_int_equal(ask(s, "GET", path, s->operator_token, NULL), 200);
    assert_null(strstr(answer, "\"role\":\"desk\""));
    assert_non_null(strstr(answer, hex_of(KEPT)));
    assert_null(strstr(answer, hex_of(ANN)));
}

/* ---- what was proposed at hosts ---- */

static void
propose(struct api_server *s, uint32_t who, uint8_t index, const char *email)
{
    struct guest_record *r = calloc(1, sizeof(*r));
    struct visit v = {.subject = test_subject(who), .at = {.log = {{9}}, .seq = 5}, .index = index, .host = {{7}}};
    struct err err;
    struct buf plain;

    assert_non_null(r);
    *r = (struct guest_record){.member = v.subject, .unit = s->deps.unit, .day = {20500}, .opened = 1, .classes = 1};
    r->n_contact = 1;
    snprintf(r->contact.email.s, sizeof(r->contact.email.s), "%s", email);
    snprintf(r->text, sizeof(r->text), "write to %s", email);
    buf_init(&plain, CAPSULE_BYTES_MAX);
    assert_int_equal(guest_record_encode(r, &plain, &err), 0);
    assert_int_equal(visits_put(s->vault, &v, buf_slice(&plain), &err), 0);
    buf_free(&plain);
    free(r);
}

static void
a_proposal_of_restricted_contact_is_read_by_its_member_alone(void **state)
{
    struct api_server *s = *state;

    propose(s, RESTRICTED, 0, "hidden@example.org");
    propose(s, ANN, 0, "ann@example.org");
    const char *const lists[] = {"/v1/proposals", "/v1/proposals?limit=1"};
    for (size_t i = 0; i < ARRAY_LEN(lists); i++) {
        assert_int_equal(ask(s, "GET", lists[i], s->desk, NULL), 200);
        assert_null(strstr(answer, "hidden@example.org"));
    }
    assert_int_equal(get_member_of(s, ANN, "/proposals", s->desk), 200);
    assert_non_null(strstr(answer, "write to ann@example.org"));
    assert_int_equal(get_member_of(s, RESTRICTED, "/proposals", s->desk), 200);
    assert_null(strstr(answer, "hidden@example.org"));
    assert_non_null(strstr(answer, "\"personal\":\"restricted\""));
    assert_int_equal(get_member_of(s, RESTRICTED, "/proposals", restricted), 200);
    assert_non_null(strstr(answer, "\"email\":\"hidden@example.org\""));
}

static void
all_proposals_are_told_page_by_page_each_once(void **state)
{
    struct api_server *s = *state;
    char path[256] = "/v1/proposals?limit=2", email[32];
    unsigned seen[5] = {0}, pages = 0;

    for (uint8_t i = 0; i < ARRAY_LEN(seen); i++) {
        snprintf(email, sizeof(email), "p%u@example.org", i);
        propose(s, i % 2 ? ANN : BEN, i, email);
    }
    for (bool more = true; more && pages < 9; pages++) {
        assert_int_equal(ask(s, "GET", path, s->desk, NULL), 200);
        for (uint8_t i = 0; i < ARRAY_LEN(seen); i++) {
            snprintf(email, sizeof(email), "\"p%u@example.org", i);
            seen[i] += strstr(answer, email) != NULL;
        }
        const char *next = strstr(answer, "\"next\":\"");
        more = next != NULL;
        if (more)
            snprintf(path, sizeof(path), "/v1/proposals?limit=2&after=%.*s", (int)strcspn(next + 8, "\""), next + 8);
    }
    assert_int_equal(pages, 3);
    for (size_t i = 0; i < ARRAY_LEN(seen); i++)
        assert_int_equal(seen[i], 1);
}

static bool
export_has(struct api_server *s, uint32_t who, const char *token, const char *text)
{
    assert_int_equal(get_member_of(s, who, "/export", token), 200);
    return strstr(answer, text) != NULL;
}

static void
what_is_known_of_a_person_is_told_of_all_records_that_are_merged(void **state)
{
    struct api_server *s = *state;
    const struct {
        uint32_t who;
        const char *token;
    } asked[] = {{KEPT, s->desk}, {GIVEN_UP, s->desk}, {KEPT, kept}, {GIVEN_UP, given_up}};

    propose(s, GIVEN_UP, 0, "gone@example.org");
    propose(s, KEPT, 1, "kept@example.org");
    propose(s, MERGED_LATER, 2, "now@example.org");
    propose(s, KEPT_LATER, 3, "later@example.org");
    for (size_t i = 0; i < ARRAY_LEN(asked); i++) {
        assert_true(export_has(s, asked[i].who, asked[i].token, "\"email\":\"gone@example.org\""));
        assert_true(export_has(s, asked[i].who, asked[i].token, "\"email\":\"kept@example.org\""));
    }
    assert_true(export_has(s, MERGED_LATER, later, "now@example.org"));
    assert_false(export_has(s, MERGED_LATER, later, "later@example.org")); /* not yet */
    assert_false(export_has(s, ANN, s->desk, "@example.org"));
}

#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_route_for_members_says_where_the_member_stands),
        CASE(every_route_is_closed_to_the_token_of_another_member),
        CASE(a_list_takes_no_filter_that_could_lead_past_the_member),
        CASE(a_member_reads_its_own_record_and_history),
        CASE(records_that_were_merged_are_one_member),
        CASE(a_token_ends_when_who_the_member_was_is_erased),
        CASE(the_units_platform_makes_a_token_that_ends_soon),
        CASE(no_other_way_makes_a_token_of_a_member),
        CASE(a_member_ends_its_own_tokens),
        CASE(what_is_known_of_a_person_is_told_of_all_records_that_are_merged),
        CASE(a_proposal_of_restricted_contact_is_read_by_its_member_alone),
        CASE(all_proposals_are_told_page_by_page_each_once),
        CASE(an_idempotency_key_of_one_token_is_not_that_of_another),
        CASE(tokens_of_members_are_listed_only_where_they_are_asked_for),
    };
    return cmocka_run_group_tests_name("member role", tests, NULL, NULL);
}
