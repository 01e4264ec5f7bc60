#include <criterion/criterion.h>
#include <string.h>

#include "transport/reverse/backtalk.h"

/* Feeds bytes, at most `piece` at a time, until it is over. Returns how many
 * were read. */
static size_t
feed(struct backtalk *talk, const void *bytes, size_t len, size_t piece)
{
    size_t at = 0;

    while (at < len) {
        size_t size;
        uint8_t *room = backtalk_room(talk, &size);

        cr_assert_gt(size, 0);
        if (size > piece)
            size = piece;
        if (size > len - at)
            size = len - at;
        memcpy(room, (const uint8_t *)bytes + at, size);
        at += size;
        if (backtalk_fed(talk, size))
            break;
    }
    return at;
}

static void
begin(struct backtalk *talk)
{
    struct target target;
    uint8_t out[BACKTALK_OUT_MAX];

    target_set_host(&target, "db", 2, 80);
    backtalk_begin(talk, &target, out);
}

struct answer {
    const char *name;
    const char *bytes;
    size_t len;
    enum err err;
    bool is_socks;
    bool is_culvert;
};

#define ANSWER(name, bytes, ...)                    \
    {                                               \
        name, bytes, sizeof(bytes) - 1, __VA_ARGS__ \
    }

#define ZEROS "\0\0\0\0\0\0"

/* All up to the last byte that belongs to it. */
static const struct answer answers[] = {
    ANSWER("success", "\5\0\5\0\0\1" ZEROS, ERR_OK, true, false),
    ANSWER("ours", "\5\xc1\5\0\0\1" ZEROS, ERR_OK, true, true),
    ANSWER("success, v6", "\5\0\5\0\0\4" ZEROS ZEROS ZEROS, ERR_OK, true,
           false),
    ANSWER("success, name", "\5\0\5\0\0\3\2db\0\120", ERR_OK, true, false),
    ANSWER("success, empty name", "\5\0\5\0\0\3\0\0\120", ERR_OK, true, false),
    ANSWER("refused", "\5\xc1\5\5\0\1" ZEROS, ERR_REFUSED, true, true),
    ANSWER("unknown", "\5\xc1\5\4\0\1" ZEROS, ERR_HOST_UNREACHABLE, true, true),
    ANSWER("a failure of another form", "\5\0\5\5\0\0\0", ERR_REFUSED, true,
           false),
    ANSWER("a success of another form", "\5\0\5\0\0\0\0", ERR_PROTOCOL, true,
           false),
    ANSWER("a method that was not offered", "\5\2", ERR_PROTOCOL, false, false),
    ANSWER("no method", "\5\xff", ERR_PROHIBITED, true, false),
    ANSWER("SSH", "SS", ERR_PROTOCOL, false, false),
    ANSWER("HTTP in the second", "\5\0HTTP/", ERR_PROTOCOL, true, false),
};

Test(backtalk, every_answer_in_every_split_is_read_to_its_last_byte)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        const struct answer *answer = &answers[i];
        char more[100];

        memcpy(more, answer->bytes, answer->len);
        memcpy(more + answer->len, "behind", 6);
        for (size_t piece = 1; piece <= answer->len + 6; piece++) {
            struct backtalk talk;

            begin(&talk);
            cr_assert_eq(feed(&talk, more, answer->len + 6, piece), answer->len,
                         "%s", answer->name);
            cr_assert_eq(talk.stage, BACKTALK_OVER, "%s", answer->name);
            cr_assert_eq(talk.err, answer->err, "%s", answer->name);
            cr_assert_eq(talk.is_socks, answer->is_socks, "%s", answer->name);
            cr_assert_eq(talk.is_culvert, answer->is_culvert, "%s",
                         answer->name);
        }
    }
}

Test(backtalk, an_answer_that_ends_early_is_not_over)
{
    struct backtalk talk;

    begin(&talk);
    feed(&talk, "\5\0\5\0\0\1\0\0\0\0\0", 11, 20);
    cr_assert_neq(talk.stage, BACKTALK_OVER);
}

Test(backtalk, the_longest_answer_fits)
{
    uint8_t bytes[2 + BACKTALK_IN_MAX] = {5, 0, 5, 0, 0, 3, 255};
    struct backtalk talk;

    memset(bytes + 7, 'a', 255);
    begin(&talk);
    cr_assert_eq(feed(&talk, bytes, sizeof(bytes), sizeof(bytes)),
                 sizeof(bytes));
    cr_assert_eq(talk.err, ERR_OK);
}

Test(backtalk, greeting_and_request_go_together)
{
    struct backtalk talk;
    struct target target;
    uint8_t out[BACKTALK_OUT_MAX];
    const char expected[] = "\5\2\0\xc1\5\1\0\3\2db\0\120";

    target_set_host(&target, "db", 2, 80);
    cr_assert_eq(backtalk_begin(&talk, &target, out), sizeof(expected) - 1);
    cr_assert_arr_eq(out, expected, sizeof(expected) - 1);
}
