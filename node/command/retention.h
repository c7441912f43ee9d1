/* How long what is known of a person is kept: legal dates by class, from the unit's country and the operator's settings. Pure, but for the
 * month of the last invoice or posting, which is looked up in the vault. docs/OPERATIONS.md "Retention", docs/DATA-PROTECTION.md.
 *
 * The periods of the countries are those that the table in retention.c names with its law. They are a beginning: each unit has counsel
 * confirm them, and sets its own in [retention] of smartnode.conf. */
#ifndef SMARTNODE_COMMAND_RETENTION_H
#define SMARTNODE_COMMAND_RETENTION_H

#include "node/command/command.h"

enum retention_what {
    RETAIN_REGISTER, /* years from leaving: identity */
    RETAIN_WORK, /* years from the end of the year of the last invoice or of the last posting's end: all of class 4 */
    RETAIN_CONTACT, /* days from leaving, and after that from the last repayment: contact, notes */
    RETAIN_BANK,    /* likewise: bank account */
    RETAIN_REFUSED, /* days from the refusal of an application: all of it */
    RETAIN_N
};
enum { RETENTION_YEARS_MAX = 100, RETENTION_DAYS_MAX = 36525 };

/* As the operator set them; -1 = the country's. */
struct retention_settings {
    int32_t v[RETAIN_N];
};
#define RETENTION_DEFAULT ((struct retention_settings){{-1, -1, -1, -1, -1}})

struct retention_rules {
    uint32_t v[RETAIN_N];
    const char *ground[RETAIN_N]; /* law or reason, in words; static */
    bool set[RETAIN_N];           /* by the operator: then ground is "set by the unit" */
};
/* country: two letters; of one that is not in the table the longest periods of it. */
void retention_rules_of(const char *country, const struct retention_settings *settings, struct retention_rules *ret);

/* First day on which a class may be erased, and why. has = false: no date runs (membership lasts, money is owed, nothing of the class is
 * there). */
struct retention_date {
    bool has;
    struct civil_date due;
    enum retention_what what;
};
/* row: of the own unit. class: 1 to 5. last_work: as retention_last_work says. */
struct retention_date retention_due(const struct retention_rules *rules, const struct member_row *row, uint8_t class,
                                    struct civil_date last_work);
/* Whether something of the class is there to erase: entered and not erased since. Class 4 always is. */
bool retention_holds(const struct member_row *row, uint8_t class);
/* Classes, bit class − 1, that an erasure took and of which a capsule is in the row that none took: another instance of the node wrote it side by
 * side with the order, before whose day it may stand. An order made now takes it. row: of the own unit. */
int retention_left_over(const struct command_ctx *ctx, const struct member_row *row, uint16_t *ret,
                        struct err *err) NODISCARD;
/* Classes that are restricted, bit class − 1: nobody but the member reads them. The day until which they must be kept ends nothing by itself:
 * what is restricted stays so until it is erased, or a person lifts it. */
uint16_t retention_restricted(const struct member_row *row);
/* Whether an order took the capsule of the class that the event has. false also where there is no such capsule, or no such event. */
int retention_capsule_erased(struct db_txn *txn, const struct position *at, uint8_t class, bool *ret,
                             struct err *err) NODISCARD;
/* Day of the last erasure that took the class, whatever was entered since; DATE_NONE = none did. */
struct civil_date retention_erased_on(const struct member_row *row, uint8_t class);
/* What is dated before the class was erased is not entered again, lest an old file bring it back: ERR_CONFLICT with that field. */
int retention_check_erased(const struct member_row *row, uint8_t class, struct civil_date on, const char *field,
                           struct err *err) NODISCARD;
/* First of the month of the member's last invoice or in which their last posting ends, whichever is later, of whatever was recorded; DATE_NONE =
 * none. An A1 must be producible for as long as what was earned under it. Walks the member's work. */
int retention_last_work(const struct command_ctx *ctx, const struct subject_id *member, struct civil_date *ret,
                        struct err *err) NODISCARD;

#endif
