/* The sockets that the forwards listen on. */
#ifndef CULVERT_PROXY_LISTENERS_H
#define CULVERT_PROXY_LISTENERS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "proxy/bindname.h"
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

/* Room for a reason, with the forward's own text in it. */
#define LISTENERS_WHY_MAX 512

struct listeners {
    struct listener *head;
    size_t count;
    size_t failed; /* forwards that did not get all that they asked for */
    char why[LISTENERS_WHY_MAX]; /* the last failure or refusal, or "" */
};

/* Whether a forward's bind address is a name that has to be looked up. */
bool listeners_need_name(const struct forward *forward);

/* Opens the listening sockets of a forward and adds them to listeners (which
 * were zero at first). What fails is logged as an error; whether that is the
 * end is the caller's to say.
 * Returns ERR_OK, or ERR_DENIED with nothing opened for what would be an open
 * proxy: only why says so, as it is a fault of the command line or a request's
 * refusal. found: what the name came to; NULL: it is looked up here, which
 * blocks. */
enum err listeners_open(const struct settings *settings,
                        const struct forward *forward,
                        const struct bindname_answer *found,
                        struct listeners *listeners);

/* Room for listener_format: an address or path, and a target. */
#define LISTENER_TEXT_MAX (128 + TARGET_TEXT_MAX + 64)

/* Writes "127.0.0.1:1080 (socks, via tcp)" or "0.0.0.0:2222 (gateway)" into
 * buf. Returns it. */
char *listener_format(const struct listener *listener, const char *via_word,
                      char *buf);

/* Fills in a row of the JSON status. */
void listener_fill_row(const struct listener *listener, const char *via_word,
                       json_t *row);

/* Says what listens: a line each. Thread: log_ready's. */
void listeners_announce(const struct listeners *listeners,
                        const char *via_word);

/* Closes them and removes the Unix sockets from the file system. */
void listeners_close(struct listeners *listeners);

#endif
