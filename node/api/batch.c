/* POST /v1/batch: lines are taken off the upload as it comes, run in groups, answered in order. Nothing of a line is kept once it is
 * answered but its answer; the body is never whole in memory. A group that is full goes to the writer while the connection sleeps,
 * so a client cannot send faster than the writer writes. */
#include "node/api/request.h"

enum {
    OUT_STOP_BYTES = OUT_BYTES_MAX - 4194304
}; /* what a last group may still answer: 1,024 problems of under 4 KiB */

/* Errors are kept apart from operations, so that a wrong line costs the writer nothing. */
struct batch_line {
    uint64_t no;
    struct api_op *op; /* NULL: err */
    struct err err;
};

struct batch {
    struct buf partial; /* the line that is not whole yet */
    bool too_long;      /* its rest is skipped */
    bool stopped;       /* limits reached: the rest is read and dropped */
    uint64_t no;        /* lines begun */
    struct api_op *ops; /* API_JOB_OPS_MAX */
    size_t n_ops;
    struct batch_line *lines; /* API_JOB_OPS_MAX */
    size_t n_lines;
};

int
batch_new(struct request *r, struct err *err)
{
    struct api *a = r->api;
    const char *type = MHD_lookup_connection_value(r->mhd, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_TYPE);

    if (type != NULL && strncmp(type, "application/x-ndjson", 20) != 0) {
        return err_field(err, ERR_INVALID, "content-type", "must be application/x-ndjson");
    }
    if (atomic_fetch_add(&a->batches, 1) >= API_BATCHES_MAX) {
        atomic_fetch_sub(&a->batches, 1);
        return err_set(err, ERR_BUSY, "%d batches are running: later", API_BATCHES_MAX);
    }
    struct batch *b = calloc(1, sizeof(*b));
    if (b != NULL) {
        b->ops = malloc(API_JOB_OPS_MAX * sizeof(*b->ops));
        b->lines = malloc(API_JOB_OPS_MAX * sizeof(*b->lines));
        buf_init(&b->partial, API_BATCH_LINE_BYTES_MAX);
    }
    if (b == NULL || b->ops == NULL || b->lines == NULL) {
        if (b != NULL) {
            free(b->ops);
            free(b->lines);
        }
        free(b);
        atomic_fetch_sub(&a->batches, 1);
        return err_set(err, ERR_NOMEM, "batch");
    }
    r->batch = b;
    r->status = MHD_HTTP_OK;
    r->content_type = "application/x-ndjson";
    return 0;
}

void
batch_free(struct request *r)
{
    struct batch *b = r->batch;

    if (b == NULL) {
        return;
    }
    person_wipe(b->ops, b->n_ops * sizeof(*b->ops));
    free(b->ops);
    free(b->lines);
    buf_free(&b->partial);
    free(b);
    r->batch = NULL;
    r->ops = NULL; /* they were the batch's */
    r->n_ops = 0;
    atomic_fetch_sub(&r->api->batches, 1);
}

static void
answer_problem(struct request *r, uint64_t no, const struct err *err)
{
    unsigned status = http_status(err);
    struct json_out j = json_out_of(r->out);

    json_open(&j, '{');
    json_put_uint(&j, "line", no);
    json_put_uint(&j, "status", status);
    json_key(&j, "problem");
    problem_write(&j, status, err);
    count_rejected(r->api, err);
    json_close(&j, '}');
    buf_put_u8(r->out, '\n');
}

static void
answer_line(struct request *r, const struct batch_line *l)
{
    if (l->op != NULL) {
        op_field_name(l->op);
    }
    if (l->op == NULL || l->op->result.err.code != ERR_NONE) {
        answer_problem(r, l->no, l->op == NULL ? &l->err : &l->op->result.err);
        return;
    }
    struct json_out j = json_out_of(r->out);
    json_open(&j, '{');
    json_put_uint(&j, "line", l->no);
    json_put_uint(&j, "status", l->op->result.status);
    result_write(&j, l->op);
    if (l->op->result.replayed) {
        json_put_bool(&j, "replay", true);
    }
    json_close(&j, '}');
    buf_put_u8(r->out, '\n');
}

