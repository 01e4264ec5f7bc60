/* Agents that are none, and certificates. */
#include "transport/ssh/sshauth_agent.h"

#include <criterion/criterion.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"
#include "transport/ssh/sshauth_file.h"
#include "transport/ssh/sshauth_part.h"

/* An agent that says one thing, whatever it is asked. */
struct agent {
    char dir[32];
    char path[48];
    int listener;
    const uint8_t *answer;
    size_t len;
    pthread_t thread;
};

static void *
serve(void *arg)
{
    struct agent *agent = arg;
    uint8_t request[5];
    int fd = accept(agent->listener, NULL, NULL);

    cr_assert_geq(fd, 0);
    sockets_be_patient(fd);
    sockets_read(fd, request, sizeof(request));
    cr_expect_eq(memcmp(request, "\0\0\0\1\13", 5), 0);
    sockets_write(fd, agent->answer, agent->len);
    close(fd);
    return NULL;
}

static void
start(struct agent *agent, const void *answer, size_t len)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};

    *agent = (struct agent){.answer = answer, .len = len};
    strcpy(agent->dir, "/tmp/culvert-agent-XXXXXX");
    cr_assert(mkdtemp(agent->dir));
    snprintf(agent->path, sizeof(agent->path), "%s/s", agent->dir);
    strcpy(addr.sun_path, agent->path);
    agent->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    cr_assert_eq(bind(agent->listener, (struct sockaddr *)&addr, sizeof(addr)),
                 0);
    cr_assert_eq(listen(agent->listener, 1), 0);
    cr_assert_eq(pthread_create(&agent->thread, NULL, serve, agent), 0);
}

static void
end(struct agent *agent)
{
    pthread_join(agent->thread, NULL);
    close(agent->listener);
    unlink(agent->path);
    rmdir(agent->dir);
}

#define ANSWER(text) (text), sizeof(text) - 1

Test(sshauth, an_agents_keys_are_listed)
{
    struct sshauth_agent *keys;
    struct agent agent;

    start(&agent, ANSWER("\0\0\0\34\14\0\0\0\2"
                         "\0\0\0\4blob\0\0\0\2m\7"
                         "\0\0\0\1x\0\0\0\0"));
    cr_assert_eq(sshauth_agent_create(agent.path, &keys), ERR_OK);
    cr_assert_eq(sshauth_agent_count(keys), 2);
    cr_expect_eq(sshauth_agent_key(keys, 0)->len, 4);
    cr_expect_eq(memcmp(sshauth_agent_key(keys, 0)->blob, "blob", 4), 0);
    cr_expect_str_eq(sshauth_agent_key(keys, 0)->base64, "YmxvYg==");
    cr_expect_str_eq(sshauth_agent_key(keys, 0)->comment, "m?");
    cr_expect_str_eq(sshauth_agent_key(keys, 1)->comment, "");
    sshauth_agent_destroy(keys);
    end(&agent);
}

static void
expect_refused(const void *answer, size_t len)
{
    struct sshauth_agent *keys = NULL;
    struct agent agent;

    start(&agent, answer, len);
    cr_expect_eq(sshauth_agent_create(agent.path, &keys), ERR_PROTOCOL);
    cr_expect_null(keys);
    end(&agent);
}

Test(sshauth, an_agents_nonsense_is_refused)
{
    expect_refused(ANSWER("\0\0\0\0"));
    expect_refused(ANSWER("\377\377\377\377"));
    expect_refused(ANSWER("\0\0\0\1\5"));
    expect_refused(ANSWER("\0\0\0\5\14\377\377\377\377"));
    expect_refused(ANSWER("\0\0\0\5\14\0\0\0\1"));
    expect_refused(ANSWER("\0\0\0\12\14\0\0\0\1\0\0\0\2x"));
    expect_refused(ANSWER("\0\0\0\12\14\0\0\0\1\0\0\0\1x"));
    expect_refused(ANSWER("\0\0\0\16\14\0\0\0\1\0\0\0\1x\377\377\377\377"));
    expect_refused(ANSWER("\0\0\0\16\14\0\0\0\1\0\0\0\0\0\0\0\1x"));
    expect_refused(ANSWER("\0\0\1\0\14"));
}

Test(sshauth, an_agent_that_is_not_there)
{
    struct sshauth_agent *keys = NULL;
    char path[200];

    cr_expect_eq(sshauth_agent_create("/nowhere/agent", &keys),
                 ERR_NO_SUCH_PATH);
    memset(path, 'a', sizeof(path));
    path[sizeof(path) - 1] = 0;
    cr_expect_eq(sshauth_agent_create(path, &keys), ERR_NO_SUCH_PATH);
    cr_expect_null(keys);
    sshauth_agent_destroy(NULL);
}

/* A certificate's kind, nonce and key, and more; the key's kind and numbers. */
Test(sshauth, a_certificate_fits_the_key_that_is_in_it)
{
    static uint8_t blob[] = "\0\0\0\2kc\0\0\0\3abc\0\0\0\2PQmore";
    struct sshauth_certificate certificate = {.blob = blob,
                                              .len = sizeof(blob) - 1};

    cr_expect(sshauth_certificate_fits(&certificate, "AAAAAWsAAAACUFE="));
    /* k and PR; k alone; nothing; what is no base64 */
    cr_expect_not(sshauth_certificate_fits(&certificate, "AAAAAWsAAAACUFI="));
    cr_expect_not(sshauth_certificate_fits(&certificate, "AAAAAWs="));
    cr_expect_not(sshauth_certificate_fits(&certificate, ""));
    cr_expect_not(sshauth_certificate_fits(&certificate, "!"));
    certificate.len = 14; /* cut in the nonce */
    cr_expect_not(sshauth_certificate_fits(&certificate, "AAAAAWsAAAACUFE="));
}

Test(sshauth, lists_are_cut_and_never_overflow)
{
    char list[12] = "";

    sshauth_list_add(list, sizeof(list), "%s", "abc");
    cr_expect_str_eq(list, "abc");
    sshauth_list_add(list, sizeof(list), "%s", "defghijkl");
    cr_expect_str_eq(list, "abc; defghi");
    sshauth_list_add(list, sizeof(list), "%s", "x");
    cr_expect_str_eq(list, "abc; defghi");
}

static void
expect_clean(const char *text, const char *wanted)
{
    char out[64];

    cr_expect_str_eq(sshlogin_clean(text, out, sizeof(out)), wanted);
}

Test(sshauth, what_a_server_says_is_cleaned)
{
    expect_clean("plain text", "plain text");
    expect_clean("a\tb\r\nc", "a b  c");
    expect_clean("\x1b[31m\x7f", "?[31m?");
    expect_clean("Gr\xc3\xbc\xc3\x9f"
                 "e \xe2\x82\xac \xf0\x9f\x94\x91",
                 "Gr\xc3\xbc\xc3\x9f"
                 "e \xe2\x82\xac \xf0\x9f\x94\x91");
    expect_clean("\xc2\x9b", "??");                /* C1 */
    expect_clean("\xe2\x80\xae", "???");           /* right to left */
    expect_clean("\xc0\xaf\xff\xe2\x82", "?????"); /* no UTF-8 */
    expect_clean("\xed\xa0\x80", "???");           /* a surrogate */
    expect_clean("\xf4\x90\x80\x80", "????");
}

Test(sshauth, cleaning_cuts_at_a_whole_character)
{
    char out[4];

    cr_expect_str_eq(sshlogin_clean("ab\xc3\xbc", out, 4), "ab");
    cr_expect_str_eq(sshlogin_clean("abcdef", out, 4), "abc");
}
