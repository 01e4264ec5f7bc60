/* Standard input and output as a client (-W). */
#ifndef CULVERT_PROXY_STDIO_H
#define CULVERT_PROXY_STDIO_H

#include <stdbool.h>

#include "transport/base/err.h"

struct stdio;

/* Starts two threads that carry bytes between descriptors 0 and 1 and a
 * socket, which is given in *fd: non-blocking, half-closed when standard input
 * ends. Threads, as these descriptors may be files, which epoll refuses, or a
 * terminal shared with the shell, whose mode is not ours to change.
 * Returns ERR_OK and *stdio (stdio_finish), or an error. */
enum err stdio_start(struct stdio **stdio, int *fd);

/* Ends the threads and frees; the socket is closed. wait: not before all that
 * came has been written to standard output, however long its reader takes.
 * Standard input need not have ended.
 * Returns 0, or the errno with which standard output failed. */
int stdio_finish(struct stdio *stdio, bool wait);

#endif
