/* The forwards that stand: their sockets, and the workers' eyes on them.
 *
 * In the place of sockets a remote one has the SSH server's ear. Those of the
 * command line are opened at the start; others are added, and any
 * is cancelled, while the program runs (control socket). Sessions go on when
 * their forward is cancelled, and borrow it; so a forward's memory stays until
 * the end of the program. One that is asked for again gets its old memory, and
 * FORWARDS_ADDED_MAX bounds how many different ones there can be.
 * Thread: the control worker's. */
#ifndef CULVERT_PROXY_FORWARDS_H
#define CULVERT_PROXY_FORWARDS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "proxy/limits.h"
#include "proxy/listeners.h"
#include "proxy/settings.h"
#include "proxy/slot.h"

/* Of 2 KB each: more than anybody types, and no memory to speak of. */
#define FORWARDS_ADDED_MAX 16384

struct standing;

struct forwards {
    /* Set by the owner, and borrowed until forwards_destroy. */
    const struct settings *settings;
    struct worker *control;
    struct limits *limits;
    struct shared *shared;
    struct slot *slots;
    unsigned slot_count;
    /* Every remote one that was asked for with forwards_ask_remotes has its
     * first answer; so many were refused. Called once, from the loop. */
    void (*remotes_answered)(void *arg, size_t refused);
    /* No remote one is left, after there were some. NULL: nobody asks. */
    void (*remotes_gone)(void *arg);
    /* A listening socket of a FORWARD_GATEWAY, once, by forwards_begin: fd is
     * lent until forwards_close_gateways. NULL: nobody accepts from it. */
    void (*on_gateway)(void *arg, int fd);
    void *arg;

    size_t remotes; /* remote ones that are not closed */
    size_t waiting; /* of these, the settings' with no answer yet */
    size_t refused; /* the settings' that were refused at first */

    struct standing *all_; /* cancelled ones too */
    bool draining_;
    unsigned added_;
};

/* Opens the listening sockets of every forward of the settings. What fails is
 * logged; *opened is how many sockets there are, *failed how many forwards did
 * not get all that they asked for. Nothing is accepted yet.
 * Returns ERR_OK; or ERR_DENIED for an open proxy, ERR_NO_MEMORY, logged.
 * Blocks for names. */
enum err forwards_open(struct forwards *forwards, size_t *opened,
                       size_t *failed);

/* Asks the SSH server for the remote forwards of the settings; *asked is how
 * many. A refusal is logged. Returns ERR_OK, or ERR_NO_MEMORY. */
enum err forwards_ask_remotes(struct forwards *forwards, size_t *asked);

/* Says what listens: a line each. Thread: log_ready's. */
void forwards_announce(const struct forwards *forwards);

/* Has every slot accept from what was opened; the gateway's sockets go to
 * on_gateway in the place of that. Once. */
void forwards_begin(struct forwards *forwards);

/* A request of a forward. Embedded in its owner, who sets done. */
struct forwards_ask {
    void (*done)(struct forwards_ask *ask);

    /* The outcome, valid in done. */
    enum err err;
    unsigned port; /* that was picked, where 0 was asked for; else 0 */
    char why[LISTENERS_WHY_MAX]; /* for a person; "" for ERR_OK */

    struct worker *control_;
    struct standing *standing_;
    struct task task_;
};

/* Opens a forward; one that stands already is as good (ssh's rule). spec is
 * copied. ERR_DENIED: it would be an open proxy.
 * Callback: done, once, later, from the loop. */
void forwards_add(struct forwards *forwards, struct forwards_ask *ask,
                  const struct forward *spec);

/* Closes a forward, known by what was asked for, or by the port that was
 * picked for it: its sockets are closed, and their queues accepted empty, when
 * done is called. ERR_NO_SUCH_PATH: there is no such forward. */
void forwards_cancel(struct forwards *forwards, struct forwards_ask *ask,
                     const struct forward *spec);

/* The asker leaves: done is not called any more. Nothing happens if it is not
 * waiting. */
void forwards_forget(struct forwards_ask *ask);

/* Writes a line for each listening socket and remote forward into buf, as long
 * as they fit, and then how many more there are. Returns the length. */
size_t forwards_describe(const struct forwards *forwards, char *buf,
                         size_t size);

/* Calls row with an object (given) of the JSON status for each of the same. */
void forwards_rows(const struct forwards *forwards,
                   void (*row)(void *arg, json_t *row), void *arg);

/* From now on none is added: those under way are not opened any more. Remote
 * ones are closed, which remotes_gone tells. Before the control worker goes. */
void forwards_stop(struct forwards *forwards);

/* Closes every socket but the gateway's; no slot accepts from them any more. */
void forwards_close(struct forwards *forwards);

/* Closes the gateway's; their owner uses them no more. */
void forwards_close_gateways(struct forwards *forwards);

/* Closes all and frees; the slots' threads have ended, and the owner of the
 * gateway's sockets uses them no more. */
void forwards_destroy(struct forwards *forwards);

#endif
