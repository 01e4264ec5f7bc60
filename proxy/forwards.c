#include "proxy/forwards.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <utlist.h>

#include "proxy/forward.h"
#include "proxy/forwards_parts.h"
#include "transport/base/log.h"

/* --- which is which ------------------------------------------------------- */

/* The port that was picked, or 0. */
static unsigned
picked_port(const struct standing *standing)
{
    const struct listener *head = standing->listeners.head;

    if (standing->remote)
        return remote_picked_port(standing->remote);
    if (standing->forward->port > 0 || !head || head->path)
        return 0;
    return addr_port(&head->addr);
}

/* It has been asked for, and is neither there nor refused yet. */
static bool
is_opening(const struct standing *standing)
{
    return standing->name ||
           (standing->remote && !remote_has_answered(standing->remote));
}

/* Whether one that is alike is being opened. */
static bool
opens_already(const struct forwards *forwards, const struct forward *spec)
{
    const struct standing *each;

    LL_FOREACH (forwards->all_, each)
        if (!each->leaves && each->forward->port == spec->port &&
            is_opening(each) && forward_is_alike(each->forward, spec))
            return true;
    return false;
}

static struct standing *
find(struct forwards *forwards, const struct forward *spec, bool stands)
{
    struct standing *each;

    LL_FOREACH (forwards->all_, each) {
        if (each->stands != stands || each->leaves || is_opening(each) ||
            !forward_is_alike(each->forward, spec))
            continue;
        if (each->forward->port == spec->port ||
            (stands && spec->port > 0 && picked_port(each) == spec->port))
            return each;
    }
    return NULL;
}

/* --- opening -------------------------------------------------------------- */

struct standing *
forwards_create(struct forwards *forwards)
{
    struct standing *standing = calloc(1, sizeof(*standing));

    if (!standing)
        return NULL;
    standing->forwards = forwards;
    LL_APPEND(forwards->all_, standing);
    return standing;
}

/* How many eyes are on each of its sockets: of every slot one, and none on the
 * gateway's, whose owner sees to them. */
static unsigned
eyes_each(const struct standing *standing)
{
    return standing->forward->kind == FORWARD_GATEWAY
               ? 0
               : standing->forwards->slot_count;
}

static long long
descriptors_of(const struct standing *standing)
{
    return (long long)standing->listeners.count * (1 + eyes_each(standing));
}

/* Returns ERR_OK, ERR_DENIED, or ERR_NO_MEMORY; listeners has what there is
 * to say. */
static enum err
open_standing(struct standing *standing, const struct bindname_answer *found)
{
    const struct forwards *forwards = standing->forwards;
    enum err err;

    standing->listeners = (struct listeners){0};
    err = listeners_open(forwards->settings, standing->forward, found,
                         &standing->listeners);
    if (err || standing->listeners.count == 0)
        return err;
    if (eyes_each(standing) > 0)
        standing->eyes = calloc(standing->listeners.count * eyes_each(standing),
                                sizeof(*standing->eyes));
    if (eyes_each(standing) > 0 && !standing->eyes) {
        listeners_close(&standing->listeners);
        return ERR_NO_MEMORY;
    }
    standing->stands = true;
    limits_take(forwards->limits, descriptors_of(standing));
    return ERR_OK;
}

static void
close_standing(struct standing *standing)
{
    if (!standing->stands || standing->remote)
        return;
    limits_take(standing->forwards->limits, -descriptors_of(standing));
    listeners_close(&standing->listeners);
    standing->stands = false;
}

enum err
forwards_open(struct forwards *forwards, size_t *opened, size_t *failed)
{
    const struct forward *forward;

    *opened = *failed = 0;
    for (forward = forwards->settings->forwards; forward;
         forward = forward->next) {
        struct standing *standing;
        enum err err = ERR_NO_MEMORY;

        if (forward->kind == FORWARD_STDIO || forward->is_remote)
            continue;
        standing = forwards_create(forwards);
        if (standing) {
            standing->forward = forward;
            err = open_standing(standing, NULL);
        }
        if (err) {
            log_write(LOG_FATAL, "%s",
                      err == ERR_DENIED ? standing->listeners.why
                                        : err_text(err));
            return err;
        }
        *opened += standing->listeners.count;
        *failed += standing->listeners.failed;
    }
    return ERR_OK;
}

/* --- the workers' eyes ---------------------------------------------------- */

