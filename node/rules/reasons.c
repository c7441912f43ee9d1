/* Reasons of void and conflicting events, in words. docs/PROTOCOL.md §10. */
#include "node/rules/member.h"

const char *
void_reason_text(enum void_reason r)
{
    switch (r) {
    case VOID_NONE: return "nothing is wrong with it";
    case VOID_MALFORMED: return "cannot be read";
    case VOID_NOT_APPLICANT: return "has no open application";
    case VOID_ALREADY_APPLIED: return "has an open application already";
    case VOID_ALREADY_MEMBER: return "is a member already";
    case VOID_NOT_MEMBER: return "is not a member";
    case VOID_LEFT: return "has left";
    case VOID_DECEASED: return "has died";
    case VOID_SAME_CATEGORY: return "is in that category already";
    case VOID_CATEGORY_PERSON: return "is a legal person; categories A and B are for natural persons";
    case VOID_NO_OFFICE: return "names an office that its unit had not opened";
    case VOID_REQUEST_OPEN: return "has an open withdrawal request already";
    case VOID_NO_REQUEST: return "has no open withdrawal request";
    case VOID_REFERENCE: return "refers to an event that it cannot refer to";
    case VOID_MAKES_IMPOSSIBLE: return "would make an event of a later date impossible";
    case VOID_TOO_MANY: return "has too many events already";
    case VOID_KEY: return "is signed by a key that was revoked";
    case VOID_OFFICE_EXISTS: return "is an office that is open already";
    case VOID_OFFICE_CLOSED: return "is an office that has closed";
    case VOID_SHARES: return "would hold more shares than there may be";
    case VOID_KIND: return "opens a log elsewhere than at its start";
    case VOID_MERGED: return "was merged into another record";
    case VOID_OWED: return "is not owed that much";
    case VOID_NOT_LEGAL: return "is a natural person; only legal persons have representatives";
    case VOID_REPRESENTS: return "has that representative already, or as many as there may be";
    case VOID_REPRESENTS_NOT: return "has no such representative";
    case VOID_CONSENT_GIVEN: return "has given as many consents as there may be";
    case VOID_CONSENT_NOT_GIVEN: return "has not given that consent";
    case VOID_EXISTS: return "exists already";
    case VOID_EXISTS_NOT: return "does not exist, or not yet on that date";
    case VOID_CLOSED: return "is closed";
    case VOID_CREDIT: return "would be credited for more than was invoiced";
    case VOID_MOVED: return "has moved to another unit";
    case VOID_NO_OFFER: return "is not offered to that unit, or not on that date";
    case VOID_ACCEPTED: return "was accepted on that offer already";
    case VOID_NO_DOUBLE: return "is not declared to be that other record's person";
    case VOID_DOUBLE: return "is declared already to be that other record's person, or of as many as there may be";
    case VOID_FIRST_DAY: return "has been a member only since that day; a move needs a later one";
    case VOID_NEW_HOME: return "has moved: only amounts of before can be changed here";
    case VOID_UNIT_CLOSED: return "is of a unit that has closed";
    case VOID_POSTING_LONG: return "would be abroad for longer than 24 months";
    }
    return "unknown reason";
}
