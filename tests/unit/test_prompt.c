/* Questions at a terminal of the test's own, and by a program. */
#include "proxy/prompt.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"

struct bed {
    struct prompt *prompt;
    int master; /* of the terminal, or -1 */
    enum sshask_kind kind;
    char answer[64];
    enum err err;
    pthread_t thread;
};

static void *
ask(void *arg)
{
    struct bed *bed = arg;
    const struct sshask *way = prompt_ask(bed->prompt);

    bed->err = way->ask(way->arg, bed->kind, "Say: ", bed->answer,
                        sizeof(bed->answer));
    return NULL;
}

/* The test's process leads a session of its own, so that it has no terminal
 * but the one that is made here. */
static void
make_terminal(struct bed *bed)
{
    int tty;

    signal(SIGHUP, SIG_IGN); /* when the terminal goes */
    setsid();
    bed->master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    cr_assert_geq(bed->master, 0);
    cr_assert_eq(grantpt(bed->master), 0);
    cr_assert_eq(unlockpt(bed->master), 0);
    tty = open(ptsname(bed->master), O_RDWR | O_CLOEXEC);
    cr_assert_geq(tty, 0);
    cr_assert_eq(ioctl(tty, TIOCSCTTY, 0), 0);
}

static void
start(struct bed *bed)
{
    *bed = (struct bed){.master = -1};
    unsetenv("SSH_ASKPASS");
    unsetenv("SSH_ASKPASS_REQUIRE");
    unsetenv("DISPLAY");
    unsetenv("WAYLAND_DISPLAY");
    cr_assert_eq(prompt_create(&bed->prompt), ERR_OK);
}

static void
begin(struct bed *bed, enum sshask_kind kind)
{
    bed->kind = kind;
    memset(bed->answer, 0, sizeof(bed->answer));
    cr_assert_eq(pthread_create(&bed->thread, NULL, ask, bed), 0);
}

static void
finish(struct bed *bed)
{
    pthread_join(bed->thread, NULL);
}

static void
end(struct bed *bed)
{
    prompt_destroy(bed->prompt);
    prompt_destroy(NULL);
    if (bed->master >= 0)
        close(bed->master);
}

/* Reads from the terminal until it has shown that. */
static void
wait_shown(const struct bed *bed, const char *text)
{
    struct pollfd shown = {.fd = bed->master, .events = POLLIN};
    char seen[256] = "";
    size_t len = 0;

    while (!strstr(seen, text)) {
        ssize_t n;

        cr_assert_eq(poll(&shown, 1, (int)LOOP_PATIENCE_SECONDS * 1000), 1,
                     "\"%s\" is not in \"%s\"", text, seen);
        n = read(bed->master, seen + len, sizeof(seen) - 1 - len);
        cr_assert_gt(n, 0);
        len += (size_t)n;
        seen[len] = 0;
    }
}

static bool
echoes(const struct bed *bed)
{
    struct termios now;

    cr_assert_eq(tcgetattr(bed->master, &now), 0);
    return now.c_lflag & ECHO;
}

static void
type(const struct bed *bed, const char *text)
{
    cr_assert_eq(write(bed->master, text, strlen(text)), (ssize_t)strlen(text));
}

Test(prompt, a_secret_is_not_shown)
{
    struct bed bed;

    start(&bed);
    make_terminal(&bed);
    begin(&bed, SSHASK_SECRET);
    wait_shown(&bed, "Say: ");
    cr_expect_not(echoes(&bed));
    type(&bed, "open sesame\n");
    finish(&bed);
    cr_expect_eq(bed.err, ERR_OK);
    cr_expect_str_eq(bed.answer, "open sesame");
    cr_expect(echoes(&bed));
    end(&bed);
}

Test(prompt, a_text_is_shown)
{
    struct bed bed;

    start(&bed);
    make_terminal(&bed);
    begin(&bed, SSHASK_TEXT);
    wait_shown(&bed, "Say: ");
    cr_expect(echoes(&bed));
    type(&bed, "yes\n");
    wait_shown(&bed, "yes");
    finish(&bed);
    cr_expect_str_eq(bed.answer, "yes");
    end(&bed);
}

Test(prompt, a_long_answer_is_cut_and_the_rest_is_no_answer_to_the_next)
{
    struct bed bed;
    char text[201];

    start(&bed);
    make_terminal(&bed);
    begin(&bed, SSHASK_SECRET);
    wait_shown(&bed, "Say: ");
    memset(text, 'x', 200);
    text[200] = 0;
    type(&bed, text);
    type(&bed, "\n");
    finish(&bed);
    cr_expect_eq(strlen(bed.answer), sizeof(bed.answer) - 1);
    begin(&bed, SSHASK_SECRET);
    wait_shown(&bed, "Say: ");
    type(&bed, "short\n");
    finish(&bed);
    cr_expect_str_eq(bed.answer, "short");
    end(&bed);
}

Test(prompt, the_end_of_input_is_no_answer)
{
    struct bed bed;

    start(&bed);
    make_terminal(&bed);
    begin(&bed, SSHASK_SECRET);
    wait_shown(&bed, "Say: ");
    type(&bed, "\x04");
    finish(&bed);
    cr_expect_eq(bed.err, ERR_PEER_GONE);
    cr_expect(echoes(&bed));
    end(&bed);
}

