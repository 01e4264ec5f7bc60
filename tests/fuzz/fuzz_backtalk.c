/* What an agent's channel carries before the target's bytes: any split gives
 * the same outcome, and reads as many bytes. */
#include "tests/fuzz/fuzz.h"

#include "transport/reverse/backtalk.h"

struct outcome {
    enum backtalk_stage stage;
    enum err err;
    bool is_socks;
    bool is_culvert;
    size_t used;
};

static struct outcome
talk_in_pieces(const uint8_t *bytes, size_t len, size_t piece)
{
    struct backtalk talk;
    struct target target;
    uint8_t out[BACKTALK_OUT_MAX];
    size_t at = 0;
    bool over = false;

    target_set_host(&target, "a", 1, 1);
    backtalk_begin(&talk, &target, out);
    while (at < len && !over) {
        size_t size;
        uint8_t *room = backtalk_room(&talk, &size);

        FUZZ_CHECK(size > 0 && room >= talk.in &&
                   room + size <= talk.in + sizeof(talk.in));
        size = size < piece ? size : piece;
        size = size < len - at ? size : len - at;
        memcpy(room, bytes + at, size);
        at += size;
        over = backtalk_fed(&talk, size);
        FUZZ_CHECK(over == (talk.stage == BACKTALK_OVER));
    }
    return (struct outcome){talk.stage, over ? talk.err : ERR_OK, talk.is_socks,
                            talk.is_culvert, at};
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    struct outcome whole = talk_in_pieces(bytes, len, len + 1);
    struct outcome single = talk_in_pieces(bytes, len, 1);
    struct outcome threes = talk_in_pieces(bytes, len, 3);

    FUZZ_CHECK(whole.used == single.used && whole.used == threes.used);
    FUZZ_CHECK(whole.stage == single.stage && whole.stage == threes.stage);
    FUZZ_CHECK(whole.err == single.err && whole.err == threes.err);
    FUZZ_CHECK(whole.is_socks == single.is_socks &&
               whole.is_culvert == single.is_culvert);
    FUZZ_CHECK(!whole.is_culvert || whole.is_socks);
    return 0;
}
