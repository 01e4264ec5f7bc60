/* The control socket: where a running program is told what to do (-O), by us
 * or by stock ssh.
 *
 * Callers are few and brief. One that is slow, says nothing or sends rubbish
 * costs a bounded buffer for a bounded time and holds up nobody.
 * Thread: the control worker's. */
#ifndef CULVERT_PROXY_CONTROL_H
#define CULVERT_PROXY_CONTROL_H

#include <stdbool.h>
#include <stddef.h>

#include "proxy/forwards.h"
#include "transport/base/err.h"
#include "transport/loop/worker.h"

struct control;

/* Descriptors to keep for it: its own, and those of a few callers. */
#define CONTROL_DESCRIPTORS 12

struct control_config {
    struct worker *worker;     /* borrowed until control_destroy, as all here */
    const char *path;          /* of the socket */
    struct forwards *forwards; /* what is added to and cancelled from */

    /* -O exit: ends the program. From the loop; the answer is out. */
    void (*exit)(void *owner);
    /* -O reconnect. Returns NULL, or why not (static text). */
    const char *(*reconnect)(void *owner);
    /* -O status: writes its lines into buf, or one of JSON. Returns their
     * length, less than size. */
    size_t (*status)(void *owner, bool json, char *buf, size_t size);
    /* -O kick: ends an agent's sessions, *sessions of them. Returns NULL, or
     * why not (static text). */
    const char *(*kick)(void *owner, const char *name, unsigned *sessions);
    void *owner;
};

/* Listens. Returns ERR_OK and *control; or an error, which was logged:
 * ERR_ADDR_IN_USE where another listens at that path. */
enum err control_create(const struct control_config *config,
                        struct control **control);

/* Sends its callers away, closes the socket and removes it. NULL does
 * nothing. */
void control_destroy(struct control *control);

#endif
