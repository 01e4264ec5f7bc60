/* The look at a client's first bytes: what is judged stays so whatever follows,
 * and at its longest no more is waited for. */
#include "tests/fuzz/fuzz.h"

#include "transport/ssh/sshkexpeek.h"

/* Judges a copy of exactly len bytes, so that a read past it is found. */
static enum sshkexpeek
judge(const uint8_t *bytes, size_t len)
{
    uint8_t *copy = malloc(len > 0 ? len : 1);
    enum sshkexpeek peek;

    FUZZ_CHECK(copy);
    if (len > 0)
        memcpy(copy, bytes, len);
    peek = sshkexpeek_judge(copy, len);
    free(copy);
    return peek;
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    size_t step = len <= FUZZ_ALL_PREFIXES ? 1 : len / FUZZ_ALL_PREFIXES + 1;
    enum sshkexpeek last = SSHKEXPEEK_MORE;

    for (size_t n = 0; n < len; n += step) {
        enum sshkexpeek peek = judge(bytes, n);

        FUZZ_CHECK(last == SSHKEXPEEK_MORE || peek == last);
        last = peek;
    }
    FUZZ_CHECK(last == SSHKEXPEEK_MORE || judge(bytes, len) == last);
    FUZZ_CHECK(len < SSHKEXPEEK_BYTES_MAX + 300 ||
               judge(bytes, len) != SSHKEXPEEK_MORE);
    return 0;
}
