/* Reads over a real register: a person in clear for who may see it, history, events, receipts, units, reports, search. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/apply/apply.h"
#include "tests/support/api_server.h"
#include "tests/support/storage.h"

static char answer[ANSWER_BYTES_MAX];
static struct test_unit unit;
static struct test_log test_log;
static struct subject_id member;
static struct office_id office;
static char member_path[64], log_hex[HEX32_MAX], vault_dir[TEST_PATH_MAX];

static struct event_payload
dated(uint16_t kind, const void *subject)
{
    struct event_payload p = {.kind = kind};

    p.common.has_effective = true;
    p.common.effective = date_from_ymd(2026, 3, 1);
    if (subject != NULL) {
        p.common.has_subject = true;
        memcpy(p.common.subject.b, subject, ID_BYTES);
    }
    return p;
}

static void
places_write(void)
{
    struct event_payload p = dated(KIND_UNIT_DESCRIBED, NULL);

    p.unit = (struct unit_described){.name.s = "Belgium",
                                     .country = "BE",
                                     .currency = "EUR",
                                     .time_zone.s = "Europe/Brussels",
                                     .n_languages = 1,
                                     .languages = {"nl"},
                                     .contribution_bp = 650,
                                     .share_price_minor = 3000};
    (void)test_log_event(&test_log, &p, NULL, 0);
    p = dated(KIND_OFFICE_OPENED, office.b);
    p.office = (struct office_facts){.name.s = "Ghent", .city.s = "Ghent", .country = "BE"};
    (void)test_log_event(&test_log, &p, NULL, 0);
}

/* An admission with one capsule, keys from the vault. */
static struct position
member_write(struct api_server *s, struct slot_keys *keys, struct buf *capsule)
{
    static const uint8_t nonce[CAPSULE_NONCE_BYTES] = {5};
    struct person_identity identity = {.given_name.s = "Ann", .family_name.s = "Maes <b>", .birth_date = DATE_NONE};
    struct event_payload p = dated(KIND_MEMBER_ADMITTED, member.b);
    struct buf plain, payload;
    struct err err;

    buf_init(&plain, CAPSULE_BYTES_MAX);
    buf_init(&payload, PAYLOAD_BYTES_MAX);
    assert_int_equal(vault_take(s->vault, keys, &err), 0);
    assert_int_equal(person_identity_encode(&identity, &plain, &err), 0);
    assert_int_equal(capsule_seal(&keys->keys[0], CLASS_IDENTITY, nonce, buf_slice(&plain), capsule, &err), 0);
    const struct capsule_commitment c = {CLASS_IDENTITY, capsule_hash(buf_slice(capsule)), (uint32_t)capsule->len};
    p.admission = (struct admission){CATEGORY_A, PERSON_NATURAL, office, 2, 3000, "EUR"};
    p.common.has_actor = p.common.has_salt = true;
    assert_int_equal(event_payload_encode(&p, &payload, &err), 0);
    struct position at = test_log_raw(&test_log, KIND_MEMBER_ADMITTED, 1, true, buf_slice(&payload), NULL, 0, &c, 1);
    buf_free(&plain);
    buf_free(&payload);
    return at;
}

static void
index_write(struct api_server *s, uint32_t log_no)
{
    struct person_input p = {.has_identity = true,
                             .identity = {.given_name.s = "Ann", .family_name.s = "Maes", .birth_date = DATE_NONE}};
    struct index_token tokens[INDEX_TOKENS_MAX];
    struct index_entry entries[INDEX_TOKENS_MAX];
    size_t n;
    struct err err;

    assert_int_equal(index_tokens(s->vault, &p, tokens, &n, &err), 0);
    for (size_t i = 0; i < n; i++) {
        memcpy(entries[i].token, tokens[i].token, VAULT_TOKEN_BYTES);
        entries[i].subject = member;
    }
    assert_int_equal(vault_index_put(s->vault, entries, n, log_no, 4, &err), 0);
}

