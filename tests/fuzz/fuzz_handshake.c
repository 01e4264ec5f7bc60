/* The talk with a client. The first byte of an input chooses whether a
 * password is needed, whether one is good, and how the rest is cut; the rest
 * is what the client sends. */
#include "tests/fuzz/fuzz.h"

#include "proxy/handshake.h"

/* How a talk ended, in what can be compared. */
struct outcome {
    enum handshake_step step;
    enum handshake_protocol protocol;
    enum err err;
    unsigned verified;
    size_t used; /* bytes that were for us, and not for the target */
    size_t out_len;
    uint8_t out[HANDSHAKE_OUT_MAX];
    char target[TARGET_TEXT_MAX];
};

struct fed {
    const uint8_t *bytes;
    size_t len;
    size_t at;
};

/* Reads as a session does: at most `piece` bytes, and what there is room for.
 * Returns false when nothing could be. */
static bool
read_some(struct handshake *hs, struct fed *fed, size_t piece)
{
    size_t count = fed->len - fed->at;
    enum err err = ERR_OK;
    size_t size = 0;
    uint8_t *room;

    if (count == 0)
        return false;
    room = handshake_room(hs, &size, &err);
    if (!room) {
        FUZZ_CHECK(err == ERR_LIMIT);
        return false;
    }
    FUZZ_CHECK(size > 0);
    count = count < piece ? count : piece;
    count = count < size ? count : size;
    memcpy(room, fed->bytes + fed->at, count);
    handshake_fed(hs, count);
    fed->at += count;
    FUZZ_CHECK(hs->in_len <= hs->in_size && hs->in_size <= HANDSHAKE_IN_MAX);
    return true;
}

static enum handshake_step
go_on(struct handshake *hs, bool good, unsigned *verified)
{
    enum handshake_step step = handshake_step(hs);

    if (step == HANDSHAKE_VERIFY) {
        FUZZ_CHECK(hs->need_password);
        FUZZ_CHECK(hs->phase == HANDSHAKE_VERIFYING);
        ++*verified;
        handshake_verified(hs, good);
        FUZZ_CHECK(hs->credentials.user_len == 0 &&
                   hs->credentials.password_len == 0);
        step = good ? handshake_step(hs) : HANDSHAKE_FAILED;
    }
    FUZZ_CHECK(step != HANDSHAKE_VERIFY);
    FUZZ_CHECK(hs->in_at <= hs->in_len);
    FUZZ_CHECK(hs->out_len <= HANDSHAKE_OUT_MAX);
    return step;
}

static void
check_end(const struct handshake *hs, const struct outcome *out)
{
    FUZZ_CHECK(out->verified <= 1);
    FUZZ_CHECK((out->step == HANDSHAKE_FAILED) == (out->err != ERR_OK));
    if (out->step == HANDSHAKE_REQUEST) {
        FUZZ_CHECK(hs->phase == HANDSHAKE_ASKED);
        FUZZ_CHECK(!hs->need_password || out->verified == 1);
        FUZZ_CHECK(hs->target.kind != TARGET_UNIX);
    }
}

/* A whole talk, and its answer; the bytes in pieces of a size. */
static void
talk(unsigned options, const uint8_t *bytes, size_t len, size_t piece,
     struct outcome *out)
{
    struct handshake *hs = handshake_create(options & 1);
    struct fed fed = {.bytes = bytes, .len = len};

    FUZZ_CHECK(hs);
    memset(out, 0, sizeof(*out));
    while (out->step == HANDSHAKE_MORE && read_some(hs, &fed, piece))
        out->step = go_on(hs, options & 2, &out->verified);
    out->protocol = hs->protocol;
    out->err = hs->err;
    out->used = fed.at - (hs->in_len - hs->in_at);
    check_end(hs, out);
    if (out->step == HANDSHAKE_REQUEST) {
        target_format(&hs->target, out->target);
        handshake_answer(hs, (enum err)(options >> 2) % ERR_COUNT_, NULL);
    }
    FUZZ_CHECK(hs->out_len <= HANDSHAKE_OUT_MAX);
    out->out_len = hs->out_len;
    memcpy(out->out, hs->out, hs->out_len);
    handshake_destroy(hs);
}

static void
check_same(const struct outcome *a, const struct outcome *b)
{
    FUZZ_CHECK(a->step == b->step);
    FUZZ_CHECK(a->protocol == b->protocol);
    FUZZ_CHECK(a->err == b->err);
    FUZZ_CHECK(a->verified == b->verified);
    FUZZ_CHECK(a->step != HANDSHAKE_REQUEST || a->used == b->used);
    FUZZ_CHECK(a->out_len == b->out_len);
    FUZZ_CHECK(memcmp(a->out, b->out, a->out_len) == 0);
    FUZZ_CHECK(strcmp(a->target, b->target) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    static const size_t pieces[] = {1, 2, 3, 7, 64, 513};
    struct outcome whole;
    struct outcome part;

    if (len == 0 || len > HANDSHAKE_IN_MAX)
        return 0;
    talk(bytes[0], bytes + 1, len - 1, len, &whole);
    for (size_t i = 0; i < sizeof(pieces) / sizeof(*pieces); i++) {
        talk(bytes[0], bytes + 1, len - 1, pieces[i], &part);
        check_same(&whole, &part);
    }
    return 0;
}
