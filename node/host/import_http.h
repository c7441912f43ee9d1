/* Import through a running node: POST /v1/batch in groups, the first steps of all rows of a group, then the second ones, because later
 * steps name the member that the first one made. One thread. */
#ifndef SMARTNODE_HOST_IMPORT_HTTP_H
#define SMARTNODE_HOST_IMPORT_HTTP_H

#include "node/host/http_client.h"
#include "node/host/import.h"

struct import_http {
    struct http *http;
    char unit[UNIT_CODE_MAX]; /* filled by init */
    struct civil_date today;
    struct json_t *offices;
};

/* Asks the node for its unit and offices. http is borrowed. Errors of http_call; ERR_CORRUPT: not the answer of a node. */
int import_http_init(struct import_http *i, struct http *http, struct err *err) NODISCARD;
void import_http_release(struct import_http *i);
/* Looks up and carries out over HTTP alone. */
void import_http_target(struct import_http *i, struct import_target *ret);
/* The way to carry out; arg is struct import_http. */
int import_http_run(void *arg, struct import_job *jobs, size_t n, struct err *err) NODISCARD;
/* Appends the line of the next step of a job; known: the member is there, its subject is in the job. */
void import_http_line(struct buf *b, const struct import_job *job, bool known);

#endif
