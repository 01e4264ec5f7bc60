#include "proxy/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proxy/fardial.h"
#include "proxy/session.h"
#include "transport/reverse/registry.h"
#include "transport/table.h"

/* How long a client that was refused may take to read the answer and close
 * (RFC 1928 6 allows ten seconds). */
#define LINGER_SECONDS 2.0

static void
init_deadlines(struct engine *engine)
{
    const struct settings *settings = engine->settings;
    struct ev_loop *loop = worker_loop(engine->worker);

    deadline_queue_init(&engine->handshake, loop, settings->handshake_timeout,
                        session_expired);
    deadline_queue_init(&engine->connect, loop, settings->connect_timeout,
                        session_expired);
    deadline_queue_init(&engine->idle, loop, settings->idle_timeout,
                        session_expired);
    deadline_queue_init(&engine->half_closed, loop,
                        settings->half_closed_timeout, session_expired);
    deadline_queue_init(&engine->linger, loop, LINGER_SECONDS, session_expired);
}

/* One transport for each way out. On failure sets *why. */
static enum err
create_ways(struct engine *engine, const char **why)
{
    const struct settings *settings = engine->settings;
    struct shared *shared = engine->shared;

    engine->ways = calloc(settings->way_count, sizeof(*engine->ways));
    if (!engine->ways)
        return ERR_NO_MEMORY;
    for (unsigned i = 0; i < settings->way_count; i++) {
        struct engine_way *way = &engine->ways[engine->way_count];
        const char *agent = settings->ways[i].agent;
        struct sshpool *pool = shared->pools ? shared->pools[i] : NULL;
        char uri[16 + REGISTRY_NAME_MAX] = "tcp:";
        enum err err;

        if (agent)
            snprintf(uri, sizeof(uri), "reverse:%s", agent);
        else if (pool)
            strcpy(uri, "ssh:");
        err = transport_create(uri, &engine->connector,
                               agent ? (void *)shared->registry : pool,
                               &way->via, why);
        if (err)
            return err;
        way->word = settings->ways[i].word;
        engine->way_count++;
    }
    return ERR_OK;
}

enum err
engine_create(struct worker *worker, struct shared *shared,
              struct engine **engine, const char **why)
{
    const struct resolver_config config = {0};
    struct engine *made = calloc(1, sizeof(*made));
    enum err err;

    *why = "out of memory";
    if (!made)
        return ERR_NO_MEMORY;
    made->worker = worker;
    made->shared = shared;
    made->settings = shared->settings;
    made->last_id = worker_index(worker);
    relay_pool_init(&made->relays, worker, &shared->pipe_budget);
    init_deadlines(made);
    err = resolver_create(worker, &config, &made->resolver);
    if (err) {
        *why = "the resolver cannot start";
        goto fail;
    }
    made->connector = (struct connector){
        .worker = worker,
        .resolver = made->resolver,
        .bind_v4 = shared->bind_v4,
        .bind_v6 = shared->bind_v6,
        .bind_device = shared->settings->bind_device,
        .family = shared->settings->family,
    };
    *why = err_text(ERR_NO_MEMORY);
    err = create_ways(made, why);
    if (err)
        goto fail;
    if (shared->engines)
        shared->engines[worker_index(worker)] = made;
    *engine = made;
    return ERR_OK;
fail:
    engine_destroy(made);
    return err;
}

void
engine_end_sessions(struct engine *engine)
{
    engine->over = true;
    /* A session that lingers is ended once more, and goes at once. */
    while (engine->sessions)
        session_end(engine->sessions, ERR_SHUTDOWN, "shutdown");
    fardial_end_all(engine);
    for (unsigned i = 0; i < engine->way_count; i++) {
        struct transport *via = engine->ways[i].via;

        if (via->ops->stop)
            via->ops->stop(via);
    }
}

void
engine_destroy(struct engine *engine)
{
    if (!engine)
        return;
    /* A session may have been under way to here. */
    worker_settle(engine->worker);
    deadline_queue_stop(&engine->handshake);
    deadline_queue_stop(&engine->connect);
    deadline_queue_stop(&engine->idle);
    deadline_queue_stop(&engine->half_closed);
    deadline_queue_stop(&engine->linger);
    for (unsigned i = 0; i < engine->way_count; i++)
        engine->ways[i].via->ops->destroy(engine->ways[i].via);
    free(engine->ways);
    if (engine->resolver)
        resolver_destroy(engine->resolver);
    relay_pool_destroy(&engine->relays);
    free(engine);
}
