/* Personal data as entered → as kept. command.h lists the rules; docs/PROTOCOL.md §6 the classes. Holds names in clear: wipe with
 * person_wipe. Pure, any thread. */
#ifndef SMARTNODE_COMMAND_PERSON_H
#define SMARTNODE_COMMAND_PERSON_H

#include "node/command/command.h"

/* Checks and normalises what is present of in: NFC, outer spaces off, country in capitals, IBAN in capitals without spaces.
 * person_type 0 = not known: then the rules that depend on it are left out. ERR_INVALID names the field: member_no, given_name,
 * family_name, legal_name, language, birth_date, email, phone, street, postcode, city, country, iban. ret may be in. */
int person_check(const struct person_input *in, uint8_t person_type, struct civil_date today, struct person_input *ret,
                 struct err *err) NODISCARD;
/* Adds a capsule of class identity, contact or bank with that part of p to the draft, which has room (MUST). Errors of encoding. */
int person_capsule(struct draft *d, uint8_t class, const struct person_input *p, struct err *err) NODISCARD;
bool person_contact_empty(const struct person_contact *c);
bool person_bank_empty(const struct person_bank *b);

/* ISO 13616: 15–34 letters and digits, check digits by mod 97. In capitals, no spaces. */
bool iban_ok(const char *iban);

#endif
