#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "tests/unit/sshserver_bed.h"
#include "transport/base/clock.h"

#define VERSION "SSH-2.0-OpenSSH_9.2p1\r\n"

/* Reads until the end or a reset; what came is thrown away. */
static void
wait_end(int fd)
{
    char bytes[4096];
    ssize_t n;

    do
        n = read(fd, bytes, sizeof(bytes));
    while (n > 0);
    cr_expect(n == 0 || errno == ECONNRESET, "no end came");
    close(fd);
}

Test(sshserver, lets_in_who_has_the_key)
{
    struct sshserver_bed bed;
    struct sshserver_login *login;
    ssh_session client;
    unsigned open = sockets_open_count();

    sshserver_bed_start(&bed, 1, NULL);
    client = sshserver_bed_connect(&bed, 1);
    cr_assert(client);
    cr_assert_eq(ssh_userauth_publickey(client, NULL, bed.good),
                 SSH_AUTH_SUCCESS);
    login = sshserver_bed_wait(&bed);
    cr_assert(login);
    cr_expect_str_eq(login->user, "me");
    cr_expect_eq(strncmp(login->print, "SHA256:", 7), 0);
    cr_expect_eq(strncmp(login->software, "SSH-2.0-libssh", 14), 0);
    cr_expect_eq(login->peer.sa.sa_family, AF_INET);
    cr_expect_eq(login->grant, &bed);
    cr_expect(fcntl(ssh_get_fd(login->session), F_GETFL) & O_NONBLOCK);
    cr_expect_eq(strncmp(ssh_get_serverbanner(client), "SSH-2.0-culvert_", 16),
                 0);
    cr_expect(sshserver_bed_settle(&bed, 0));
    sshserver_bed_drop(&bed, login);
    sshserver_bed_hang_up(client);
    sshserver_bed_end(&bed);
    cr_expect_eq(sockets_open_count(), open);
}

Test(sshserver, lets_in_who_knows_the_password)
{
    struct sshserver_bed bed;
    struct sshserver_login *login;
    ssh_session client;

    sshserver_bed_start(&bed, 1, NULL);
    client = sshserver_bed_connect(&bed, 1);
    cr_assert(client);
    cr_assert_eq(ssh_userauth_none(client, NULL), SSH_AUTH_DENIED);
    cr_expect_eq(ssh_userauth_list(client, NULL),
                 SSH_AUTH_METHOD_PUBLICKEY | SSH_AUTH_METHOD_PASSWORD);
    cr_expect_eq(ssh_userauth_password(client, NULL, "wrong"), SSH_AUTH_DENIED);
    cr_expect_eq(ssh_userauth_password(client, NULL, SSHSERVER_BED_PASSWORD),
                 SSH_AUTH_SUCCESS);
    login = sshserver_bed_wait(&bed);
    cr_assert(login);
    cr_expect_str_eq(login->print, "");
    sshserver_bed_drop(&bed, login);
    sshserver_bed_hang_up(client);
    sshserver_bed_end(&bed);
}

Test(sshserver, what_is_asked_for_after_the_login_waits_in_the_session)
{
    struct sshserver_bed bed;
    struct sshserver_login *login;
    ssh_session client;
    ssh_channel channel;
    ssh_message message = NULL;

    sshserver_bed_start(&bed, 1, NULL);
    client = sshserver_bed_connect(&bed, 1);
    cr_assert_eq(ssh_userauth_publickey(client, NULL, bed.good),
                 SSH_AUTH_SUCCESS);
    login = sshserver_bed_wait(&bed);
    cr_assert(login);
    channel = ssh_channel_new(client);
    ssh_set_blocking(client, 0);
    cr_expect_eq(ssh_channel_open_forward(channel, "host", 80, "::1", 1),
                 SSH_AGAIN);
    for (int i = 0; i < 1000 && !message; i++) {
        message = ssh_message_get(login->session);
        usleep(1000);
    }
    cr_assert(message);
    cr_expect_eq(ssh_message_type(message), SSH_REQUEST_CHANNEL_OPEN);
    ssh_message_free(message);
    sshserver_bed_drop(&bed, login);
    sshserver_bed_hang_up(client);
    sshserver_bed_end(&bed);
}

/* libssh closes the descriptor where it can't write its last word, and by then
 * its number may be somebody else's. */
