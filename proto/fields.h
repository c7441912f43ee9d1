/* The fields of an encoded message, carried straight between bytes and a plain struct by one table of rules for each message.
 * The schema's generated descriptor gives numbers and names, the rules give what it cannot say: which field must be there,
 * lengths, ranges and where the value lives. One table serves both directions, so nothing is written that would not be read.
 *
 * Reading is one pass that allocates nothing (but the array of a list kept by pointer, never larger than the bytes that it is
 * read from) and copies no byte strings; nesting goes as deep as the tables and no deeper. Refused: groups, varints longer than
 * their shortest form, a field that may occur once and occurs again, a known field of another wire type, numbers and lengths out
 * of range, text with control characters. Unknown fields are skipped. Pure, any thread. docs/PROTOCOL.md §4, §12, §14. */
#ifndef SMARTNODE_PROTO_FIELDS_H
#define SMARTNODE_PROTO_FIELDS_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"

struct ProtobufCMessageDescriptor;

enum field_as {
    FIELD_U8 = 1, /* varint to uint8_t */
    FIELD_U16,    /* varint to uint16_t */
    FIELD_U32,    /* varint to uint32_t, or an enum */
    FIELD_U64,    /* varint to uint64_t */
    FIELD_FLAG,   /* varint 0 or 1 to bool; with min 1 an explicit 0 is refused */
    FIELD_S64,    /* zigzag varint to int64_t; any */
    FIELD_DATE,   /* zigzag varint to struct civil_date; DATE_NONE if absent */
    FIELD_FIXED,  /* exactly `max` bytes, copied */
    FIELD_BYTES,  /* struct slice, borrowed */
    FIELD_TEXT,   /* text_ok, copied to char[max + 1] with a NUL */
    FIELD_LIST,   /* repeated: messages by `element`, or without one texts of at most element_bytes - 1 */
};

struct fields;

struct field_rule {
    enum field_as as;
    bool required; /* else absent stands for zero, empty, false or DATE_NONE, which are not written */
    size_t offset; /* of the value in the struct */
    size_t has;    /* offset of a bool that tells an absent number from 0; 0 = there is none */
    uint64_t min;  /* of the number or length; of a list: encoded length of an element */
    uint64_t max;  /* of the number or length; of a list: number of elements */
    /* lists only */
    const struct fields *element;
    size_t element_bytes; /* of one element in memory */
    size_t count;         /* offset of the size_t number of elements */
    bool by_pointer; /* the struct holds a pointer to the elements: allocated by fields_read, freed by the caller */
};

/* Rule i is for field number i + 1; one for each field of the schema, which numbers without a gap and at most 32. */
struct fields {
    const struct ProtobufCMessageDescriptor *schema;
    const struct field_rule *rules;
};

/* Where a message stands in an outer one, for the names in errors ("heads.head.chain"). NULL = outermost. */
struct field_path {
    const struct field_path *parent;
    const char *name;
};

#define FIELD_OFFSET(type, member) .offset = offsetof(type, member)
#define FIELD_FIXED_OF(type, member)                                                                         \
    {                                                                                                        \
        .as = FIELD_FIXED, .required = true, FIELD_OFFSET(type, member), .min = sizeof(((type *)0)->member), \
        .max = sizeof(((type *)0)->member)                                                                   \
    }
/* A required number, or byte string by its length. */
#define FIELD_RANGE_OF(how, type, member, lowest, highest)                                           \
    {                                                                                                \
        .as = (how), .required = true, FIELD_OFFSET(type, member), .min = (lowest), .max = (highest) \
    }
#define FIELD_FLAG_OF(type, member)                            \
    {                                                          \
        .as = FIELD_FLAG, FIELD_OFFSET(type, member), .max = 1 \
    }
/* Text that may be absent. */
#define FIELD_TEXT_OF(type, member, longest)                           \
    {                                                                  \
        .as = FIELD_TEXT, FIELD_OFFSET(type, member), .max = (longest) \
    }

/* Reads bytes into ret, which the caller has zeroed; after a failure ret is not to be used and owns nothing. ERR_INVALID names
 * the field, ERR_LIMIT too many elements, ERR_NOMEM. */
int fields_read(const struct fields *f, const struct field_path *path, struct slice bytes, void *ret,
                struct err *err) NODISCARD;
/* Checks from against the rules; *ret_len is the length of its encoding. ERR_INVALID, ERR_LIMIT. */
int fields_check(const struct fields *f, const struct field_path *path, const void *from, size_t *ret_len,
                 struct err *err) NODISCARD;
/* Appends the encoding of what fields_check has passed, fields ascending. Whether it fitted is in out (buf_check). */
void fields_put(const struct fields *f, const void *from, struct buf *out);
/* fields_check, fields_put and buf_check in one; on failure out is as long as before. */
int fields_write(const struct fields *f, const struct field_path *path, const void *from, struct buf *out,
                 struct err *err) NODISCARD;

/* Sets code with path and name (either may be NULL) as the field, and the reason as the text. Returns the code. */
int fields_fail(const struct field_path *path, const char *name, enum err_code code, const char *reason,
                struct err *err);

#endif
