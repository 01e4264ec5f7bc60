/* A link: one authenticated libssh session, pumped on one worker, and the
 * channels on it. We are the session's client, or its server: then the link
 * serves.
 *
 * The socket is read ahead and written behind libssh's back (sshio), so that
 * its 4,096-byte reads and its writes cost no system calls. Each turn of the
 * loop moves a bounded number of bytes, so that one link doesn't hold up the
 * others of its worker. libssh's callbacks note and defer; they never act.
 * Thread: the worker's. */
#ifndef CULVERT_TRANSPORT_SSH_SSHLINK_H
#define CULVERT_TRANSPORT_SSH_SSHLINK_H

#include <libssh/libssh.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "transport/base/addr.h"
#include "transport/base/err.h"
#include "transport/base/target.h"
#include "transport/loop/worker.h"
#include "transport/ssh/sshdest.h"
#include "transport/stream.h"

struct sshlink;

/* How busy a link is: written by its worker, read by any thread (relaxed). */
struct sshlink_load {
    atomic_uint channels; /* open */
    atomic_uint opening;  /* asked for, no outcome yet */
    atomic_uint unsent;   /* bytes not yet in the socket */
    atomic_uint rate;     /* bytes a second both ways, of the last 200 ms */
    atomic_ullong in;     /* bytes of all channels so far, from the server */
    atomic_ullong out;    /* and to it */
    atomic_uint rtt_us;   /* of the path, by the kernel; 0: unknown */
};

enum sshlink_offer_kind {
    /* By a server: a connection to a port that it listens on for us
     * (forwarded-tcpip, RFC 4254 7.2). */
    SSHLINK_FORWARDED,
    /* To a link that serves: one to where the peer wants to go (direct-tcpip),
     * and a session (6.1). */
    SSHLINK_DIRECT,
    SSHLINK_SESSION,
};

/* A channel that the peer wants to open. */
struct sshlink_offer {
    enum sshlink_offer_kind kind;
    struct stream *stream; /* given; not yet accepted (stream.h) */
    const char *address;   /* FORWARDED: the one that was asked for, more or
                            * less; DIRECT: the host; lent */
    unsigned port;         /* and its port */
    union addr peer;       /* who connected there; or AF_UNSPEC */
};

/* To a link that serves: the peer wants us to listen, or no longer
 * (tcpip-forward and cancel-tcpip-forward, RFC 4254 7.1). */
struct sshlink_asked {
    const char *address; /* as the peer has it; lent */
    unsigned port;       /* 0: we pick one */
    bool ends;
    unsigned bound; /* the answer: the port, where it is granted */
};

/* What the peer of a link that serves asks for by a session (RFC 4254 6). */
enum sshlink_request {
    SSHLINK_PTY,
    SSHLINK_SHELL,
    SSHLINK_EXEC, /* a command, a subsystem */
    SSHLINK_ELSE,
};

struct sshlink_config {
    struct worker *worker;
    const struct sshdest *dest; /* borrowed until destroy */
    ssh_session session;        /* taken, with its descriptor, which it was
                                 * given by SSH_OPTIONS_FD */
    struct sshlink_load *load;  /* borrowed until destroy; zeroed by it */
    bool serves; /* we are the server; of dest counts only how it is asked
                  * whether it lives */
    /* It has ended by itself: the server left, the network broke, nothing was
     * heard within alive_interval x alive_count_max. text (lent) says what
     * happened. Called once, from the loop; destroy is due then. Its streams
     * have an error to read, its opens end with ERR_TRANSPORT_DOWN. */
    void (*down)(void *arg, enum err err, const char *text);
    /* Called from the loop for each offer; NULL: all are refused. */
    void (*offered)(void *arg, const struct sshlink_offer *offer);
    /* Where it serves: returns ERR_OK where that is granted. Called from the
     * loop, as the two below. */
    enum err (*listen_asked)(void *arg, struct sshlink_asked *asked);
    /* Where it serves: returns whether a request by a session that was accepted
     * is granted. */
    bool (*session_asked)(void *arg, struct stream *stream,
                          enum sshlink_request request);
    /* Where it serves: the peer has closed a session, which it may have ended
     * long before. Closing the stream is due. */
    void (*session_closed)(void *arg, struct stream *stream);
    void *arg;
};

/* Puts a session to work. Returns ERR_OK and *link (sshlink_destroy); or an
 * error; the session is freed. */
enum err sshlink_create(const struct sshlink_config *config,
                        struct sshlink **link);

/* Ends it, with a disconnect message if it is up. Opens under way are
 * cancelled (no done). Streams that it gave stay their owners' to close; until
 * then they read and write ERR_RESET. NULL does nothing. */
void sshlink_destroy(struct sshlink *link);

/* How many streams of it have not been closed; once it is down, had not been
 * when it went down. */
unsigned sshlink_streams(const struct sshlink *link);

/* When bytes came last: clock_seconds(). */
double sshlink_heard(const struct sshlink *link);

/* What a session that was accepted came to: its exit status, before it is
 * closed (RFC 4254 6.10). */
void sshlink_send_exit(struct stream *session, unsigned status);

/* A channel being opened. Embedded in its owner, who sets the first part. */
struct sshlink_open {
    const struct target *target; /* borrowed until done or cancel */
    union addr client;           /* the originator told, or AF_UNSPEC */
    const char
        *listened; /* where the link serves: the channel is a connection
                    * to a port that we listen on for the peer, by the
                    * address that it asked for (borrowed likewise), and */
    unsigned listened_port; /* the port that it knows; target is NULL */
    void (*done)(struct sshlink_open *open);
    void *owner;

    enum err err;          /* the outcome, with the far side's true reason */
    struct stream *stream; /* given when err is ERR_OK */

    void *chan_; /* the link's own */
};

/* Opens direct-tcpip (RFC 4254 7.2) to a name or address, which the server
 * resolves; direct-streamlocal@openssh.com to a path; forwarded-tcpip where the
 * link serves. After it done runs
 * exactly once, later, from the loop; after cancel never. */
void sshlink_open_start(struct sshlink *link, struct sshlink_open *open);

/* The channel may come into being all the same; it is closed then. */
void sshlink_open_cancel(struct sshlink *link, struct sshlink_open *open);

/* A request that the server listen for us, or no longer (tcpip-forward and
 * cancel-tcpip-forward, RFC 4254 7.1). Embedded in its owner, who sets the
 * first part. */
struct sshlink_listen {
    const char *address; /* as the protocol has it: "" every address,
                          * "localhost" both loopbacks; borrowed until done */
    unsigned port;       /* 0: the server picks one; not with ends */
    bool ends;           /* it is to listen there no longer */
    void (*done)(struct sshlink_listen *listen);
    void *owner;

    /* The outcome. The protocol has no reason for a refusal: ERR_PROHIBITED is
     * told where the server sent a debug message before it, as OpenSSH does
     * when its rules forbid it, and ERR_ADDR_IN_USE where an OpenSSH did not;
     * of other servers ERR_REMOTE_FAILED. ERR_PROTOCOL: it picked a port that
     * there is not. */
    enum err err;
    unsigned bound; /* the port, when err is ERR_OK */

    struct sshlink_listen *next_;
};

/* One request is under way at a time, others wait for it. After this done runs
 * exactly once, later, from the loop, with ERR_TRANSPORT_DOWN where the link
 * went down first; after sshlink_destroy never. */
void sshlink_listen_start(struct sshlink *link, struct sshlink_listen *listen);

#endif
