/* Operations on their way to the writer and back: idempotency, suspension, wiping. */
#include "node/api/request.h"

/* In place of a line's number: no line has it, so that a line's own key and a header's never meet. */
#define LINE_OF_OWN_KEY UINT64_MAX

void
op_init(struct api_op *op, enum api_op_kind kind, uint16_t status)
{
    memset(op, 0, sizeof(*op));
    op->kind = kind;
    op->status_on_success = status;
}

int
request_op(struct request *r, enum api_op_kind kind, uint16_t status, struct api_op **ret, struct err *err)
{
    MUST(r->ops == NULL);
    r->ops = malloc(sizeof(*r->ops));
    if (r->ops == NULL) {
        return err_set(err, ERR_NOMEM, "operation");
    }
    op_init(r->ops, kind, status);
    r->n_ops = 1;
    *ret = r->ops;
    return 0;
}

void
request_ops_free(struct request *r)
{
    if (r->ops != NULL) {
        person_wipe(r->ops, r->n_ops * sizeof(*r->ops));
    }
    free(r->ops);
    r->ops = NULL;
    r->n_ops = 0;
}

int
idempotency_check(struct request *r, struct err *err)
{
    const char *key = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "Idempotency-Key");

    if (key == NULL) {
        if (strcmp(r->route->method, "POST") != 0) {
            return 0;
        }
        return err_field(err, ERR_INVALID, "idempotency-key",
                         "send a header Idempotency-Key with a text of your own, the same when you repeat the request");
    }
    size_t len = strlen(key);
    if (len == 0 || len > IDEM_KEY_BYTES_MAX) {
        return err_field(err, ERR_INVALID, "idempotency-key", "must have 1 to %d characters", IDEM_KEY_BYTES_MAX);
    }
    return 0;
}

/* The hash of the request is keyed by the token's text, which is stored nowhere: what is kept of it for seven days cannot be
 * searched for names. */
static void
identify(struct request *r, struct api_op *op, const char *key, uint64_t line, struct slice bytes)
{
    /* If-Match is no part of it: who asks again has read again, and the request itself may have changed what it is about. The lengths of all
     * but the last part are fixed or ended by a NUL, so that no two requests give the same bytes. */
    const struct slice parts[] = {
        r->token_text,
        slice_of(r->route->method, strlen(r->route->method) + 1),
        slice_of(r->path, strlen(r->path) + 1),
        bytes,
    };
    op->idempotent = true;
    op->idem_key = idem_key(&r->token_hash, slice_of(key, strlen(key)), line);
    op->request_hash = crypto_hash_parts("smart.request", parts, ARRAY_LEN(parts));
}

void
op_identify(struct request *r, struct api_op *op, uint64_t line, struct slice bytes)
{
    const char *key = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, "Idempotency-Key");

    if (key != NULL) {
        identify(r, op, key, line, bytes);
    }
}

void
op_identify_line(struct request *r, struct api_op *op, const char *key, struct slice bytes)
{
    identify(r, op, key, LINE_OF_OWN_KEY, bytes);
}

/* The last two lines are the only ones in which the request may be gone already. */
static void
job_done(struct api_job *job)
{
    struct request *r = (struct request *)(void *)((uint8_t *)job - offsetof(struct request, job));
    struct api *a = r->api;
    struct MHD_Connection *mhd = r->mhd;

    atomic_store(&r->job_done, true);
    MHD_resume_connection(mhd);
    pthread_mutex_lock(&a->lock);
    if (--a->jobs == 0) {
        pthread_cond_broadcast(&a->no_jobs);
    }
    pthread_mutex_unlock(&a->lock);
}

static void
job_refused(struct request *r, const struct err *err)
{
    for (size_t i = 0; i < r->n_ops; i++) {
        r->ops[i].result.err = *err;
    }
    job_done(&r->job);
}

void
request_submit(struct request *r)
{
    struct api *a = r->api;
    struct err err = {0};
    int rc = 0;

    MUST(r->txn == NULL && r->n_ops > 0);
    r->job = (struct api_job){.actor = r->token.actor, .n = r->n_ops, .ops = r->ops, .done = job_done};
    atomic_store(&r->job_done, false);
    r->state = REQUEST_SUBMITTED;
    conn_deadline(r->conn, -1);
    pthread_mutex_lock(&a->lock);
    a->jobs++;
    bool stopping = a->stopping;
    pthread_mutex_unlock(&a->lock);
    MHD_suspend_connection(r->mhd);
    if (stopping) {
        rc = err_set(&err, ERR_UNAVAILABLE, "the node is stopping");
    } else {
        rc = a->deps.submit(a->deps.arg, &r->job, &err);
    }
    if (rc != 0) {
        job_refused(r, &err);
    }
}
