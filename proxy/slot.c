#include "proxy/slot.h"

#include <stdlib.h>
#include <utlist.h>

#include "proxy/session.h"
#include "transport/base/log.h"
#include "transport/stream_tcp.h"

/* The one that a member, or a mail in it, is part of. */
#define SLOT_OF(pointer, member) \
    ((struct slot *)((char *)(pointer)-offsetof(struct slot, member)))
#define EYE_OF(pointer, member) \
    ((struct slot_eye *)((char *)(pointer)-offsetof(struct slot_eye, member)))

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
    struct stream *stream = stream_tcp_create(slot->worker, fd);

    if (stream)
        session_start(slot->engine, EYE_OF(acceptor, acceptor_)->forward,
                      stream, peer);
}

/* Not twice at a time: the mail may still be under way. */
static void
tell_empty(struct slot *slot)
{
    if (!atomic_exchange(&slot->told_empty_, true))
        worker_post(slot->control, &slot->empty);
}

static void
on_gone(struct engine *engine)
{
    struct slot *slot = engine->owner;
    struct slot_eye *each;

    DL_FOREACH (slot->eyes_, each)
        acceptor_resume(&each->acceptor_);
    if (engine->stdio_over || (slot->draining_ && engine->session_count == 0))
        tell_empty(slot);
}

/* --- listening sockets ---------------------------------------------------- */

static void
begin_eye(struct mail *mail)
{
    struct slot_eye *eye = EYE_OF(mail, begin_);
    struct slot *slot = eye->slot_;

    DL_APPEND(slot->eyes_, eye);
    if (slot->draining_)
        return;
    if (acceptor_start(&eye->acceptor_, slot->worker, eye->fd))
        log_write(LOG_ERROR, "worker %u cannot accept: %s",
                  worker_index(slot->worker), err_text(ERR_NO_DESCRIPTORS));
}

static void
tell_ended(struct mail *mail)
{
    struct slot_eye *eye = EYE_OF(mail, end_);

    eye->ended(eye);
}

static void
end_eye(struct mail *mail)
{
    struct slot_eye *eye = EYE_OF(mail, end_);
    struct slot *slot = eye->slot_;

    acceptor_stop(&eye->acceptor_);
    DL_DELETE(slot->eyes_, eye);
    eye->end_.run = tell_ended;
    worker_post(slot->control, &eye->end_);
}

void
slot_watch(struct slot *slot, struct slot_eye *eye)
{
    eye->slot_ = slot;
    eye->acceptor_ = (struct acceptor){
        .on_client = on_accepted,
        .has_room = has_room,
        .on_short = on_short,
        .owner = slot,
    };
    eye->begin_.run = begin_eye;
    eye->end_.run = end_eye;
    worker_post(slot->worker, &eye->begin_);
}

void
slot_unwatch(struct slot_eye *eye)
{
    worker_post(eye->slot_->worker, &eye->end_);
}

static void
stop_accepting(struct slot *slot)
{
    struct slot_eye *each;

    slot->draining_ = true;
    DL_FOREACH (slot->eyes_, each)
        acceptor_stop(&each->acceptor_);
}

/* --- -W ------------------------------------------------------------------- */

static void
start_stdio(struct mail *mail)
{
    struct slot *slot = SLOT_OF(mail, stdio_);
    const union addr nobody = {.sa.sa_family = AF_UNSPEC};
    const struct forward *forward = slot->engine->settings->forwards;
    struct stream *stream;

    while (forward->kind != FORWARD_STDIO)
        forward = forward->next;
    stream = stream_tcp_create(slot->worker, slot->stdio_fd_);
    if (stream)
        session_start(slot->engine, forward, stream, &nobody);
    else
        tell_empty(slot);
}

void
slot_begin_stdio(struct slot *slot, int fd)
{
    slot->stdio_fd_ = fd;
    worker_post(slot->worker, &slot->stdio_);
}

/* --- the end -------------------------------------------------------------- */

static void
drain_slot(struct mail *mail)
{
    struct slot *slot = SLOT_OF(mail, drain_);

    stop_accepting(slot);
    for (unsigned i = 0; i < slot->engine->way_count; i++) {
        struct transport *via = slot->engine->ways[i].via;

        via->ops->drain(via);
    }
    worker_post(slot->control, &slot->drained);
    if (slot->engine->session_count == 0)
        tell_empty(slot);
}

static void
stop_slot(struct mail *mail)
{
    struct slot *slot = SLOT_OF(mail, stop_);

    atomic_store(&slot->told_empty_, true); /* nobody waits to hear it */
    stop_accepting(slot);
    engine_end_sessions(slot->engine);
    worker_stop(slot->worker);
}

/* --- words without an answer ------------------------------------------------
 */

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
slot_create(struct slot *slot, unsigned index, struct shared *shared)
{
    const char *why = err_text(ERR_NO_MEMORY);

    slot->stdio_.run = start_stdio;
    slot->drain_.run = drain_slot;
    slot->stop_.run = stop_slot;
    slot->worker = worker_create(index);
    if (!slot->worker ||
        engine_create(slot->worker, shared, &slot->engine, &why)) {
        log_write(LOG_FATAL, "cannot start worker %u: %s", index, why);
        return false;
    }
    slot->engine->on_gone = on_gone;
    slot->engine->owner = slot;
    if (worker_start(slot->worker, NULL, NULL, NULL)) {
        log_write(LOG_FATAL, "cannot start worker %u: no thread", index);
        return false;
    }
    return true;
}

void
slot_drain(struct slot *slot)
{
    worker_post(slot->worker, &slot->drain_);
}

void
slot_heard(struct slot *slot)
{
    atomic_store(&slot->told_empty_, false);
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
}
