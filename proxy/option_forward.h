/* The grammar of forwards: what stands behind -D, -L, -R and -W, and the
 * keywords DynamicForward, LocalForward and RemoteForward.
 *
 *   -D    [bind:]port                        or  socket
 *   -L    [bind:]port:host:hostport          [bind:]port:socket
 *         socket:host:hostport               socket:socket
 *   -R    [bind:]port                        [bind:]port:host:hostport
 *         [bind:]port:socket
 *   -W    host:port
 *   --gateway  [bind:]port
 *
 * As ssh reads them: a field with a '/' in it is the path of a Unix socket; a
 * field in brackets is taken as it is, colons and all; a backslash takes the
 * next character as it is; a bind address that is empty or "*" is every
 * address, localhost is both loopbacks. LocalForward has a space where -L has
 * the colon between its two sides, and so has RemoteForward.
 *
 * What -R listens on is the server's: an address is not looked up here, and a
 * Unix socket is an error, as libssh cannot ask for one. The gateway listens on
 * every address where none is written, as sshd does, and never on a socket. */
#ifndef CULVERT_PROXY_OPTION_FORWARD_H
#define CULVERT_PROXY_OPTION_FORWARD_H

#include "proxy/settings.h"

enum option_forward_form {
    OPTION_FORWARD_DYNAMIC,
    OPTION_FORWARD_LOCAL,
    OPTION_FORWARD_LOCAL_WORDS, /* two words, as in a configuration file */
    OPTION_FORWARD_REMOTE,
    OPTION_FORWARD_REMOTE_WORDS, /* one word, or two */
    OPTION_FORWARD_STDIO,
    OPTION_FORWARD_GATEWAY,
};

/* Reads a forward; its text is spec itself (forward keeps a borrow).
 * Returns NULL when it was good; else what is wrong with it (static text),
 * forward untouched. */
const char *option_forward_parse(enum option_forward_form form,
                                 const char *spec, struct forward *forward);

#endif
