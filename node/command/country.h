/* Countries by their two letters. */
#ifndef SMARTNODE_COMMAND_COUNTRY_H
#define SMARTNODE_COMMAND_COUNTRY_H

#include <stdbool.h>

/* Whether the two letters, in upper case, are a country's: ISO 3166-1 alpha-2, as officially assigned. */
bool country_exists(const char *code);

#endif
