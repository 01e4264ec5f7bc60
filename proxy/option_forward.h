/* The grammar of forwards: what stands behind -D, -L and -W, and the keywords
 * DynamicForward and LocalForward.
 *
 *   -D    [bind:]port                        or  socket
 *   -L    [bind:]port:host:hostport          [bind:]port:socket
 *         socket:host:hostport               socket:socket
 *   -W    host:port
 *
 * As ssh reads them: a field with a '/' in it is the path of a Unix socket; a
 * field in brackets is taken as it is, colons and all; a backslash takes the
 * next character as it is; a bind address that is empty or "*" is every
 * address, localhost is both loopbacks. LocalForward has a space where -L has
 * the colon between its two sides. */
#ifndef CULVERT_PROXY_OPTION_FORWARD_H
#define CULVERT_PROXY_OPTION_FORWARD_H

#include "proxy/settings.h"

enum option_forward_form {
    OPTION_FORWARD_DYNAMIC,
    OPTION_FORWARD_LOCAL,
    OPTION_FORWARD_LOCAL_WORDS, /* two words, as in a configuration file */
    OPTION_FORWARD_STDIO,
};

/* Reads a forward; its text is spec itself (forward keeps a borrow).
 * Returns NULL when it was good; else what is wrong with it (static text),
 * forward untouched. */
const char *option_forward_parse(enum option_forward_form form,
                                 const char *spec, struct forward *forward);

#endif
