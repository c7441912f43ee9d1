/* The wire check and the budgeted unpacking of protobuf messages. See budget.h. */
#include "proto/budget.h"

#include <stdlib.h>

#include "proto/base/types.h"

enum {
    FIELD_NUMBER_MAX = (1 << 29) - 1,
    FIELDS_SINGULAR_MAX = 64, /* fields of one schema message; a bit each */
    DEPTH_MAX = 4,            /* of our schemas */
    BLOCK_HEAD_BYTES = 16,    /* keeps malloc's alignment */
};

static void *
budget_alloc(void *data, size_t size)
{
    struct budget *b = data;
    if (b->left < BLOCK_HEAD_BYTES || size > b->left - BLOCK_HEAD_BYTES) {
        b->exhausted = true;
        return NULL;
    }
    uint8_t *block = malloc(size + BLOCK_HEAD_BYTES);
    if (!block) {
        b->exhausted = true;
        return NULL;
    }
    memcpy(block, &size, sizeof(size));
    b->left -= size + BLOCK_HEAD_BYTES;
    return block + BLOCK_HEAD_BYTES;
}

static void
budget_release(void *data, void *pointer)
{
    if (!pointer)
        return;
    struct budget *b = data;
    uint8_t *block = (uint8_t *)pointer - BLOCK_HEAD_BYTES;
    size_t size;
    memcpy(&size, block, sizeof(size));
    b->left += size + BLOCK_HEAD_BYTES;
    free(block);
}

void
budget_init(struct budget *b, size_t message_bytes)
{
    MUST(message_bytes <= (SIZE_MAX - BUDGET_BASE_BYTES) / BUDGET_FACTOR);
    *b = (struct budget){
        .allocator = {budget_alloc, budget_release, b},
        .left = message_bytes * BUDGET_FACTOR + BUDGET_BASE_BYTES,
    };
}

bool
wire_field_next(struct reader *r, struct wire_field *ret)
{
    if (r->failed || reader_left(r) == 0)
        return false;
    uint64_t tag = reader_varint(r);
    struct wire_field f = {.wire_type = (uint8_t)(tag & 7)};
    if (r->failed || tag >> 3 == 0 || tag >> 3 > FIELD_NUMBER_MAX) {
        r->failed = true;
        return false;
    }
    f.number = (uint32_t)(tag >> 3);
    switch (f.wire_type) {
    case PROTOBUF_C_WIRE_TYPE_VARINT: f.value = reader_varint(r); break;
    case PROTOBUF_C_WIRE_TYPE_64BIT: f.bytes = reader_bytes(r, 8); break;
    case PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED: {
        uint64_t len = reader_varint(r);
        if (len > reader_left(r))
            r->failed = true;
        else
            f.bytes = reader_bytes(r, (size_t)len);
        break;
    }
    case PROTOBUF_C_WIRE_TYPE_32BIT: f.bytes = reader_bytes(r, 4); break;
    default: r->failed = true;
    }
    if (r->failed)
        return false;
    *ret = f;
    return true;
}

static int
field_index(const ProtobufCMessageDescriptor *type, uint32_t number)
{
    for (unsigned i = 0; i < type->n_fields; i++)
        if (type->fields[i].id == number)
            return (int)i;
    return -1;
}

static uint8_t
wire_type_of(ProtobufCType type)
{
    switch (type) {
    case PROTOBUF_C_TYPE_FIXED64:
    case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_DOUBLE: return PROTOBUF_C_WIRE_TYPE_64BIT;
    case PROTOBUF_C_TYPE_FIXED32:
    case PROTOBUF_C_TYPE_SFIXED32:
    case PROTOBUF_C_TYPE_FLOAT: return PROTOBUF_C_WIRE_TYPE_32BIT;
    case PROTOBUF_C_TYPE_STRING:
    case PROTOBUF_C_TYPE_BYTES:
    case PROTOBUF_C_TYPE_MESSAGE: return PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED;
    default: return PROTOBUF_C_WIRE_TYPE_VARINT;
    }
}

/* Decoders differ in what they make of a value that is too wide: some cut it. So it must fit. */
static bool
value_fits(const ProtobufCFieldDescriptor *d, const struct wire_field *f)
{
    switch (d->type) {
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_SINT32: return f->value <= UINT32_MAX;
    case PROTOBUF_C_TYPE_BOOL: return f->value <= 1;
    case PROTOBUF_C_TYPE_INT32:
    case PROTOBUF_C_TYPE_ENUM: return (int64_t)f->value >= INT32_MIN && (int64_t)f->value <= INT32_MAX;
    case PROTOBUF_C_TYPE_STRING: return text_ok((const char *)f->bytes.data, f->bytes.len);
    default: return true;
    }
}

static int
check_at(const ProtobufCMessageDescriptor *type, struct slice bytes, unsigned depth, size_t *fields_left,
         struct err *err)
{
    MUST(type->n_fields <= FIELDS_SINGULAR_MAX && depth < DEPTH_MAX);
    uint64_t seen = 0;
    struct reader r = reader_of(bytes);
    struct wire_field f;
    while (wire_field_next(&r, &f)) {
        if (*fields_left == 0)
            return err_set(err, ERR_LIMIT, "%s: too many fields", type->short_name);
        --*fields_left;
        int i = field_index(type, f.number);
        if (i < 0)
            continue;
        const ProtobufCFieldDescriptor *d = &type->fields[i];
        if (f.wire_type != wire_type_of(d->type))
            return err_field(err, ERR_INVALID, d->name, "%s: another wire type", d->name);
        if (d->label != PROTOBUF_C_LABEL_REPEATED && (seen >> i & 1))
            return err_field(err, ERR_INVALID, d->name, "%s: occurs twice", d->name);
        seen |= UINT64_C(1) << i;
        if (!value_fits(d, &f))
            return err_field(err, ERR_INVALID, d->name, "%s: out of range or not plain text", d->name);
        if (d->type == PROTOBUF_C_TYPE_MESSAGE) {
            int rc = check_at(d->descriptor, f.bytes, depth + 1, fields_left, err);
            if (rc != 0)
                return rc;
        }
    }
    if (r.failed)
        return err_set(err, ERR_INVALID, "%s: not well-formed protobuf", type->short_name);
    return 0;
}

int
message_check(const ProtobufCMessageDescriptor *type, struct slice bytes, size_t fields_max, struct err *err)
{
    return check_at(type, bytes, 0, &fields_max, err);
}

int
message_unpack(const ProtobufCMessageDescriptor *type, struct slice bytes, size_t fields_max, struct budget *b,
               ProtobufCMessage **ret, struct err *err)
{
    int rc = message_check(type, bytes, fields_max, err);
    if (rc != 0)
        return rc;
    b->exhausted = false;
    ProtobufCMessage *m = protobuf_c_message_unpack(type, &b->allocator, bytes.len, bytes.data);
    if (!m && b->exhausted)
        return err_set(err, ERR_NOMEM, "%s: over its memory budget", type->short_name);
    if (!m)
        return err_set(err, ERR_INVALID, "%s: not well-formed protobuf", type->short_name);
    *ret = m;
    return 0;
}

void
message_free(ProtobufCMessage *m, struct budget *b)
{
    if (m)
        protobuf_c_message_free_unpacked(m, &b->allocator);
}

void
message_pack(const ProtobufCMessage *m, struct buf *out)
{
    size_t size = protobuf_c_message_get_packed_size(m);
    uint8_t *p = buf_reserve(out, size);
    if (!p)
        return;
    protobuf_c_message_pack(m, p);
    buf_added(out, size);
}
