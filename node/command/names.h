/* The words of the register as the API, the import and the command line spell them, each in one place. Lower case, as in JSON;
 * categories in capitals. Parsing is exact. Pure, any thread. */
#ifndef SMARTNODE_COMMAND_NAMES_H
#define SMARTNODE_COMMAND_NAMES_H

#include "node/command/command.h"

/* "A", "B", "C". ERR_INVALID, field "category". NULL text is as empty. */
int category_parse(const char *text, uint8_t *ret, struct err *err) NODISCARD;
/* "natural", "legal". ERR_INVALID, field "person_type". */
int person_type_parse(const char *text, uint8_t *ret, struct err *err) NODISCARD;
/* "apply", "refuse", "admit", "subscribe", "change_category", "change_data", "request_withdrawal", "grant_withdrawal",
 * "refuse_withdrawal", "resign", "exclude", "decease", "repay", "name_representative", "end_representative", "give_consent",
 * "withdraw_consent". ERR_INVALID, field "action". */
int member_action_parse(const char *text, enum member_action *ret, struct err *err) NODISCARD;
/* 32 hex digits. ERR_INVALID names `field`. */
int subject_parse(const char *text, const char *field, struct subject_id *ret, struct err *err) NODISCARD;
/* Whole number 1 … SHARES_MAX, digits only. ERR_INVALID, field "shares". */
int shares_parse(const char *text, uint64_t *ret, struct err *err) NODISCARD;

/* A name of the registry (docs/PROTOCOL.md §9), exact but for upper and lower case, or a number 1 … 65,535. ERR_INVALID, fields
 * "sector", "purpose". */
int sector_parse(const char *text, uint16_t *ret, struct err *err) NODISCARD;
int purpose_parse(const char *text, uint16_t *ret, struct err *err) NODISCARD;
/* Purpose of a grant; the same, field "purpose". */
int grant_purpose_parse(const char *text, uint16_t *ret, struct err *err) NODISCARD;
/* Why a double is settled as it is; the same, field "reason". */
int double_reason_parse(const char *text, uint16_t *ret, struct err *err) NODISCARD;
/* The registry's name, or the number in out. */
enum { NUMBERED_NAME_MAX = 40 };
const char *sector_name(uint16_t sector, char out[NUMBERED_NAME_MAX]);
const char *purpose_name(uint16_t purpose, char out[NUMBERED_NAME_MAX]);
const char *grant_purpose_name(uint16_t purpose, char out[NUMBERED_NAME_MAX]);
const char *double_reason_name(uint16_t reason, char out[NUMBERED_NAME_MAX]);

/* Figures of a closed year (FIGURE_…), "joined"; "figure-99" in out of one that this version does not know. Amounts end in "_minor". */
const char *figure_name(uint16_t number, char out[NUMBERED_NAME_MAX]);

/* CAPITAL_…, "shares_in"; amounts begin with "minor". */
extern const char *const capital_words[CAPITAL_N];

/* Never NULL; "unknown" outside the enumeration. */
const char *category_name(uint8_t category);
const char *person_type_name(uint8_t person_type);
const char *member_action_name(enum member_action action);
/* "none", "applied", "refused", "member", "left", "merged". */
const char *member_status_name(enum member_status status);
/* "none", "resigned", "withdrawn", "excluded", "deceased", "moved". */
const char *left_reason_name(enum left_reason reason);
/* "applied", "replaced", "void", "conflict", "waiting", "unknown". */
const char *outcome_name(enum outcome outcome);
/* Kind of the event that an action writes. */
uint16_t member_action_kind(enum member_action action);

#endif
