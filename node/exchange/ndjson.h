/* One JSON object of flat fields, as text: a number keeps its digits exactly (12.10 stays "12.10"; no floating point comes near it).
 * jansson parses; before it the depth is checked and numbers are put in quotes, since jansson would turn them into doubles. Knows
 * nothing of what the fields mean. Pure, any thread; what is parsed is personal data and lives as short as can be. */
#ifndef SMARTNODE_EXCHANGE_NDJSON_H
#define SMARTNODE_EXCHANGE_NDJSON_H

#include "proto/base/bytes.h"

enum { NDJSON_FIELDS_MAX = 256, NDJSON_NAME_MAX = 200 };

enum ndjson_kind {
    NDJSON_TEXT, /* strings, true and false */
    NDJSON_NUMBER,
    NDJSON_NULL,
    NDJSON_OBJECT, /* its fields follow, unless on_field returns NDJSON_PASS */
    NDJSON_NESTED, /* a list, or an object in an object: nothing of it follows */
};
enum { NDJSON_PASS = 1 };

/* Called for each field. A field of a nested object has the name "outer.inner". text is NULL but for texts and numbers; borrowed for the
 * call. A negative result ends the reading with that code. */
typedef int ndjson_field(void *arg, const char *name, const char *text, enum ndjson_kind kind);

/* ERR_INVALID: not one object, a field twice, nested too deep for a parser (json_depth_check), NUL; ERR_LIMIT: more fields than
 * NDJSON_FIELDS_MAX or a name longer than NDJSON_NAME_MAX; ERR_NOMEM; what on_field returned (err as it left it). Texts of errors
 * quote nothing of the line. */
int ndjson_read(struct slice line, ndjson_field *on_field, void *arg, struct err *err) NODISCARD;

/* Appends an object that ndjson_read takes, without its fields error_row, error_field and error_reason and without the closing
 * brace: fields may follow. *ret_any: something stands in it. */
void ndjson_without_errors(struct slice line, struct buf *out, bool *ret_any);

#endif
