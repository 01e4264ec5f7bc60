#include "transport/ssh/sshproxy.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"

static void
await_readable(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    cr_assert_eq(poll(&wait, 1, (int)LOOP_PATIENCE_SECONDS * 1000), 1);
}

static int
start(const char *command, struct sshproxy **proxy)
{
    int fd;

    cr_assert_eq(sshproxy_start(command, proxy, &fd), ERR_OK);
    return fd;
}

/* Waits until this process has no child any more: none is left a zombie. */
static void
await_no_child(void)
{
    const struct timespec nap = {.tv_nsec = 5000000};
    siginfo_t info;

    for (int i = 0; i < 4000; i++) {
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0) {
            cr_assert_eq(errno, ECHILD);
            return;
        }
        nanosleep(&nap, NULL);
    }
    cr_assert_fail("a child is left");
}

Test(sshproxy, its_input_and_output_are_one_connection)
{
    struct sshproxy *proxy;
    int fd = start("cat", &proxy);
    char bytes[5];

    cr_assert_eq(write(fd, "hello", 5), 5);
    await_readable(fd);
    cr_assert_eq(read(fd, bytes, 5), 5);
    cr_assert_arr_eq(bytes, "hello", 5);
    cr_assert_lt(read(fd, bytes, 1), 0);
    cr_assert_eq(errno, EAGAIN, "it does not wait");
    close(fd);
    sshproxy_destroy(proxy);
    await_no_child();
}

Test(sshproxy, its_exit_status_is_known)
{
    struct sshproxy *proxy;
    char text[64];
    int fd = start("sh -c 'read line; exit 3'", &proxy);
    siginfo_t info;

    cr_assert_null(sshproxy_ended(proxy, text, sizeof(text)));
    cr_assert_eq(write(fd, "\n", 1), 1);
    cr_assert_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    cr_assert_str_eq(sshproxy_ended(proxy, text, sizeof(text)),
                     "exited with status 3");
    close(fd);
    sshproxy_destroy(proxy);
    await_no_child();
}

Test(sshproxy, a_command_that_cannot_be_says_so)
{
    struct sshproxy *proxy;
    char text[64];
    int fd = start("/no/such/program 2>/dev/null", &proxy);
    siginfo_t info;

    cr_assert_eq(waitid(P_ALL, 0, &info, WEXITED | WNOWAIT), 0);
    cr_assert_str_eq(sshproxy_ended(proxy, text, sizeof(text)),
                     "exited with status 127");
    close(fd);
    sshproxy_destroy(proxy);
    await_no_child();
}

Test(sshproxy, one_that_heeds_nothing_but_signals_is_ended)
{
    struct sshproxy *proxy;
    int fd = start("sleep 1000", &proxy);

    close(fd);
    sshproxy_destroy(proxy);
    await_no_child();
}

/* The shell's own, and what it is to leave to the command. */
Test(sshproxy, signals_and_descriptors_are_as_a_program_expects)
{
    struct sshproxy *proxy;
    int other = dup(STDIN_FILENO);
    char text[4096] = "";
    size_t got = 0;
    ssize_t some;
    unsigned long long blocked;
    unsigned long long ignored; /* the C library's own two apart */
    sigset_t all;
    int fd;

    signal(SIGPIPE, SIG_IGN);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, NULL);
    fd = start("sh -c 'ls /proc/self/fd; grep -E \"^Sig(Blk|Ign)\" "
               "/proc/self/status'",
               &proxy);
    do {
        await_readable(fd);
        some = read(fd, text + got, sizeof(text) - 1 - got);
        got += some > 0 ? (size_t)some : 0;
    } while (some > 0);
    cr_assert_eq(
        sscanf(text, "0 1 2 3 SigBlk: %llx SigIgn: %llx", &blocked, &ignored),
        2, "%s", text);
    cr_assert_eq(blocked, 0);
    cr_assert_eq(ignored & 0x7fffffff, 0, "%s", text);
    close(other);
    close(fd);
    sshproxy_destroy(proxy);
    await_no_child();
}
