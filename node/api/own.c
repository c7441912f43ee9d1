/* The role member: one member's own data and nothing of anybody else. It is checked here, once, before any handler is called, by what
 * the table of routes says about where the member's id stands: a handler cannot forget it, and a route that says nothing is closed.
 *
 * Two records of one person that were merged are one member: either id opens what is left, and what was given up. A token ends with the
 * erasure of who the member was, whatever its row says. */
#include "node/api/request.h"

enum { MERGES_MAX = 16 }; /* of a record into another, into another, …; beyond it they count as strangers */

static int
not_there(struct err *err)
{
    return err_field(err, ERR_NOTFOUND, "member", "no such member");
}

/* The record that a record was merged into in the end; itself if it was not, or is not there. *ret_erased: the name of one of them is. */
static int
record_kept(struct request *r, const struct subject_id *member, struct subject_id *ret, bool *ret_erased,
            struct err *err)
{
    struct civil_date today = r->api->deps.today(r->api->deps.arg);
    struct subject_id at = *member;

    *ret_erased = false;
    for (int i = 0; i < MERGES_MAX; i++) {
        struct member_row row;
        struct member_state s;
        struct err none = {0};
        int rc = view_member(r->txn, &at, &r->api->deps.unit, &row, &none);
        if (rc == ERR_NOTFOUND) {
            break;
        }
        if (rc != 0) {
            *err = none;
            return rc;
        }
        member_state_at(&row, today, &s);
        member_row_release(&row);
        *ret_erased |= (s.erased & 1U << (CLASS_IDENTITY - 1)) != 0;
        if (s.status != STATUS_MERGED) {
            break;
        }
        at = s.merged_into;
    }
    *ret = at;
    return 0;
}

/* own_kept: the record that the token's member has now. */
static int
is_own(struct request *r, const struct subject_id *own_kept, const char *text, size_t len, struct err *err)
{
    struct subject_id asked, asked_kept;
    char hex[HEX16_MAX] = "";
    bool erased;

    if (len == sizeof(hex) - 1) {
        memcpy(hex, text, len);
    }
    if (!hex_decode(hex, asked.b, ID_BYTES)) {
        return not_there(err);
    }
    if (TYPE_EQ(&asked, &r->token.subject)) {
        return 0;
    }
    int rc = record_kept(r, &asked, &asked_kept, &erased, err);
    return rc != 0 || TYPE_EQ(&asked_kept, own_kept) ? rc : not_there(err);
}

/* Where the request names nobody, it is made to name the member: a handler sees no list of all. */
static int
own_query(struct request *r, const struct subject_id *own_kept, struct err *err)
{
    const char *asked = query_text(r, "member");

    if (asked != NULL) {
        return is_own(r, own_kept, asked, strlen(asked), err);
    }
    hex_encode(r->token.subject.b, ID_BYTES, r->own_member);
    if (MHD_set_connection_value(r->mhd, MHD_GET_ARGUMENT_KIND, "member", r->own_member) != MHD_YES) {
        return err_set(err, ERR_NOMEM, "out of memory");
    }
    return 0;
}

int
own_check(struct request *r, unsigned *ret_status, struct err *err)
{
    struct subject_id kept;
    bool erased;

    if (!(r->route->flags & (ROUTE_OWN_PATH | ROUTE_OWN_QUERY))) {
        *ret_status = MHD_HTTP_FORBIDDEN;
        return err_set(err, ERR_DENIED, "not for the role member");
    }
    *ret_status = 0;
    int rc = record_kept(r, &r->token.subject, &kept, &erased, err);
    if (rc != 0) {
        return rc;
    }
    if (erased) {
        *ret_status = MHD_HTTP_UNAUTHORIZED;
        return err_field(err, ERR_DENIED, "authorization", "the token has ended: who the member was is erased");
    }
    return r->route->flags & ROUTE_OWN_PATH ? is_own(r, &kept, (const char *)r->params[0].data, r->params[0].len, err)
                                            : own_query(r, &kept, err);
}