Test(sshserver, a_login_that_is_dropped_closes_its_descriptor_once)
{
    const struct linger reset = {.l_onoff = 1};
    struct sshserver_bed bed;
    struct sshserver_login *login;
    ssh_session client;
    struct pollfd end = {.events = POLLIN};
    int fd;

    sshserver_bed_start(&bed, 1, NULL);
    client = sshserver_bed_connect(&bed, 1);
    cr_assert_eq(ssh_userauth_publickey(client, NULL, bed.good),
                 SSH_AUTH_SUCCESS);
    login = sshserver_bed_wait(&bed);
    cr_assert(login);
    end.fd = fd = ssh_get_fd(login->session);
    setsockopt(ssh_get_fd(client), SOL_SOCKET, SO_LINGER, &reset,
               sizeof(reset));
    ssh_free(client);
    cr_assert_eq(poll(&end, 1, (int)LOOP_PATIENCE_SECONDS * 1000), 1);
    errno = 0;
    sshserver_bed_drop(&bed, login);
    cr_expect_neq(errno, EBADF);
    cr_expect_lt(fcntl(fd, F_GETFD), 0);
    sshserver_bed_end(&bed);
}

Test(sshserver, refuses_a_key_that_is_not_known)
{
    struct sshserver_bed bed;
    ssh_session client;
    ssh_key other;

    sshserver_bed_start(&bed, 1, NULL);
    cr_assert_eq(ssh_pki_generate(SSH_KEYTYPE_ECDSA, 256, &other), SSH_OK);
    client = sshserver_bed_connect(&bed, 1);
    cr_expect_eq(ssh_userauth_try_publickey(client, NULL, other),
                 SSH_AUTH_DENIED);
    cr_expect_eq(ssh_userauth_try_publickey(client, NULL, bed.good),
                 SSH_AUTH_SUCCESS, "the question alone");
    cr_expect_eq(ssh_userauth_publickey(client, NULL, other), SSH_AUTH_DENIED);
    cr_expect_eq(bed.count, 0);
    sshserver_bed_hang_up(client);
    cr_expect(sshserver_bed_settle(&bed, 0));
    ssh_key_free(other);
    sshserver_bed_end(&bed);
}

/* Of a key that was thrown away. */
static const char certificate[] =
    "AAAAIHNzaC1lZDI1NTE5LWNlcnQtdjAxQG9wZW5zc2guY29tAAAAIHqzQBgmhczsI0YtaFGyI3"
    "583AjBiDd67Ckv6VEInS6xAAAAICBT5c5hhPYfp4+wqfkToFlypFPyEOFlhqi7rv29Mq+SAAAA"
    "AAAAAAAAAAABAAAAAmlkAAAABwAAAANib2IAAAAAAAAAAP//////////AAAAAAAAAIIAAAAVcG"
    "VybWl0LVgxMS1mb3J3YXJkaW5nAAAAAAAAABdwZXJtaXQtYWdlbnQtZm9yd2FyZGluZwAAAAAA"
    "AAAWcGVybWl0LXBvcnQtZm9yd2FyZGluZwAAAAAAAAAKcGVybWl0LXB0eQAAAAAAAAAOcGVybW"
    "l0LXVzZXItcmMAAAAAAAAAAAAAADMAAAALc3NoLWVkMjU1MTkAAAAgISKJ8avQd+pDiyvOq2vz"
    "BoZighzaPGVKyEc9j96ajDQAAABTAAAAC3NzaC1lZDI1NTE5AAAAQD+6HY3gq3XMKmVH5QyV+B"
    "LFvE2XysSzI8xBU7JUGtxuxSACv78eVO63d69xBURjRO4sXz8IW2QLLJ355uneOAI=";

/* libssh has no answer for it. */
Test(sshserver, refuses_a_signature_that_is_wrong)
{
    struct sshserver_bed bed;
    ssh_session client;
    ssh_key cert;

    sshserver_bed_start(&bed, 1, NULL);
    cr_assert_eq(ssh_pki_import_cert_base64(certificate,
                                            SSH_KEYTYPE_ED25519_CERT01, &cert),
                 SSH_OK);
    cr_assert_eq(ssh_pki_copy_cert_to_privkey(cert, bed.good), SSH_OK);
    client = sshserver_bed_connect(&bed, 1);
    cr_assert_eq(ssh_userauth_none(client, NULL), SSH_AUTH_DENIED);
    cr_expect_eq(ssh_userauth_publickey(client, NULL, bed.good),
                 SSH_AUTH_DENIED);
    cr_expect_eq(bed.asked, 0, "nobody is asked about it");
    cr_expect_eq(ssh_userauth_password(client, NULL, SSHSERVER_BED_PASSWORD),
                 SSH_AUTH_SUCCESS, "it goes on");
    sshserver_bed_hang_up(client);
    ssh_key_free(cert);
    sshserver_bed_end(&bed);
}