static void
store_and_apply(struct api_server *s, const struct position *at, const struct slot_keys *keys, struct slice capsule)
{
    uint8_t slot_key[ID_BYTES + 4] = {0}, slot[8];
    struct apply *apply;
    struct state *state;
    struct db_txn *txn;
    struct log_row row;
    bool more;
    struct err err;

    assert_int_equal(state_new(s->db, &state, &err), 0);
    assert_int_equal(apply_new(s->db, state, &apply, &err), 0);
    assert_int_equal(db_begin_write(s->db, &txn, &err), 0);
    state_begin(state, txn);
    test_log_store(&test_log, txn, &row);
    assert_int_equal(capsules_put(txn, row.no, at->seq, 0, capsule, &err), 0);
    memcpy(slot_key, member.b, ID_BYTES);
    be32_put(slot_key + ID_BYTES, 1);
    be64_put(slot, keys->slot);
    assert_int_equal(db_put(txn, TABLE_KEYSLOTS, slice_of(slot_key, sizeof(slot_key)), slice_of(slot, 8), &err), 0);
    assert_int_equal(apply_log(apply, txn, row.no, 0, &more, &err), 0);
    assert_int_equal(state_flush(state, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    apply_free(&apply);
    state_free(&state);
    index_write(s, row.no);
}

static void
prepare(struct api_server *s)
{
    static const uint8_t wrap[32] = {9};
    struct slot_keys keys;
    struct buf capsule;
    struct err err;

    test_dir_make(vault_dir);
    struct vault_opts opts = {.path = vault_dir,
                              .map_bytes = TEST_MAP_BYTES,
                              .wrap_key = wrap,
                              .create = true,
                              .volatile_for_simulation = true};
    assert_int_equal(vault_open(&opts, &s->vault, &err), 0);
    test_unit_make(&unit, "BE", 7);
    s->deps.unit = unit.id;
    s->deps.vault = s->vault;
    memset(member.b, 0x11, ID_BYTES);
    memset(office.b, 0x22, ID_BYTES);
    test_log_start(&test_log, &unit, 1, NULL, 0);
    places_write();
    buf_init(&capsule, CAPSULE_BYTES_MAX);
    struct position at = member_write(s, &keys, &capsule);
    store_and_apply(s, &at, &keys, buf_slice(&capsule));
    buf_free(&capsule);
    char hex[HEX16_MAX];
    snprintf(member_path, sizeof(member_path), "/v1/members/%s", hex_encode(member.b, ID_BYTES, hex));
    hex_encode(at.log.b, HASH_BYTES, log_hex);
    test_log_release(&test_log);
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

static void
get(struct api_server *s, const char *target, const char *token, const char *headers, int status)
{
    assert_int_equal(client_request(s, "GET", target, token, headers, NULL, answer, sizeof(answer)), status);
}

static void
shows_a_person_to_the_desk(void **state)
{
    struct api_server *s = *state;
    char etag[128];

    get(s, member_path, s->desk, "", 200);
    assert_non_null(
        strstr(answer, "\"unit\":\"BE\",\"status\":\"member\",\"category\":\"A\",\"person_type\":\"natural\""));
    assert_non_null(strstr(answer, "\"shares\":2,\"capital_minor\":6000,\"currency\":\"EUR\""));
    assert_non_null(strstr(
        answer,
        "\"personal\":\"here\",\"person\":{\"identity\":{\"given_name\":\"Ann\",\"family_name\":\"Maes \\u003cb>\"}}"));
    snprintf(etag, sizeof(etag), "ETag: \"%s.4\"\r\n", log_hex);
    assert_non_null(strstr(answer, etag));
    get(s, member_path, s->reports, "", 403);
    get(s, "/v1/members/ffffffffffffffffffffffffffffffff", s->desk, "", 404);
    get(s, "/v1/members/x", s->desk, "", 404);
}

static void
shows_the_state_of_another_day(void **state)
{
    struct api_server *s = *state;
    char path[128];

    snprintf(path, sizeof(path), "%s?as_of=2026-02-28", member_path);
    get(s, path, s->desk, "", 200);
    assert_non_null(strstr(answer, "\"status\":\"none\""));
}

static void
lists_and_searches_members(void **state)
{
    struct api_server *s = *state;

    get(s, "/v1/members", s->desk, "", 200);
    assert_non_null(strstr(answer, "{\"members\":[{\"id\":\"1111"));
    assert_non_null(strstr(answer, "\"next\":null"));
    assert_null(strstr(answer, "Maes"));
    get(s, "/v1/members?after=11111111111111111111111111111111", s->desk, "", 200);
    assert_non_null(strstr(answer, "{\"members\":[],\"next\":null}"));
    get(s, "/v1/members?q=maes%20ann", s->desk, "", 200);
    assert_non_null(strstr(answer, "\"family_name\":\"Maes "));
    get(s, "/v1/members?q=janssens", s->desk, "", 200);
    assert_non_null(strstr(answer, "{\"members\":[],\"next\":null}"));
}

static void
shows_history_events_and_a_receipt(void **state)
{
    struct api_server *s = *state;
    char path[256];

    snprintf(path, sizeof(path), "%s/history", member_path);
    get(s, path, s->desk, "", 200);
    assert_non_null(strstr(answer, "\"kind\":\"member.admitted\",\"effective_on\":\"2026-03-01\""));
    get(s, "/v1/events?unit=BE&limit=3", s->operator_token, "", 200);
    assert_non_null(strstr(answer, "\"kind\":\"log.opened\""));
    assert_non_null(strstr(answer, "\"next\":\"1.3\""));
    get(s, "/v1/events?after=1.3", s->operator_token, "", 200);
    assert_non_null(strstr(answer, "\"capsules\":[{\"class\":\"identity\""));
    assert_non_null(strstr(answer, "\"outcome\":\"applied\"}],\"next\":null}"));
    get(s, "/v1/events?after=x", s->operator_token, "", 400);
    snprintf(path, sizeof(path), "/v1/events/%s/4", log_hex);
    get(s, path, s->desk, "", 200);
    snprintf(path, sizeof(path), "/v1/events/%s/5", log_hex);
    get(s, path, s->desk, "", 404);
    snprintf(path, sizeof(path), "/v1/events/%s/4/receipt", log_hex);
    get(s, path, s->desk, "", 200);
    assert_non_null(strstr(answer, "-----BEGIN SMARTNODE"));
    get(s, "/v1/conflicts", s->desk, "", 200);
}

static void
shows_units_offices_and_their_etags(void **state)
{
    struct api_server *s = *state;

    get(s, "/v1/units", s->reports, "", 200);
    assert_non_null(strstr(answer, "\"code\":\"BE\""));
    get(s, "/v1/units/BE", s->reports, "", 200);
    assert_non_null(
        strstr(answer, "\"name\":\"Belgium\",\"country\":\"BE\",\"currency\":\"EUR\",\"languages\":[\"nl\"]"));
    assert_non_null(strstr(answer, "ETag: \""));
    get(s, "/v1/units/XX", s->reports, "", 404);
    get(s, "/v1/units/BE/offices", s->reports, "", 200);
    assert_non_null(strstr(answer, "\"name\":\"Ghent\",\"city\":\"Ghent\",\"country\":\"BE\",\"open\":true"));
    get(s, "/v1/units/BE/offices/22222222222222222222222222222222", s->reports, "", 200);
}

static void
reports_say_where_they_come_from(void **state)
{
    struct api_server *s = *state;

    get(s, "/v1/reports/members?as_of=2026-03-01&by=category,office", s->reports, "", 200);
    assert_non_null(strstr(
        answer, "\"unit\":\"BE\",\"category\":\"A\",\"office\":\"22222222222222222222222222222222\",\"members\":1"));
    assert_non_null(strstr(answer, log_hex));
    assert_non_null(strstr(answer, "\"minor\":6000"));
    get(s, "/v1/reports/flows?from=2026-01-01&to=2026-12-31", s->reports, "Accept: text/csv\r\n", 200);
    assert_non_null(strstr(answer, "\r\ncount,BE,,,,,joined,1\r\n"));
    assert_non_null(strstr(answer, "\r\nsource,BE,,,,,age_s,0\r\n"));
    get(s, "/v1/reports/flows?from=2026-12-31&to=2026-01-01", s->reports, "", 400);
    get(s, "/v1/reports/members?by=colour", s->reports, "", 400);
}

/* ---- work at other units ---- */

static const struct subject_id abroad = {{0x33, 1}};

/* The office and an activity of the same id in each unit. */
static void
unit_with_activity(struct api_server *s, const char *code, uint8_t seed, struct unit_id *ret)
{
    struct test_unit other;
    struct apply *apply;
    struct state *state;
    struct db_txn *txn;
    struct log_row row;
    bool more;
    struct err err;
    struct event_payload p = dated(KIND_ACTIVITY_OPENED, abroad.b);

    test_unit_make(&other, code, seed);
    other.federation = unit.federation;
    *ret = other.id;
    test_log_start(&test_log, &other, 1, NULL, 0);
    places_write();
    p.common.effective = date_from_ymd(2026, 4, 1);
    p.common.precision = PRECISION_MONTH;
    p.activity = (struct activity_facets){.office = office, .sector = 1};
    (void)test_log_event(&test_log, &p, NULL, 0);
    assert_int_equal(state_new(s->db, &state, &err), 0);
    assert_int_equal(apply_new(s->db, state, &apply, &err), 0);
    assert_int_equal(db_begin_write(s->db, &txn, &err), 0);
    state_begin(state, txn);
    test_log_store(&test_log, txn, &row);
    assert_int_equal(apply_log(apply, txn, row.no, 0, &more, &err), 0);
    assert_int_equal(state_flush(state, &err), 0);
    assert_int_equal(db_commit(&txn, &err), 0);
    apply_free(&apply);
    state_free(&state);
    test_log_release(&test_log);
}

static void
note_link(struct api_server *s, const struct unit_id *whose)
{
    struct vault_link link = {.entity = abroad, .member = member, .flags = LINK_ACTIVITY | LINK_ABROAD, .unit = *whose};
    struct index_entry entry = {.subject = abroad};
    struct err err;
    index_work_of(s->vault, &member, entry.token);
    assert_int_equal(vault_links_put(s->vault, &link, 1, &entry, 1, &err), 0);
}

static void
work_of_two_units_under_one_id_is_told_apart(void **state)
{
    struct api_server *s = *state;
    struct unit_id first, second, unsaid = {0};
    char hex[HEX16_MAX], list[128], one[128];

    unit_with_activity(s, "DE", 21, &first);
    unit_with_activity(s, "FR", 22, &second);
    snprintf(list, sizeof(list), "/v1/activities?member=%s", hex_encode(member.b, ID_BYTES, hex));
    const struct unit_id *linked[] = {&first, &second};
    const char *codes[] = {"DE", "FR"};
    for (size_t i = 0; i < 2; i++) {
        char has[32], lacks[32];
        snprintf(has, sizeof(has), "\"unit\":\"%s\"", codes[i]);
        snprintf(lacks, sizeof(lacks), "\"unit\":\"%s\"", codes[1 - i]);
        note_link(s, linked[i]);
        get(s, list, s->desk, "", 200);
        assert_non_null(strstr(answer, has));
        assert_null(strstr(answer, lacks));
        for (size_t k = 0; k < 2; k++) {
            snprintf(one, sizeof(one), "/v1/activities/%s?unit=%s", hex_encode(abroad.b, ID_BYTES, hex), codes[k]);
            get(s, one, s->desk, "", 200);
            assert_true((strstr(answer, "not available here") == NULL) == (k == i));
        }
    }
    note_link(s, &unsaid); /* as an earlier release did: of which, nobody can say */
    get(s, list, s->desk, "", 200);
    assert_null(strstr(answer, "\"unit\""));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shows_a_person_to_the_desk),
        cmocka_unit_test(shows_the_state_of_another_day),
        cmocka_unit_test(lists_and_searches_members),
        cmocka_unit_test(shows_history_events_and_a_receipt),
        cmocka_unit_test(shows_units_offices_and_their_etags),
        cmocka_unit_test(reports_say_where_they_come_from),
        cmocka_unit_test(work_of_two_units_under_one_id_is_told_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
