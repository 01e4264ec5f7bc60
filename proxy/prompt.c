#include "proxy/prompt.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "proxy/prompt_parts.h"

/* Where Debian's alternatives have it, as ssh's own default. */
#define ASKPASS_DEFAULT "/usr/bin/ssh-askpass"

struct prompt {
    struct sshask ask;
    int cancel; /* an eventfd, which is never read: once is for ever */
};

enum way {
    WAY_TERMINAL,
    WAY_PROGRAM,
};

static bool
is_set(const char *name)
{
    const char *value = getenv(name);

    return value && *value;
}

static bool
has_terminal(void)
{
    int fd = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (fd < 0)
        return false;
    close(fd);
    return true;
}

/* ssh(1), SSH_ASKPASS_REQUIRE. */
static enum way
choose(void)
{
    const char *require = getenv("SSH_ASKPASS_REQUIRE");
    bool can_show = is_set("DISPLAY") || is_set("WAYLAND_DISPLAY");

    if (require && strcasecmp(require, "force") == 0)
        return WAY_PROGRAM;
    if (require && strcasecmp(require, "never") == 0)
        return WAY_TERMINAL;
    if (require && strcasecmp(require, "prefer") == 0 && can_show)
        return WAY_PROGRAM;
    return !has_terminal() && can_show ? WAY_PROGRAM : WAY_TERMINAL;
}

/* ssh sets SSH_ASKPASS_PROMPT only where a button is enough for an answer; to
 * the question about a host's key it is not, as the answer may be the
 * fingerprint. One left by whoever runs us must not reach the program. */
static enum err
ask_by_program(const struct prompt_question *question)
{
    const char *program = getenv("SSH_ASKPASS");

    return prompt_program(question,
                          program && *program ? program : ASKPASS_DEFAULT);
}

static enum err
ask(void *arg, enum sshask_kind kind, const char *text, char *answer,
    size_t size)
{
    struct prompt *prompt = arg;
    struct prompt_question question = {
        .text = text,
        .echo = kind != SSHASK_SECRET,
        .cancel = prompt->cancel,
        .answer = answer,
        .size = size,
    };

    switch (choose()) {
    case WAY_TERMINAL:
        return prompt_terminal(&question);
    case WAY_PROGRAM:
        return ask_by_program(&question);
    }
    return ERR_PEER_GONE;
}

bool
prompt_wait(const struct prompt_question *question, int fd)
{
    struct pollfd fds[2] = {
        {.fd = question->cancel, .events = POLLIN},
        {.fd = fd, .events = POLLIN},
    };

    while (poll(fds, 2, -1) < 0)
        if (errno != EINTR)
            return false;
    return !fds[0].revents;
}

enum err
prompt_create(struct prompt **prompt)
{
    struct prompt *made = calloc(1, sizeof(*made));

    if (!made)
        return ERR_NO_MEMORY;
    made->ask = (struct sshask){.ask = ask, .arg = made};
    made->cancel = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (made->cancel < 0) {
        enum err err = err_from_errno(errno);

        free(made);
        return err;
    }
    *prompt = made;
    return ERR_OK;
}

const struct sshask *
prompt_ask(struct prompt *prompt)
{
    return &prompt->ask;
}

void
prompt_cancel(struct prompt *prompt)
{
    eventfd_write(prompt->cancel, 1);
}

void
prompt_destroy(struct prompt *prompt)
{
    if (!prompt)
        return;
    close(prompt->cancel);
    free(prompt);
}
