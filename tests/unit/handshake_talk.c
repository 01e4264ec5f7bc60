#include "tests/unit/handshake_talk.h"

#include <criterion/criterion.h>
#include <string.h>

struct talk
talk_create(bool need_password)
{
    struct talk talk = {.hs = handshake_create(need_password),
                        .step = HANDSHAKE_MORE};

    cr_assert(talk.hs);
    return talk;
}

static bool
is_good(const struct wire_credentials *given)
{
    return given->user_len == strlen(TALK_USER) &&
           given->password_len == strlen(TALK_PASSWORD) &&
           memcmp(given->user, TALK_USER, given->user_len) == 0 &&
           memcmp(given->password, TALK_PASSWORD, given->password_len) == 0;
}

static void
step(struct talk *talk)
{
    while (talk->step == HANDSHAKE_MORE) {
        bool good;

        talk->step = handshake_step(talk->hs);
        cr_assert_leq(talk->hs->in_at, talk->hs->in_len);
        cr_assert_leq(talk->hs->out_len, HANDSHAKE_OUT_MAX);
        if (talk->step != HANDSHAKE_VERIFY)
            return;
        talk->verified++;
        good = is_good(&talk->hs->credentials);
        handshake_verified(talk->hs, good);
        talk->step = good ? HANDSHAKE_MORE : HANDSHAKE_FAILED;
    }
}

void
talk_feed(struct talk *talk, const void *bytes, size_t len, size_t piece)
{
    size_t at = 0;

    while (at < len) {
        size_t size = 0;
        uint8_t *room = handshake_room(talk->hs, &size, &talk->full);
        size_t count = len - at < piece ? len - at : piece;

        if (!room)
            return;
        cr_assert_gt(size, 0);
        if (count > size)
            count = size;
        memcpy(room, (const uint8_t *)bytes + at, count);
        handshake_fed(talk->hs, count);
        at += count;
        step(talk);
    }
}

const uint8_t *
talk_early(const struct talk *talk, size_t *len)
{
    *len = talk->hs->in_len - talk->hs->in_at;
    return talk->hs->in + talk->hs->in_at;
}

void
talk_destroy(struct talk *talk)
{
    handshake_destroy(talk->hs);
}
