/* A remote forward, as the control loop sees it: opened, heard of, closed. What
 * comes in by it are sessions on the workers of the links it is on. */
#ifndef CULVERT_PROXY_REMOTE_H
#define CULVERT_PROXY_REMOTE_H

#include <jansson.h>
#include <stdbool.h>

#include "proxy/engine.h"
#include "proxy/settings.h"
#include "transport/loop/worker.h"

struct remote;

/* Room for a reason, with the forward's text and the server's name in it. */
#define REMOTE_WHY_MAX 1024

struct remote_config {
    struct shared *shared; /* has a pool and engines; borrowed until destroy */
    struct worker *control;
    const struct forward *forward; /* lives for ever */
    bool insists; /* what the server refuses once is not asked for again, and is
                   * the owner's to tell */
    /* The first answer, once: ERR_OK when the server listens, or why it does
     * not, with a message for a person (lent). Not called once it closes. */
    void (*answered)(void *owner, enum err err, const char *why);
    /* After remote_close, once: destroy is due. */
    void (*closed)(void *owner);
    void *owner;
};

/* Asks for it. Warns of what it exposes. Returns ERR_OK and gives *remote, or
 * ERR_NO_MEMORY. Callbacks come from the loop. Thread: the control worker's, as
 * for all below. */
enum err remote_open(const struct remote_config *config,
                     struct remote **remote);

/* Has the server listen no more, and then `closed` called. Once. */
void remote_close(struct remote *remote);

/* Frees it; it is closed, or the workers have ended. NULL does nothing. */
void remote_destroy(struct remote *remote);

/* Whether the server listens, as far as is known. */
bool remote_stands(const struct remote *remote);

/* Whether `answered` was called. */
bool remote_has_answered(const struct remote *remote);

/* The port that the server picked, or 0 where one was asked for, or none is
 * known yet. */
unsigned remote_picked_port(const struct remote *remote);

/* Room for remote_format: host, port, server, target, way out. */
#define REMOTE_TEXT_MAX (2 * TARGET_TEXT_MAX + 700)

/* Writes "localhost:8080 at user@host (to db:5432, via tcp)" into buf. Returns
 * it. */
char *remote_format(const struct remote *remote, char *buf);

/* Says that it listens, if it does. Thread: log_ready's. */
void remote_announce(const struct remote *remote);

/* Writes its line of the status into buf, with a line's end. Returns snprintf's
 * length. */
int remote_describe(const struct remote *remote, char *buf, size_t size);

/* Fills in its row of the JSON status: "state" is listening, or waiting and
 * "why". */
void remote_fill_row(const struct remote *remote, json_t *row);

#endif
