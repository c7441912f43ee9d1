/* What a client may send as a line of a batch, a head or a path: nothing crashes, and what is taken is within its bounds. */
#include "node/api/request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
try_head(const uint8_t *data, size_t size)
{
    struct guard g = {0};
    size_t name = size > 0 ? data[0] % size : 0;

    if (size > 1) {
        guard_header(&g, (const char *)data + 1, name, (const char *)data + 1 + name, size - 1 - name);
        guard_header(&g, (const char *)data + 1, name, (const char *)data + 1 + name, size - 1 - name);
        (void)guard_end(&g);
    }
}

static void
try_path(const uint8_t *data, size_t size)
{
    struct slice params[ROUTE_PARAMS_MAX];
    char path[512], allowed[64];
    struct position p;

    if (size >= sizeof(path)) {
        return;
    }
    memcpy(path, data, size);
    path[size] = '\0';
    if (guard_target(path)) {
        (void)router_find("GET", path, params, allowed, sizeof(allowed));
    }
    if (etag_position_parse(path, &p, NULL) == 0) {
        char back[ETAG_TEXT_MAX];
        etag_position(&p, back);
        MUST(strlen(back) <= strlen(path)); /* leading zeros of the number apart, the same */
    }
}

static void
try_line(const uint8_t *data, size_t size)
{
    struct err err = {0};
    struct api_op op;
    char key[IDEM_KEY_BYTES_MAX + 1];
    struct buf out;

    if (batch_line_read(slice_of(data, size), &op, key, &err) == 0) {
        MUST(op.kind == OP_MEMBER || op.kind == OP_OFFICE_OPEN);
        return;
    }
    MUST(err.code != ERR_NONE);
    buf_init(&out, 1 << 16);
    struct json_out j = json_out_of(&out);
    problem_write(&j, http_status(&err), &err);
    struct json_in in;
    MUST(json_in_open(&in, buf_slice(&out), NULL) == 0); /* a problem is always JSON */
    (void)!json_in_done(&in);
    buf_free(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    try_head(data, size);
    try_path(data, size);
    try_line(data, size);
    return 0;
}
