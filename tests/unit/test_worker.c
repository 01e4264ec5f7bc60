#include "transport/loop/worker.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"

/* A task that notes its letter, then defers or takes back another. */
struct note {
    struct task task;
    struct worker *worker;
    struct note *defers;
    struct note *takes_back;
    char letter;
};

static char noted[64];

static void
run_note(struct task *task)
{
    struct note *note = (struct note *)task;
    size_t len = strlen(noted);

    noted[len] = note->letter;
    noted[len + 1] = 0;
    if (note->takes_back)
        worker_undefer(note->worker, &note->takes_back->task);
    if (note->defers)
        worker_defer(note->worker, &note->defers->task);
}

static struct note
note_of(struct worker *worker, char letter)
{
    return (struct note){
        .task = {.run = run_note}, .worker = worker, .letter = letter};
}

static struct worker *
make_worker(void)
{
    struct worker *worker = worker_create(0);

    cr_assert(worker);
    noted[0] = 0;
    return worker;
}

/* --- tasks ---------------------------------------------------------------- */

Test(worker, tasks_run_in_order_before_the_loop_waits)
{
    struct worker *worker = make_worker();
    struct note a = note_of(worker, 'a');
    struct note b = note_of(worker, 'b');

    worker_defer(worker, &a.task);
    worker_defer(worker, &b.task);
    cr_assert_str_eq(noted, "", "never from inside the call");
    /* Nothing else is there to wake the loop: would it wait first, the test
     * would never end. */
    loop_turns(worker, 1);
    cr_assert_str_eq(noted, "ab");
    loop_turns(worker, 3);
    cr_assert_str_eq(noted, "ab");
    worker_destroy(worker);
}

Test(worker, a_task_that_is_due_stays_where_it_is)
{
    struct worker *worker = make_worker();
    struct note a = note_of(worker, 'a');
    struct note b = note_of(worker, 'b');

    worker_defer(worker, &a.task);
    worker_defer(worker, &b.task);
    worker_defer(worker, &a.task);
    loop_turns(worker, 2);
    cr_assert_str_eq(noted, "ab");
    worker_destroy(worker);
}

Test(worker, tasks_of_tasks_run_behind_those_of_the_round)
{
    struct worker *worker = make_worker();
    struct note a = note_of(worker, 'a');
    struct note b = note_of(worker, 'b');
    struct note c = note_of(worker, 'c');

    a.defers = &c;
    worker_defer(worker, &a.task);
    worker_defer(worker, &b.task);
    loop_turns(worker, 1);
    cr_assert_str_eq(noted, "abc");
    worker_destroy(worker);
}

Test(worker, a_task_may_defer_itself_for_ever_without_starving_the_loop)
{
    struct worker *worker = make_worker();
    struct note a = note_of(worker, 'a');
    struct note b = note_of(worker, 'b');

    a.defers = &a;
    worker_defer(worker, &a.task);
    loop_turns(worker, 1);
    cr_assert_gt(strlen(noted), 0);
    cr_assert_lt(strlen(noted), 40, "one turn ends");
    noted[0] = 0;
    loop_turns(worker, 1);
    cr_assert_gt(strlen(noted), 0, "and goes on in the next, without a wait");
    /* One that came in behind it gets its turn as well. */
    noted[0] = 0;
    a.defers = NULL;
    worker_defer(worker, &b.task);
    loop_turns(worker, 1);
    cr_assert_str_eq(noted, "ab");
    worker_destroy(worker);
}

Test(worker, what_is_taken_back_does_not_run)
{
    struct worker *worker = make_worker();
    struct note a = note_of(worker, 'a');
    struct note b = note_of(worker, 'b');

    worker_undefer(worker, &a.task);
    worker_defer(worker, &a.task);
    worker_defer(worker, &b.task);
    worker_undefer(worker, &a.task);
    loop_turns(worker, 1);
    cr_assert_str_eq(noted, "b");
    worker_destroy(worker);
}