void
forwards_tell(struct forwards_ask *ask)
{
    ask->standing_ = NULL;
    ask->done(ask);
}

static void
on_told(struct task *task)
{
    forwards_tell(
        (struct forwards_ask *)((char *)task -
                                offsetof(struct forwards_ask, task_)));
}

void
forwards_answer(struct forwards_ask *ask, enum err err, const char *why)
{
    ask->err = err;
    snprintf(ask->why, sizeof(ask->why), "%s", why);
    ask->task_.run = on_told;
    worker_defer(ask->control_, &ask->task_);
}

static void
on_eye_ended(struct slot_eye *eye)
{
    struct standing *standing = eye->owner;
    struct forwards_ask *ask = standing->ask;

    if (--standing->eyes_open > 0)
        return;
    close_standing(standing);
    free(standing->eyes);
    standing->eyes = NULL;
    standing->leaves = false;
    standing->ask = NULL;
    if (ask)
        forwards_tell(ask);
}

static void
begin(struct standing *standing)
{
    const struct forwards *forwards = standing->forwards;
    struct listener *listener;
    struct slot_eye *eye = standing->eyes;

    LL_FOREACH (standing->listeners.head, listener) {
        if (standing->forward->kind == FORWARD_GATEWAY && forwards->on_gateway)
            forwards->on_gateway(forwards->arg, listener->fd);
        for (unsigned i = 0; i < eyes_each(standing); i++, eye++) {
            eye->forward = standing->forward;
            eye->fd = listener->fd;
            eye->ended = on_eye_ended;
            eye->owner = standing;
            slot_watch(&forwards->slots[i], eye);
            standing->eyes_open++;
        }
    }
}

void
forwards_begin(struct forwards *forwards)
{
    struct standing *each;

    LL_FOREACH (forwards->all_, each)
        begin(each);
}

/* --- requests ------------------------------------------------------------- */

/* Memory for a forward that stood once, or new. */
static struct standing *
place_for(struct forwards *forwards, const struct forward *spec)
{
    struct standing *standing = find(forwards, spec, false);
    struct forward *copy;
    char *text;

    if (standing || forwards->added_ == FORWARDS_ADDED_MAX)
        return standing;
    copy = malloc(sizeof(*copy));
    text = forward_name(spec);
    standing = copy && text ? forwards_create(forwards) : NULL;
    if (!standing) {
        free(copy);
        free(text);
        return NULL;
    }
    *copy = *spec;
    copy->text = text;
    copy->next = NULL;
    standing->forward = standing->added = copy;
    forwards->added_++;
    return standing;
}

/* Opens one that was asked for, and all of it; why, of LISTENERS_WHY_MAX, is
 * what failed, or "". */
static enum err
open_added(struct standing *standing, const struct bindname_answer *found,
           char *why)
{
    const struct listeners *listeners = &standing->listeners;
    enum err err = ERR_SHUTDOWN;

    *why = 0;
    if (!standing->forwards->draining_)
        err = open_standing(standing, found);
    if (!err && (listeners->failed || !standing->stands))
        err = ERR_IO;
    if (!err) {
        begin(standing);
        forwards_log_opened(standing);
        return ERR_OK;
    }
    snprintf(why, LISTENERS_WHY_MAX, "%s",
             *listeners->why ? listeners->why : err_text(err));
    if (err == ERR_DENIED)
        log_write(LOG_WARN, "%s", why);
    close_standing(standing);
    free(standing->eyes);
    standing->eyes = NULL;
    return err;
}

static void
on_name(void *arg, const struct bindname_answer *found)
{
    struct standing *standing = arg;
    struct forwards_ask *ask = standing->ask;
    char why[LISTENERS_WHY_MAX];
    enum err err;

    standing->name = NULL;
    standing->ask = NULL;
    err = open_added(standing, found, why);
    if (!ask)
        return;
    ask->err = err;
    ask->port = err ? 0 : picked_port(standing);
    memcpy(ask->why, why, sizeof(ask->why));
    forwards_tell(ask);
}

/* Opens one for an asker; a name is looked up first, in its own time. */
static void
open_for(struct forwards_ask *ask, struct standing *standing)
{
    const struct forwards *forwards = standing->forwards;
    char why[LISTENERS_WHY_MAX];
    enum err err;

    if (!listeners_need_name(standing->forward)) {
        err = open_added(standing, NULL, why);
        ask->port = err ? 0 : picked_port(standing);
        forwards_answer(ask, err, why);
        return;
    }
    err = bindname_start(forwards->control, standing->forward->host,
                         forwards->settings->family, on_name, standing,
                         &standing->name);
    if (err) {
        forwards_answer(ask, err, err_text(err));
        return;
    }
    standing->ask = ask;
    ask->standing_ = standing;
}

