/* A thread for each login, at most LOGINS_AT_ONCE: there are as many as links
 * are being made, a handful. Rejected: one thread for all of them, which a
 * person's slow answer for one server would stop for the others; and libssh's
 * non-blocking mode, in which agents, files and prompts block all the same. */
#include "transport/ssh/sshlogin.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <utlist.h>

#include "transport/ssh/sshauth.h"
#include "transport/ssh/sshhost.h"
#include "transport/ssh/sshlogin_kex.h"
#include "transport/ssh/sshlogin_run.h"

#define LOGINS_AT_ONCE 16

enum state {
    STATE_QUEUED,  /* all threads are busy */
    STATE_RUNNING, /* a thread's, which looks whether it is cancelled */
    STATE_MAILED,  /* over; the worker has not heard of it yet */
};

struct sshlogin {
    struct sshlogin *prev;
    struct sshlogin *next;
    struct mail mail;
    enum state state; /* under logins.lock */
    atomic_bool cancelled;

    struct sshdest *dest; /* a copy: the thread may outlive the request */
    int fd;               /* ours until the end, so that it can be shut down:
                           * libssh has a duplicate, and may close that */
    struct worker *worker;
    void (*done)(void *arg, const struct sshlogin_outcome *outcome);
    void *arg;

    enum err err;
    struct sshlogin_run run;
};

/* What sshlogin_wait_all waits for, and how many threads there are, is the
 * process's: nobody else sees all logins. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    unsigned threads;                   /* that run */
    pthread_t joinable[LOGINS_AT_ONCE]; /* that are at their ends */
    unsigned joinable_count;
    struct sshlogin *queue;
    bool is_ready; /* ssh_init has been called */
} logins = {
    .lock = PTHREAD_MUTEX_INITIALIZER,
    .ended = PTHREAD_COND_INITIALIZER,
};

static void
login_free(struct sshlogin *login)
{
    if (login->run.session)
        ssh_free(login->run.session);
    if (login->fd >= 0)
        close(login->fd);
    sshcred_destroy(login->run.cred);
    sshdest_destroy(login->dest);
    free(login);
}

/* --- on the thread -------------------------------------------------------- */

/* libssh turns its descriptor blocking. */
static enum err
make_ready(struct sshlogin_run *run)
{
    int fd = ssh_get_fd(run->session);
    int flags = fcntl(fd, F_GETFL);

    ssh_set_blocking(run->session, 0);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return sshlogin_fail(run, ERR_IO, "the socket: %s", strerror(errno));
    return ERR_OK;
}

static enum err
log_in(struct sshlogin *login)
{
    struct sshlogin_run *run = &login->run;
    int fd = fcntl(login->fd, F_DUPFD_CLOEXEC, 0);
    enum err err;

    if (fd < 0)
        return sshlogin_fail(run, err_from_errno(errno), "%s", strerror(errno));
    err = sshlogin_kex(run, fd);
    if (!err)
        err = sshhost_check(run);
    if (!err)
        err = sshauth_log_in(run);
    if (!err)
        err = make_ready(run);
    return err;
}

static void on_mail(struct mail *mail);

static void
run_login(struct sshlogin *login)
{
    bool cancelled;

    sshlogin_listen(&login->run);
    login->err = login->cancelled ? ERR_SHUTDOWN : log_in(login);
    sshlogin_listen(NULL);
    pthread_mutex_lock(&logins.lock);
    close(login->fd);
    login->fd = -1;
    cancelled = login->cancelled;
    if (!cancelled) {
        login->state = STATE_MAILED;
        login->mail.run = on_mail;
        worker_post(login->worker, &login->mail);
    }
    pthread_mutex_unlock(&logins.lock);
    if (cancelled)
        login_free(login);
}

/* Takes the next login that waits; without one the thread ends. */
static struct sshlogin *
next_login(void)
{
    struct sshlogin *login;

    pthread_mutex_lock(&logins.lock);
    login = logins.queue;
    if (login) {
        DL_DELETE(logins.queue, login);
        login->state = STATE_RUNNING;
    } else {
        logins.threads--;
        logins.joinable[logins.joinable_count++] = pthread_self();
        pthread_cond_broadcast(&logins.ended);
    }
    pthread_mutex_unlock(&logins.lock);
    return login;
}

