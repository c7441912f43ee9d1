/* Reading and writing messages by tables of rules. See fields.h. */
#include "proto/fields.h"

#include <stdlib.h>

#include "proto/budget.h"

enum { SCHEMA_FIELDS_MAX = 32, TAG_WIRE_BITS = 3, WIRE_VARINT = 0, WIRE_LENGTH = 2 };

/* A field's value on its way in or out. Dates and signed numbers are in two's complement. */
struct value {
    uint64_t number;
    struct slice bytes;
};

static const char *name_of(const struct fields *f, uint32_t i);
static bool is_number(enum field_as as);
static bool is_signed(enum field_as as);
static const char *fault(const struct field_rule *rule, struct value v);
static void store(const struct field_rule *rule, struct value v, uint8_t *base);
static struct value load(const struct field_rule *rule, const uint8_t *base);
static bool present(const struct field_rule *rule, struct value v, const uint8_t *base);
static struct value value_of(const struct field_rule *rule, const struct wire_field *w);
static int read_list(const struct fields *f, uint32_t i, const struct field_path *path, struct slice bytes, size_t n,
                     uint8_t *base, struct err *err);
static size_t list_count(const struct field_rule *rule, const uint8_t *base);
static const uint8_t *list_element(const struct field_rule *rule, const uint8_t *base, size_t k);
static int check_list(const struct fields *f, uint32_t i, const struct field_path *path, const uint8_t *base,
                      struct err *err);
static size_t length_of(const struct fields *f, const uint8_t *base);
static size_t bytes_field_len(uint32_t number, size_t len);
static struct slice text_of(const void *text, size_t max);
static void put_tag(struct buf *out, uint32_t number, uint32_t wire);
static void put_list(const struct field_rule *rule, uint32_t number, const uint8_t *base, struct buf *out);

static const struct field_rule TEXT_ELEMENT = {.as = FIELD_TEXT};

