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
put_hits(struct request *r, const struct key_page *p, struct err *err)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    const struct lookup_result *hits = p->items;
    uint8_t last[LOOKUP_RESULT_KEY_BYTES] = {0};
    int rc = 0;

    json_open(&j, '{');
    json_key(&j, "duplicates");
    json_open(&j, '[');
    for (size_t i = 0; rc == 0 && i < p->n; i++) {
        bool there;
        rc = still_there(r, &hits[i].subject, &there, err);
        if (rc == 0 && there) {
            rc = put_duplicate(r, &j, &hits[i], err);
        }
        memcpy(last, hits[i].subject.b, ID_BYTES);
        memcpy(last + ID_BYTES, hits[i].unit.b, HASH_BYTES);
    }
    json_close(&j, ']');
    key_page_next(&j, p, last, sizeof(last));
    json_close(&j, '}');
    return rc;
}

int
get_duplicates(struct request *r, struct err *err)
{
    struct key_page p = {.items = NULL};

    int rc = vault_check(r, err);
    if (rc == 0) {
        rc = key_page_open(r, LOOKUP_RESULT_KEY_BYTES, sizeof(struct lookup_result), &p, err);
    }
    if (rc == 0) {
        rc = lookup_hits(r->api->deps.vault, p.has_after ? p.after : NULL, p.items, p.limit, &p.n, err);
    }
    if (rc == 0) {
        r->personal = true;
        rc = put_hits(r, &p, err);
    }
    key_page_free(&p);
    return rc;
}

static void
put_records(struct request *r, const struct key_page *p)
{
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    const struct lookup_record *records = p->items;
    uint8_t last[LOOKUP_RECORD_KEY_BYTES] = {0};
    char code[UNIT_CODE_MAX];

    json_open(&j, '{');
    json_key(&j, "lookups");
    json_open(&j, '[');
    for (size_t i = 0; i < p->n; i++) {
        unit_code_of(r, &records[i].unit, code);
        json_open(&j, '{');
        json_put_time(&j, "at", records[i].at);
        json_put_text(&j, "unit", code);
        json_put_hex(&j, "unit_id", records[i].unit.b, HASH_BYTES);
        json_put_text(&j, "direction", records[i].direction == LOOKUP_OURS ? "asked" : "answered");
        json_put_text(&j, "outcome", lookup_outcome_word(records[i].outcome));
        json_close(&j, '}');
        lookup_record_key(&records[i], last);
    }
    json_close(&j, ']');
    key_page_next(&j, p, last, sizeof(last));
    json_close(&j, '}');
}

int
get_lookups(struct request *r, struct err *err)
{
    struct key_page p = {.items = NULL};

    int rc = vault_check(r, err);
    if (rc == 0) {
        rc = key_page_open(r, LOOKUP_RECORD_KEY_BYTES, sizeof(struct lookup_record), &p, err);
    }
    if (rc == 0) {
        rc = lookup_records(r->api->deps.vault, p.has_after ? p.after : NULL, p.items, p.limit, &p.n, err);
    }
    if (rc == 0) {
        put_records(r, &p);
    }
    key_page_free(&p);
    return rc;
}
