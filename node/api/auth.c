/* Who asks, and whether they may: the bearer token against its row, its role against the route's. */
#include "node/api/request.h"

#include <strings.h>

static int
bearer_token(struct request *r, struct slice *ret, struct err *err)
{
    static const char scheme[] = "Bearer ";
    const char *value = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);

    if (value == NULL) {
        return err_field(err, ERR_DENIED, "authorization", "a bearer token is needed");
    }
    if (strncasecmp(value, scheme, sizeof(scheme) - 1) != 0) {
        return err_field(err, ERR_DENIED, "authorization", "only bearer tokens are taken");
    }
    value += sizeof(scheme) - 1;
    *ret = slice_of(value, strlen(value));
    return 0;
}

int
auth_check(struct request *r, unsigned *ret_status, struct err *err)
{
    const struct api_deps *d = &r->api->deps;
    struct slice row;

    *ret_status = MHD_HTTP_UNAUTHORIZED;
    int rc = bearer_token(r, &r->token_text, err);
    if (rc == 0) {
        rc = token_hash((const char *)r->token_text.data, r->token_text.len, &r->token_hash, err);
    }
    if (rc != 0) {
        return rc;
    }
    rc = db_get(r->txn, TABLE_TOKENS, slice_of(r->token_hash.b, HASH_BYTES), &row, err);
    if (rc == ERR_NOTFOUND) {
        return err_field(err, ERR_DENIED, "authorization", "this token is not known here");
    }
    if (rc == 0) {
        rc = token_row_decode(row, &r->token, err);
    }
    if (rc != 0) {
        *ret_status = 0;
        return rc;
    }
    rc = token_row_check(&r->token, d->now_wall(d->arg), err);
    if (rc != 0) {
        return rc;
    }
    if (!(r->route->roles & r->token.role)) {
        *ret_status = MHD_HTTP_FORBIDDEN;
        return err_set(err, ERR_DENIED, "not for the role %s", role_name(r->token.role));
    }
    r->has_token = true;
    *ret_status = 0;
    return 0;
}