int
fields_read(const struct fields *f, const struct field_path *path, struct slice bytes, void *ret, struct err *err)
{
    uint32_t n_fields = f->schema->n_fields, seen = 0;
    size_t counts[SCHEMA_FIELDS_MAX] = {0};
    MUST(n_fields <= SCHEMA_FIELDS_MAX);

    struct reader r = reader_of(bytes);
    struct wire_field w;
    while (wire_field_next(&r, &w)) {
        if (w.number > n_fields)
            continue;
        uint32_t i = w.number - 1, bit = UINT32_C(1) << i;
        const struct field_rule *rule = &f->rules[i];
        if (w.wire_type != (is_number(rule->as) ? WIRE_VARINT : WIRE_LENGTH))
            return fields_fail(path, name_of(f, i), ERR_INVALID, "of another type", err);
        if (rule->as != FIELD_LIST && (seen & bit))
            return fields_fail(path, name_of(f, i), ERR_INVALID, "there twice", err);
        seen |= bit;
        struct value v = value_of(rule, &w);
        const char *why = fault(rule, v);
        if (why)
            return fields_fail(path, name_of(f, i), ERR_INVALID, why, err);
        if (rule->as != FIELD_LIST)
            store(rule, v, ret);
        else if (++counts[i] > rule->max)
            return fields_fail(path, name_of(f, i), ERR_LIMIT, "too many", err);
    }
    if (r.failed)
        return fields_fail(path, NULL, ERR_INVALID, "malformed", err);

    for (uint32_t i = 0; i < n_fields; i++) {
        const struct field_rule *rule = &f->rules[i];
        MUST(f->schema->fields[i].id == i + 1);
        if (!(seen & UINT32_C(1) << i)) {
            if (rule->required)
                return fields_fail(path, name_of(f, i), ERR_INVALID, "missing", err);
            if (rule->as == FIELD_DATE)
                store(rule, (struct value){.number = (uint64_t)(int64_t)DATE_NONE.days}, ret);
        }
    }
    for (uint32_t i = 0; i < n_fields; i++) {
        if (f->rules[i].as == FIELD_LIST && counts[i] > 0) {
            int rc = read_list(f, i, path, bytes, counts[i], ret, err);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

int
fields_check(const struct fields *f, const struct field_path *path, const void *from, size_t *ret_len, struct err *err)
{
    for (uint32_t i = 0; i < f->schema->n_fields; i++) {
        const struct field_rule *rule = &f->rules[i];
        if (rule->as == FIELD_LIST) {
            int rc = check_list(f, i, path, from, err);
            if (rc < 0)
                return rc;
            continue;
        }
        struct value v = load(rule, from);
        if (!present(rule, v, from))
            continue;
        const char *why = fault(rule, v);
        if (why)
            return fields_fail(path, name_of(f, i), ERR_INVALID, why, err);
    }
    *ret_len = length_of(f, from);
    return 0;
}

void
fields_put(const struct fields *f, const void *from, struct buf *out)
{
    for (uint32_t i = 0; i < f->schema->n_fields; i++) {
        const struct field_rule *rule = &f->rules[i];
        if (rule->as == FIELD_LIST) {
            put_list(rule, i + 1, from, out);
            continue;
        }
        struct value v = load(rule, from);
        if (!present(rule, v, from))
            continue;
        put_tag(out, i + 1, is_number(rule->as) ? WIRE_VARINT : WIRE_LENGTH);
        if (is_signed(rule->as)) {
            buf_put_svarint(out, (int64_t)v.number);
        } else if (is_number(rule->as)) {
            buf_put_varint(out, v.number);
        } else {
            buf_put_varint(out, v.bytes.len);
            buf_put(out, v.bytes.data, v.bytes.len);
        }
    }
}

int
fields_write(const struct fields *f, const struct field_path *path, const void *from, struct buf *out, struct err *err)
{
    size_t len;
    int rc = fields_check(f, path, from, &len, err);
    if (rc < 0)
        return rc;
    size_t before = out->len;
    fields_put(f, from, out);
    rc = buf_check(out, "message", err);
    if (rc < 0)
        out->len = before;
    return rc;
}

static void
path_text(const struct field_path *path, char *out, size_t max)
{
    if (!path) {
        out[0] = '\0';
        return;
    }
    path_text(path->parent, out, max);
    size_t n = strlen(out);
    snprintf(out + n, max - n, "%s%s", n > 0 ? "." : "", path->name);
}

int
fields_fail(const struct field_path *path, const char *name, enum err_code code, const char *reason, struct err *err)
{
    char field[ERR_FIELD_MAX];
    struct field_path last = {path, name};
    path_text(name ? &last : path, field, sizeof(field));
    return err_field(err, code, field, "%s: %s", field[0] ? field : "message", reason);
}

static const char *
name_of(const struct fields *f, uint32_t i)
{
    return f->schema->fields[i].name;
}

static bool
is_number(enum field_as as)
{
    return as <= FIELD_DATE;
}

/* Written as zigzag. */
static bool
is_signed(enum field_as as)
{
    return as == FIELD_S64 || as == FIELD_DATE;
}

/* Why a value is out of its rule, NULL if it is not. */
static const char *
fault(const struct field_rule *rule, struct value v)
{
    switch (rule->as) {
    case FIELD_DATE:
        if ((int64_t)v.number < DATE_MIN.days || (int64_t)v.number > DATE_MAX.days)
            return "date out of range";
        return NULL;
    case FIELD_S64: return NULL;
    case FIELD_U8:
    case FIELD_U16:
    case FIELD_U32:
    case FIELD_U64:
    case FIELD_FLAG: return v.number < rule->min || v.number > rule->max ? "out of range" : NULL;
    case FIELD_LIST: return v.bytes.len < rule->min ? "too short" : NULL;
    case FIELD_TEXT:
    case FIELD_FIXED:
    case FIELD_BYTES: break;
    }
    if (v.bytes.len < rule->min || v.bytes.len > rule->max)
        return rule->as == FIELD_FIXED ? "of another length" : "length out of range";
    if (rule->as == FIELD_TEXT && !text_ok((const char *)v.bytes.data, v.bytes.len))
        return "not plain UTF-8 text";
    return NULL;
}

static void
store(const struct field_rule *rule, struct value v, uint8_t *base)
{
    uint8_t *to = base + rule->offset;
    uint8_t u8 = (uint8_t)v.number;
    uint16_t u16 = (uint16_t)v.number;
    uint32_t u32 = (uint32_t)v.number;
    bool flag = v.number != 0;
    struct civil_date date = {(int32_t)(int64_t)v.number};
    switch (rule->as) {
    case FIELD_U8: memcpy(to, &u8, sizeof(u8)); break;
    case FIELD_U16: memcpy(to, &u16, sizeof(u16)); break;
    case FIELD_U32: memcpy(to, &u32, sizeof(u32)); break;
    case FIELD_S64:
    case FIELD_U64: memcpy(to, &v.number, sizeof(v.number)); break;
    case FIELD_FLAG: memcpy(to, &flag, sizeof(flag)); break;
    case FIELD_DATE: memcpy(to, &date, sizeof(date)); break;
    case FIELD_BYTES: memcpy(to, &v.bytes, sizeof(v.bytes)); break;
    case FIELD_TEXT:
    case FIELD_FIXED:
        if (v.bytes.len > 0)
            memcpy(to, v.bytes.data, v.bytes.len);
        if (rule->as == FIELD_TEXT)
            to[v.bytes.len] = '\0';
        break;
    case FIELD_LIST: break;
    }
    if (rule->has) {
        bool yes = true;
        memcpy(base + rule->has, &yes, sizeof(yes));
    }
}

static struct value
load(const struct field_rule *rule, const uint8_t *base)
{
    const uint8_t *from = base + rule->offset;
    struct value v = {0};
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    bool flag;
    struct civil_date date;
    switch (rule->as) {
    case FIELD_U8:
        memcpy(&u8, from, sizeof(u8));
        v.number = u8;
        break;
    case FIELD_U16:
        memcpy(&u16, from, sizeof(u16));
        v.number = u16;
        break;
    case FIELD_U32:
        memcpy(&u32, from, sizeof(u32));
        v.number = u32;
        break;
    case FIELD_S64:
    case FIELD_U64: memcpy(&v.number, from, sizeof(v.number)); break;
    case FIELD_FLAG:
        memcpy(&flag, from, sizeof(flag));
        v.number = flag;
        break;
    case FIELD_DATE:
        memcpy(&date, from, sizeof(date));
        v.number = (uint64_t)(int64_t)date.days;
        break;
    case FIELD_BYTES: memcpy(&v.bytes, from, sizeof(v.bytes)); break;
    case FIELD_FIXED: v.bytes = slice_of(from, rule->max); break;
    case FIELD_TEXT: v.bytes = text_of(from, rule->max); break;
    case FIELD_LIST: break;
    }
    return v;
}

/* Whether a value is written: what is required always, the rest unless absent says the same. */
static bool
present(const struct field_rule *rule, struct value v, const uint8_t *base)
{
    if (rule->required)
        return true;
    if (rule->has) {
        bool has;
        memcpy(&has, base + rule->has, sizeof(has));
        return has;
    }
    if (rule->as == FIELD_DATE)
        return (int64_t)v.number != DATE_NONE.days;
    return is_number(rule->as) ? v.number != 0 : v.bytes.len > 0;
}

static struct value
value_of(const struct field_rule *rule, const struct wire_field *w)
{
    struct value v = {.number = w->value, .bytes = w->bytes};
    if (is_signed(rule->as))
        v.number = w->value >> 1 ^ (0 - (w->value & 1));
    return v;
}

/* Second pass, over bytes that the first has found well-formed and with n elements in bounds. */
static int
read_list(const struct fields *f, uint32_t i, const struct field_path *path, struct slice bytes, size_t n,
          uint8_t *base, struct err *err)
{
    const struct field_rule *rule = &f->rules[i];
    struct field_path inner = {path, name_of(f, i)};
    uint8_t *elements = base + rule->offset;
    if (rule->by_pointer) {
        elements = calloc(n, rule->element_bytes);
        if (!elements)
            return err_set(err, ERR_NOMEM, "%s: no memory for %zu", inner.name, n);
    }
    struct reader r = reader_of(bytes);
    struct wire_field w;
    int rc = 0;
    size_t k = 0;
    while (rc == 0 && wire_field_next(&r, &w)) {
        if (w.number != i + 1)
            continue;
        struct value v = value_of(rule, &w);
        uint8_t *to = elements + k++ * rule->element_bytes;
        if (rule->element) {
            rc = fields_read(rule->element, &inner, v.bytes, to, err);
            continue;
        }
        struct field_rule text = TEXT_ELEMENT;
        text.max = rule->element_bytes - 1;
        const char *why = fault(&text, v);
        if (why)
            rc = fields_fail(path, inner.name, ERR_INVALID, why, err);
        else
            store(&text, v, to);
    }
    MUST(rc < 0 || k == n);
    if (rule->by_pointer) {
        if (rc < 0) {
            free(elements);
            return rc;
        }
        memcpy(base + rule->offset, &elements, sizeof(elements));
    }
    memcpy(base + rule->count, &n, sizeof(n));
    return rc;
}

static size_t
list_count(const struct field_rule *rule, const uint8_t *base)
{
    size_t n;
    memcpy(&n, base + rule->count, sizeof(n));
    return n;
}

static const uint8_t *
list_element(const struct field_rule *rule, const uint8_t *base, size_t k)
{
    const uint8_t *elements = base + rule->offset;
    if (rule->by_pointer)
        memcpy(&elements, base + rule->offset, sizeof(elements));
    return elements + k * rule->element_bytes;
}

static int
check_list(const struct fields *f, uint32_t i, const struct field_path *path, const uint8_t *base, struct err *err)
{
    const struct field_rule *rule = &f->rules[i];
    struct field_path inner = {path, name_of(f, i)};
    size_t n = list_count(rule, base), each;
    if (n > rule->max)
        return fields_fail(path, inner.name, ERR_LIMIT, "too many", err);
    for (size_t k = 0; k < n; k++) {
        const uint8_t *element = list_element(rule, base, k);
        if (rule->element) {
            int rc = fields_check(rule->element, &inner, element, &each, err);
            if (rc < 0)
                return rc;
            continue;
        }
        struct field_rule text = TEXT_ELEMENT;
        text.min = rule->min;
        text.max = rule->element_bytes - 1;
        const char *why = fault(&text, (struct value){.bytes = text_of(element, text.max)});
        if (why)
            return fields_fail(path, inner.name, ERR_INVALID, why, err);
    }
    return 0;
}

static size_t
length_of(const struct fields *f, const uint8_t *base)
{
    size_t len = 0;
    for (uint32_t i = 0; i < f->schema->n_fields; i++) {
        const struct field_rule *rule = &f->rules[i];
        size_t n = rule->as == FIELD_LIST ? list_count(rule, base) : 0;
        for (size_t k = 0; k < n; k++) {
            const uint8_t *element = list_element(rule, base, k);
            len += bytes_field_len(i + 1, rule->element ? length_of(rule->element, element)
                                                        : text_of(element, rule->element_bytes - 1).len);
        }
        struct value v = load(rule, base);
        if (rule->as == FIELD_LIST || !present(rule, v, base))
            continue;
        if (is_signed(rule->as))
            v.number = v.number << 1 ^ (uint64_t)((int64_t)v.number >> 63);
        len += is_number(rule->as) ? varint_len((uint64_t)(i + 1) << TAG_WIRE_BITS) + varint_len(v.number)
                                   : bytes_field_len(i + 1, v.bytes.len);
    }
    return len;
}

static size_t
bytes_field_len(uint32_t number, size_t len)
{
    return varint_len((uint64_t)number << TAG_WIRE_BITS) + varint_len(len) + len;
}

/* One byte more than max if the text does not end within it, so that its length is out of range. */
static struct slice
text_of(const void *text, size_t max)
{
    return slice_of(text, strnlen(text, max + 1));
}

static void
put_tag(struct buf *out, uint32_t number, uint32_t wire)
{
    buf_put_varint(out, (uint64_t)number << TAG_WIRE_BITS | wire);
}

static void
put_list(const struct field_rule *rule, uint32_t number, const uint8_t *base, struct buf *out)
{
    size_t n = list_count(rule, base);
    for (size_t k = 0; k < n; k++) {
        const uint8_t *element = list_element(rule, base, k);
        put_tag(out, number, WIRE_LENGTH);
        if (rule->element) {
            buf_put_varint(out, length_of(rule->element, element));
            fields_put(rule->element, element, out);
        } else {
            struct slice text = text_of(element, rule->element_bytes - 1);
            buf_put_varint(out, text.len);
            buf_put(out, text.data, text.len);
        }
    }
}
