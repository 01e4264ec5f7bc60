/* What the parts of the forwards share; for them alone. */
#ifndef CULVERT_PROXY_FORWARDS_PARTS_H
#define CULVERT_PROXY_FORWARDS_PARTS_H

#include "proxy/forwards.h"
#include "proxy/remote.h"

/* One forward, whether it stands now or did once. */
struct standing {
    struct forwards *forwards;
    const struct forward *forward;
    struct forward *added; /* forward, where it was added */
    bool stands;           /* a remote one: it is asked for, or stands */
    bool leaves;           /* the eyes are being closed, or the remote one is */
    struct bindname *name; /* being looked up, for its opening; or NULL */
    struct listeners listeners;
    struct slot_eye *eyes; /* one of each slot for each listener; or NULL */
    size_t eyes_open;
    struct remote *remote;    /* in the place of listeners; or NULL */
    bool counts;              /* forwards->waiting has it */
    struct forwards_ask *ask; /* who waits for that, or for its end */
    struct standing *next;
};

/* --- forwards.c ----------------------------------------------------------- */

/* Gives one that has no forward yet, in the list; NULL when out of memory. */
struct standing *forwards_create(struct forwards *forwards);

/* Tells an asker: in a while, or now, from the loop. */
void forwards_answer(struct forwards_ask *ask, enum err err, const char *why);
void forwards_tell(struct forwards_ask *ask);

/* --- forwards_text.c ------------------------------------------------------ */

/* Logs where one listens that was added. */
void forwards_log_opened(const struct standing *standing);

/* --- forwards_remote.c ---------------------------------------------------- */

/* Opens a remote one for an asker. */
void forwards_remote_add(struct forwards_ask *ask, struct standing *standing);

/* Has the server listen no more; who asked for that is told when it is over.
 */
void forwards_remote_close(struct standing *standing);

#endif
