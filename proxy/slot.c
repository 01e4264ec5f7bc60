#include "proxy/slot.h"

#include <stdlib.h>
#include <utlist.h>

#include "proxy/session.h"
#include "transport/base/log.h"
#include "transport/stream_tcp.h"

static struct slot *
slot_of_mail(struct mail *mail, size_t offset)
{
    return (struct slot *)((char *)mail - offset);
}

static bool
has_room(struct acceptor *acceptor)
{
    struct slot *slot = acceptor->owner;

    return limits_have_room(&slot->engine->shared->limits);
}

static void
on_short(struct acceptor *acceptor, const char *why)
{
    struct slot *slot = acceptor->owner;

    if (limits_note_shortage(&slot->engine->shared->limits))
        log_write(LOG_WARN, "accept: %s; new clients wait", why);
}

static void
on_accepted(struct acceptor *acceptor, int fd, union addr *peer)
{
    struct slot *slot = acceptor->owner;
    size_t index = (size_t)(acceptor - slot->acceptors_);
    struct stream *stream = stream_tcp_create(slot->worker, fd);

    if (stream)
        session_start(slot->engine, slot->listeners_[index]->forward, stream,
                      peer);
}

/* Once: the mail may still be under way. */
static void
tell_empty(struct slot *slot)
{
    if (slot->told_empty_)
        return;
    slot->told_empty_ = true;
    worker_post(slot->control, &slot->empty);
}

static void
on_gone(struct engine *engine)
{
    struct slot *slot = engine->owner;

    for (size_t i = 0; i < slot->count_; i++)
        acceptor_resume(&slot->acceptors_[i]);
    if (engine->stdio_over || (slot->draining_ && engine->session_count == 0))
        tell_empty(slot);
}

static void
start_stdio(struct slot *slot)
{
    const union addr nobody = {.sa.sa_family = AF_UNSPEC};
    const struct forward *forward = slot->engine->settings->forwards;
    struct stream *stream;

    while (forward->kind != FORWARD_STDIO)
        forward = forward->next;
    stream = stream_tcp_create(slot->worker, slot->stdio_fd);
    if (stream)
        session_start(slot->engine, forward, stream, &nobody);
    else
        tell_empty(slot);
}

static void
begin_slot(struct mail *mail)
{
    struct slot *slot = slot_of_mail(mail, offsetof(struct slot, begin_));

    for (size_t i = 0; i < slot->count_; i++) {
        struct acceptor *acceptor = &slot->acceptors_[i];

        acceptor->on_client = on_accepted;
        acceptor->has_room = has_room;
        acceptor->on_short = on_short;
        acceptor->owner = slot;
        if (acceptor_start(acceptor, slot->worker, slot->listeners_[i]->fd))
            log_write(LOG_ERROR, "worker %u cannot accept: %s",
                      worker_index(slot->worker), err_text(ERR_NO_DESCRIPTORS));
    }
    if (slot->stdio_fd >= 0)
        start_stdio(slot);
}

static void
stop_accepting(struct slot *slot)
{
    for (size_t i = 0; i < slot->count_; i++)
        acceptor_stop(&slot->acceptors_[i]);
}

static void
drain_slot(struct mail *mail)
{
    struct slot *slot = slot_of_mail(mail, offsetof(struct slot, drain_));

    stop_accepting(slot);
    slot->engine->via->ops->drain(slot->engine->via);
    worker_post(slot->control, &slot->drained);
    slot->draining_ = true;
    if (slot->engine->session_count == 0)
        tell_empty(slot);
}

static void
stop_slot(struct mail *mail)
{
    struct slot *slot = slot_of_mail(mail, offsetof(struct slot, stop_));

    slot->told_empty_ = true; /* nobody waits to hear it */
    stop_accepting(slot);
    engine_end_sessions(slot->engine);
    worker_stop(slot->worker);
}

/* A word to one worker, made for the occasion. */
struct word {
    struct mail mail;
    struct slot *slot;
};

static void
post_word(struct slot *slot, void (*run)(struct mail *mail))
{
    struct word *word = malloc(sizeof(*word));

    if (!word) {
        log_write(LOG_ERROR, "worker %u: %s", worker_index(slot->worker),
                  err_text(ERR_NO_MEMORY));
        return;
    }
    *word = (struct word){.mail = {.run = run}, .slot = slot};
    worker_post(slot->worker, &word->mail);
}

static void
reload_slot(struct mail *mail)
{
    struct word *word = (struct word *)mail;

    resolver_reload(word->slot->engine->resolver);
    free(word);
}

static void
report_slot(struct mail *mail)
{
    struct word *word = (struct word *)mail;
    const struct engine *engine = word->slot->engine;
    struct log_event event;

    log_begin(&event, LOG_QUIET, "counters");
    log_number(&event, "worker", worker_index(engine->worker));
    log_number(&event, "accepted", engine->counters.accepted);
    log_number(&event, "live", engine->session_count);
    log_number(&event, "in", engine->counters.bytes_up);
    log_number(&event, "out", engine->counters.bytes_down);
    for (int i = 0; i < ERR_COUNT_; i++)
        if (engine->counters.ended[i] > 0)
            log_number(&event, err_word((enum err)i),
                       engine->counters.ended[i]);
    log_send(&event);
    session_log_live(word->slot->engine);
    free(word);
}

bool
slot_create(struct slot *slot, unsigned index, struct shared *shared,
            const struct listeners *listeners)
{
    const char *why = err_text(ERR_NO_MEMORY);
    struct listener *each;
    size_t i = 0;

    slot->begin_.run = begin_slot;
    slot->drain_.run = drain_slot;
    slot->stop_.run = stop_slot;
    slot->acceptors_ = calloc(listeners->count + 1, sizeof(*slot->acceptors_));
    slot->listeners_ = calloc(listeners->count + 1, sizeof(*slot->listeners_));
    slot->worker = worker_create(index);
    if (!slot->acceptors_ || !slot->listeners_ || !slot->worker ||
        engine_create(slot->worker, shared, &slot->engine, &why)) {
        log_write(LOG_FATAL, "cannot start worker %u: %s", index, why);
        return false;
    }
    slot->engine->on_gone = on_gone;
    slot->engine->owner = slot;
    slot->count_ = listeners->count;
    LL_FOREACH (listeners->head, each)
        slot->listeners_[i++] = each;
    if (worker_start(slot->worker, NULL, NULL, NULL)) {
        log_write(LOG_FATAL, "cannot start worker %u: no thread", index);
        return false;
    }
    return true;
}

void
slot_begin(struct slot *slot)
{
    worker_post(slot->worker, &slot->begin_);
}

void
slot_drain(struct slot *slot)
{
    worker_post(slot->worker, &slot->drain_);
}

void
slot_stop(struct slot *slot)
{
    worker_post(slot->worker, &slot->stop_);
}

void
slot_reload(struct slot *slot)
{
    post_word(slot, reload_slot);
}

void
slot_report(struct slot *slot)
{
    post_word(slot, report_slot);
}

void
slot_destroy(struct slot *slot)
{
    engine_destroy(slot->engine);
    worker_destroy(slot->worker);
    free(slot->acceptors_);
    free(slot->listeners_);
}
