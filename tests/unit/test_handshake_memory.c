/* What a handshake keeps: how much, and no password for longer than needed. */
#include "proxy/handshake.h"

#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/unit/handshake_talk.h"

#define BYTES(text) (text), sizeof(text) - 1

static size_t
early_room(struct talk *talk)
{
    static uint8_t early[64 * 1024];
    size_t len;

    memset(early, 'e', sizeof(early));
    talk_feed(talk, early, sizeof(early), 1000);
    cr_assert_eq(talk->full, ERR_LIMIT);
    talk_early(talk, &len);
    return len;
}

Test(handshake_memory, early_bytes_are_kept_up_to_a_limit)
{
    struct talk talk = talk_create(false);
    size_t len;

    talk_feed(&talk, BYTES("\x05\x01\x00\x05\x01\x00\x01\x7f\0\0\1\0\x50"), 13);
    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    len = early_room(&talk);
    cr_assert_leq(len, HANDSHAKE_IN_MAX);
    cr_assert_gt(len, HANDSHAKE_IN_MAX / 2);
    cr_assert_leq(talk.hs->in_size, HANDSHAKE_IN_MAX);
    talk_destroy(&talk);
}

Test(handshake_memory, a_fixed_forward_has_the_same_limit)
{
    struct talk talk = talk_create(false);

    handshake_skip(talk.hs);
    cr_assert_eq(early_room(&talk), HANDSHAKE_IN_MAX);
    talk_destroy(&talk);
}

/* No protocol has a message that fills the buffer: each ends before. */
Test(handshake_memory, endless_messages_end_before_the_limit)
{
    static const struct {
        const char *start;
        size_t len;
    } starts[] = {
        {BYTES("\x04\x01\x00\x50\x7f\x00\x00\x01")},
        {BYTES("\x04\x01\x00\x50\x00\x00\x00\x01u\x00")},
        {BYTES("CONNECT example.org:443 HTTP/1.1\r\nX: ")},
        {BYTES("GET ")},
        {BYTES("X")},
    };
    static uint8_t more[64 * 1024];

    memset(more, 'm', sizeof(more));
    for (size_t i = 0; i < sizeof(starts) / sizeof(*starts); i++) {
        for (size_t piece = 1; piece < 10000; piece = piece * 3 + 1) {
            struct talk talk = talk_create(false);

            talk_feed(&talk, starts[i].start, starts[i].len, piece);
            talk_feed(&talk, more, sizeof(more), piece);
            cr_assert_eq(talk.step, HANDSHAKE_FAILED, "start %zu", i);
            cr_assert_eq(talk.hs->err, ERR_MALFORMED);
            talk_destroy(&talk);
        }
    }
}

Test(handshake_memory, the_longest_of_everything_fits)
{
    struct talk talk = talk_create(false);
    uint8_t greeting[2 + 255];
    uint8_t password[3 + 510];
    uint8_t request[4 + 1 + 255 + 2];

    memset(greeting, 0x55, sizeof(greeting));
    greeting[0] = 5;
    greeting[1] = 255;
    greeting[256] = 2;
    memset(password, 'p', sizeof(password));
    password[0] = 1;
    password[1] = password[257] = 255;
    memset(request, 'n', sizeof(request));
    memcpy(request, "\x05\x01\x00\x03\xff", 5);
    talk_feed(&talk, greeting, sizeof(greeting), 1000);
    talk_feed(&talk, password, sizeof(password), 1000);
    talk_feed(&talk, request, sizeof(request), 1000);
    cr_assert_eq(talk.step, HANDSHAKE_REQUEST);
    cr_assert_eq(strlen(talk.hs->target.name), 255);
    talk_destroy(&talk);
}

/* --- secrets -------------------------------------------------------------- */

/* A password that is nowhere in the program's file: it is kept turned,
 * and turned back only in place, on its way into the handshake. */
#define SECRET_BYTES 24
#define TURN         0x5a

struct secret {
    uint8_t turned[SECRET_BYTES];
};

static struct secret
new_secret(void)
{
    struct secret secret;

    for (size_t i = 0; i < SECRET_BYTES; i++)
        secret.turned[i] = (uint8_t) ~("0123456789abcdef"[rand() % 16]);
    return secret;
}

/* The allocator writes over the first bytes of what is freed, and the password
 * may stand there: so its end is looked for. */
#define SECRET_START 8

static bool
is_secret(const struct secret *secret, const uint8_t *at)
{
    for (size_t i = SECRET_START; i < SECRET_BYTES; i++)
        if (at[i] != (secret->turned[i] ^ TURN))
            return false;
    return true;
}

/* How often the secret stands in one stretch of memory, freed or not: which is
 * why it is read as a file. */
static unsigned
count_in(int memory, unsigned long from, unsigned long to,
         const struct secret *secret)
{
    static uint8_t bytes[64 * 1024];
    unsigned count = 0;

    for (unsigned long at = from; at < to;
         at += sizeof(bytes) - SECRET_BYTES + 1) {
        size_t size = to - at < sizeof(bytes) ? to - at : sizeof(bytes);
        ssize_t n;

        /* Not to find what was found: the copy is not to be read again. */
        if (at <= (unsigned long)(bytes + sizeof(bytes)) &&
            at + size >= (unsigned long)bytes) {
            at += size - (sizeof(bytes) - SECRET_BYTES + 1);
            if (size < sizeof(bytes))
                break;
            continue;
        }
        n = pread(memory, bytes, size, (off_t)at);
        for (ssize_t i = 0; i + SECRET_BYTES <= n; i++)
            count += is_secret(secret, bytes + i);
        explicit_bzero(bytes, sizeof(bytes));
    }
    return count;
}

