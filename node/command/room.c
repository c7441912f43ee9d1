/* See room.h. */
#include "node/command/room.h"

_Static_assert((int)ROOM_ORDINARY < (int)MEMBER_PAST_MAX, "what must be possible has room");
_Static_assert((int)ROOM_SEALED <= (int)ROOM_ORDINARY, "ends of access leave room for changes");
_Static_assert((int)ROOM_RENEWED_LAST < (int)MEMBER_PAST_MAX, "an access can end");

static bool
is_ordinary(uint16_t kind)
{
    switch (kind) {
    case KIND_APPLICATION_RECEIVED:
    case KIND_MEMBER_ADMITTED:
    case KIND_SHARES_SUBSCRIBED:
    case KIND_CATEGORY_CHANGED:
    case KIND_DATA_CHANGED:
    case KIND_REPRESENTATIVE_NAMED:
    case KIND_CONSENT_GIVEN: return true;
    default: return false;
    }
}

int
room_in_row(size_t n, uint16_t kind, struct err *err)
{
    if (n < ROOM_ORDINARY || !is_ordinary(kind))
        return 0;
    return err_field(
        err, ERR_CONFLICT, "subject",
        "subject: %zu events; the room that is left is kept for the end of the membership, a move, and erasures. To "
        "go on, admit the person anew and merge this record into the new one",
        n);
}
