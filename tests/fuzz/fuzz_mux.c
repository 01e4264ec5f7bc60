/* The control socket's protocol: what comes in is read message by message, as
 * the server does; what was read and written again reads the same. */
#include "tests/fuzz/fuzz.h"

#include "proxy/control_forward.h"
#include "proxy/mux.h"

static void
check_forward(const struct mux_forward *request)
{
    struct mux_forward written;
    struct forward forward;
    struct forward again;
    char text[TARGET_TEXT_MAX];
    char other[TARGET_TEXT_MAX];

    if (control_forward_read(request, false, &forward))
        return;
    FUZZ_CHECK(forward.port <= 65535);
    FUZZ_CHECK(!strpbrk(forward.host, "\n") || forward.where == LISTEN_UNIX);
    control_forward_write(&forward, &written);
    FUZZ_CHECK(!control_forward_read(&written, false, &again));
    FUZZ_CHECK(again.is_remote == forward.is_remote);
    FUZZ_CHECK(!forward.is_remote || forward.where != LISTEN_UNIX);
    FUZZ_CHECK(again.kind == forward.kind && again.where == forward.where);
    FUZZ_CHECK(again.port == forward.port &&
               again.bind_given == forward.bind_given);
    FUZZ_CHECK(strcmp(again.host, forward.host) == 0);
    if (forward.kind == FORWARD_FIXED)
        FUZZ_CHECK(strcmp(target_format(&forward.target, text),
                          target_format(&again.target, other)) == 0);
}

static void
check_message(const struct mux_message *message, size_t whole)
{
    static uint8_t bytes[MUX_ENCODED_MAX + MUX_MESSAGE_MAX];
    struct mux_message again;
    size_t len;

    FUZZ_CHECK(message->text_len <= whole);
    if (message->type == MUX_OTHER)
        return;
    len = mux_encode(message, bytes, sizeof(bytes));
    FUZZ_CHECK(len > 0 && len <= whole);
    FUZZ_CHECK(mux_decode(bytes, len, &again) == ERR_OK);
    FUZZ_CHECK(again.type == message->type);
    FUZZ_CHECK(again.request == message->request);
    FUZZ_CHECK(again.number == message->number);
    FUZZ_CHECK(again.text_len == message->text_len);
    FUZZ_CHECK(message->text_len == 0 ||
               memcmp(again.text, message->text, again.text_len) == 0);
    FUZZ_CHECK(
        memcmp(&again.forward, &message->forward, sizeof(again.forward)) == 0);
    if (message->type == MUX_C_OPEN_FORWARD)
        check_forward(&message->forward);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    for (size_t at = 0; at < len;) {
        struct mux_message message;
        size_t whole;
        enum err err = mux_frame(bytes + at, len - at, &whole);

        if (err) {
            FUZZ_CHECK(err == ERR_AGAIN || err == ERR_LIMIT);
            break;
        }
        FUZZ_CHECK(whole >= 8 && whole <= len - at);
        if (mux_decode(bytes + at, whole, &message) == ERR_OK)
            check_message(&message, whole);
        at += whole;
    }
    return 0;
}
