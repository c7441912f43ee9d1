/* Needles of a proof: texts and bytes, found in whatever case, encoding and normal form. See prove.h, prove_private.h. */
#include <sodium.h>
#include <stdlib.h>
#include <utf8proc.h>

#include "node/host/prove_private.h"

enum { ALTERNATIVES = 4, UNIT_BYTES = 8, BUCKETS = 1 << 16, FORMS = 4 };

/* One character: any of these byte strings. None of them begins with another one. */
struct unit {
    uint8_t n;
    uint8_t len[ALTERNATIVES];
    uint8_t bytes[ALTERNATIVES][UNIT_BYTES];
};
struct pattern {
    struct unit *units;
    size_t n, needle;
};
struct bucket_node {
    uint32_t pattern, next; /* 1 + number */
};

struct prove_needles {
    struct pattern *patterns;
    size_t n, cap, needles;
    struct bucket_node *nodes;
    size_t n_nodes, cap_nodes;
    uint32_t heads[BUCKETS]; /* by the first two bytes: 1 + number of a node */
};

int
prove_needles_new(struct prove_needles **ret, struct err *err)
{
    *ret = calloc(1, sizeof(**ret));
    return *ret ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

void
prove_needles_free(struct prove_needles **n)
{
    if (!*n)
        return;
    for (size_t i = 0; i < (*n)->n; i++) {
        sodium_memzero((*n)->patterns[i].units, (*n)->patterns[i].n * sizeof(struct unit));
        free((*n)->patterns[i].units);
    }
    free((*n)->patterns);
    free((*n)->nodes);
    free(*n);
    *n = NULL;
}

size_t
prove_needles_count(const struct prove_needles *n)
{
    return n->needles;
}

static bool
to_bucket(struct prove_needles *n, uint16_t bucket, uint32_t pattern)
{
    if (n->heads[bucket] != 0 && n->nodes[n->heads[bucket] - 1].pattern == pattern)
        return true;
    if (n->n_nodes == n->cap_nodes) {
        size_t cap = n->cap_nodes ? n->cap_nodes * 2 : 256;
        struct bucket_node *more = reallocarray(n->nodes, cap, sizeof(*more));
        if (!more)
            return false;
        n->nodes = more;
        n->cap_nodes = cap;
    }
    n->nodes[n->n_nodes] = (struct bucket_node){pattern, n->heads[bucket]};
    n->heads[bucket] = (uint32_t)++n->n_nodes;
    return true;
}

/* Under every pair of bytes that it may begin with. */
static bool
to_buckets(struct prove_needles *n, uint32_t number)
{
    const struct pattern *p = &n->patterns[number];
    bool ok = true;
    for (unsigned a = 0; a < p->units[0].n; a++) {
        const uint8_t *first = p->units[0].bytes[a];
        if (p->units[0].len[a] > 1)
            ok = ok && to_bucket(n, (uint16_t)(first[0] << 8 | first[1]), number);
        for (unsigned b = 0; p->units[0].len[a] == 1 && b < p->units[1].n; b++)
            ok = ok && to_bucket(n, (uint16_t)(first[0] << 8 | p->units[1].bytes[b][0]), number);
    }
    return ok;
}

/* Takes the units over, also after an error. */
static int
add(struct prove_needles *n, struct unit *units, size_t n_units, struct err *err)
{
    if (n->n == n->cap) {
        size_t cap = n->cap ? n->cap * 2 : 64;
        struct pattern *more = reallocarray(n->patterns, cap, sizeof(*more));
        if (!more) {
            free(units);
            return err_set(err, ERR_NOMEM, "out of memory");
        }
        n->patterns = more;
        n->cap = cap;
    }
    n->patterns[n->n++] = (struct pattern){units, n_units, n->needles};
    return to_buckets(n, (uint32_t)(n->n - 1)) ? 0 : err_set(err, ERR_NOMEM, "out of memory");
}

static size_t
encode(utf8proc_int32_t c, bool wide, uint8_t out[UNIT_BYTES])
{
    if (!wide)
        return (size_t)utf8proc_encode_char(c, out);
    uint32_t u = (uint32_t)c, low = 0;
    bool pair = u >= 0x10000;
    if (pair) {
        low = 0xdc00 + ((u - 0x10000) & 0x3ff);
        u = 0xd800 + ((u - 0x10000) >> 10);
    }
    out[0] = (uint8_t)u;
    out[1] = (uint8_t)(u >> 8);
    out[2] = (uint8_t)low;
    out[3] = (uint8_t)(low >> 8);
    return pair ? 4 : 2;
}

static void
add_alternative(struct unit *u, utf8proc_int32_t c, bool wide)
{
    uint8_t bytes[UNIT_BYTES] = {0};
    size_t len = encode(c, wide, bytes);
    for (unsigned i = 0; i < u->n; i++)
        if (u->len[i] == len && memcmp(u->bytes[i], bytes, len) == 0)
            return;
    MUST(u->n < ALTERNATIVES);
    memcpy(u->bytes[u->n], bytes, sizeof(bytes));
    u->len[u->n++] = (uint8_t)len;
}

/* The text in one normal form and encoding. */
static int
add_form(struct prove_needles *n, const utf8proc_int32_t *chars, size_t len, bool wide, struct err *err)
{
    struct unit *units = calloc(len, sizeof(*units));
    if (!units)
        return err_set(err, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < len; i++) {
        add_alternative(&units[i], chars[i], wide);
        add_alternative(&units[i], utf8proc_tolower(chars[i]), wide);
        add_alternative(&units[i], utf8proc_toupper(chars[i]), wide);
        add_alternative(&units[i], utf8proc_totitle(chars[i]), wide);
    }
    return add(n, units, len, err);
}

static int
check_length(const struct prove_needles *n, size_t characters, size_t bytes, struct err *err)
{
    if (characters < PROVE_NEEDLE_MIN)
        return err_set(err, ERR_INVALID, "a needle of fewer than %d characters would be found by chance",
                       PROVE_NEEDLE_MIN);
    if (bytes > PROVE_NEEDLE_MAX || n->needles == PROVE_NEEDLES_MAX)
        return err_set(err, ERR_LIMIT, "at most %d needles of at most %d bytes", PROVE_NEEDLES_MAX, PROVE_NEEDLE_MAX);
    return 0;
}

int
prove_needles_text(struct prove_needles *n, struct slice text, struct err *err)
{
    enum { CHARS = PROVE_NEEDLE_MAX * 4 };
    utf8proc_int32_t forms[2][CHARS];
    utf8proc_ssize_t len[2] = {0};
    if (text.len > PROVE_NEEDLE_MAX)
        return check_length(n, PROVE_NEEDLE_MIN, text.len, err);
    for (int f = 0; f < 2; f++) {
        utf8proc_option_t o = UTF8PROC_STABLE | (f == 0 ? UTF8PROC_COMPOSE : UTF8PROC_DECOMPOSE);
        len[f] = utf8proc_decompose(text.data, (utf8proc_ssize_t)text.len, forms[f], CHARS, o);
        if (len[f] > 0 && len[f] <= CHARS)
            len[f] = utf8proc_normalize_utf32(forms[f], len[f], o);
        if (len[f] < 0 || len[f] > CHARS)
            return err_set(err, ERR_INVALID, "a needle is not UTF-8");
    }
    bool two = len[0] != len[1] || memcmp(forms[0], forms[1], (size_t)len[0] * sizeof(forms[0][0])) != 0;
    int rc = check_length(n, (size_t)len[0], text.len, err);
    for (int i = 0; i < FORMS && rc == 0; i++)
        if (two || i < 2)
            rc = add_form(n, forms[i / 2], (size_t)len[i / 2], i % 2 == 1, err);
    n->needles += rc == 0;
    sodium_memzero(forms, sizeof(forms));
    return rc;
}

int
prove_needles_raw(struct prove_needles *n, struct slice bytes, struct err *err)
{
    int rc = check_length(n, bytes.len, bytes.len, err);
    if (rc != 0)
        return rc;
    struct unit *units = calloc(bytes.len, sizeof(*units));
    if (!units)
        return err_set(err, ERR_NOMEM, "out of memory");
    for (size_t i = 0; i < bytes.len; i++)
        units[i] = (struct unit){.n = 1, .len = {1}, .bytes = {{bytes.data[i]}}};
    rc = add(n, units, bytes.len, err);
    n->needles += rc == 0;
    return rc;
}

size_t
prove_needles_reach(const struct prove_needles *n)
{
    size_t reach = 0;
    for (size_t i = 0; i < n->n; i++)
        if (n->patterns[i].n * 4 > reach)
            reach = n->patterns[i].n * 4;
    return reach;
}

static bool
matches(const struct pattern *p, struct slice at)
{
    size_t pos = 0;
    for (size_t i = 0; i < p->n; i++) {
        const struct unit *u = &p->units[i];
        unsigned a = 0;
        while (a < u->n && (at.len - pos < u->len[a] || memcmp(at.data + pos, u->bytes[a], u->len[a]) != 0))
            a++;
        if (a == u->n)
            return false;
        pos += u->len[a];
    }
    return true;
}

bool
prove_needles_at(const struct prove_needles *n, struct slice at, size_t *ret_needle)
{
    if (at.len < 2)
        return false;
    for (uint32_t i = n->heads[at.data[0] << 8 | at.data[1]]; i != 0; i = n->nodes[i - 1].next) {
        const struct pattern *p = &n->patterns[n->nodes[i - 1].pattern];
        if (matches(p, at)) {
            *ret_needle = p->needle;
            return true;
        }
    }
    return false;
}