Test(worker, a_task_takes_back_another_of_its_round)
{
    struct worker *worker = make_worker();
    struct note a = note_of(worker, 'a');
    struct note b = note_of(worker, 'b');
    struct note c = note_of(worker, 'c');

    a.takes_back = &b;
    worker_defer(worker, &a.task);
    worker_defer(worker, &b.task);
    worker_defer(worker, &c.task);
    loop_turns(worker, 1);
    cr_assert_str_eq(noted, "ac");
    worker_defer(worker, &b.task);
    loop_turns(worker, 1);
    cr_assert_str_eq(noted, "acb", "it can be deferred anew");
    worker_destroy(worker);
}

Test(worker, a_task_deferred_during_a_round_is_taken_back_by_a_later_one)
{
    struct worker *worker = make_worker();
    struct note a = note_of(worker, 'a');
    struct note b = note_of(worker, 'b');
    struct note c = note_of(worker, 'c');

    a.defers = &c;
    b.takes_back = &c;
    worker_defer(worker, &a.task);
    worker_defer(worker, &b.task);
    loop_turns(worker, 2);
    cr_assert_str_eq(noted, "ab");
    worker_destroy(worker);
}

/* A task may free what it is embedded in. */
static void
run_free(struct task *task)
{
    noted[0]++;
    free(task);
}

Test(worker, tasks_free_themselves)
{
    struct worker *worker = make_worker();

    for (int i = 0; i < 5; i++) {
        struct task *task = calloc(1, sizeof(*task));

        task->run = run_free;
        worker_defer(worker, task);
    }
    loop_turns(worker, 1);
    cr_assert_eq(noted[0], 5);
    worker_destroy(worker);
}

Test(worker, destroy_runs_what_is_left)
{
    struct worker *worker = make_worker();
    struct note a = note_of(worker, 'a');
    struct note b = note_of(worker, 'b');

    a.defers = &b;
    worker_defer(worker, &a.task);
    worker_destroy(worker);
    cr_assert_str_eq(noted, "ab");
}

Test(worker, destroy_of_none_does_nothing)
{
    worker_destroy(NULL);
}

Test(worker, create_and_destroy_leave_no_descriptor)
{
    unsigned before = sockets_open_count();

    worker_destroy(make_worker());
    cr_assert_eq(sockets_open_count(), before);
}

Test(worker, scratch_can_be_written_to_its_end)
{
    struct worker *worker = worker_create(7);

    memset(worker_scratch(worker), 0xaa, WORKER_SCRATCH_BYTES);
    cr_assert_eq(worker_index(worker), 7);
    worker_destroy(worker);
}

/* --- mail ----------------------------------------------------------------- */

/* A letter to a worker, with the number that its sender gave it. */
struct letter {
    struct mail mail;
    struct box *box;
    unsigned sender;
    unsigned number;
};

#define SENDERS 8
#define LETTERS 5000

struct box {
    struct worker *worker;
    unsigned next[SENDERS]; /* the number that is due from each */
    unsigned total;
    unsigned until;
    bool in_order;
    pthread_t thread; /* where it runs */
    bool elsewhere;   /* some ran on another */
};

static void
on_letter(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    struct box *box = letter->box;

    if (letter->number != box->next[letter->sender])
        box->in_order = false;
    box->next[letter->sender] = letter->number + 1;
    if (!pthread_equal(pthread_self(), box->thread))
        box->elsewhere = true;
    if (++box->total == box->until)
        worker_stop(box->worker);
    free(letter);
}

static void
post_letter(struct box *box, unsigned sender, unsigned number)
{
    struct letter *letter = calloc(1, sizeof(*letter));

    letter->mail.run = on_letter;
    letter->box = box;
    letter->sender = sender;
    letter->number = number;
    worker_post(box->worker, &letter->mail);
}

struct sender {
    struct box *box;
    unsigned index;
};

static void *
send_letters(void *arg)
{
    struct sender *sender = arg;

    for (unsigned i = 0; i < LETTERS; i++)
        post_letter(sender->box, sender->index, i);
    return NULL;
}

