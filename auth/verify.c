/* A check goes through these states; "lock" is the verifier's, and the arrows
 * to the right of QUEUED are the helper thread's:
 *
 *   QUEUED -> HASHING -> POSTED -> done      by the helper, then as mail
 *   QUEUED ------------> POSTED -> done      shares the answer of an equal one
 *   KNOWN -----------------------> done      remembered: a task of the worker
 *
 * cancel frees a QUEUED or KNOWN one at once; a HASHING or POSTED one is only
 * marked, and whoever holds it then, the helper or the mailbox, frees it. */
#include "auth/verify.h"

#include <assert.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <utlist.h>

#include "auth/recall.h"

/* Long enough for a page with its hundred connections, short enough that a
 * changed password is not honoured for long. */
#define REMEMBER_MS 60000

enum verify_state {
    VERIFY_QUEUED,
    VERIFY_HASHING,
    VERIFY_POSTED,
    VERIFY_KNOWN,
};

struct verify {
    struct verifier *verifier;
    struct worker *worker;
    void (*done)(void *arg, bool good);
    void *arg;
    struct mail mail;
    struct task task;
    struct verify *prev; /* in the queue */
    struct verify *next;
    enum verify_state state; /* under the lock */
    bool cancelled;          /* by the worker; under the lock while HASHING */
    bool good;
    struct recall_key key;
    size_t user_len;
    size_t password_len;
    uint8_t bytes[]; /* user, then password */
};

struct verifier {
    pthread_mutex_t lock; /* for all below */
    pthread_cond_t changed;
    struct users *users;
    uint64_t generation; /* how often the users were changed */
    struct verify *queue;
    size_t queued;
    bool ending;
    struct recall recall;
    pthread_t thread;
};

static uint64_t
now_ms(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
free_verify(struct verify *verify)
{
    explicit_bzero(verify->bytes, verify->user_len + verify->password_len);
    explicit_bzero(&verify->key, sizeof(verify->key));
    free(verify);
}

/* Tells the session, and is the end of the check. */
static void
finish(struct verify *verify)
{
    void (*done)(void *arg, bool good) = verify->done;
    void *arg = verify->arg;
    bool good = verify->good;

    worker_assert_here(verify->worker);
    free_verify(verify);
    done(arg, good);
}

static void
on_known(struct task *task)
{
    struct verify *verify =
        (struct verify *)((char *)task - offsetof(struct verify, task));

    finish(verify);
}

static void
on_mail(struct mail *mail)
{
    struct verify *verify =
        (struct verify *)((char *)mail - offsetof(struct verify, mail));

    /* The cancel has waited for the lock, and so for the end of worker_post;
     * the verifier may be gone since. */
    if (verify->cancelled) {
        free_verify(verify);
        return;
    }
    /* Mail can arrive while the helper is still in worker_post, about to wake
     * a worker that this answer may be the last thing to keep. */
    pthread_mutex_lock(&verify->verifier->lock);
    pthread_mutex_unlock(&verify->verifier->lock);
    finish(verify);
}

static void
dequeue(struct verifier *verifier, struct verify *verify)
{
    DL_DELETE(verifier->queue, verify);
    verifier->queued--;
}

/* Sends the answer to the worker that asked. Under the lock. */
static void
answer(struct verify *verify, bool good)
{
    verify->state = VERIFY_POSTED;
    verify->good = good;
    worker_post(verify->worker, &verify->mail);
}

/* Answers a hashed check and those in the queue that asked the same, unless
 * the users have changed meanwhile: those must be hashed with the new ones.
 * Under the lock. */
static void
settle(struct verifier *verifier, struct verify *verify, bool good,
       bool current)
{
    struct recall_key key = verify->key;
    struct verify *each;
    struct verify *after;

    if (verify->cancelled)
        free_verify(verify);
    else
        answer(verify, good);
    if (!current)
        return;
    if (good)
        recall_add(&verifier->recall, &key, now_ms());
    DL_FOREACH_SAFE (verifier->queue, each, after) {
        if (!recall_same(&each->key, &key))
            continue;
        dequeue(verifier, each);
        answer(each, good);
    }
}

static void
hash_next(struct verifier *verifier)
{
    struct verify *verify = verifier->queue;
    struct users *users = users_ref(verifier->users);
    uint64_t generation = verifier->generation;
    bool good;

    dequeue(verifier, verify);
    verify->state = VERIFY_HASHING;
    pthread_mutex_unlock(&verifier->lock);
    good = users_check(users, verify->bytes, verify->user_len,
                       verify->bytes + verify->user_len, verify->password_len);
    users_unref(users);
    pthread_mutex_lock(&verifier->lock);
    settle(verifier, verify, good, generation == verifier->generation);
}

static void *
helper_main(void *arg)
{
    struct verifier *verifier = arg;

    pthread_mutex_lock(&verifier->lock);
    while (!verifier->ending) {
        if (verifier->queue)
            hash_next(verifier);
        else
            pthread_cond_wait(&verifier->changed, &verifier->lock);
    }
    pthread_mutex_unlock(&verifier->lock);
    return NULL;
}

/* Signals are for the main thread, so the helper starts with all blocked. */
static int
start_thread(struct verifier *verifier)
{
    sigset_t all;
    sigset_t before;
    int failed;

    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    failed = pthread_create(&verifier->thread, NULL, helper_main, verifier);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!failed)
        pthread_setname_np(verifier->thread, "verifier");
    return failed;
}

