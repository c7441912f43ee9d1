/* Reads a JSON request: one object, checked for depth and size before a parser sees it, read field by field by name. A field that
 * nobody asked for is an error that names it. Errors stick, so a handler reads straight down and checks once in json_in_done. */
#ifndef SMARTNODE_API_JSON_IN_H
#define SMARTNODE_API_JSON_IN_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"

struct json_t;

enum { JSON_DEPTH_MAX = 8, JSON_FIELDS_MAX = 32, JSON_PATH_MAX = 48 };

/* Checks nesting by one linear scan that allocates nothing. ERR_INVALID over JSON_DEPTH_MAX. */
int json_depth_check(struct slice text, struct err *err) NODISCARD;

/* An object being read. */
struct json_in {
    struct json_t *object;
    struct json_t *root; /* owned; NULL in a nested one */
    size_t n_asked;      /* fields asked for that were there: each is asked for once */
    const char *asked[JSON_FIELDS_MAX];
    struct err *err;
    int rc;                   /* sticks */
    char path[JSON_PATH_MAX]; /* "person.contact." */
    struct json_in *parent;
};

/* ERR_INVALID: not JSON, duplicate keys, not an object, too deep. release wipes nothing of jansson's own memory: the
 * parsed tree lives as short as can be. */
int json_in_open(struct json_in *in, struct slice text, struct err *err) NODISCARD;
/* A nested object: false if absent. Close it with json_in_done like the outer one. */
bool json_in_object(struct json_in *in, const char *key, struct json_in *ret);
/* 0, or the first error: a wrong field, or one that is not known here. Frees. Nested ones before their parent. */
int json_in_done(struct json_in *in) NODISCARD;
/* The same where something else than a field may have failed before: then that error stays as it is. */
int json_in_end(struct json_in *in, int rc) NODISCARD;

/* Whether a field is there, without reading it. */
bool json_in_has(const struct json_in *in, const char *key);

/* Each: false if absent or wrong (then in->rc is set). A required one that is absent is an error. Nulls are absent. */
bool json_in_text(struct json_in *in, const char *key, bool required, char *out, size_t cap);
bool json_in_uint(struct json_in *in, const char *key, bool required, uint64_t max, uint64_t *out);
bool json_in_bool(struct json_in *in, const char *key, bool *out);
/* {"log": …, "seq": …}, as answers name an event. */
bool json_in_event(struct json_in *in, const char *key, bool required, struct position *out);
bool json_in_date(struct json_in *in, const char *key, bool required, struct civil_date *out);
/* One of names[0 … n−1]; out gets the index. */
bool json_in_choice(struct json_in *in, const char *key, bool required, const char *const *names, size_t n,
                    size_t *out);
bool json_in_hex(struct json_in *in, const char *key, bool required, uint8_t *out, size_t len);
/* A list of at most max texts, each copied to out + i × cap. */
bool json_in_texts(struct json_in *in, const char *key, char *out, size_t cap, size_t max, size_t *ret_n);
/* A long text, borrowed until json_in_done of the outermost. */
bool json_in_slice(struct json_in *in, const char *key, bool required, struct slice *out);
/* Sets the error of a field of this object. */
void json_in_fail(struct json_in *in, const char *key, const char *text);

#endif
