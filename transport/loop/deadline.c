#include "transport/loop/deadline.h"

#include <stddef.h>
#include <utlist.h>

#include "transport/base/clock.h"

static void
arm(struct deadline_queue *queue)
{
    double wait;

    if (!queue->head || ev_is_active(&queue->timer))
        return;
    wait = queue->head->at - clock_seconds();
    ev_timer_set(&queue->timer, wait > 0 ? wait : 0, 0.);
    ev_timer_start(queue->loop, &queue->timer);
}

/* The timer may be early: the entry it was set for may have been restarted
 * since, which costs nothing then but this look now. */
static void
on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct deadline_queue *queue = timer->data;
    double now = clock_seconds();

    (void)loop;
    (void)events;
    while (queue->head && queue->head->at <= now) {
        struct deadline *deadline = queue->head;

        deadline_stop(deadline);
        queue->expired(deadline);
    }
    arm(queue);
}

void
deadline_queue_init(struct deadline_queue *queue, struct ev_loop *loop,
                    double span, void (*expired)(struct deadline *))
{
    *queue =
        (struct deadline_queue){.loop = loop, .span = span, .expired = expired};
    ev_timer_init(&queue->timer, on_timer, 0., 0.);
    queue->timer.data = queue;
}

void
deadline_queue_stop(struct deadline_queue *queue)
{
    if (queue->loop)
        ev_timer_stop(queue->loop, &queue->timer);
    while (queue->head)
        deadline_stop(queue->head);
}

void
deadline_start(struct deadline_queue *queue, struct deadline *deadline)
{
    deadline_stop(deadline);
    if (queue->span <= 0)
        return;
    deadline->queue = queue;
    deadline->at = clock_seconds() + queue->span;
    DL_APPEND(queue->head, deadline);
    arm(queue);
}

void
deadline_resume(struct deadline_queue *queue, struct deadline *deadline,
                double at)
{
    struct deadline *before;

    deadline_stop(deadline);
    if (queue->span <= 0 || at <= 0)
        return;
    deadline->queue = queue;
    deadline->at = at;
    before = queue->head ? queue->head->prev : NULL; /* the last */
    while (before && before->at > at)
        before = before == queue->head ? NULL : before->prev;
    DL_APPEND_ELEM(queue->head, before, deadline);
    /* The timer may be set for one that is over later. */
    if (queue->head == deadline)
        ev_timer_stop(queue->loop, &queue->timer);
    arm(queue);
}

void
deadline_stop(struct deadline *deadline)
{
    if (!deadline->queue)
        return;
    DL_DELETE(deadline->queue->head, deadline);
    deadline->queue = NULL;
    deadline->prev = deadline->next = NULL;
}
