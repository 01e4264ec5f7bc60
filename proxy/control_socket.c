/* Rejected: rename(2) instead of link(2). It would replace whatever is there by
 * then, a socket of another master too. */
#include "proxy/control_socket.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "transport/net/listen.h"

/* For its owner alone. */
#define MASK 0177

#define PATH_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)

/* "." and so many letters make a name that nobody else uses. */
#define SUFFIX_BYTES 7

/* Stale sockets that may turn up one after the other, before we give up. */
#define TRIES 4

static bool
name_beside(const char *path, char name[PATH_BYTES])
{
    static const char letters[32] = "abcdefghijklmnopqrstuvwxyz234567";
    size_t len = strlen(path);
    const char *slash = strrchr(path, '/');
    uint8_t bytes[SUFFIX_BYTES - 1];

    /* Where there is no room behind the name, in its place. */
    if (len + SUFFIX_BYTES >= PATH_BYTES)
        len = slash ? (size_t)(slash - path) + 1 : 0;
    if (len + SUFFIX_BYTES >= PATH_BYTES ||
        getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return false;
    memcpy(name, path, len);
    name[len++] = '.';
    for (size_t i = 0; i < sizeof(bytes); i++)
        name[len++] = letters[bytes[i] % sizeof(letters)];
    name[len] = 0;
    return true;
}

/* Whether path is a socket that nobody listens on; *was is what it is. */
static bool
is_stale(const char *path, struct stat *was)
{
    int fd;

    if (lstat(path, was) < 0 || !S_ISSOCK(was->st_mode))
        return false;
    fd = control_socket_connect(path);
    if (fd >= 0)
        close(fd);
    return fd < 0 && errno == ECONNREFUSED;
}

/* Removes a stale socket, and no other that has come into its place: it is
 * moved away, looked at, and put back if it is another. */
static void
remove_stale(const char *path, const struct stat *was)
{
    char aside[PATH_BYTES];
    struct stat now;

    if (!name_beside(path, aside) || rename(path, aside) < 0)
        return;
    if (lstat(aside, &now) == 0 &&
        (now.st_dev != was->st_dev || now.st_ino != was->st_ino) &&
        link(aside, path) < 0)
        return; /* a third has come; leave what there is */
    unlink(aside);
}

static enum err
move_into_place(const char *from, const char *path)
{
    for (int i = 0; i < TRIES; i++) {
        struct stat was;

        if (link(from, path) == 0)
            return ERR_OK;
        if (errno != EEXIST)
            return err_from_errno(errno);
        if (!is_stale(path, &was))
            break;
        remove_stale(path, &was);
    }
    return ERR_ADDR_IN_USE;
}

enum err
control_socket_open(const char *path, struct control_socket *made)
{
    char name[PATH_BYTES];
    struct stat st;
    int fd = -1;
    enum err err;

    *made = (struct control_socket){.fd = -1, .path = path};
    if (strlen(path) >= PATH_BYTES || !name_beside(path, name))
        return ERR_MALFORMED;
    err = listen_open_unix(name, MASK, false, &fd);
    if (err)
        return err;
    if (lstat(name, &st) < 0)
        err = err_from_errno(errno);
    else
        err = move_into_place(name, path);
    unlink(name);
    if (err) {
        close(fd);
        return err;
    }
    made->fd = fd;
    made->device = st.st_dev;
    made->inode = st.st_ino;
    return ERR_OK;
}

void
control_socket_close(struct control_socket *made)
{
    struct stat st;

    if (made->fd < 0)
        return;
    if (lstat(made->path, &st) == 0 && st.st_dev == made->device &&
        st.st_ino == made->inode)
        unlink(made->path);
    close(made->fd);
    made->fd = -1;
}

int
control_socket_connect(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int saved;
    int fd;

    if (strlen(path) >= sizeof(addr.sun_path)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    strcpy(addr.sun_path, path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
        return fd;
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

bool
control_socket_may(int fd, uid_t *uid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) < 0)
        return false;
    *uid = peer.uid;
    return peer.uid == 0 || peer.uid == geteuid();
}
