/* Peers: who is trusted, how far they are, trusting and removing them. */
#include "node/api/request.h"

static size_t
peers_load(struct request *r, struct api_peer **ret, struct err *err)
{
    *ret = malloc(API_PEERS_MAX * sizeof(**ret));
    if (*ret == NULL) {
        (void)err_set(err, ERR_NOMEM, "peers");
        return 0;
    }
    return r->api->deps.peers(r->api->deps.arg, *ret, API_PEERS_MAX);
}

static void
put_peer(struct request *r, struct json_out *j, const struct api_peer *p)
{
    int64_t now = r->api->deps.now_wall(r->api->deps.arg).ms;

    json_open(j, '{');
    json_put_text(j, "code", p->code);
    json_put_hex(j, "id", p->unit.b, HASH_BYTES);
    json_put_text(j, "name", p->name.s);
    json_put_text(j, "fingerprint", p->fingerprint);
    json_key(j, "endpoints");
    json_open(j, '[');
    for (size_t i = 0; i < p->n_endpoints; i++) {
        json_text(j, p->endpoints[i], strlen(p->endpoints[i]));
    }
    json_close(j, ']');
    json_put_text(j, "state", peer_state_word(p->state));
    if (p->reason[0] != '\0') {
        json_put_text(j, "reason", p->reason);
    }
    json_put_bool(j, "keeper", p->keeper);
    json_put_uint(j, "lag_events", p->lag_events);
    json_put_uint(j, "unannounced_events", p->unannounced_events);
    json_put_int(j, "lag_s", p->lag_ms / 1000);
    if (p->heard) {
        json_put_time(j, "last_heard", p->last_heard);
        json_put_int(j, "last_heard_s", (now - p->last_heard.ms) / 1000);
    }
    json_close(j, '}');
}

int
get_peers(struct request *r, struct err *err)
{
    struct api_peer *peers;
    size_t n = peers_load(r, &peers, err);

    if (peers == NULL) {
        return ERR_NOMEM;
    }
    struct json_out j = reply_json(r, MHD_HTTP_OK);
    json_open(&j, '{');
    json_key(&j, "peers");
    json_open(&j, '[');
    for (size_t i = 0; i < n; i++) {
        put_peer(r, &j, &peers[i]);
    }
    json_close(&j, ']');
    json_close(&j, '}');
    free(peers);
    return 0;
}

/* The fingerprint is what was heard on the telephone: a card that somebody swapped on its way does not pass. It is not told what
 * it should have been. */
static int
card_check(const struct slice card, const char *fingerprint, char ret_code[UNIT_CODE_MAX], struct err *err)
{
    struct unit_card parsed;
    char words[FINGERPRINT_WORDS_MAX];
    bool first_root;

    int rc = card_read(card, &parsed, &first_root, err);
    if (rc != 0) {
        return err_field(err, ERR_INVALID, "card", "is not a unit card that holds together");
    }
    card_fingerprint(&parsed, words);
    if (strcmp(words, fingerprint) != 0) {
        return err_field(err, ERR_CONFLICT, "fingerprint",
                         "is not that of the card: compare again, by another way than the card came");
    }
    snprintf(ret_code, UNIT_CODE_MAX, "%s", parsed.unit_code);
    return 0;
}

int
post_peers(struct request *r, struct err *err)
{
    char fingerprint[FINGERPRINT_WORDS_MAX] = "", code[UNIT_CODE_MAX];
    struct slice card = {0};
    struct json_in in;
    struct api_op *op;

    int rc = body_open(r, &in, err);
    if (rc != 0) {
        return rc;
    }
    (void)json_in_slice(&in, "card", true, &card);
    (void)json_in_text(&in, "fingerprint", true, fingerprint, sizeof(fingerprint));
    /* The answer's buffer is free until the writer is done: the card waits there, after the JSON tree is gone. */
    buf_clear(r->out);
    buf_put(r->out, card.data, card.len);
    rc = json_in_done(&in);
    if (rc == 0) {
        rc = buf_check(r->out, "card", err);
    }
    if (rc == 0) {
        rc = card_check(buf_slice(r->out), fingerprint, code, err);
    }
    if (rc == 0) {
        rc = request_op(r, OP_PEER_TRUST, MHD_HTTP_CREATED, &op, err);
    }
    if (rc == 0) {
        op->peer_trust.card = buf_slice(r->out);
        snprintf(r->location, sizeof(r->location), "/v1/peers/%s", code);
    }
    return rc;
}

int
delete_peer(struct request *r, struct err *err)
{
    struct api_peer *peers;
    struct api_op *op;
    size_t n = peers_load(r, &peers, err), i = 0;

    if (peers == NULL) {
        return ERR_NOMEM;
    }
    while (i < n && !slice_eq(r->params[0], slice_of(peers[i].code, strlen(peers[i].code)))) {
        i++;
    }
    int rc = i < n ? request_op(r, OP_PEER_REMOVE, MHD_HTTP_OK, &op, err) : err_set(err, ERR_NOTFOUND, "no such peer");
    if (rc == 0) {
        op->peer_remove.unit = peers[i].unit;
    }
    free(peers);
    return rc;
}