static struct box
box_of(struct worker *worker, unsigned until)
{
    return (struct box){.worker = worker,
                        .until = until,
                        .in_order = true,
                        .thread = pthread_self()};
}

Test(worker, mail_of_one_thread_keeps_its_order)
{
    struct worker *worker = make_worker();
    struct box box = box_of(worker, 100);

    for (unsigned i = 0; i < 100; i++)
        post_letter(&box, 0, i);
    cr_assert_eq(box.total, 0, "never from inside the call");
    worker_run(worker);
    cr_assert_eq(box.total, 100);
    cr_assert(box.in_order);
    worker_destroy(worker);
}

Test(worker, mail_from_8_threads_all_arrives_in_each_ones_order)
{
    struct worker *worker = make_worker();
    struct box box = box_of(worker, SENDERS * LETTERS);
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];

    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender){.box = &box, .index = i};
        cr_assert_eq(
            pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    worker_run(worker);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(threads[i], NULL);
    cr_assert_eq(box.total, SENDERS * LETTERS);
    cr_assert(box.in_order);
    cr_assert_not(box.elsewhere);
    worker_destroy(worker);
}

Test(worker, mail_that_came_too_late_runs_at_destroy)
{
    struct worker *worker = make_worker();
    struct box box = box_of(worker, 1);

    post_letter(&box, 0, 0);
    worker_run(worker);
    box.until = 0;
    post_letter(&box, 0, 1);
    post_letter(&box, 0, 2);
    cr_assert_eq(box.total, 1);
    worker_destroy(worker);
    cr_assert_eq(box.total, 3);
    cr_assert(box.in_order);
}

/* Mail that defers a task, and that posts more mail. */
struct chain {
    struct mail mail;
    struct note note;
    struct box *box;
    bool posted;
};

static void
on_chain(struct mail *mail)
{
    struct chain *chain = (struct chain *)mail;

    worker_defer(chain->note.worker, &chain->note.task);
    if (!chain->posted)
        worker_post(chain->note.worker, mail);
    else
        worker_stop(chain->note.worker);
    chain->posted = true;
}

Test(worker, stop_runs_the_tasks_that_are_due)
{
    struct worker *worker = make_worker();
    struct chain chain = {.mail = {.run = on_chain},
                          .note = note_of(worker, 'n')};

    worker_post(worker, &chain.mail);
    worker_run(worker);
    cr_assert_str_eq(noted, "nn");
    worker_destroy(worker);
}

/* --- its thread ----------------------------------------------------------- */

struct life {
    struct worker *worker;
    struct mail mail;
    pthread_t started;
    pthread_t mailed;
    pthread_t stopped;
    unsigned order;
    unsigned start_at;
    unsigned mail_at;
    unsigned stop_at;
};

static void
on_start(void *arg)
{
    struct life *life = arg;

    life->started = pthread_self();
    life->start_at = ++life->order;
    worker_assert_here(life->worker);
}

static void
on_stop(void *arg)
{
    struct life *life = arg;

    life->stopped = pthread_self();
    life->stop_at = ++life->order;
}

static void
on_mail(struct mail *mail)
{
    struct life *life =
        (struct life *)((char *)mail - offsetof(struct life, mail));

    life->mailed = pthread_self();
    life->mail_at = ++life->order;
    worker_stop(life->worker);
}

Test(worker, start_mail_and_stop_happen_on_its_thread_in_order)
{
    struct life life = {.worker = make_worker(), .mail = {.run = on_mail}};

    cr_assert_eq(worker_start(life.worker, on_start, on_stop, &life), ERR_OK);
    worker_post(life.worker, &life.mail);
    worker_join(life.worker);
    worker_join(life.worker);
    cr_assert_eq(life.start_at, 1);
    cr_assert_eq(life.mail_at, 2);
    cr_assert_eq(life.stop_at, 3);
    cr_assert(pthread_equal(life.started, life.mailed));
    cr_assert(pthread_equal(life.started, life.stopped));
    cr_assert_not(pthread_equal(life.started, pthread_self()));
    worker_destroy(life.worker);
}
