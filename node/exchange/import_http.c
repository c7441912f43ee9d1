/* See import_http.h. */
#include "node/exchange/import_http.h"

#include <jansson.h>
#include <sodium.h>
#include <stdlib.h>

#include "node/command/names.h"
#include "node/command/text.h"
#include "node/host/person_read.h"

enum { PATH_MAX_HTTP = 1024, BATCH_ROWS = 512, KEY_BYTES_SENT = 16 };

static int
get_json(struct import_http *i, const char *path, json_t **ret, struct err *err)
{
    struct http_request q = {.method = "GET", .path = path};
    struct http_answer a;
    int rc = http_call(i->http, &q, &a, err);
    if (rc != 0)
        return rc;
    *ret = json_loadb((const char *)a.body.data, a.body.len, 0, NULL);
    return *ret ? 0 : err_set(err, ERR_CORRUPT, "what answers there is no node: its answer is not JSON");
}

static const char *
text_of(const json_t *o, const char *key)
{
    const char *s = json_string_value(json_object_get(o, key));
    return s ? s : "";
}

int
import_http_init(struct import_http *i, struct http *http, struct err *err)
{
    char path[PATH_MAX_HTTP];
    json_t *status = NULL;
    memset(i, 0, sizeof(*i));
    i->http = http;
    int rc = get_json(i, "/v1/status", &status, err);
    if (rc == 0) {
        snprintf(i->unit, sizeof(i->unit), "%s", text_of(status, "unit"));
        if (!unit_code_ok(i->unit) || date_parse(text_of(status, "today"), "today", &i->today, err) != 0)
            rc = err_set(err, ERR_CORRUPT, "what answers there is no node: its status names no unit");
    }
    json_decref(status);
    snprintf(path, sizeof(path), "/v1/units/%s/offices", i->unit);
    if (rc == 0)
        rc = get_json(i, path, &i->offices, err);
    snprintf(path, sizeof(path), "/v1/units/%s", i->unit);
    if (rc == 0)
        rc = get_json(i, path, &i->unit_doc, err);
    return rc;
}

void
import_http_release(struct import_http *i)
{
    json_decref(i->offices);
    json_decref(i->unit_doc);
    i->offices = i->unit_doc = NULL;
}

/* ---- looking up ---- */

static void
put_text(struct buf *b, const char *text)
{
    buf_put(b, text, strlen(text));
}

static uint16_t
choice(const char *text, const char *(*name)(uint8_t), uint8_t max)
{
    for (uint8_t v = 1; v <= max; v++)
        if (strcmp(name(v), text) == 0)
            return v;
    return 0;
}

/* History → row: what import_compare looks at. */
static int
history(struct import_http *i, const struct subject_id *subject, struct member_row *ret, struct err *err)
{
    char path[PATH_MAX_HTTP], id[HEX16_MAX];
    struct unit_id none = {0};
    json_t *doc = NULL;
    snprintf(path, sizeof(path), "/v1/members/%s/history", hex_encode(subject->b, ID_BYTES, id));
    int rc = get_json(i, path, &doc, err);
    if (rc != 0)
        return rc;
    const json_t *events = json_object_get(doc, "events");
    size_t n = json_array_size(events);
    member_row_init(ret, &none, subject);
    ret->entries = calloc(n + 1, sizeof(*ret->entries));
    if (!ret->entries)
        rc = err_set(err, ERR_NOMEM, "import: out of memory");
    for (size_t k = 0; rc == 0 && k < n; k++) {
        const json_t *o = json_array_get(events, k);
        struct member_entry *e = &ret->entries[k];
        e->kind = event_kind_from_name(text_of(o, "kind"));
        e->kind_version = 1;
        e->outcome = strcmp(text_of(o, "outcome"), outcome_name(OUTCOME_APPLIED)) == 0 ? OUTCOME_APPLIED : OUTCOME_VOID;
        e->category = (uint8_t)choice(text_of(o, "category"), category_name, CATEGORY_C);
        e->person_type = (uint8_t)choice(text_of(o, "person_type"), person_type_name, PERSON_LEGAL);
        e->has_office = hex_decode(text_of(o, "office"), e->office.b, ID_BYTES);
        e->shares = (uint64_t)json_integer_value(json_object_get(o, "shares"));
        e->at.seq = (uint64_t)json_integer_value(json_object_get(o, "seq"));
        rc = date_parse(text_of(o, "effective_on"), "effective_on", &e->effective, err);
        ret->n = ret->cap = k + 1;
    }
    json_decref(doc);
    if (rc != 0)
        member_row_release(ret);
    return rc;
}

