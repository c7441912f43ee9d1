/* Writes JSON straight into a buffer, without a tree: answers are written once, in order. Commas follow from the calls. Text must be
 * UTF-8; what would break a script or a terminal is escaped. Whether it fitted is in the buffer. */
#ifndef SMARTNODE_API_JSON_OUT_H
#define SMARTNODE_API_JSON_OUT_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"

struct json_out {
    struct buf *b;
    bool comma; /* the next element needs one before it */
};

struct json_out json_out_of(struct buf *b);
void json_open(struct json_out *j, char bracket); /* '{' or '[' */
void json_close(struct json_out *j, char bracket);
void json_key(struct json_out *j, const char *key); /* our own names only: not escaped */
void json_text(struct json_out *j, const char *text, size_t len);
void json_int(struct json_out *j, int64_t v);
void json_uint(struct json_out *j, uint64_t v);
void json_bool(struct json_out *j, bool v);
void json_none(struct json_out *j);
void json_hex(struct json_out *j, const uint8_t *bytes, size_t len);
void json_date(struct json_out *j, struct civil_date d); /* null if absent */
void json_time(struct json_out *j, struct wall_ms t);    /* RFC 3339, UTC, milliseconds */

/* Key and value. */
void json_put_text(struct json_out *j, const char *key, const char *text);
void json_put_int(struct json_out *j, const char *key, int64_t v);
void json_put_uint(struct json_out *j, const char *key, uint64_t v);
void json_put_bool(struct json_out *j, const char *key, bool v);
void json_put_hex(struct json_out *j, const char *key, const uint8_t *bytes, size_t len);
void json_put_date(struct json_out *j, const char *key, struct civil_date d);
void json_put_time(struct json_out *j, const char *key, struct wall_ms t);

/* Decimal digits without JSON around them. */
void text_put(struct buf *b, const char *text);
void text_put_int(struct buf *b, int64_t v);
void text_put_uint(struct buf *b, uint64_t v);
void text_put_time(struct buf *b, struct wall_ms t);
void text_put_hex(struct buf *b, const uint8_t *bytes, size_t len);
/* One field of a CSV line (RFC 4180): quoted if needed, and a leading = + - @ that a spreadsheet would run gets an apostrophe. */
void text_put_csv(struct buf *b, const char *text);

#endif