void
forwards_add(struct forwards *forwards, struct forwards_ask *ask,
             const struct forward *spec)
{
    struct standing *standing = find(forwards, spec, true);

    ask->control_ = forwards->control;
    ask->standing_ = NULL;
    ask->port = 0;
    if (forwards->draining_) {
        forwards_answer(ask, ERR_SHUTDOWN, err_text(ERR_SHUTDOWN));
        return;
    }
    if (standing) {
        ask->port = spec->port == 0 ? picked_port(standing) : 0;
        if (standing->remote && !remote_stands(standing->remote))
            forwards_answer(ask, ERR_AGAIN,
                            "it is asked for already, and the server has not "
                            "granted it yet");
        else
            forwards_answer(ask, ERR_OK, "");
        return;
    }
    if (spec->port > 0 && opens_already(forwards, spec)) {
        forwards_answer(ask, ERR_AGAIN, "it is being opened already");
        return;
    }
    standing = place_for(forwards, spec);
    if (standing && spec->is_remote)
        forwards_remote_add(ask, standing);
    else if (standing)
        open_for(ask, standing);
    else
        forwards_answer(ask, ERR_LIMIT,
                        "too many different forwards since the start");
}

void
forwards_cancel(struct forwards *forwards, struct forwards_ask *ask,
                const struct forward *spec)
{
    struct standing *standing = find(forwards, spec, true);
    size_t count;

    ask->control_ = forwards->control;
    ask->standing_ = NULL;
    ask->port = 0;
    if (!standing) {
        forwards_answer(ask, ERR_NO_SUCH_PATH, "port not forwarded");
        return;
    }
    ask->err = ERR_OK;
    ask->why[0] = 0;
    ask->standing_ = standing;
    standing->ask = ask;
    standing->leaves = true;
    log_write(LOG_INFO, "%s %s: cancelled", forward_option(standing->forward),
              standing->forward->text);
    if (standing->remote) {
        forwards_remote_close(standing);
        return;
    }
    count = standing->eyes_open;
    for (size_t i = 0; i < count; i++)
        slot_unwatch(&standing->eyes[i]);
}

void
forwards_forget(struct forwards_ask *ask)
{
    if (ask->standing_)
        ask->standing_->ask = NULL;
    ask->standing_ = NULL;
    if (ask->control_)
        worker_undefer(ask->control_, &ask->task_);
}

/* --- the end -------------------------------------------------------------- */

void
forwards_stop(struct forwards *forwards)
{
    struct standing *each;

    forwards->draining_ = true;
    LL_FOREACH (forwards->all_, each) {
        struct forwards_ask *ask = each->ask;

        if (each->remote && !each->leaves) {
            if (ask) {
                ask->err = ERR_SHUTDOWN;
                snprintf(ask->why, sizeof(ask->why), "%s",
                         err_text(ERR_SHUTDOWN));
            }
            forwards_remote_close(each);
        }
        if (!each->name)
            continue;
        bindname_cancel(each->name);
        each->name = NULL;
        each->ask = NULL;
        if (!ask)
            continue;
        ask->standing_ = NULL;
        forwards_answer(ask, ERR_SHUTDOWN, err_text(ERR_SHUTDOWN));
    }
}

void
forwards_close(struct forwards *forwards)
{
    struct standing *each;

    LL_FOREACH (forwards->all_, each)
        if (each->forward->kind != FORWARD_GATEWAY)
            close_standing(each);
}

void
forwards_close_gateways(struct forwards *forwards)
{
    struct standing *each;

    LL_FOREACH (forwards->all_, each)
        if (each->forward->kind == FORWARD_GATEWAY)
            close_standing(each);
}

void
forwards_destroy(struct forwards *forwards)
{
    struct standing *each;
    struct standing *next;

    forwards_close(forwards);
    forwards_close_gateways(forwards);
    LL_FOREACH_SAFE (forwards->all_, each, next) {
        if (each->added)
            free((char *)each->added->text);
        remote_destroy(each->remote);
        free(each->added);
        free(each->eyes);
        free(each);
    }
    forwards->all_ = NULL;
}