static void *
thread_main(void *arg)
{
    struct sshlogin *login = arg;

    pthread_setname_np(pthread_self(), "login");
    while (login) {
        run_login(login);
        login = next_login();
    }
    return NULL;
}

/* --- on the worker -------------------------------------------------------- */

static void
on_mail(struct mail *mail)
{
    struct sshlogin *login =
        (struct sshlogin *)(void *)((char *)mail -
                                    offsetof(struct sshlogin, mail));
    void (*done)(void *, const struct sshlogin_outcome *) = login->done;
    void *arg = login->arg;
    char text[SSHLOGIN_TEXT_MAX];
    struct sshlogin_outcome outcome = {
        .err = login->err,
        .person = login->run.person,
        .text = text,
    };

    if (login->cancelled) {
        login_free(login);
        return;
    }
    strcpy(text, login->err ? login->run.text : "");
    if (!login->err) {
        outcome.session = login->run.session;
        login->run.session = NULL;
    }
    login_free(login);
    done(arg, &outcome);
}

/* Under the lock. A thread is joined, not detached: what the libraries do at
 * its very end must be over before the process's end undoes their insides.
 * There is nothing to wait for but that. */
static void
join_threads(void)
{
    while (logins.joinable_count > 0)
        pthread_join(logins.joinable[--logins.joinable_count], NULL);
}

/* Signals are the main thread's. */
static enum err
start_thread(struct sshlogin *login)
{
    pthread_t thread;
    sigset_t all, before;
    int failed;

    join_threads();
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    failed = pthread_create(&thread, NULL, thread_main, login);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failed ? ERR_NO_RESOURCES : ERR_OK;
}

static struct sshlogin *
login_create(const struct sshlogin_request *request)
{
    struct sshlogin *login = calloc(1, sizeof(*login));

    if (!login)
        return NULL;
    login->dest = sshdest_copy(request->dest);
    if (!login->dest) {
        free(login);
        return NULL;
    }
    login->fd = request->fd;
    login->worker = request->worker;
    login->done = request->done;
    login->arg = request->arg;
    atomic_init(&login->cancelled, false);
    login->run.dest = login->dest;
    login->run.cred = sshcred_hold(request->cred);
    login->run.remote = request->remote;
    login->run.cancelled = &login->cancelled;
    sshdest_format(login->dest, login->run.who, sizeof(login->run.who));
    return login;
}

enum err
sshlogin_start(const struct sshlogin_request *request, struct sshlogin **login)
{
    struct sshlogin *made = login_create(request);
    enum err err = ERR_OK;

    if (!made) {
        close(request->fd);
        return ERR_NO_MEMORY;
    }
    pthread_mutex_lock(&logins.lock);
    if (!logins.is_ready)
        logins.is_ready = ssh_init() == SSH_OK;
    if (!logins.is_ready) {
        err = ERR_NO_RESOURCES;
    } else if (logins.threads >= LOGINS_AT_ONCE) {
        made->state = STATE_QUEUED;
        DL_APPEND(logins.queue, made);
    } else {
        made->state = STATE_RUNNING;
        err = start_thread(made);
        logins.threads += !err;
    }
    pthread_mutex_unlock(&logins.lock);
    if (err)
        login_free(made);
    else
        *login = made;
    return err;
}

void
sshlogin_cancel(struct sshlogin *login)
{
    bool is_ours = false;

    if (!login)
        return;
    pthread_mutex_lock(&logins.lock);
    login->cancelled = true;
    switch (login->state) {
    case STATE_QUEUED:
        DL_DELETE(logins.queue, login);
        is_ours = true;
        break;
    case STATE_RUNNING:
        shutdown(login->fd, SHUT_RDWR);
        break;
    case STATE_MAILED:
        break; /* on_mail frees it */
    }
    pthread_mutex_unlock(&logins.lock);
    if (is_ours)
        login_free(login);
}

bool
sshlogin_wait_all(double seconds)
{
    struct timespec until;
    bool none;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)seconds;
    until.tv_nsec += (long)((seconds - (double)(time_t)seconds) * 1e9);
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    pthread_mutex_lock(&logins.lock);
    while (logins.threads > 0 &&
           pthread_cond_timedwait(&logins.ended, &logins.lock, &until) == 0)
        ;
    none = logins.threads == 0;
    join_threads();
    pthread_mutex_unlock(&logins.lock);
    return none;
}
