/* Import through a running node: POST /v1/batch in groups, the first steps of all rows of a group, then the second ones, because later
 * steps name the member that the first one made. One thread. */
#ifndef SMARTNODE_EXCHANGE_IMPORT_HTTP_H
#define SMARTNODE_EXCHANGE_IMPORT_HTTP_H

#include "node/exchange/http_client.h"
#include "node/exchange/import_dir.h"

struct import_http {
    struct http *http;
    char unit[UNIT_CODE_MAX]; /* filled by init */
    struct civil_date today;
    struct json_t *offices;
    struct json_t *unit_doc;
};

/* Asks the node for its unit and offices. http is borrowed. Errors of http_call; ERR_CORRUPT: not the answer of a node. */
int import_http_init(struct import_http *i, struct http *http, struct err *err) NODISCARD;
void import_http_release(struct import_http *i);
/* Looks up and carries out over HTTP alone: members by their number; other rows are sent as they stand and the node says what is wrong
 * with them. */
void import_http_target(struct import_http *i, struct import_target *ret);
/* Looks up in the directory of the node, which runs, and carries out over HTTP. dir: a target without an engine. http: NULL = looks
 * only. */
struct import_beside {
    struct import_target dir;
    struct import_http *http;
};
void import_beside_target(struct import_beside *b, struct import_target *ret);
/* Appends the line of the next step of a job; false: a batch has no such operation. */
bool import_http_line(struct buf *b, const struct import_job *job);

#endif
