#include "proxy/stdio.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define CHUNK_BYTES (64 * 1024)

struct stdio {
    int fd;     /* our end of the pair: blocking */
    int failed; /* errno of standard output, or 0; the out thread's */
    pthread_t in;
    pthread_t out;
    char in_bytes[CHUNK_BYTES];
    char out_bytes[CHUNK_BYTES];
};

/* Copies until the end or a failure of either. Returns the errno of writing,
 * or 0. */
static int
copy(int from, int to, char *bytes)
{
    for (;;) {
        ssize_t got = read(from, bytes, CHUNK_BYTES);

        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return 0;
        for (ssize_t at = 0; at < got;) {
            ssize_t put = write(to, bytes + at, (size_t)(got - at));

            if (put < 0 && errno == EINTR)
                continue;
            if (put <= 0)
                return put < 0 ? errno : EIO;
            at += put;
        }
    }
}

static void *
in_main(void *arg)
{
    struct stdio *stdio = arg;

    copy(STDIN_FILENO, stdio->fd, stdio->in_bytes);
    shutdown(stdio->fd, SHUT_WR);
    return NULL;
}

static void *
out_main(void *arg)
{
    struct stdio *stdio = arg;

    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    stdio->failed = copy(stdio->fd, STDOUT_FILENO, stdio->out_bytes);
    /* The reader of a pipe is to see the end even while our input is open;
     * the number stays taken, as no socket is to become standard output. */
    if (null >= 0) {
        dup2(null, STDOUT_FILENO);
        close(null);
    }
    /* Where nobody reads what comes, there is no use in going on. */
    shutdown(stdio->fd, stdio->failed ? SHUT_RDWR : SHUT_RD);
    return NULL;
}

enum err
stdio_start(struct stdio **stdio, int *fd)
{
    struct stdio *made = malloc(sizeof(*made));
    int pair[2];

    if (!made)
        return ERR_NO_MEMORY;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0) {
        free(made);
        return ERR_NO_DESCRIPTORS;
    }
    made->fd = pair[0];
    made->failed = 0;
    if (fcntl(pair[1], F_SETFL, O_NONBLOCK) < 0 ||
        pthread_create(&made->out, NULL, out_main, made))
        goto fail;
    if (pthread_create(&made->in, NULL, in_main, made)) {
        shutdown(made->fd, SHUT_RDWR);
        pthread_join(made->out, NULL);
        goto fail;
    }
    *stdio = made;
    *fd = pair[1];
    return ERR_OK;
fail:
    close(pair[0]);
    close(pair[1]);
    free(made);
    return ERR_NO_RESOURCES;
}

int
stdio_finish(struct stdio *stdio, bool wait)
{
    int failed;

    /* The reader of standard input may wait for ever; it must not run on what
     * is freed here. */
    pthread_cancel(stdio->in);
    if (!wait)
        pthread_cancel(stdio->out);
    pthread_join(stdio->out, NULL);
    pthread_join(stdio->in, NULL);
    failed = stdio->failed;
    close(stdio->fd);
    free(stdio);
    return failed;
}