Test(sshserver, ends_a_login_after_six_tries)
{
    struct sshserver_bed bed;
    ssh_session client;
    unsigned tries = 0;

    sshserver_bed_start(&bed, 1, NULL);
    client = sshserver_bed_connect(&bed, 1);
    while (tries < 10 &&
           ssh_userauth_password(client, NULL, "wrong") == SSH_AUTH_DENIED)
        tries++;
    cr_expect_eq(tries, 5, "%u, and then the end", tries);
    cr_expect(strstr(ssh_get_error(client), "Too many authentication"), "%s",
              ssh_get_error(client));
    cr_expect(sshserver_bed_settle(&bed, 0));
    ssh_free(client);
    sshserver_bed_end(&bed);
}

Test(sshserver, refuses_a_method_that_is_not_offered)
{
    struct sshserver_bed bed;
    ssh_session client;

    sshserver_bed_start(&bed, 1, NULL);
    client = sshserver_bed_connect(&bed, 1);
    cr_expect_eq(ssh_userauth_kbdint(client, NULL, NULL), SSH_AUTH_DENIED);
    sshserver_bed_hang_up(client);
    sshserver_bed_end(&bed);
}

Test(sshserver, keeps_a_source_out_that_fails_on_and_on)
{
    struct sshserver_bed bed;
    char said[64] = "";
    int fd;

    sshserver_bed_start(&bed, 1, NULL);
    for (int i = 0; i < 4; i++) {
        ssh_session client = sshserver_bed_connect(&bed, 5);

        if (!client)
            break;
        ssh_userauth_password(client, NULL, "wrong");
        sshserver_bed_hang_up(client);
        cr_assert(sshserver_bed_settle(&bed, 0));
    }
    fd = sshserver_bed_dial(&bed, 5);
    cr_expect_gt(read(fd, said, sizeof(said) - 1), 0);
    cr_expect_eq(strncmp(said, "Not allowed", 11), 0, "%s", said);
    close(fd);
    fd = sshserver_bed_dial(&bed, 6);
    cr_expect_gt(read(fd, said, sizeof(said) - 1), 0);
    cr_expect_eq(strncmp(said, "SSH-2.0", 7), 0, "another may come in");
    close(fd);
    sshserver_bed_end(&bed);
}

/* --- peers that are up to no good ----------------------------------------- */

static const struct sshserver_times hasty = {0.4, 0.8, 0.1};

Test(sshserver, ends_one_that_is_silent)
{
    struct sshserver_bed bed;
    int fd;

    sshserver_bed_start(&bed, 1, &hasty);
    fd = sshserver_bed_dial(&bed, 1);
    wait_end(fd);
    cr_expect(sshserver_bed_settle(&bed, 0));
    sshserver_bed_end(&bed);
}

Test(sshserver, ends_one_that_says_its_version_and_no_more)
{
    struct sshserver_bed bed;
    int fd;

    sshserver_bed_start(&bed, 1, &hasty);
    fd = sshserver_bed_dial(&bed, 1);
    sockets_write(fd, VERSION, strlen(VERSION));
    wait_end(fd);
    sshserver_bed_end(&bed);
}

Test(sshserver, ends_one_that_exchanges_keys_and_no_more)
{
    struct sshserver_bed bed;
    ssh_session client;

    sshserver_bed_start(&bed, 1, &hasty);
    client = sshserver_bed_connect(&bed, 1);
    cr_assert(client);
    cr_expect(sshserver_bed_settle(&bed, 0));
    cr_expect_neq(ssh_userauth_publickey(client, NULL, bed.good),
                  SSH_AUTH_SUCCESS);
    ssh_free(client);
    sshserver_bed_end(&bed);
}

Test(sshserver, ends_one_that_sends_garbage)
{
    static const struct {
        const char *bytes;
        size_t len;
    } all[] = {
        {"GET / HTTP/1.1\r\n\r\n", 18},
        {VERSION "\xff\xff\xff\xff\xff\xff\xff\xff", 31},
        {VERSION "\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 39},
        {VERSION "\0\3\0\0\4\x14 aaaaaaaaaaaaaaaaaaa", 49},
        {"SSH-1.5-old\n", 12},
        {"\n", 1},
    };
    struct sshserver_bed bed;
    unsigned open = sockets_open_count();

    sshserver_bed_start(&bed, 1, &hasty);
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        int fd = sshserver_bed_dial(&bed, (unsigned)i + 1);

        sockets_write(fd, all[i].bytes, all[i].len);
        wait_end(fd);
    }
    cr_expect(sshserver_bed_settle(&bed, 0));
    sshserver_bed_end(&bed);
    cr_expect_eq(sockets_open_count(), open);
}

