/* What the commands of a desk share (member, activity, invoice, period): they speak to the running node by its HTTP interface. Used by
 * node/cli/cmd_*.c alone. Documents are jansson's; their holder drops them with json_decref. */
#ifndef SMARTNODE_CLI_DESK_H
#define SMARTNODE_CLI_DESK_H

#include <jansson.h>

#include "node/cli/cli_common.h"

enum { DESK_PATH_BYTES = 1024 };

/* Connects by --url, or by the configuration of the data directory, with the token of --token-file or $SMARTNODE_TOKEN. */
int desk_open(const struct cli_common *c, struct http **ret, struct err *err) NODISCARD;

int desk_get(struct http *h, const char *path, json_t **ret, struct err *err) NODISCARD;
/* A GET of an entity: etag too. */
int desk_get_tagged(struct http *h, const char *path, json_t **ret, char etag[HTTP_ETAG_MAX],
                    struct err *err) NODISCARD;
/* Sends body, which is dropped in any case, and wiped where it was written out. key: NULL = one is drawn; if_match: NULL = none. */
int desk_send(struct http *h, const char *method, const char *path, json_t *body, const char *key, const char *if_match,
              json_t **ret, struct err *err) NODISCARD;
/* The same as the only line of a batch. */
int desk_send_line(struct http *h, json_t *line, const char *key, json_t **ret, struct err *err) NODISCARD;

/* "" if it is not there or no text. */
const char *desk_text(const json_t *o, const char *key);
int64_t desk_int(const json_t *o, const char *key);
void desk_put(json_t *o, const char *key, const char *value_or_null);
void desk_dump(const json_t *doc);
/* Members of an object, one a line; objects within at the same depth, lists left out. */
void desk_print(const json_t *o);
/* "done: WHAT ID, event NAME", or the document as JSON. */
void desk_done(const json_t *doc, const char *what, bool as_json);

/* An event's short name among those of an entity, "0123456789ab.17": 8 digits of the log or more, and the position. */
void desk_event_name(const json_t *event, char out[40]);
/* The one of `events` that has that name, as {"log", "seq"}; its document in *ret_event_or_null, borrowed. ERR_INVALID, ERR_NOTFOUND. */
int desk_event(const json_t *events, const char *name, json_t **ret, const json_t **ret_event_or_null,
               struct err *err) NODISCARD;
/* All events of an entity. */
void desk_print_events(const json_t *events);

/* An amount as people write it, with the decimals of its currency, from and into minor units. */
int desk_amount(const char *text, const char *option, const char *currency, json_t **ret, struct err *err) NODISCARD;
/* Currency of the node's own unit. */
int desk_currency(struct http *h, char ret[CURRENCY_MAX], struct err *err) NODISCARD;

/* 32 hex digits? */
bool desk_is_id(const char *text);

#endif