/* Frees one whose thread does not run. */
static void
free_verifier(struct verifier *verifier)
{
    pthread_cond_destroy(&verifier->changed);
    pthread_mutex_destroy(&verifier->lock);
    users_unref(verifier->users);
    recall_wipe(&verifier->recall);
    free(verifier);
}

enum err
verifier_create(struct users *users, struct verifier **verifier)
{
    struct verifier *made = calloc(1, sizeof(*made));

    if (!made)
        return ERR_NO_MEMORY;
    pthread_mutex_init(&made->lock, NULL);
    pthread_cond_init(&made->changed, NULL);
    made->users = users_ref(users);
    if (recall_init(&made->recall, REMEMBER_MS) || start_thread(made)) {
        free_verifier(made);
        return ERR_NO_RESOURCES;
    }
    *verifier = made;
    return ERR_OK;
}

void
verifier_destroy(struct verifier *verifier)
{
    if (!verifier)
        return;
    pthread_mutex_lock(&verifier->lock);
    assert(!verifier->queue);
    verifier->ending = true;
    pthread_cond_signal(&verifier->changed);
    pthread_mutex_unlock(&verifier->lock);
    pthread_join(verifier->thread, NULL);
    free_verifier(verifier);
}

void
verifier_set_users(struct verifier *verifier, struct users *users)
{
    struct users *before;

    users_ref(users);
    pthread_mutex_lock(&verifier->lock);
    before = verifier->users;
    verifier->users = users;
    verifier->generation++;
    recall_forget_all(&verifier->recall);
    pthread_mutex_unlock(&verifier->lock);
    users_unref(before);
}

bool
verifier_find_agent(struct verifier *verifier, const uint8_t *user, size_t len,
                    char agent[GRANT_AGENT_MAX + 1])
{
    const char *name;

    pthread_mutex_lock(&verifier->lock);
    name = users_agent(verifier->users, user, len);
    if (name)
        memcpy(agent, name, strlen(name) + 1); /* a legal one: it has room */
    pthread_mutex_unlock(&verifier->lock);
    return name != NULL;
}

bool
verifier_has_user(struct verifier *verifier, const uint8_t *user, size_t len)
{
    bool has;

    pthread_mutex_lock(&verifier->lock);
    has = users_has(verifier->users, user, len);
    pthread_mutex_unlock(&verifier->lock);
    return has;
}

/* Puts a check where it belongs. */
static enum err
enqueue(struct verifier *verifier, struct verify *verify)
{
    enum err err = ERR_OK;
    bool known;

    pthread_mutex_lock(&verifier->lock);
    known = recall_has(&verifier->recall, &verify->key, now_ms());
    if (known) {
        verify->state = VERIFY_KNOWN;
        verify->good = true;
    } else if (verifier->queued >= VERIFY_QUEUE_MAX) {
        err = ERR_LIMIT;
    } else {
        verify->state = VERIFY_QUEUED;
        DL_APPEND(verifier->queue, verify);
        verifier->queued++;
        pthread_cond_signal(&verifier->changed);
    }
    pthread_mutex_unlock(&verifier->lock);
    if (known)
        worker_defer(verify->worker, &verify->task);
    return err;
}

enum err
verify_start(struct verifier *verifier, struct worker *worker,
             const uint8_t *user, size_t user_len, const uint8_t *password,
             size_t password_len, void (*done)(void *arg, bool good), void *arg,
             struct verify **verify)
{
    struct verify *made = calloc(1, sizeof(*made) + user_len + password_len);
    enum err err;

    worker_assert_here(worker);
    if (!made)
        return ERR_NO_MEMORY;
    made->verifier = verifier;
    made->worker = worker;
    made->done = done;
    made->arg = arg;
    made->mail.run = on_mail;
    made->task.run = on_known;
    made->user_len = user_len;
    made->password_len = password_len;
    if (user_len)
        memcpy(made->bytes, user, user_len);
    if (password_len)
        memcpy(made->bytes + user_len, password, password_len);
    recall_make_key(&verifier->recall, &made->key, made->bytes, user_len,
                    made->bytes + user_len, password_len);
    err = enqueue(verifier, made);
    if (err)
        free_verify(made);
    else
        *verify = made;
    return err;
}

void
verify_cancel(struct verify *verify)
{
    struct verifier *verifier;
    bool ours = true;

    if (!verify)
        return;
    worker_assert_here(verify->worker);
    verifier = verify->verifier;
    pthread_mutex_lock(&verifier->lock);
    switch (verify->state) {
    case VERIFY_QUEUED:
        dequeue(verifier, verify);
        break;
    case VERIFY_KNOWN:
        worker_undefer(verify->worker, &verify->task);
        break;
    case VERIFY_HASHING:
    case VERIFY_POSTED:
        verify->cancelled = true;
        ours = false;
        break;
    }
    pthread_mutex_unlock(&verifier->lock);
    if (ours)
        free_verify(verify);
}
