/* Functions that no source of this project may call: each has lost data or leaked memory somewhere.
 * Force-included by the Makefile before every file, so it must not declare anything itself. Names that the packages' own headers use
 * (alloca, random) cannot be poisoned; lint finds those. */
#ifndef SMARTNODE_BASE_BANNED_H
#define SMARTNODE_BASE_BANNED_H
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#ifndef SMARTNODE_FUZZ_SUPPORT
#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok atoi atol atoll
#pragma GCC poison rand srand tmpnam mktemp gmtime localtime ctime asctime
#endif
#endif
