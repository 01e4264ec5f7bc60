#include "proxy/control.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <utlist.h>

#include "proxy/control_parts.h"
#include "transport/base/log.h"

/* Callers at a time. For one more, the one that has been silent longest goes,
 * so that those who only sit there keep nobody out. */
#define CALLERS_MAX 64

/* Who asks nothing for so long is sent away. */
#define SILENCE_SECONDS 10.0

/* Read at a time, and the room there is from the first byte on. */
#define READ_BYTES 1024

static void
destroy_caller(struct caller *caller)
{
    struct control *control = caller->control;
    struct ev_loop *loop = worker_loop(control->config.worker);

    forwards_forget(&caller->ask);
    ev_io_stop(loop, &caller->io);
    ev_timer_stop(loop, &caller->timer);
    close(caller->fd);
    DL_DELETE(control->callers, caller);
    control->count--;
    free(caller->in);
    free(caller->out);
    free(caller);
}

static void
complain(struct caller *caller, const char *why)
{
    log_limited(&caller->control->complaints, LOG_WARN,
                "control socket: a caller was sent away: %s", why);
}

/* --- to the caller -------------------------------------------------------- */

/* Reads while nothing is to be done for it, writes while something waits. */
static void
watch(struct caller *caller)
{
    struct ev_loop *loop = worker_loop(caller->control->config.worker);
    int events = caller->out ? EV_WRITE : caller->asking ? 0 : EV_READ;

    if ((caller->io.events & (EV_READ | EV_WRITE)) == events &&
        ev_is_active(&caller->io))
        return;
    ev_io_stop(loop, &caller->io);
    ev_io_set(&caller->io, caller->fd, events);
    if (events)
        ev_io_start(loop, &caller->io);
}

/* Returns false when the caller has gone. */
static bool
flush(struct caller *caller)
{
    while (caller->out) {
        ssize_t n = send(caller->fd, caller->out + caller->out_at,
                         caller->out_len - caller->out_at, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN;
        caller->out_at += (size_t)n;
        if (caller->out_at == caller->out_len) {
            free(caller->out);
            caller->out = NULL;
        }
    }
    return true;
}

void
control_send(struct caller *caller, const struct mux_message *message)
{
    size_t size = MUX_ENCODED_MAX + message->text_len;

    caller->out = malloc(size);
    caller->out_at = caller->out_len = 0;
    if (caller->out)
        caller->out_len = mux_encode(message, caller->out, size);
    if (caller->out_len == 0) {
        free(caller->out);
        caller->out = NULL;
        shutdown(caller->fd, SHUT_RDWR); /* no memory: its end is read next */
        return;
    }
    /* One that has gone is met when it is read from. */
    if (!flush(caller)) {
        free(caller->out);
        caller->out = NULL;
    }
}

/* --- from the caller ------------------------------------------------------ */

/* Acts on what has come, as far as it goes. Returns NULL, or what is wrong. */
static const char *
act(struct caller *caller)
{
    struct ev_loop *loop = worker_loop(caller->control->config.worker);

    while (!caller->asking && !caller->out && !caller->deaf) {
        struct mux_message message;
        const char *why;
        size_t whole;
        enum err err = mux_frame(caller->in, caller->in_len, &whole);

        if (err == ERR_LIMIT)
            return "a message of a length that none has";
        if (err)
            return NULL;
        if (mux_decode(caller->in, whole, &message))
            return "a malformed message";
        ev_timer_again(loop, &caller->timer);
        DL_DELETE(caller->control->callers, caller);
        DL_APPEND(caller->control->callers, caller);
        why = control_act(caller, &message);
        if (why)
            return why;
        caller->in_len -= whole;
        memmove(caller->in, caller->in + whole, caller->in_len);
    }
    if (caller->deaf)
        caller->in_len = 0;
    return NULL;
}

/* Room for what is known to come, and for a read. */
static bool
make_room(struct caller *caller)
{
    size_t whole;
    size_t size = caller->in_len + READ_BYTES;
    uint8_t *grown;

    mux_frame(caller->in, caller->in_len, &whole);
    if (whole > size)
        size = whole;
    if (size <= caller->in_size)
        return true;
    grown = realloc(caller->in, size);
    if (!grown)
        return false;
    caller->in = grown;
    caller->in_size = size;
    return true;
}

/* Goes on after something has happened; the last thing a callback does. */
static void
go_on(struct caller *caller)
{
    const char *why = act(caller);

    if (why) {
        complain(caller, why);
        destroy_caller(caller);
        return;
    }
    watch(caller);
}

void
control_resume(struct caller *caller)
{
    go_on(caller);
}

static void
on_caller(struct ev_loop *loop, ev_io *io, int events)
{
    struct caller *caller = io->data;
    ssize_t n;

    (void)loop;
    if (events & EV_WRITE) {
        if (!flush(caller)) {
            destroy_caller(caller);
            return;
        }
        go_on(caller);
        return;
    }
    if (!make_room(caller)) {
        complain(caller, err_text(ERR_NO_MEMORY));
        destroy_caller(caller);
        return;
    }
    n = read(caller->fd, caller->in + caller->in_len,
             caller->in_size - caller->in_len);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        destroy_caller(caller);
        return;
    }
    caller->in_len += (size_t)n;
    go_on(caller);
}

