/* Rejected: readpassphrase(3) and getpass(3), which can't be left when the
 * program is to end, and put handlers of the process's in place from a thread
 * that is one of many. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "proxy/prompt_parts.h"

/* How often and how many times one looks whether a program in the background
 * has come to the front, before it counts as left alone. */
#define FRONT_TICK_MS 100
#define FRONT_TICKS   20

static void
write_all(int fd, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, text, len);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        text += n;
        len -= (size_t)n;
    }
}

/* A program in the background may not ask: it stops, as any that reads from
 * its terminal there, until the shell brings it to the front. One that can't
 * be stopped (its shell has gone) has nobody to ask. */
static bool
wait_for_front(const struct prompt_question *question, int tty)
{
    struct pollfd cancel = {.fd = question->cancel, .events = POLLIN};

    for (unsigned i = 0; tcgetpgrp(tty) != getpgrp(); i++) {
        if (i == FRONT_TICKS)
            return false;
        if (i == 0)
            kill(getpid(), SIGTTIN);
        if (poll(&cancel, 1, FRONT_TICK_MS) > 0)
            return false;
    }
    return true;
}

/* Without echo, and without the keys that stop or kill the program while the
 * echo is off; ^C still interrupts. */
static bool
hide(int tty, const struct termios *before)
{
    struct termios hidden = *before;

    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    hidden.c_lflag |= ICANON | ISIG;
    hidden.c_cc[VSUSP] = _POSIX_VDISABLE;
    hidden.c_cc[VQUIT] = _POSIX_VDISABLE;
    return tcsetattr(tty, TCSAFLUSH, &hidden) == 0;
}

/* Takes one line; what is too long is cut. */
static enum err
read_line(const struct prompt_question *question, int tty)
{
    size_t len = 0;
    char c = 0;

    while (c != '\n') {
        ssize_t n;

        if (!prompt_wait(question, tty))
            return ERR_PEER_GONE;
        n = read(tty, &c, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n <= 0) /* ^D, or the terminal has gone */
            return ERR_PEER_GONE;
        if (c != '\n' && c != '\r' && len + 1 < question->size)
            question->answer[len++] = c;
    }
    question->answer[len] = 0;
    return ERR_OK;
}

enum err
prompt_terminal(const struct prompt_question *question)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
    struct termios before;
    bool is_hidden = false;
    enum err err = ERR_PEER_GONE;

    if (tty < 0)
        return ERR_PEER_GONE;
    if (wait_for_front(question, tty) && tcgetattr(tty, &before) == 0) {
        if (!question->echo)
            is_hidden = hide(tty, &before);
        write_all(tty, question->text, strlen(question->text));
        err = read_line(question, tty);
        if (is_hidden)
            tcsetattr(tty, TCSAFLUSH, &before);
        if (is_hidden || err)
            write_all(tty, "\n", 1);
    }
    close(tty);
    if (err)
        explicit_bzero(question->answer, question->size);
    return err;
}
