/* What the parts of an SSH server's door share: the login loops
 * (sshserver_loop.c), a login's beginning (sshserver_begin.c), its life and end
 * (sshserver_login.c), its authentication (sshserver_auth.c), and what is
 * logged of it (sshserver_log.c).
 *
 * A loop and its logins belong to the loop's thread; what the loops share is
 * under the server's lock. */
#ifndef CULVERT_TRANSPORT_SSH_SSHSERVER_PARTS_H
#define CULVERT_TRANSPORT_SSH_SSHSERVER_PARTS_H

#include <ev.h>
#include <libssh/callbacks.h>
#include <libssh/server.h>
#include <pthread.h>

#include "transport/base/log.h"
#include "transport/loop/deadline.h"
#include "transport/loop/worker.h"
#include "transport/net/listen.h"
#include "transport/ssh/sshio.h"
#include "transport/ssh/sshserver.h"
#include "transport/ssh/sshsource.h"

/* As OpenSSH's MaxAuthTries. */
#define SSHSERVER_TRIES_MAX 6

/* Requests for authentication that are answered at all, those that are no try
 * of anything included. */
#define SSHSERVER_REQUESTS_MAX 64

/* What a peer that does not read is owed at most, before nothing more is read
 * of it. */
#define SSHSERVER_UNSENT_BYTES (64u * 1024)

/* Read in one turn: a login is a few kilobytes. */
#define SSHSERVER_FILL_BYTES (16u * 1024)

/* How long a login may take. */
struct sshserver_times {
    double exchange; /* until keys are exchanged; seconds from the accept */
    double whole;    /* until authenticated; likewise */
    double peek;     /* for the client's first bytes, besides a round trip */
};

/* sshserver_create with other times, for tests. */
enum err sshserver_create_timed(const struct sshserver_config *config,
                                const struct sshserver_times *times,
                                struct sshserver **server);

/* --- the loops ------------------------------------------------------------ */

/* A loop's eye on a listening socket. */
struct sshserver_eye {
    struct acceptor acceptor;
    struct mail begin;
    struct sshserver_loop *loop;
    int fd;
    struct sshserver_eye *prev;
    struct sshserver_eye *next;
};

struct sshserver_login_run;

struct sshserver_loop {
    struct sshserver *server;
    struct worker *worker;
    ssh_bind bind;
    /* Given to a session that is asked for GSSAPI, to have it refused. */
    struct ssh_server_callbacks_struct refusals;
    struct mail stop;
    bool stopping;
    struct sshserver_eye *eyes;
    struct sshserver_login_run *logins; /* under way */
    struct sshserver_login_run *queue;  /* those that wait for their turn */
    struct deadline_queue exchange;
    struct deadline_queue whole;
    ev_timer retry;         /* while some wait */
    struct task turn;       /* a login has ended: the next one's turn */
    struct log_limit log;   /* logins that failed */
    struct log_limit quiet; /* what else is told of peers */
};

struct sshserver {
    struct sshserver_config config;
    struct sshserver_times times;
    pthread_mutex_t lock;
    struct sshsources sources; /* under it */
    struct sshserver_loop *loops;
    unsigned count;   /* those made, the last one half perhaps */
    unsigned running; /* of them, those whose thread runs */
};

enum err sshserver_loop_create(struct sshserver_loop *loop,
                               struct sshserver *server, unsigned index);
enum err sshserver_loop_listen(struct sshserver_loop *loop, int fd);

/* Half-made ones too. Before destroy, stop and join those that run. */
void sshserver_loop_stop(struct sshserver_loop *loop);
void sshserver_loop_destroy(struct sshserver_loop *loop);

/* --- a login -------------------------------------------------------------- */

enum sshserver_state {
    SSHSERVER_WAITING,  /* for its turn; nothing but a socket yet */
    SSHSERVER_PEEKING,  /* our version is sent; for the client's first bytes */
    SSHSERVER_EXCHANGE, /* keys */
    SSHSERVER_AUTH,
    SSHSERVER_LEAVING, /* authenticated; what libssh has to send is flushed */
};

/* How a login ended, for the log and the source's account. */
enum sshserver_end {
    SSHSERVER_LEFT,   /* the peer went, or made no sense */
    SSHSERVER_FAILED, /* too many tries */
    SSHSERVER_SLOW,   /* time is over */
    SSHSERVER_OUR,    /* no fault of the peer's */
};

struct sshserver_login_run {
    struct sshserver_loop *loop;
    enum sshserver_state state;
    struct sshserver_login_run *prev;
    struct sshserver_login_run *next;
    struct sshsource_guest guest; /* under the server's lock */
    struct mail displaced;
    bool is_displaced; /* likewise; its mail is under way */
    bool has_ended;    /* the mail frees it */

    int fd;        /* ours, until it is the session's */
    bool is_taken; /* the session closes it */
    union addr peer;
    ssh_session session;
    ssh_event event;
    struct sshio *io;
    ev_io watcher;
    ev_timer peek;
    struct deadline exchange;
    struct deadline whole;

    ssh_message message; /* what is being judged */
    ssh_message handle;  /* any authentication request: to refuse one by it
                          * that libssh has swallowed */
    struct admit_ask ask;
    bool is_asking;
    uint8_t *key;
    unsigned requests_seen; /* by libssh, as it logs */
    unsigned requests_got;  /* as messages */
    unsigned tries;         /* that failed */
    bool is_blamed;         /* for one of them at least */
    bool has_gssapi;        /* was asked for, and is not ours to offer */
    char user[SSHSERVER_USER_MAX + 1]; /* last heard of */
    char print[SSHHOSTKEY_PRINT_MAX];  /* and its key */
    const char *why;                   /* and why it was refused, or "" */
    struct sshserver_login *login;     /* when authenticated */
};

/* Takes an accepted descriptor. */
void sshserver_login_start(struct sshserver_loop *loop, int fd,
                           const union addr *peer);

/* Asks again for its turn. */
void sshserver_login_retry(struct sshserver_login_run *run);

/* Watches its socket from now on; and where its first bytes are looked at, for
 * how long at most. */
void sshserver_login_watch(struct sshserver_login_run *run, double seconds);

/* Ends one, with what is said of it in the log. It is gone then. */
void sshserver_login_end(struct sshserver_login_run *run,
                         enum sshserver_end end, const char *why);

/* Takes one whose parts are gone out of the lists, and frees it: at once, or
 * where another loop has just sent it mail, when that arrives. */
void sshserver_login_forget(struct sshserver_login_run *run);

/* libssh may turn it blocking. */
void sshserver_set_nonblocking(int fd);

/* Goes on with it, after something has come. It may be gone then. */
void sshserver_login_step(struct sshserver_login_run *run);

/* --- authentication ------------------------------------------------------- */

/* Answers what the peer has asked for, until there is no more, or a question is
 * out, or the peer is authenticated. Returns false when the login has ended. */
bool sshserver_auth_look(struct sshserver_login_run *run);

/* What libssh logs is where one learns of requests that it swallows. */
void sshserver_auth_hear(struct sshserver_login_run *run, const char *line);

/* Withdraws the question, and forgets messages and what was granted. */
void sshserver_auth_clear(struct sshserver_login_run *run);

/* --- the log -------------------------------------------------------------- */

void sshserver_log_failed(struct sshserver_login_run *run, const char *why);
void sshserver_log_barred(struct sshserver_loop *loop, const union addr *peer,
                          double seconds);
void sshserver_log_turned_away(struct sshserver_loop *loop,
                               const union addr *peer, const char *why);

#endif
