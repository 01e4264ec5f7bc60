#include "proxy/background.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

/* What may be meant for the child and reach the parent: it is the parent's id
 * that whoever started us knows. */
static void
fill_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGHUP);
}

/* Dies of what the child died of, or exits as it did. */
static void
end_as(int status, const sigset_t *before)
{
    if (WIFSIGNALED(status)) {
        signal(WTERMSIG(status), SIG_DFL);
        sigprocmask(SIG_SETMASK, before, NULL);
        raise(WTERMSIG(status));
    }
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 255);
}

/* Waits for a byte, or for the end of the child; passes signals on. */
static void
wait_for_child(pid_t child, int fd, const sigset_t *before)
{
    struct pollfd fds[2] = {{.fd = fd, .events = POLLIN}, {.events = POLLIN}};
    int status = 0;
    sigset_t set;

    fill_signals(&set);
    fds[1].fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    for (;;) {
        struct signalfd_siginfo info;
        char byte;

        if (poll(fds, 2, -1) < 0 && errno != EINTR)
            break;
        while (read(fds[1].fd, &info, sizeof(info)) == sizeof(info))
            kill(child, (int)info.ssi_signo);
        if (!fds[0].revents)
            continue;
        if (read(fd, &byte, 1) == 1)
            _exit(0);
        break;
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        continue;
    end_as(status, before);
}

int
background_fork(void)
{
    sigset_t before;
    sigset_t set;
    pid_t child;
    int fds[2];

    if (pipe2(fds, O_CLOEXEC) < 0)
        return -1;
    fill_signals(&set);
    sigprocmask(SIG_BLOCK, &set, &before);
    child = fork();
    if (child > 0) {
        close(fds[1]);
        wait_for_child(child, fds[0], &before);
    }
    sigprocmask(SIG_SETMASK, &before, NULL);
    close(fds[0]);
    if (child == 0)
        return fds[1];
    close(fds[1]);
    return -1;
}

void
background_ready(int fd)
{
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    ssize_t n;

    setsid();
    if (null >= 0) {
        dup2(null, STDIN_FILENO);
        dup2(null, STDOUT_FILENO);
        dup2(null, STDERR_FILENO);
        close(null);
    }
    do
        n = write(fd, "", 1);
    while (n < 0 && errno == EINTR);
    close(fd);
}
