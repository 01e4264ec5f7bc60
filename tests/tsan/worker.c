/* Mail from many threads to several workers, which answer it: for
 * ThreadSanitizer. Exits 1 when some was lost or came out of order. */
#include "transport/loop/worker.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define WORKERS 4
#define SENDERS 8
#define LETTERS 2000

struct site {
    struct worker *worker;
    unsigned next[SENDERS]; /* the number that is due from each */
    unsigned total;
    bool wrong;
    struct task task;
    unsigned tasks;
};

struct program {
    struct site sites[WORKERS];
    struct worker *control;
    unsigned answers; /* on the control worker */
};

/* To a site, and from there on to the control worker. */
struct letter {
    struct mail mail;
    struct program *program;
    struct site *site;
    unsigned sender;
    unsigned number;
};

struct sender {
    struct program *program;
    unsigned index;
    pthread_t thread;
};

static void
on_answer(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    struct program *program = letter->program;

    free(letter);
    if (++program->answers == WORKERS * SENDERS * LETTERS)
        worker_stop(program->control);
}

static void
on_letter(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;
    struct site *site = letter->site;

    worker_assert_here(site->worker);
    site->wrong |= letter->number != site->next[letter->sender];
    site->next[letter->sender] = letter->number + 1;
    site->total++;
    worker_defer(site->worker, &site->task);
    letter->mail.run = on_answer;
    worker_post(letter->program->control, mail);
}

static void
on_task(struct task *task)
{
    struct site *site =
        (struct site *)((char *)task - offsetof(struct site, task));

    site->tasks++;
}

static void *
send_letters(void *arg)
{
    struct sender *sender = arg;

    for (unsigned i = 0; i < WORKERS * LETTERS; i++) {
        struct letter *letter = calloc(1, sizeof(*letter));

        letter->mail.run = on_letter;
        letter->program = sender->program;
        letter->site = &sender->program->sites[i % WORKERS];
        letter->sender = sender->index;
        letter->number = i / WORKERS;
        worker_post(letter->site->worker, &letter->mail);
    }
    return NULL;
}

static void
on_stop(struct mail *mail)
{
    struct letter *letter = (struct letter *)mail;

    worker_stop(letter->site->worker);
    free(letter);
}

static void
stop_site(struct site *site)
{
    struct letter *letter = calloc(1, sizeof(*letter));

    letter->mail.run = on_stop;
    letter->site = site;
    worker_post(site->worker, &letter->mail);
}

int
main(void)
{
    static struct program program;
    static struct sender senders[SENDERS];
    bool wrong = false;

    program.control = worker_create(WORKERS);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct site *site = &program.sites[i];

        site->worker = worker_create(i);
        site->task.run = on_task;
        if (worker_start(site->worker, NULL, NULL, NULL))
            return 1;
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i].program = &program;
        senders[i].index = i;
        if (pthread_create(&senders[i].thread, NULL, send_letters, &senders[i]))
            return 1;
    }
    worker_run(program.control);
    for (unsigned i = 0; i < SENDERS; i++)
        pthread_join(senders[i].thread, NULL);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct site *site = &program.sites[i];

        stop_site(site);
        worker_join(site->worker);
        worker_destroy(site->worker);
        wrong |=
            site->wrong || site->total != SENDERS * LETTERS || site->tasks == 0;
    }
    worker_destroy(program.control);
    if (wrong)
        fprintf(stderr, "mail was lost or came out of order\n");
    return wrong;
}