static void
group_answer(struct request *r)
{
    struct batch *b = r->batch;

    for (size_t i = 0; i < b->n_lines; i++) {
        answer_line(r, &b->lines[i]);
    }
    atomic_fetch_add_explicit(&r->api->counters.batch_lines, b->n_lines, memory_order_relaxed);
    person_wipe(b->ops, b->n_ops * sizeof(*b->ops));
    b->n_lines = 0;
    b->n_ops = 0;
    r->ops = NULL;
    r->n_ops = 0;
}

void
batch_collect(struct request *r)
{
    if (r->state != REQUEST_SUBMITTED || !atomic_load(&r->job_done)) {
        return;
    }
    group_answer(r);
    r->state = REQUEST_READING;
    conn_deadline(r->conn, r->api->request_ms);
}

static void
line_take(struct request *r)
{
    struct batch *b = r->batch;
    struct batch_line *l = &b->lines[b->n_lines];
    struct slice text = buf_slice(&b->partial);
    char key[IDEM_KEY_BYTES_MAX + 1];
    int rc;

    b->no++;
    l->no = b->no;
    l->op = NULL;
    l->err = (struct err){0};
    if (text.len == 0 && !b->too_long) {
        return; /* an empty line is counted and not answered */
    }
    if (b->no > API_BATCH_LINES_MAX || r->out->len > OUT_STOP_BYTES) {
        rc = err_set(&l->err, ERR_LIMIT, "the batch ends here: send the rest from this line on as another one");
        b->stopped = true;
    } else if (b->too_long) {
        rc = err_set(&l->err, ERR_LIMIT, "a line may have %d bytes", API_BATCH_LINE_BYTES_MAX);
    } else {
        rc = batch_line_read(text, &b->ops[b->n_ops], key, &l->err);
    }
    if (rc == 0) {
        l->op = &b->ops[b->n_ops++];
        if (key[0] != '\0') {
            op_identify_line(r, l->op, key, text);
        } else {
            op_identify(r, l->op, l->no, text);
        }
    } else if (l->err.code != ERR_LIMIT) {
        person_wipe(&b->ops[b->n_ops], sizeof(b->ops[0])); /* half read */
    }
    b->n_lines++;
}

static void
line_end(struct request *r)
{
    struct batch *b = r->batch;

    if (b->partial.len > 0 && b->partial.data[b->partial.len - 1] == '\r') {
        b->partial.len--;
    }
    line_take(r);
    buf_clear(&b->partial);
    b->too_long = false;
}

static void
group_send(struct request *r, bool *ret_full)
{
    struct batch *b = r->batch;

    if (b->n_ops == 0) {
        group_answer(r);
        return;
    }
    r->ops = b->ops;
    r->n_ops = b->n_ops;
    *ret_full = true;
}

int
batch_feed(struct request *r, const char *data, size_t len, size_t *ret_taken, bool *ret_full, struct err *err)
{
    struct batch *b = r->batch;
    size_t at = 0;

    *ret_full = false;
    while (at < len && !*ret_full && !b->stopped) {
        const char *newline = memchr(data + at, '\n', len - at);
        size_t n = newline != NULL ? (size_t)(newline - data) - at : len - at;
        if (!b->too_long) {
            buf_put(&b->partial, data + at, n);
            b->too_long = b->partial.failed;
        }
        at += n + (newline != NULL);
        if (newline != NULL) {
            line_end(r);
        }
        if (b->n_lines == API_JOB_OPS_MAX) {
            group_send(r, ret_full);
        }
    }
    *ret_taken = b->stopped && !*ret_full ? len : at;
    return buf_check(r->out, "answer of the batch", err);
}

int
batch_end(struct request *r, bool *ret_full, struct err *err)
{
    struct batch *b = r->batch;

    *ret_full = false;
    if (!b->stopped && (b->partial.len > 0 || b->too_long)) {
        line_end(r);
    }
    if (b->n_lines > 0) {
        group_send(r, ret_full);
    }
    return buf_check(r->out, "answer of the batch", err);
}
