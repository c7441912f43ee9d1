/* Double admission: members of the own unit that are members elsewhere too, as the units that were asked said; and the record of every
 * question, for the operator. docs/PROTOCOL.md §12.8. */
#include "node/api/request.h"
#include "storage/lookups.h"

/* Whoever left, was merged or erased is nobody's duplicate any more. */
static int
still_there(struct request *r, const struct subject_id *subject, bool *ret, struct err *err)
{
    struct member_row row;
    struct member_state s;
    int rc = view_member(r->txn, subject, &r->api->deps.unit, &row, err);

    *ret = false;
    if (rc != 0) {
        return rc == ERR_NOTFOUND ? 0 : rc;
    }
    member_state_at(&row, r->api->deps.today(r->api->deps.arg), &s);
    *ret = s.status == STATUS_MEMBER || s.status == STATUS_APPLIED;
    member_row_release(&row);
    return 0;
}

/* A hit is somebody's guess until a person declares it: whether this unit did, and how it settled that. */
static int
put_duplicate(struct request *r, struct json_out *j, const struct lookup_result *hit, struct err *err)
{
    const struct command_ctx ctx = {.txn = r->txn, .unit = r->api->deps.unit};
    struct double_side said;
    char code[UNIT_CODE_MAX];

    int rc = double_side_of(&ctx, &hit->subject, &hit->unit, &hit->other, &said, err);
    if (rc != 0) {
        return rc;
    }
    unit_code_of(r, &hit->unit, code);
    json_open(j, '{');
    json_put_hex(j, "member", hit->subject.b, ID_BYTES);
    json_put_text(j, "unit", code);
    json_put_hex(j, "unit_id", hit->unit.b, HASH_BYTES);
    json_put_hex(j, "other", hit->other.b, ID_BYTES);
    json_put_time(j, "found", hit->at);
    json_put_bool(j, "declared", said.declared);
    json_put_text(j, "settled", double_word(said.settled));
    json_close(j, '}');
    return 0;
}

static int
vault_check(const struct request *r, struct err *err)
{
    return r->api->deps.vault != NULL ? 0 : err_set(err, ERR_UNAVAILABLE, "this node holds no personal data");
}

static int
put_hits(struct request *r, const struct lookup_result *hits, size_t n, size_t limit, struct err *err)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    uint8_t next[LOOKUP_RESULT_KEY_BYTES];
    int rc = 0;

    json_open(&j, '{');
    json_key(&j, "duplicates");
    json_open(&j, '[');
    for (size_t i = 0; rc == 0 && i < n; i++) {
        bool there;
        rc = still_there(r, &hits[i].subject, &there, err);
        if (rc == 0 && there) {
            rc = put_duplicate(r, &j, &hits[i], err);
        }
    }
    json_close(&j, ']');
    json_key(&j, "next");
    if (n == limit) {
        memcpy(next, hits[n - 1].subject.b, ID_BYTES);
        memcpy(next + ID_BYTES, hits[n - 1].unit.b, HASH_BYTES);
        json_hex(&j, next, sizeof(next));
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
    return rc;
}

int
get_duplicates(struct request *r, struct err *err)
{
    uint8_t after[LOOKUP_RESULT_KEY_BYTES];
    struct lookup_result *hits = NULL;
    size_t limit = 0, n = 0;
    bool has_after = false;

    int rc = vault_check(r, err);
    if (rc == 0) {
        rc = query_limit(r, &limit, err);
    }
    if (rc == 0) {
        rc = query_hex(r, "after", after, sizeof(after), &has_after, err);
    }
    if (rc == 0) {
        hits = calloc(limit, sizeof(*hits));
        rc = hits != NULL ? 0 : err_set(err, ERR_NOMEM, "duplicates");
    }
    if (rc == 0) {
        rc = lookup_hits(r->api->deps.vault, has_after ? after : NULL, hits, limit, &n, err);
    }
    if (rc == 0) {
        r->personal = true;
        rc = put_hits(r, hits, n, limit, err);
    }
    free(hits);
    return rc;
}

static void
put_records(struct request *r, const struct lookup_record *records, size_t n, size_t limit)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    uint8_t next[LOOKUP_RECORD_KEY_BYTES];
    char code[UNIT_CODE_MAX];

    json_open(&j, '{');
    json_key(&j, "lookups");
    json_open(&j, '[');
    for (size_t i = 0; i < n; i++) {
        unit_code_of(r, &records[i].unit, code);
        json_open(&j, '{');
        json_put_time(&j, "at", records[i].at);
        json_put_text(&j, "unit", code);
        json_put_hex(&j, "unit_id", records[i].unit.b, HASH_BYTES);
        json_put_text(&j, "direction", records[i].direction == LOOKUP_OURS ? "asked" : "answered");
        json_put_text(&j, "outcome", lookup_outcome_word(records[i].outcome));
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_key(&j, "next");
    if (n == limit) {
        lookup_record_key(&records[n - 1], next);
        json_hex(&j, next, sizeof(next));
    } else {
        json_none(&j);
    }
    json_close(&j, '}');
}

int
get_lookups(struct request *r, struct err *err)
{
    uint8_t after[LOOKUP_RECORD_KEY_BYTES];
    struct lookup_record *records = NULL;
    size_t limit = 0, n = 0;
    bool has_after = false;

    int rc = vault_check(r, err);
    if (rc == 0) {
        rc = query_limit(r, &limit, err);
    }
    if (rc == 0) {
        rc = query_hex(r, "after", after, sizeof(after), &has_after, err);
    }
    if (rc == 0) {
        records = calloc(limit, sizeof(*records));
        rc = records != NULL ? 0 : err_set(err, ERR_NOMEM, "look-ups");
    }
    if (rc == 0) {
        rc = lookup_records(r->api->deps.vault, has_after ? after : NULL, records, limit, &n, err);
    }
    if (rc == 0) {
        put_records(r, records, n, limit);
    }
    free(records);
    return rc;
}
