/* The sockets that the forwards listen on. */
#ifndef CULVERT_PROXY_LISTENERS_H
#define CULVERT_PROXY_LISTENERS_H

#include <stddef.h>
#include <sys/types.h>

#include "proxy/settings.h"
#include "transport/base/addr.h"
#include "transport/base/err.h"

struct listener {
    const struct forward *forward;
    int fd;
    union addr addr;  /* family AF_UNSPEC: a Unix socket */
    const char *path; /* of a Unix socket, borrowed from the forward */
    dev_t device;     /* what path names, so that only ours is removed */
    ino_t inode;
    struct listener *next;
};

/* How opening them all went. */
struct listeners {
    struct listener *head;
    size_t count;
    size_t failed; /* forwards that did not get all that they asked for */
};

/* Opens the listening sockets of every forward. Each that fails is logged;
 * whether that is the end is the caller's to say. An open proxy is refused.
 * Returns ERR_OK, or ERR_DENIED for an open proxy, ERR_NO_MEMORY; then
 * what was opened is closed again. Blocks for names: before any loop runs. */
enum err listeners_open(const struct settings *settings,
                        struct listeners *listeners);

/* Says what listens: a line each. */
void listeners_announce(const struct listeners *listeners,
                        const char *via_word);

/* Closes them and removes the Unix sockets from the file system. */
void listeners_close(struct listeners *listeners);

#endif
