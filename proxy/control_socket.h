/* The control socket in the file system. */
#ifndef CULVERT_PROXY_CONTROL_SOCKET_H
#define CULVERT_PROXY_CONTROL_SOCKET_H

#include <stdbool.h>
#include <sys/types.h>

#include "transport/base/err.h"

struct control_socket {
    int fd;           /* listens, non-blocking; -1: not open */
    const char *path; /* borrowed */
    dev_t device;     /* what path names, so that only ours is removed */
    ino_t inode;
};

/* Listens at path, for its owner alone. As ssh does, under another name first
 * and moved into place by link(2), so that nobody meets a socket that is not
 * yet ready, and no socket that is in use is replaced; one that nobody listens
 * on any more is. Returns ERR_OK; ERR_ADDR_IN_USE where there is a live one, or
 * something that is no socket; ERR_MALFORMED for a path that is too long; or
 * what failed. socket is then closed. */
enum err control_socket_open(const char *path, struct control_socket *socket);

/* Closes it, and removes it from the file system. Nothing happens if it is
 * closed. */
void control_socket_close(struct control_socket *socket);

/* Connects to the one that listens at path. Returns a blocking descriptor, or
 * -1 and errno (ENAMETOOLONG for a path that is too long). */
int control_socket_connect(const char *path);

/* Whether who is at the other end of fd may give orders: this program's user,
 * or root. *uid: who it is. */
bool control_socket_may(int fd, uid_t *uid);

#endif