Test(sshserver, ends_one_whose_version_has_no_end)
{
    static char bytes[256 * 1024];
    struct sshserver_bed bed;
    int fd;

    memset(bytes, 'x', sizeof(bytes));
    sshserver_bed_start(&bed, 1, &hasty);
    fd = sshserver_bed_dial(&bed, 1);
    send(fd, bytes, sizeof(bytes), MSG_NOSIGNAL);
    wait_end(fd);
    sshserver_bed_end(&bed);
}

Test(sshserver, withdraws_its_question_when_time_is_over)
{
    struct sshserver_bed bed;
    ssh_session client;

    sshserver_bed_start(&bed, 1, &hasty);
    bed.mute = true;
    client = sshserver_bed_connect(&bed, 1);
    cr_expect_neq(ssh_userauth_password(client, NULL, SSHSERVER_BED_PASSWORD),
                  SSH_AUTH_SUCCESS);
    cr_expect_eq(bed.cancelled, 1);
    ssh_free(client);
    sshserver_bed_end(&bed);
}

Test(sshserver, ends_one_that_there_is_no_memory_to_judge)
{
    struct sshserver_bed bed;
    ssh_session client;

    sshserver_bed_start(&bed, 1, NULL);
    bed.lacks_memory = true;
    client = sshserver_bed_connect(&bed, 1);
    cr_expect_neq(ssh_userauth_password(client, NULL, SSHSERVER_BED_PASSWORD),
                  SSH_AUTH_SUCCESS);
    cr_expect_not(ssh_is_connected(client));
    ssh_free(client);
    sshserver_bed_end(&bed);
}

Test(sshserver, others_come_in_while_silent_ones_stand_there)
{
    struct sshserver_bed bed;
    struct sshserver_login *login;
    ssh_session client;
    int fds[200];

    sshserver_bed_start(&bed, 2, NULL);
    for (unsigned i = 0; i < 200; i++)
        fds[i] = sshserver_bed_dial(&bed, 1 + i % 4);
    client = sshserver_bed_connect(&bed, 50);
    cr_assert(client, "they keep it out");
    cr_expect_eq(ssh_userauth_publickey(client, NULL, bed.good),
                 SSH_AUTH_SUCCESS);
    login = sshserver_bed_wait(&bed);
    cr_assert(login);
    sshserver_bed_drop(&bed, login);
    sshserver_bed_hang_up(client);
    sshserver_stop(bed.server);
    for (unsigned i = 0; i < 200; i++)
        close(fds[i]);
    sshserver_bed_end(&bed);
}

Test(sshserver, takes_none_without_room)
{
    struct sshserver_bed bed;
    ssh_session client;
    int fd;

    sshserver_bed_start(&bed, 1, NULL);
    bed.full = true;
    fd = sshserver_bed_dial(&bed, 1);
    usleep(50000);
    cr_expect_eq(sshserver_bed_guests(&bed), 0);
    bed.full = false;
    client = sshserver_bed_connect(&bed, 2);
    cr_expect(client, "the acceptor tries again");
    sshserver_bed_hang_up(client);
    close(fd);
    sshserver_bed_end(&bed);
}

/* --- many ----------------------------------------------------------------- */

#define CLIENTS 200

struct client {
    struct sshserver_bed *bed;
    pthread_t thread;
    unsigned number;
    bool is_in;
};

static void *
log_in(void *arg)
{
    struct client *client = arg;
    ssh_session session =
        sshserver_bed_connect(client->bed, 1 + client->number % 10);

    if (!session)
        return NULL;
    client->is_in =
        (client->number % 2
             ? ssh_userauth_publickey(session, NULL, client->bed->good)
             : ssh_userauth_password(session, NULL, SSHSERVER_BED_PASSWORD)) ==
        SSH_AUTH_SUCCESS;
    sshserver_bed_hang_up(session);
    return NULL;
}

Test(sshserver, lets_two_hundred_in_at_once, .timeout = 60)
{
    static struct client clients[CLIENTS];
    struct sshserver_bed bed;
    unsigned in = 0;

    sshserver_bed_start(&bed, 2, NULL);
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = (struct client){.bed = &bed, .number = i};
        pthread_create(&clients[i].thread, NULL, log_in, &clients[i]);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        pthread_join(clients[i].thread, NULL);
        in += clients[i].is_in;
    }
    cr_expect_eq(in, CLIENTS, "%u", in);
    cr_expect(sshserver_bed_settle(&bed, 0));
    cr_expect_eq(bed.count, CLIENTS);
    sshserver_bed_end(&bed);
}
