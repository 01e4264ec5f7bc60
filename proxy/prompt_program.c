#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "proxy/prompt_parts.h"

/* Our environment without SSH_ASKPASS_PROMPT: a few pointers, to free. */
static char **
clean_environment(void)
{
    static const char name[] = "SSH_ASKPASS_PROMPT=";
    size_t count = 0;
    char **made;
    char **at;

    while (environ[count])
        count++;
    made = calloc(count + 1, sizeof(*made));
    if (!made)
        return NULL;
    at = made;
    for (size_t i = 0; i < count; i++)
        if (strncmp(environ[i], name, sizeof(name) - 1) != 0)
            *at++ = environ[i];
    return made;
}

/* The login's thread blocks all signals, and the process may ignore some: the
 * program is to have neither. */
static bool
spawn(const char *program, const char *text, int out, pid_t *pid)
{
    char *const argv[] = {(char *)program, (char *)text, NULL};
    char **environment = clean_environment();
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t signals;
    int failed;

    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawnattr_init(&attr);
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attr, &signals);
    sigaddset(&signals, SIGPIPE);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    posix_spawnattr_setsigdefault(&attr, &signals);
    posix_spawnattr_setflags(&attr,
                             POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    failed = environment ? posix_spawnp(pid, program, &actions, &attr, argv,
                                        environment)
                         : ENOMEM;
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    free(environment);
    return !failed;
}

/* Its first line. Returns false when the question is over before its end. */
static bool
read_answer(const struct prompt_question *question, int in)
{
    size_t len = 0;
    char rest[256];
    ssize_t n;

    do {
        bool has_room = len + 1 < question->size;

        if (!prompt_wait(question, in))
            return false;
        n = has_room
                ? read(in, question->answer + len, question->size - 1 - len)
                : read(in, rest, sizeof(rest));
        if (n > 0 && has_room)
            len += (size_t)n;
    } while (n > 0 || (n < 0 && errno == EINTR));
    explicit_bzero(rest, sizeof(rest));
    question->answer[len] = 0;
    question->answer[strcspn(question->answer, "\r\n")] = 0;
    return n == 0;
}

enum err
prompt_program(const struct prompt_question *question, const char *program)
{
    int pipes[2];
    int status = -1;
    bool answered;
    pid_t pid;

    if (pipe2(pipes, O_CLOEXEC) < 0)
        return err_from_errno(errno);
    if (!spawn(program, question->text, pipes[1], &pid)) {
        close(pipes[0]);
        close(pipes[1]);
        return ERR_PEER_GONE;
    }
    close(pipes[1]);
    answered = read_answer(question, pipes[0]);
    close(pipes[0]);
    if (!answered)
        kill(pid, SIGTERM);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (answered && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return ERR_OK;
    explicit_bzero(question->answer, question->size);
    return ERR_PEER_GONE;
}
