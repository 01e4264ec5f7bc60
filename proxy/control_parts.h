/* What the parts of the control socket's server share; for them alone. */
#ifndef CULVERT_PROXY_CONTROL_PARTS_H
#define CULVERT_PROXY_CONTROL_PARTS_H

#include <stdbool.h>

#include "proxy/control.h"
#include "proxy/control_socket.h"
#include "proxy/mux.h"
#include "transport/net/listen.h"

/* One who has called: it asks, we answer, in turn. */
struct caller {
    struct control *control;
    int fd;
    ev_io io;
    ev_timer timer;
    bool greeted; /* its hello has come */
    bool deaf;    /* what it still sends is not looked at */

    uint8_t *in; /* what has come and was not yet acted on */
    size_t in_len;
    size_t in_size;
    uint8_t *out; /* what has not gone out yet; NULL: nothing */
    size_t out_at;
    size_t out_len;

    bool asking; /* ask is under way, for request */
    uint32_t request;
    struct forwards_ask ask;

    struct caller *prev; /* the one longest silent is first */
    struct caller *next;
};

struct control {
    struct control_config config;
    struct control_socket socket;
    struct acceptor acceptor;
    struct caller *callers;
    unsigned count;
    struct log_limit complaints;
};

/* control.c */

/* Sends a message, or keeps what does not go out; nothing is kept before. */
void control_send(struct caller *caller, const struct mux_message *message);

/* Its answer has been made: goes on with what it has sent meanwhile. */
void control_resume(struct caller *caller);

/* Accepts no more callers, and removes the socket. */
void control_stop(struct control *control);

/* control_talk.c */

/* Acts on a message. Returns NULL, or what is wrong with it (static text): the
 * caller is to go. */
const char *control_act(struct caller *caller,
                        const struct mux_message *message);

#endif
