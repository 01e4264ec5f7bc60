/* The child is waited for when nobody needs it any more, and only then: until
 * it is, its number is its own, so that no signal goes astray, and there is no
 * need to watch SIGCHLD, which is the process's and not a library's. */
#include "transport/ssh/sshproxy.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

struct sshproxy {
    pid_t pid;
};

extern char **environ;

/* As ssh: the shell is replaced by the command, so that a signal reaches it.
 */
static enum err
spawn(const char *command, int fd, pid_t *pid)
{
    const char *shell = getenv("SHELL");
    char *line = NULL;
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none;
    sigset_t all;
    char *argv[4];
    int failed;

    if (!shell || !*shell)
        shell = "/bin/sh";
    if (asprintf(&line, "exec %s", command) < 0)
        return ERR_NO_MEMORY;
    argv[0] = (char *)shell;
    argv[1] = (char *)"-c";
    argv[2] = line;
    argv[3] = NULL;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&files, fd, STDOUT_FILENO);
    posix_spawn_file_actions_addclosefrom_np(&files, STDERR_FILENO + 1);
    posix_spawnattr_init(&attr);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    failed = posix_spawn(pid, shell, &files, &attr, argv, environ);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&files);
    free(line);
    return failed ? err_from_errno(failed) : ERR_OK;
}

enum err
sshproxy_start(const char *command, struct sshproxy **out, int *fd)
{
    struct sshproxy *proxy = calloc(1, sizeof(*proxy));
    int ends[2];
    int flags;
    enum err err;

    if (!proxy)
        return ERR_NO_MEMORY;
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                   ends) < 0) {
        err = err_from_errno(errno);
        free(proxy);
        return err;
    }
    /* Programs expect to wait for their standard input. */
    flags = fcntl(ends[1], F_GETFL);
    fcntl(ends[1], F_SETFL, flags & ~O_NONBLOCK);
    err = spawn(command, ends[1], &proxy->pid);
    close(ends[1]);
    if (err) {
        close(ends[0]);
        free(proxy);
        return err;
    }
    *fd = ends[0];
    *out = proxy;
    return ERR_OK;
}

const char *
sshproxy_ended(struct sshproxy *proxy, char *buf, size_t size)
{
    siginfo_t info = {0};

    if (waitid(P_PID, (id_t)proxy->pid, &info, WEXITED | WNOHANG | WNOWAIT) ||
        info.si_pid == 0)
        return NULL;
    if (info.si_code == CLD_EXITED)
        snprintf(buf, size, "exited with status %d", info.si_status);
    else
        snprintf(buf, size, "ended by signal %d", info.si_status);
    return buf;
}

static void *
reap(void *arg)
{
    waitpid((pid_t)(intptr_t)arg, NULL, 0);
    return NULL;
}

/* One that takes its time has a thread of its own that waits; should there be
 * none, it stays a zombie until we end. */
void
sshproxy_destroy(struct sshproxy *proxy)
{
    pthread_attr_t attr;
    pthread_t thread;

    if (!proxy)
        return;
    kill(proxy->pid, SIGHUP);
    if (waitpid(proxy->pid, NULL, WNOHANG) == 0 &&
        pthread_attr_init(&attr) == 0) {
        pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
        pthread_create(&thread, &attr, reap, (void *)(intptr_t)proxy->pid);
        pthread_attr_destroy(&attr);
    }
    free(proxy);
}
