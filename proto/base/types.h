/* The small types of the domain, each in a struct of its own so that one cannot be passed for another.
 * Sources: docs/PROTOCOL.md §2. No functions with state; everything here is a value. */
#ifndef SMARTNODE_BASE_TYPES_H
#define SMARTNODE_BASE_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/base/err.h"

enum {
    HASH_BYTES = 32,
    ID_BYTES = 16,
    KEY_BYTES = 32,
    SIG_BYTES = 64,
    UNIT_CODE_MAX = 9,    /* with the final NUL */
    CURRENCY_MAX = 4,     /* with the final NUL */
    NAME_BYTES_MAX = 128, /* clear strings in events, without NUL */
    DATE_TEXT_MAX = 11,   /* YYYY-MM-DD and NUL */
    HEX32_MAX = 65,       /* 32 bytes in hex and NUL */
    HEX16_MAX = 33,
};

struct hash {
    uint8_t b[HASH_BYTES];
};
struct unit_id {
    uint8_t b[HASH_BYTES];
};
struct log_id {
    uint8_t b[HASH_BYTES];
};
struct chain_value {
    uint8_t b[HASH_BYTES];
};
struct federation_id {
    uint8_t b[HASH_BYTES];
};
struct subject_id {
    uint8_t b[ID_BYTES];
}; /* a member */
struct office_id {
    uint8_t b[ID_BYTES];
};
struct actor_id {
    uint8_t b[ID_BYTES];
};
struct sign_public {
    uint8_t b[KEY_BYTES];
}; /* Ed25519 */
struct box_public {
    uint8_t b[KEY_BYTES];
}; /* X25519; also CURVE transport keys */
struct seal {
    uint8_t b[SIG_BYTES];
};

struct wall_ms {
    int64_t ms;
}; /* milliseconds since 1970-01-01T00:00Z, may jump */
struct mono_ms {
    int64_t ms;
}; /* milliseconds of a clock that only goes forward */
struct hlc {
    uint64_t v;
}; /* wall milliseconds << 16 | counter */
struct civil_date {
    int32_t days;
}; /* days since 1970-01-01; DATE_NONE = absent */

#define DATE_NONE ((struct civil_date){INT32_MIN})
#define DATE_MIN ((struct civil_date){-25567}) /* 1900-01-01 */
#define DATE_MAX ((struct civil_date){84005})  /* 2199-12-31 */

struct position {
    struct log_id log;
    uint64_t seq;
};

/* Byte-wise comparison, all of one kind. */
#define TYPE_EQ(a, b) (memcmp((a), (b), sizeof(*(a))) == 0 && sizeof(*(a)) == sizeof(*(b)))

/* Dates. Proleptic Gregorian calendar (days-from-civil, H. Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
struct civil_date date_from_ymd(int year, int month, int day); /* no check; month 1…12, day 1…31 */
void date_to_ymd(struct civil_date d, int *ret_year, int *ret_month, int *ret_day);
bool date_is_none(struct civil_date d);
/* Exactly YYYY-MM-DD, a day that exists, within DATE_MIN…DATE_MAX. ERR_INVALID names `field`. */
int date_parse(const char *text, const char *field, struct civil_date *ret, struct err *err) NODISCARD;
/* Writes YYYY-MM-DD; DATE_NONE gives "-". Returns out. */
const char *date_format(struct civil_date d, char out[DATE_TEXT_MAX]);
/* First day of the month, of the year. */
struct civil_date date_month_start(struct civil_date d);
struct civil_date date_year_start(struct civil_date d);

/* Hex in lower case; out has 2 × len + 1 bytes. Returns out. */
const char *hex_encode(const uint8_t *bytes, size_t len, char *out);
/* Exactly 2 × len hex digits and the end; false otherwise (out untouched). */
bool hex_decode(const char *text, uint8_t *out, size_t len);

/* Unit code: 2…8 of A–Z and 0–9, first a letter. Currency: three of A–Z. */
bool unit_code_ok(const char *code);
bool currency_ok(const char *code);
/* UTF-8 (RFC 3629, no surrogates, no overlong) without control characters. */
bool text_ok(const char *text, size_t len);

/* Hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): a stamp after `last` and not before `now`. */
struct hlc hlc_next(struct hlc last, struct wall_ms now);
struct wall_ms hlc_wall(struct hlc c);

/* FNV-free mixing of a 64-bit value (splitmix64), for hash tables keyed by values an attacker does not choose freely. */
uint64_t mix64(uint64_t x);

#endif