static void
on_silence(struct ev_loop *loop, ev_timer *timer, int events)
{
    struct caller *caller = timer->data;

    (void)events;
    if (caller->asking) /* it is we who take long */
        ev_timer_again(loop, timer);
    else
        destroy_caller(caller);
}

/* --- who calls ------------------------------------------------------------ */

static void
make_way(struct control *control)
{
    struct caller *each;

    if (control->count < CALLERS_MAX)
        return;
    DL_FOREACH (control->callers, each) {
        if (!each->asking) {
            destroy_caller(each);
            return;
        }
    }
}

static void
on_call(struct acceptor *acceptor, int fd, union addr *peer)
{
    const struct mux_message hello = {.type = MUX_HELLO, .number = MUX_VERSION};
    struct control *control = acceptor->owner;
    struct caller *caller;
    uid_t uid = 0;

    (void)peer;
    if (!control_socket_may(fd, &uid)) {
        log_limited(&control->complaints, LOG_WARN,
                    "control socket: user %u is not ours", (unsigned)uid);
        close(fd);
        return;
    }
    make_way(control);
    caller = calloc(1, sizeof(*caller));
    if (caller)
        caller->in = malloc(READ_BYTES);
    if (!caller || !caller->in) {
        free(caller);
        close(fd);
        return;
    }
    caller->in_size = READ_BYTES;
    caller->control = control;
    caller->fd = fd;
    ev_io_init(&caller->io, on_caller, fd, EV_READ);
    ev_init(&caller->timer, on_silence);
    caller->timer.repeat = SILENCE_SECONDS;
    caller->io.data = caller->timer.data = caller;
    DL_APPEND(control->callers, caller);
    control->count++;
    ev_timer_again(worker_loop(control->config.worker), &caller->timer);
    control_send(caller, &hello);
    watch(caller);
}

static void
log_failure(const char *path, enum err err)
{
    if (err == ERR_ADDR_IN_USE)
        log_write(LOG_ERROR,
                  "ControlSocket %s already exists, disabling multiplexing",
                  path);
    else if (err == ERR_MALFORMED)
        log_write(LOG_FATAL, "ControlPath too long ('%s')", path);
    else
        log_write(LOG_FATAL, "control socket %s: %s", path, err_text(err));
}

enum err
control_create(const struct control_config *config, struct control **control)
{
    struct control *made = calloc(1, sizeof(*made));
    enum err err = ERR_NO_MEMORY;

    if (made) {
        made->config = *config;
        made->socket.fd = -1;
        made->acceptor.on_client = on_call;
        made->acceptor.owner = made;
        err = control_socket_open(config->path, &made->socket);
    }
    if (!err)
        err = acceptor_start(&made->acceptor, config->worker, made->socket.fd);
    if (err) {
        log_failure(config->path, err);
        control_destroy(made);
        return err;
    }
    *control = made;
    return ERR_OK;
}

void
control_stop(struct control *control)
{
    acceptor_stop(&control->acceptor);
    control_socket_close(&control->socket);
}

void
control_destroy(struct control *control)
{
    if (!control)
        return;
    control_stop(control);
    while (control->callers)
        destroy_caller(control->callers);
    free(control);
}