static int
http_find(void *arg, const char *number, bool *ret_found, struct member_row *ret, struct err *err)
{
    struct import_http *i = arg;
    uint8_t key[NUMBER_KEY_BYTES], other[NUMBER_KEY_BYTES];
    struct buf path;
    struct err ignored;
    struct subject_id subject;
    json_t *doc = NULL;
    char after[HEX16_MAX] = "";
    *ret_found = false;
    int rc = number_key(number, key, err);
    do {
        buf_init(&path, PATH_MAX_HTTP);
        put_text(&path, "/v1/members?limit=50&q=");
        http_escape(&path, number);
        if (after[0] != '\0') {
            put_text(&path, "&after=");
            put_text(&path, after);
        }
        buf_put_u8(&path, 0);
        if (rc == 0)
            rc = buf_check(&path, "search", err);
        if (rc == 0)
            rc = get_json(i, (const char *)path.data, &doc, err);
        buf_free(&path);
        const json_t *list = json_object_get(doc, "members");
        for (size_t k = 0; rc == 0 && k < json_array_size(list) && !*ret_found; k++) {
            const json_t *m = json_array_get(list, k);
            const json_t *who = json_object_get(json_object_get(m, "person"), "identity");
            *ret_found = number_key(text_of(who, "member_no"), other, &ignored) == 0 &&
                         memcmp(key, other, sizeof(key)) == 0 && hex_decode(text_of(m, "id"), subject.b, ID_BYTES);
        }
        snprintf(after, sizeof(after), "%s", text_of(doc, "next"));
        json_decref(doc);
        doc = NULL;
    } while (rc == 0 && !*ret_found && after[0] != '\0');
    return rc == 0 && *ret_found ? history(i, &subject, ret, err) : rc;
}

static int
http_office(void *arg, const char *text, struct import_office *ret, struct err *err)
{
    struct import_http *i = arg;
    char wanted[TEXT_FOLDED_MAX], name[TEXT_FOLDED_MAX];
    const json_t *list = json_object_get(i->offices, "offices"), *found = NULL;
    struct err ignored;
    if (text_fold(text, wanted, sizeof(wanted), &ignored) != 0)
        return err_field(err, ERR_INVALID, "office", "not a name");
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *o = json_array_get(list, k);
        bool same = strcmp(text_of(o, "id"), text) == 0 ||
                    (text_fold(text_of(o, "name"), name, sizeof(name), &ignored) == 0 && strcmp(name, wanted) == 0);
        if (same && (!found || json_is_true(json_object_get(o, "open"))))
            found = o;
    }
    if (!found || !hex_decode(text_of(found, "id"), ret->id.b, ID_BYTES))
        return err_field(err, ERR_NOTFOUND, "office", "the unit has no such office");
    ret->closed_on = DATE_MAX;
    ret->open = date_parse(text_of(found, "closed_on"), "closed_on", &ret->closed_on, &ignored) != 0;
    return 0;
}

/* The description of today stands for every day; of older days the node says what is wrong. */
static bool
http_unit(void *arg, struct civil_date on, struct unit_described *ret)
{
    struct import_http *i = arg;
    (void)on;
    memset(ret, 0, sizeof(*ret));
    snprintf(ret->currency, sizeof(ret->currency), "%s", text_of(i->unit_doc, "currency"));
    return true;
}

static int
http_begin(void *arg, bool needs_unit, struct err *err)
{
    (void)arg, (void)needs_unit, (void)err;
    return 0;
}

/* ---- carrying out ---- */

static bool
of_row(enum err_code code)
{
    return code == ERR_INVALID || code == ERR_NOTFOUND || code == ERR_CONFLICT;
}

static int
take_line(const json_t *line, struct import_job *job, struct err *err)
{
    long status = (long)json_integer_value(json_object_get(line, "status"));
    if (status >= 400) {
        int rc = http_problem(status, json_object_get(line, "problem"), &job->err);
        if (of_row(job->err.code))
            return 0;
        *err = job->err;
        err_clear(&job->err);
        return rc;
    }
    if (!job->has_subject && !hex_decode(text_of(line, "id"), job->subject.b, ID_BYTES))
        return err_set(err, ERR_CORRUPT, "the node's answer to a line of the batch names no record");
    job->has_subject = true;
    if (hex_decode(text_of(line, "log"), job->at.log.b, HASH_BYTES))
        job->at.seq = (uint64_t)json_integer_value(json_object_get(line, "seq"));
    job->next++;
    job->events += !json_is_true(json_object_get(line, "replay"));
    return 0;
}

