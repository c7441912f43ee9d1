/* The names that a member of this unit has had, and who represents one that is a company. Personal data: only of the own unit, where the vault is. */
#include "node/api/request.h"

#include "node/command/retention.h"

enum { NAMES_MAX = 256 };

static int
own_member(struct request *r, struct member_row *ret, struct err *err)
{
    struct subject_id subject;
    int rc = param_hex(r, 0, "member", subject.b, ID_BYTES, err);
    if (rc == 0 && r->api->deps.vault == NULL) {
        rc = err_set(err, ERR_UNAVAILABLE, "this node holds no personal data");
    }
    return rc != 0 ? rc : view_member(r->txn, &subject, &r->api->deps.unit, ret, err);
}

int
get_member_names(struct request *r, struct err *err)
{
    struct member_row row;
    int rc = own_member(r, &row, err);
    if (rc != 0) {
        return rc;
    }
    struct capsule_place places[NAMES_MAX];
    bool seen = member_readable(r, &row, 1U << CLASS_IDENTITY) != 0;
    size_t n = seen ? member_capsule_history(&row, CLASS_IDENTITY, places, NAMES_MAX) : 0;
    rc = n > 0 ? look_note(r, &row.subject, err) : 0;
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "names");
    json_open(&j, '[');
    for (size_t i = 0; rc == 0 && i < n && i < NAMES_MAX; i++) {
        struct person_input p;
        if (!places[i].in_force) {
            continue;
        }
        rc = person_load_at(r, &row.subject, &places[i].at, CLASS_IDENTITY, &p, err);
        if (rc != 0) {
            break;
        }
        json_open(&j, '{');
        json_put_date(&j, "from", places[i].effective);
        put_position(&j, &places[i].at);
        bool gone = false;
        rc = p.has_identity ? 0 : retention_capsule_erased(r->txn, &places[i].at, CLASS_IDENTITY, &gone, err);
        json_put_text(&j, "personal", p.has_identity ? "here" : gone ? "erased" : "lost");
        person_write(&j, &p);
        person_wipe(&p, sizeof(p));
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    member_row_release(&row);
    return rc;
}

int
get_member_representatives(struct request *r, struct err *err)
{
    struct member_row row;
    struct member_state s;
    int rc = own_member(r, &row, err);
    if (rc != 0) {
        return rc;
    }
    member_state_at(&row, r->api->deps.today(r->api->deps.arg), &s);
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "representatives");
    json_open(&j, '[');
    for (uint8_t i = 0; rc == 0 && i < s.n_representatives; i++) {
        struct person_input p;
        rc = person_load_representative(r, &row, &s.representatives[i], &p, err);
        if (rc != 0) {
            break;
        }
        json_open(&j, '{');
        json_put_hex(&j, "id", s.representatives[i].b, ID_BYTES);
        struct position at;
        bool gone = false;
        if (!p.has_identity && !p.has_contact &&
            member_representative_capsule(&row, &s.representatives[i], CLASS_IDENTITY, &at)) {
            rc = retention_capsule_erased(r->txn, &at, CLASS_IDENTITY, &gone, err);
        }
        json_put_text(&j, "personal", p.has_identity || p.has_contact ? "here" : gone ? "erased" : "lost");
        person_write(&j, &p);
        person_wipe(&p, sizeof(p));
        json_close(&j, '}');
    }
    json_close(&j, ']');
    json_close(&j, '}');
    member_row_release(&row);
    return rc;
}
