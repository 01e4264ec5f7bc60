/* What the parts of the server share; for them alone. */
#ifndef CULVERT_PROXY_SERVER_PARTS_H
#define CULVERT_PROXY_SERVER_PARTS_H

#include <stdbool.h>

#include "proxy/control.h"
#include "proxy/engine.h"
#include "proxy/forwards.h"
#include "proxy/prompt.h"
#include "proxy/server.h"
#include "proxy/slot.h"
#include "proxy/stdio.h"
#include "transport/ssh/sshcred.h"

/* What a first connection that failed may say. */
#define SERVER_WHY_MAX 2048

#define SERVER_SIGNALS 5

struct server {
    struct settings *settings;
    struct shared shared;
    struct prompt *prompt;
    struct sshcred *cred;
    struct forwards forwards;
    struct worker *control; /* the main thread's loop: signals and the end */
    struct slot *slots;
    unsigned started; /* slots whose threads run */
    unsigned drained;
    int ready_fd; /* background_fork's, or -1 */
    int status;
    bool stands;  /* the way out is there, and what listens, too */
    int stdio_fd; /* -W's, until its session begins; or -1 */
    bool draining;
    bool ending;
    int ended_by; /* the signal that ended it before it stood, or 0 */
    struct stdio *stdio;
    bool stdio_over;    /* its session has ended by itself */
    unsigned linking;   /* the way out whose first link is being made */
    struct mail linked; /* that is up, or never will be */
    enum err link_err;
    char link_why[SERVER_WHY_MAX];
    struct control *calls; /* the control socket, or NULL */
    ev_signal signals[SERVER_SIGNALS];
    ev_timer drain_timer;
    ev_timer farewell_timer; /* nobody is left but a server to be told so */
};

/* Ends the loop once it is draining and nothing is left. */
void server_end_if_empty(struct server *server);

/* server_loop.c: what happens on the control loop while it runs. */

/* Ends the loop, and the program with this status. */
void server_end(struct server *server, int status);

/* The mails of a slot. */
void server_on_drained(struct mail *mail);
void server_on_empty(struct mail *mail);

void server_watch_signals(struct server *server);

/* From now on they are ignored. */
void server_unwatch_signals(struct server *server);

/* Opens the control socket, if there is to be one. Returns whether it is no
 * reason to give up: one that another has is none, as in ssh. */
bool server_open_control(struct server *server);

#endif
