/* smartnode unit end-work: what a unit that closes has open in activities and postings. See cmd_unit.h. */
#include "node/cli/cmd_unit.h"

enum { PAGE = 200, FAILURES_SHOWN = 20 };

struct ending {
    struct http *h;
    char on[DATE_TEXT_MAX];
    uint64_t activities, postings, failed;
};

/* 0: done, or nothing to do. What was refused is counted and said; an error is the connection's. */
static int
take_back(struct ending *e, const char *what, const char *id, int rc, struct err *refusal, uint64_t *count,
          struct err *err)
{
    if (rc == ERR_UNAVAILABLE || rc == ERR_IO) {
        *err = *refusal;
        return rc;
    }
    *count += rc == 0;
    e->failed += rc != 0;
    if (rc != 0 && e->failed <= FAILURES_SHOWN)
        fprintf(stderr, "smartnode: %s %s: %s\n", what, id, refusal->text);
    return 0;
}

/* By what was seen of it, at /v1/LIST/ID. */
static int
change(struct ending *e, const char *list, const char *id, const char *what, const char *field, struct err *refusal)
{
    char path[DESK_PATH_BYTES], etag[HTTP_ETAG_MAX];
    json_t *o, *doc = NULL;
    snprintf(path, sizeof(path), "/v1/%s/%s", list, id);
    int rc = desk_get_tagged(e->h, path, &doc, etag, refusal);
    json_decref(doc);
    doc = NULL;
    if (rc != 0)
        return rc;
    o = json_object();
    desk_put(o, field, e->on);
    snprintf(path, sizeof(path), "/v1/%s/%s/%s", list, id, what);
    rc = desk_send(e->h, "POST", path, o, NULL, etag, &doc, refusal);
    json_decref(doc);
    return rc;
}

static int
close_activity(struct ending *e, const json_t *activity, struct err *err)
{
    const char *id = desk_text(activity, "id");
    struct err refusal = {0};
    const char *opened = desk_text(activity, "opened");
    if (strcmp(desk_text(activity, "status"), "open") != 0)
        return 0;
    bool later = strncmp(opened, e->on, strlen("YYYY-MM")) > 0;
    int rc = later ? err_set(&refusal, ERR_CONFLICT,
                             "begins in %.7s, after %s; take it back (smartnode activity show %.32s names the entries, "
                             "smartnode activity cancel %.32s --event EVENT takes one back)",
                             opened, e->on, id, id)
                   : change(e, "activities", id, "close", "effective_on", &refusal);
    return take_back(e, "activity", id, rc, &refusal, &e->activities, err);
}

static int
end_posting(struct ending *e, const json_t *posting, struct err *err)
{
    const char *id = desk_text(posting, "id");
    struct err refusal = {0};
    if (strcmp(desk_text(posting, "status"), "issued") != 0 || strcmp(desk_text(posting, "to"), e->on) <= 0)
        return 0;
    bool later = strcmp(desk_text(posting, "from"), e->on) > 0;
    int rc = later ? err_set(&refusal, ERR_CONFLICT, "begins after %s; take it back (smartnode posting cancel %.32s)",
                             e->on, id)
                   : change(e, "postings", id, "change", "to", &refusal);
    return take_back(e, "posting", id, rc, &refusal, &e->postings, err);
}

static int
over(struct ending *e, const char *list, int (*one)(struct ending *e, const json_t *entity, struct err *err),
     struct err *err)
{
    char path[DESK_PATH_BYTES], after[64] = "";
    int rc = 0;
    for (bool more = true; rc == 0 && more;) {
        json_t *doc = NULL;
        const json_t *entity;
        size_t i;
        snprintf(path, sizeof(path), "/v1/%s?limit=%d%s%s", list, PAGE, after[0] ? "&after=" : "", after);
        rc = desk_get(e->h, path, &doc, err);
        json_array_foreach(rc == 0 ? json_object_get(doc, list) : NULL, i, entity)
        {
            rc = one(e, entity, err);
            if (rc != 0)
                break;
        }
        snprintf(after, sizeof(after), "%s", rc == 0 ? desk_text(doc, "next") : "");
        more = after[0] != '\0';
        json_decref(doc);
    }
    return rc;
}

int
unit_end_work(struct http *h, const char *on, bool as_json, int *ret_exit, struct err *err)
{
    struct ending e = {.h = h};
    struct civil_date day;
    int rc = date_parse(on, "--on", &day, err);
    if (rc != 0)
        return rc;
    date_format(day, e.on);
    rc = over(&e, "activities", close_activity, err);
    if (rc == 0)
        rc = over(&e, "postings", end_posting, err);
    if (as_json)
        printf("{\"activities\": %llu, \"postings\": %llu, \"failed\": %llu}\n", (unsigned long long)e.activities,
               (unsigned long long)e.postings, (unsigned long long)e.failed);
    else
        printf("activities closed: %llu, postings ended: %llu, refused: %llu\n", (unsigned long long)e.activities,
               (unsigned long long)e.postings, (unsigned long long)e.failed);
    *ret_exit = e.failed > 0 ? EXIT_PARTLY : EXIT_OK;
    return rc;
}
