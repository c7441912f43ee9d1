/* What a field of a register says, as text → as a value: dates, amounts, whole numbers, percentages, yes and no, in the ways that
 * registers of Europe write them. Nothing is guessed: what can be read in two ways is refused with what to say in the mapping file.
 * No floating point. Knows nothing of files and columns. Outer spaces (of any kind) do not count. An empty text is refused: whether a
 * field may be empty is the caller's to say. Every function: 0, or ERR_INVALID (ERR_LIMIT where said) that names `field` and never
 * quotes the text; outputs untouched on failure. Pure, any thread. Currencies: ISO 4217, list one. */
#ifndef SMARTNODE_EXCHANGE_VALUES_H
#define SMARTNODE_EXCHANGE_VALUES_H

#include "proto/base/bytes.h"
#include "proto/base/types.h"

/* What the three numbers of a date mean where the year stands last. With the year first it is always year, month, day. */
enum date_order {
    DATE_ORDER_ANY, /* not named: day, month, year */
    DATE_ORDER_YMD, /* year first, nothing else is taken */
    DATE_ORDER_DMY,
    DATE_ORDER_MDY,
};

struct value_rules {
    enum date_order date;
    char decimal; /* '.' or ','; 0 = not named */
};

enum {
    PERCENT_BP_MAX = 10000,   /* 100 % */
    CURRENCY_DECIMALS_MAX = 4 /* that any currency has */
};
#define VALUE_NUMBER_MAX UINT64_C(1000000000000000) /* 10^15: minor units and whole numbers; far beyond any register */

/* 2024-12-31, 31/12/2024, 31.12.2024, 31-12-2024, 2024. 12. 31., also without leading zeros, also with a time of day if that is
 * midnight (2024-12-31T00:00:00, … 00:00:00.000, with Z or +00:00). The year has four digits. Within DATE_MIN … DATE_MAX. */
int value_date(const char *text, const char *field, enum date_order order, struct civil_date *ret,
               struct err *err) NODISCARD;

/* Minor units of the currency (three capitals): "1.234,50 €" → 123450 for EUR. A sign or code of the currency before or after is
 * taken, that of another one refused. Negative: minus before or behind, or in parentheses. Thousands: space, no-break space, thin
 * space, point, comma, apostrophe, in groups of three. decimal '.' or ',' says which of the two is the decimal mark; with 0 it is found
 * where only one reading is possible, and "1.234" is refused. More decimals than the currency has are refused unless they are zeros.
 * ERR_LIMIT beyond ±VALUE_NUMBER_MAX. Whether negative makes sense is the caller's to say. */
int value_amount(const char *text, const char *field, const char *currency, char decimal, int64_t *ret_minor,
                 struct err *err) NODISCARD;
/* 0, 2, 3 or 4; 2 for a code that the table does not know. */
int currency_decimals(const char *currency);

/* Whole number from 0, thousands as above; "2,00" is 2. ERR_LIMIT beyond VALUE_NUMBER_MAX. */
int value_uint(const char *text, const char *field, char decimal, uint64_t *ret, struct err *err) NODISCARD;

/* Basis points: "6,5 %", "6.5%" and "6.5" → 650. 0 … PERCENT_BP_MAX, at most two decimals. */
int value_percent(const char *text, const char *field, char decimal, uint32_t *ret_bp, struct err *err) NODISCARD;

/* yes, true, 1, ja, oui, sí, si, igen; no, false, 0, nee, nein, nej, non, nem; in any case. */
int value_bool(const char *text, const char *field, bool *ret, struct err *err) NODISCARD;

/* Without outer white space: ASCII, and the no-break and other spaces of Unicode. Borrows. */
struct slice value_trimmed(const char *text, size_t len);
/* Trimmed, NFC, case folded, to compare names by. False if not UTF-8, or longer than cap - 1 bytes, or out of memory. */
bool value_folded(const char *text, char *out, size_t cap);

#endif
