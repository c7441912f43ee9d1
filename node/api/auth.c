/* Who asks, and whether they may: the bearer token against its row, its role against the route's, and how often it may fail. */
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

/* The row of the token that the request shows. Everything wrong with a token is ERR_DENIED or ERR_INVALID; the rest is ours. */
static int
token_load(struct request *r, struct err *err)
{
    const struct api_deps *d = &r->api->deps;
    struct slice row;

    int rc = token_hash((const char *)r->token_text.data, r->token_text.len, &r->token_hash, err);
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
    return rc != 0 ? rc : token_row_check(&r->token, d->now_wall(d->arg), err);
}

static struct slice
client_address(const struct request *r)
{
    return slice_of(r->conn->client, r->conn->client_len);
}

static int
too_often(struct request *r, int64_t wait_ms, const char *what, struct err *err)
{
    r->retry_after_s = (uint32_t)((wait_ms + 999) / 1000);
    return err_set(err, ERR_DENIED, "too many %s: wait %u s", what, (unsigned)r->retry_after_s);
}

/* A good token is never refused for the bad ones of others behind the same address: a token has 256 random bits, so what is bounded
 * here is the work and the noise, not the guessing. */
static int
token_failed(struct request *r, int rc, unsigned *ret_status, struct err *err)
{
    const struct api_deps *d = &r->api->deps;

    if (rc != ERR_DENIED && rc != ERR_INVALID) {
        *ret_status = 0;
        return rc;
    }
    int64_t wait = limiter_take(r->api->tokens_failed, NULL, client_address(r), d->now_mono(d->arg));
    if (wait > 0) {
        *ret_status = MHD_HTTP_TOO_MANY_REQUESTS;
        return too_often(r, wait, "tokens that are not valid from this address", err);
    }
    return rc;
}

int
auth_check(struct request *r, unsigned *ret_status, struct err *err)
{
    *ret_status = MHD_HTTP_UNAUTHORIZED;
    int rc = bearer_token(r, &r->token_text, err);
    if (rc != 0) {
        return rc;
    }
    rc = token_load(r, err);
    if (rc != 0) {
        return token_failed(r, rc, ret_status, err);
    }
    if (!(r->route->roles & r->token.role)) {
        *ret_status = MHD_HTTP_FORBIDDEN;
        return err_set(err, ERR_DENIED, "not for the role %s", role_name(r->token.role));
    }
    r->has_token = true;
    *ret_status = 0;
    return r->token.role == ROLE_MEMBER ? own_check(r, ret_status, err) : 0;
}

int
guess_check(struct request *r, struct err *err)
{
    const struct api_deps *d = &r->api->deps;
    int64_t wait = limiter_wait(r->api->guesses_failed, &r->token_hash, client_address(r), d->now_mono(d->arg));

    return wait > 0 ? too_often(r, wait, "wrong guesses with this token or from this address", err) : 0;
}

void
guess_failed(struct request *r)
{
    const struct api_deps *d = &r->api->deps;

    (void)limiter_take(r->api->guesses_failed, &r->token_hash, client_address(r), d->now_mono(d->arg));
}

int
own_pass_check(struct request *r, const struct subject_id *member, struct err *err)
{
    const struct api_deps *d = &r->api->deps;

    if (r->token.role != ROLE_MEMBER) {
        return 0;
    }
    int64_t wait = limiter_wait(r->api->own_passes, NULL, slice_of(member->b, ID_BYTES), d->now_mono(d->arg));
    return wait > 0
               ? too_often(
                     r, wait,
                     "passes made for this member; one that was lost is ended without it, and the desk can make one",
                     err)
               : 0;
}

void
own_pass_made(struct request *r, const struct subject_id *member)
{
    const struct api_deps *d = &r->api->deps;

    if (r->token.role == ROLE_MEMBER) {
        (void)limiter_take(r->api->own_passes, NULL, slice_of(member->b, ID_BYTES), d->now_mono(d->arg));
    }
}