static int
take_answer(const char *at, struct import_job *jobs, const size_t *order, size_t lines, struct err *err)
{
    size_t answered = 0;
    int rc = 0;
    while (rc == 0 && *at != '\0') {
        const char *end = strchrnul(at, '\n');
        json_t *line = json_loadb(at, (size_t)(end - at), 0, NULL);
        size_t no = (size_t)json_integer_value(json_object_get(line, "line"));
        if (!line || no < 1 || no > lines)
            rc = err_set(err, ERR_CORRUPT, "the node's answer to the batch cannot be read");
        else
            rc = take_line(line, &jobs[order[no - 1]], err);
        json_decref(line);
        answered++;
        at = *end == '\0' ? end : end + 1;
    }
    if (rc == 0 && answered != lines)
        rc = err_set(err, ERR_CORRUPT, "the node answered %zu of %zu lines of a batch", answered, lines);
    return rc;
}

/* One step of every job that has one left. */
static int
run_round(struct import_http *i, struct import_job *jobs, size_t n, bool *ret_more, struct err *err)
{
    size_t order[BATCH_ROWS], lines = 0;
    uint8_t digest[KEY_BYTES_SENT];
    char key[2 * KEY_BYTES_SENT + 1];
    struct buf body;
    struct http_answer a;
    buf_init(&body, HTTP_ANSWER_BYTES_MAX);
    for (size_t k = 0; k < n; k++) {
        if (jobs[k].err.code != ERR_NONE || jobs[k].next >= jobs[k].row.n_steps)
            continue;
        if (import_http_line(&body, &jobs[k]))
            order[lines++] = k;
        else
            (void)!err_set(&jobs[k].err, ERR_CONFLICT,
                           "goes into a data directory that no node holds, or by a request of its own to the node");
    }
    *ret_more = lines > 0;
    int rc = lines == 0 ? 0 : buf_check(&body, "batch", err);
    crypto_generichash(digest, sizeof(digest), body.data, body.len, NULL, 0);
    struct http_request q = {.method = "POST",
                             .path = "/v1/batch",
                             .type = "application/x-ndjson",
                             .body = buf_slice(&body),
                             .key = hex_encode(digest, sizeof(digest), key)};
    if (rc == 0 && lines > 0)
        rc = http_call(i->http, &q, &a, err);
    if (rc == 0 && lines > 0)
        rc = take_answer((const char *)a.body.data, jobs, order, lines, err);
    buf_free(&body);
    return rc;
}

static int
http_run(void *arg, struct import_job *jobs, size_t n, struct err *err)
{
    struct import_http *i = arg;
    int rc = 0;
    for (size_t from = 0; from < n && rc == 0; from += BATCH_ROWS) {
        bool more = true;
        while (rc == 0 && more)
            rc = run_round(i, jobs + from, n - from < BATCH_ROWS ? n - from : BATCH_ROWS, &more, err);
    }
    return rc;
}

void
import_http_target(struct import_http *i, struct import_target *ret)
{
    *ret = (struct import_target){.arg = i,
                                  .today = i->today,
                                  .begin = http_begin,
                                  .find = http_find,
                                  .office = http_office,
                                  .unit = http_unit,
                                  .run = http_run,
                                  .group_rows = BATCH_ROWS};
}

/* ---- beside a node ---- */

static int
beside_begin(void *arg, bool needs_unit, struct err *err)
{
    struct import_beside *b = arg;
    return b->dir.begin(b->dir.arg, needs_unit, err);
}

static int
beside_view(void *arg, const struct command_ctx **ret, struct err *err)
{
    struct import_beside *b = arg;
    return b->dir.view(b->dir.arg, ret, err);
}

static void
beside_release(void *arg)
{
    struct import_beside *b = arg;
    b->dir.release(b->dir.arg);
}

static int
beside_office(void *arg, const char *text, struct import_office *ret, struct err *err)
{
    struct import_beside *b = arg;
    return b->dir.office(b->dir.arg, text, ret, err);
}

static bool
beside_unit(void *arg, struct civil_date on, struct unit_described *ret)
{
    struct import_beside *b = arg;
    return b->dir.unit(b->dir.arg, on, ret);
}

static int
beside_run(void *arg, struct import_job *jobs, size_t n, struct err *err)
{
    struct import_beside *b = arg;
    return http_run(b->http, jobs, n, err);
}

void
import_beside_target(struct import_beside *b, struct import_target *ret)
{
    *ret = (struct import_target){.arg = b,
                                  .today = b->dir.today,
                                  .begin = beside_begin,
                                  .view = beside_view,
                                  .release = beside_release,
                                  .office = beside_office,
                                  .unit = beside_unit,
                                  .run = b->http ? beside_run : NULL,
                                  .group_rows = BATCH_ROWS};
}