Test(prompt, a_cancel_leaves_the_terminal_as_it_was)
{
    struct bed bed;

    start(&bed);
    make_terminal(&bed);
    begin(&bed, SSHASK_SECRET);
    wait_shown(&bed, "Say: ");
    cr_expect_not(echoes(&bed));
    prompt_cancel(bed.prompt);
    finish(&bed);
    cr_expect_eq(bed.err, ERR_PEER_GONE);
    cr_expect(echoes(&bed));
    begin(&bed, SSHASK_SECRET);
    finish(&bed);
    cr_expect_eq(bed.err, ERR_PEER_GONE, "asked after the cancel");
    end(&bed);
}

Test(prompt, nobody_is_there_without_a_terminal)
{
    struct bed bed;

    start(&bed);
    setsid();
    begin(&bed, SSHASK_SECRET);
    finish(&bed);
    cr_expect_eq(bed.err, ERR_PEER_GONE);
    end(&bed);
}

/* --- by a program --------------------------------------------------------- */

static void
make_program(char path[32], const char *script)
{
    FILE *file;
    int fd;

    strcpy(path, "/tmp/culvert-ask-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    file = fdopen(fd, "w");
    fprintf(file, "#!/bin/sh\n%s\n", script);
    fclose(file);
    chmod(path, 0700);
    setenv("SSH_ASKPASS", path, 1);
}

static enum err
ask_program(struct bed *bed, const char *script)
{
    char path[32];

    make_program(path, script);
    begin(bed, SSHASK_SECRET);
    finish(bed);
    unlink(path);
    return bed->err;
}

Test(prompt, a_program_answers_where_there_is_no_terminal)
{
    struct bed bed;

    start(&bed);
    setsid();
    cr_expect_eq(ask_program(&bed, "echo \"$1\""), ERR_PEER_GONE,
                 "asked without a display");
    setenv("DISPLAY", ":0", 1);
    cr_expect_eq(ask_program(&bed, "echo \"<$1>\"; echo more"), ERR_OK);
    cr_expect_str_eq(bed.answer, "<Say: >");
    unsetenv("DISPLAY");
    setenv("WAYLAND_DISPLAY", "w", 1);
    cr_expect_eq(ask_program(&bed, "echo w"), ERR_OK);
    setenv("SSH_ASKPASS_REQUIRE", "never", 1);
    cr_expect_eq(ask_program(&bed, "echo w"), ERR_PEER_GONE);
    end(&bed);
}

Test(prompt, a_program_is_forced_or_preferred)
{
    struct bed bed;

    start(&bed);
    make_terminal(&bed);
    setenv("SSH_ASKPASS_REQUIRE", "force", 1);
    cr_expect_eq(ask_program(&bed, "echo forced"), ERR_OK);
    cr_expect_str_eq(bed.answer, "forced");
    setenv("SSH_ASKPASS_REQUIRE", "prefer", 1);
    setenv("DISPLAY", ":0", 1);
    cr_expect_eq(ask_program(&bed, "echo preferred"), ERR_OK);
    cr_expect_str_eq(bed.answer, "preferred");
    unsetenv("DISPLAY");
    begin(&bed, SSHASK_SECRET);
    wait_shown(&bed, "Say: ");
    type(&bed, "typed\n");
    finish(&bed);
    cr_expect_str_eq(bed.answer, "typed");
    end(&bed);
}

Test(prompt, a_program_that_fails_is_no_answer)
{
    struct bed bed;

    start(&bed);
    setenv("SSH_ASKPASS_REQUIRE", "force", 1);
    cr_expect_eq(ask_program(&bed, "echo secret; exit 1"), ERR_PEER_GONE);
    cr_expect_str_empty(bed.answer);
    cr_expect_eq(ask_program(&bed, "kill -9 $$"), ERR_PEER_GONE);
    setenv("SSH_ASKPASS", "/nowhere/at/all", 1);
    begin(&bed, SSHASK_SECRET);
    finish(&bed);
    cr_expect_eq(bed.err, ERR_PEER_GONE);
    end(&bed);
}

Test(prompt, a_program_gets_what_is_ours_and_no_hint_of_anothers)
{
    struct bed bed;

    start(&bed);
    setenv("SSH_ASKPASS_REQUIRE", "force", 1);
    setenv("SSH_ASKPASS_PROMPT", "none", 1);
    setenv("FLAVOUR", "mint", 1);
    cr_expect_eq(ask_program(&bed, "echo \"$FLAVOUR${SSH_ASKPASS_PROMPT-}\""),
                 ERR_OK);
    cr_expect_str_eq(bed.answer, "mint");
    end(&bed);
}

Test(prompt, a_long_answer_of_a_program_is_cut)
{
    struct bed bed;

    start(&bed);
    setenv("SSH_ASKPASS_REQUIRE", "force", 1);
    cr_expect_eq(ask_program(&bed, "head -c 100000 /dev/zero | tr '\\0' x"),
                 ERR_OK);
    cr_expect_eq(strlen(bed.answer), sizeof(bed.answer) - 1);
    end(&bed);
}

Test(prompt, a_cancel_ends_a_program)
{
    struct bed bed;
    char path[32];
    char pipe[48];
    int fd;

    start(&bed);
    setenv("SSH_ASKPASS_REQUIRE", "force", 1);
    make_program(path, "echo >$0.up; exec sleep 100");
    snprintf(pipe, sizeof(pipe), "%s.up", path);
    cr_assert_eq(mkfifo(pipe, 0600), 0);
    begin(&bed, SSHASK_SECRET);
    fd = open(pipe, O_RDONLY | O_CLOEXEC); /* until it runs */
    prompt_cancel(bed.prompt);
    finish(&bed);
    cr_expect_eq(bed.err, ERR_PEER_GONE);
    close(fd);
    unlink(pipe);
    unlink(path);
    end(&bed);
}
