#include "transport/ssh/sshkexpeek.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OPENSSH "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n"
#define LIBSSH  "SSH-2.0-libssh_0.10.6\r\n"

#define CHACHA "chacha20-poly1305@openssh.com"
#define AES128 "aes128-gcm@openssh.com"
#define AES256 "aes256-gcm@openssh.com"
#define HABIT  CHACHA ",aes128-ctr,aes192-ctr,aes256-ctr," AES128 "," AES256

/* A client's first bytes. */
struct hello {
    uint8_t bytes[4096];
    size_t len;
};

static void
put_number(struct hello *hello, uint32_t number)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        hello->bytes[hello->len++] = (uint8_t)(number >> shift);
}

static void
put(struct hello *hello, const char *text)
{
    memcpy(hello->bytes + hello->len, text, strlen(text));
    hello->len += strlen(text);
}

static void
put_names(struct hello *hello, const char *names)
{
    put_number(hello, (uint32_t)strlen(names));
    put(hello, names);
}

static void
make(struct hello *hello, const char *version, const char *to_server,
     const char *to_client)
{
    size_t at;
    size_t len;

    memset(hello, 0, sizeof(*hello));
    put(hello, version);
    at = hello->len;
    hello->len += 4;
    hello->bytes[hello->len++] = 8;
    hello->bytes[hello->len++] = 20;
    hello->len += 16;
    put_names(hello, "curve25519-sha256,ext-info-c");
    put_names(hello, "ssh-ed25519");
    put_names(hello, to_server);
    put_names(hello, to_client);
    put_names(hello, "hmac-sha2-256");
    put_names(hello, "hmac-sha2-256");
    put_names(hello, "none");
    put_names(hello, "none");
    put_names(hello, "");
    put_names(hello, "");
    hello->len += 5 + 8;
    len = hello->len;
    hello->len = at;
    put_number(hello, (uint32_t)(len - at - 4));
    hello->len = len;
}

static enum sshkexpeek
judge(const char *version, const char *to_server, const char *to_client)
{
    struct hello hello;

    make(&hello, version, to_server, to_client);
    return sshkexpeek_judge(hello.bytes, hello.len);
}

Test(sshkexpeek, chacha_first_is_a_habit)
{
    cr_expect_eq(judge(OPENSSH, HABIT, HABIT), SSHKEXPEEK_GCM);
    cr_expect_eq(judge(OPENSSH, CHACHA "," AES128, CHACHA "," AES128),
                 SSHKEXPEEK_GCM);
    cr_expect_eq(judge("SSH-2.0-AsyncSSH_2.10\r\n", HABIT, HABIT),
                 SSHKEXPEEK_GCM);
    cr_expect_eq(judge(LIBSSH, CHACHA "," AES256 "," AES128,
                       CHACHA "," AES256 "," AES128),
                 SSHKEXPEEK_GCM);
}

Test(sshkexpeek, another_wish_stands)
{
    cr_expect_eq(judge(OPENSSH, CHACHA, CHACHA), SSHKEXPEEK_ANY);
    cr_expect_eq(judge(OPENSSH, AES256 "," AES128, AES256), SSHKEXPEEK_ANY);
    cr_expect_eq(judge(OPENSSH, "aes256-ctr," HABIT, HABIT), SSHKEXPEEK_ANY);
    cr_expect_eq(judge(OPENSSH, HABIT, CHACHA), SSHKEXPEEK_ANY,
                 "in one direction");
    cr_expect_eq(judge(OPENSSH, HABIT, ""), SSHKEXPEEK_ANY);
    cr_expect_eq(judge(OPENSSH, CHACHA "," AES256, CHACHA "," AES256),
                 SSHKEXPEEK_ANY);
}

Test(sshkexpeek, culvert_knows_its_processor)
{
    const char *slow = CHACHA "," AES128 "," AES256 ",aes128-ctr";

    cr_expect_eq(judge(LIBSSH, slow, slow), SSHKEXPEEK_ANY);
}

Test(sshkexpeek, others_have_their_way)
{
    cr_expect_eq(judge("SSH-2.0-PuTTY_Release_0.78\r\n", HABIT, HABIT),
                 SSHKEXPEEK_ANY);
}

Test(sshkexpeek, more_is_waited_for_up_to_the_lists)
{
    struct hello hello;
    size_t at;

    make(&hello, OPENSSH, HABIT, HABIT);
    for (at = 0; at < hello.len; at++) {
        uint8_t *copy = malloc(at + 1);
        enum sshkexpeek peek;

        memcpy(copy, hello.bytes, at);
        peek = sshkexpeek_judge(copy, at);
        free(copy);
        if (peek != SSHKEXPEEK_MORE) {
            cr_expect_eq(peek, SSHKEXPEEK_GCM, "at %zu", at);
            break;
        }
    }
    cr_expect_gt(at, 250);
}

Test(sshkexpeek, a_version_alone_may_be_enough)
{
    const char *http = "GET / HTTP/1.1\r\n";
    uint8_t endless[300];

    memset(endless, 'x', sizeof(endless));
    cr_expect_eq(sshkexpeek_judge((const uint8_t *)http, strlen(http)),
                 SSHKEXPEEK_ANY);
    cr_expect_eq(sshkexpeek_judge(NULL, 0), SSHKEXPEEK_MORE);
    cr_expect_eq(sshkexpeek_judge(endless, 254), SSHKEXPEEK_MORE);
    cr_expect_eq(sshkexpeek_judge(endless, 255), SSHKEXPEEK_ANY);
}

Test(sshkexpeek, a_packet_of_nonsense_is_libsshs_to_refuse)
{
    struct hello hello;
    size_t version = strlen(OPENSSH);

    make(&hello, OPENSSH, HABIT, HABIT);
    hello.bytes[version + 5] = 2; /* SSH_MSG_IGNORE */
    cr_expect_eq(sshkexpeek_judge(hello.bytes, hello.len), SSHKEXPEEK_ANY);

    make(&hello, OPENSSH, HABIT, HABIT);
    hello.bytes[version] = 0xff; /* longer than any */
    cr_expect_eq(sshkexpeek_judge(hello.bytes, hello.len), SSHKEXPEEK_ANY);

    make(&hello, OPENSSH, HABIT, HABIT);
    hello.bytes[version + 2] = 0; /* its end is before the lists' */
    hello.bytes[version + 3] = 40;
    cr_expect_eq(sshkexpeek_judge(hello.bytes, hello.len), SSHKEXPEEK_ANY);

    make(&hello, OPENSSH, HABIT, HABIT);
    hello.bytes[version + 22] = 0xff; /* a list longer than the packet */
    cr_expect_eq(sshkexpeek_judge(hello.bytes, hello.len), SSHKEXPEEK_ANY);
}