/* How often it stands anywhere in what this process can write to, the stack
 * aside: the dynamic linker saves vector registers there, and with them what a
 * memcpy has just moved. */
static unsigned
count_copies(const struct secret *secret)
{
    FILE *maps = fopen("/proc/self/maps", "r");
    int memory = open("/proc/self/mem", O_RDONLY);
    unsigned count = 0;
    char line[400];

    cr_assert(maps);
    cr_assert_geq(memory, 0);
    while (fgets(line, sizeof(line), maps)) {
        unsigned long from;
        unsigned long to;
        char access[8];

        if (strstr(line, "[stack]"))
            continue;
        /* A sanitizer's shadow is terabytes of nothing, and holds no bytes. */
        if (sscanf(line, "%lx-%lx %7s", &from, &to, access) == 3 &&
            access[0] == 'r' && access[1] == 'w' && to - from < 1ul << 28)
            count += count_in(memory, from, to, secret);
    }
    fclose(maps);
    close(memory);
    return count;
}

/* Feeds a greeting and the password of fred, straight into the room. */
static void
feed_secret(struct handshake *hs, const struct secret *secret)
{
    static const uint8_t head[] = {5, 1, 2, 1, 4, 'f', 'r', 'e', 'd'};
    enum err err;
    size_t size;
    uint8_t *room = handshake_room(hs, &size, &err);

    cr_assert_geq(size, sizeof(head) + 1 + SECRET_BYTES);
    memcpy(room, head, sizeof(head));
    room[sizeof(head)] = SECRET_BYTES;
    for (size_t i = 0; i < SECRET_BYTES; i++)
        room[sizeof(head) + 1 + i] = (uint8_t)(secret->turned[i] ^ TURN);
    handshake_fed(hs, sizeof(head) + 1 + SECRET_BYTES);
}

static void
feed(struct handshake *hs, const char *bytes, size_t len)
{
    enum err err;
    size_t size;

    for (size_t at = 0; at < len; at += size) {
        uint8_t *room = handshake_room(hs, &size, &err);

        cr_assert(room);
        if (size > len - at)
            size = len - at;
        memcpy(room, bytes + at, size);
        handshake_fed(hs, size);
    }
}

Test(handshake_memory, verified_credentials_are_wiped)
{
    for (int good = 0; good < 2; good++) {
        struct secret secret = new_secret();
        struct handshake *hs = handshake_create(true);
        const struct wire_credentials none = {0};

        feed_secret(hs, &secret);
        cr_assert_eq(handshake_step(hs), HANDSHAKE_VERIFY);
        cr_assert_gt(count_copies(&secret), 0, "the search finds it");
        handshake_verified(hs, good);
        cr_assert_arr_eq(&hs->credentials, &none, sizeof(none));
        handshake_destroy(hs);
        cr_assert_eq(count_copies(&secret), 0);
    }
}

Test(handshake_memory, credentials_that_nobody_verified_are_wiped_at_the_end)
{
    struct secret secret = new_secret();
    struct handshake *hs = handshake_create(true);

    feed_secret(hs, &secret);
    cr_assert_eq(handshake_step(hs), HANDSHAKE_VERIFY);
    handshake_destroy(hs);
    cr_assert_eq(count_copies(&secret), 0);
}

/* Tor's clients and Firefox send some without being asked. */
Test(handshake_memory, credentials_that_were_not_needed_are_wiped)
{
    struct secret secret = new_secret();
    struct handshake *hs = handshake_create(false);

    feed_secret(hs, &secret);
    cr_assert_eq(handshake_step(hs), HANDSHAKE_MORE);
    handshake_destroy(hs);
    cr_assert_eq(count_copies(&secret), 0);
}

Test(handshake_memory, half_a_password_is_wiped)
{
    struct secret secret = new_secret();
    struct handshake *hs = handshake_create(true);

    feed_secret(hs, &secret);
    hs->in_len--;
    cr_assert_eq(handshake_step(hs), HANDSHAKE_MORE);
    handshake_destroy(hs);
    cr_assert_eq(count_copies(&secret), 0);
}

Test(handshake_memory, a_buffer_that_grows_leaves_no_password_behind)
{
    static char early[2000];
    struct secret secret = new_secret();
    struct handshake *hs = handshake_create(true);

    feed_secret(hs, &secret);
    feed(hs, BYTES("\x05\x01\x00\x01\x7f\0\0\1\0\x50"));
    cr_assert_eq(handshake_step(hs), HANDSHAKE_VERIFY);
    handshake_verified(hs, true);
    cr_assert_eq(handshake_step(hs), HANDSHAKE_REQUEST);
    memset(early, 'e', sizeof(early));
    feed(hs, early, sizeof(early));
    handshake_destroy(hs);
    cr_assert_eq(count_copies(&secret), 0);
}
