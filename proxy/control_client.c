/* The texts and the exit status are ssh's, as scripts look at both: a forward
 * that cannot be cancelled is no failure of the program. */
#include "proxy/control_client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "proxy/control_forward.h"
#include "proxy/control_socket.h"
#include "proxy/mux.h"

/* ssh's for whatever goes wrong. */
#define FAILED 255

struct call {
    const struct settings *settings;
    int fd;
    uint32_t request;
    struct mux_message answer; /* its text points into bytes */
    uint8_t bytes[4 + MUX_MESSAGE_MAX];
    char why[1024];
};

__attribute__((format(printf, 1, 2))) static int
fail(const char *format, ...)
{
    va_list args;

    fputs("culvert: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return FAILED;
}

/* --- one message ---------------------------------------------------------- */

static bool
send_message(struct call *call, const struct mux_message *message)
{
    uint8_t bytes[MUX_ENCODED_MAX];
    size_t len = mux_encode(message, bytes, sizeof(bytes));

    for (size_t at = 0; at < len;) {
        ssize_t n = write(call->fd, bytes + at, len - at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        at += (size_t)n;
    }
    return len > 0;
}

static bool
read_whole(struct call *call, size_t from, size_t to)
{
    while (from < to) {
        ssize_t n = read(call->fd, call->bytes + from, to - from);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        from += (size_t)n;
    }
    return true;
}

/* Reads a message into call->answer; false when the other has gone, or what
 * it sends is none. */
static bool
read_message(struct call *call)
{
    size_t whole;

    if (!read_whole(call, 0, 4) ||
        mux_frame(call->bytes, 4, &whole) != ERR_AGAIN ||
        !read_whole(call, 4, whole))
        return false;
    return mux_decode(call->bytes, whole, &call->answer) == ERR_OK;
}

/* Asks, and reads the answer to that. */
static bool
ask(struct call *call, struct mux_message *message)
{
    message->request = call->request;
    if (!send_message(call, message) || !read_message(call))
        return false;
    return call->answer.request == call->request++;
}

static bool
ask_plainly(struct call *call, enum mux_type type)
{
    return ask(call, &(struct mux_message){.type = type});
}

/* The reason in an answer that is a refusal; else something to say. */
static const char *
reason(struct call *call)
{
    const struct mux_message *answer = &call->answer;

    if (answer->type != MUX_S_FAILURE &&
        answer->type != MUX_S_PERMISSION_DENIED)
        return "an answer of another kind";
    snprintf(call->why, sizeof(call->why), "%.*s", (int)answer->text_len,
             answer->text);
    for (char *c = call->why; *c; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = '?';
    return call->why;
}

/* --- what can be asked ---------------------------------------------------- */

/* What ssh says on standard error, line ends and all, but with -q. */
static void
say(const struct call *call, const char *text)
{
    if (call->settings->log.level > LOG_QUIET)
        fprintf(stderr, "%s\r\n", text);
}

static int
check(struct call *call)
{
    if (!ask_plainly(call, MUX_C_ALIVE_CHECK))
        return fail("master alive check failed");
    if (call->answer.type != MUX_S_ALIVE)
        return fail("master returned error: %s", reason(call));
    fprintf(stderr, "Master running (pid=%u)\r\n", call->answer.number);
    return 0;
}

static int
end_master(struct call *call)
{
    /* It may be gone before its answer is: that is an answer, too. */
    if (ask_plainly(call, MUX_C_TERMINATE) && call->answer.type != MUX_S_OK)
        return fail("Master refused termination request: %s", reason(call));
    say(call, "Exit request sent.");
    return 0;
}

static int
stop_listening(struct call *call)
{
    if (!ask_plainly(call, MUX_C_STOP_LISTENING))
        return fail("read from master failed");
    if (call->answer.type != MUX_S_OK)
        return fail("Master refused stop listening request: %s", reason(call));
    say(call, "Stop listening request sent.");
    return 0;
}

/* Asks for one forward or for its end. A port that was picked goes to
 * standard output, for scripts. */
static bool
ask_forward(struct call *call, enum mux_type type,
            const struct forward *forward)
{
    struct mux_message message = {.type = type};

    control_forward_write(forward, &message.forward);
    if (!ask(call, &message)) {
        fail("read from master failed");
        return false;
    }
    if (call->answer.type == MUX_S_PORT) {
        printf("%u\n", call->answer.number);
        return true;
    }
    if (call->answer.type == MUX_S_OK)
        return true;
    if (call->answer.type == MUX_S_PERMISSION_DENIED)
        fail("Master refused forwarding request: %s", reason(call));
    else
        fail("forwarding request failed: %s", reason(call));
    return false;
}

static bool
ask_forwards(struct call *call, enum mux_type type)
{
    const struct forward *each = call->settings->forwards;
    bool good = true;

    for (; each; each = each->next)
        if (each->kind != FORWARD_STDIO && each->kind != FORWARD_GATEWAY &&
            !ask_forward(call, type, each))
            good = false;
    return good;
}

static int
add_forwards(struct call *call)
{
    return ask_forwards(call, MUX_C_OPEN_FORWARD)
               ? 0
               : fail("master forward request failed");
}

static int
cancel_forwards(struct call *call)
{
    if (!ask_forwards(call, MUX_C_CLOSE_FORWARD))
        fail("master cancel forward request failed");
    return 0;
}

static int
tell_status(struct call *call)
{
    bool json = call->settings->log.format == LOG_JSON;

    if (!ask_plainly(call, json ? MUX_C_STATUS_JSON : MUX_C_STATUS))
        return fail("read from master failed");
    if (call->answer.type != MUX_S_TEXT)
        return fail("status request failed: %s", reason(call));
    fwrite(call->answer.text, 1, call->answer.text_len, stdout);
    return fflush(stdout) == 0 ? 0 : FAILED;
}

static int
reconnect(struct call *call)
{
    if (!ask_plainly(call, MUX_C_RECONNECT))
        return fail("read from master failed");
    if (call->answer.type != MUX_S_OK)
        return fail("reconnect request failed: %s", reason(call));
    say(call, "Reconnect request sent.");
    return 0;
}

static int
kick(struct call *call)
{
    const char *name = call->settings->control_name;
    struct mux_message message = {
        .type = MUX_C_KICK, .text = name, .text_len = strlen(name)};
    char text[128];

    if (!ask(call, &message))
        return fail("read from master failed");
    if (call->answer.type != MUX_S_KICKED)
        return fail("kick request for %s failed: %s", name, reason(call));
    snprintf(text, sizeof(text), "Kicked %u session%s of %s.",
             call->answer.number, call->answer.number == 1 ? "" : "s", name);
    say(call, text);
    return 0;
}

static const struct {
    const char *word;
    int (*run)(struct call *call);
} words[] = {
    {"check", check},
    {"exit", end_master},
    {"stop", stop_listening},
    {"forward", add_forwards},
    {"cancel", cancel_forwards},
    {"status", tell_status},
    {"reconnect", reconnect},
    {"kick", kick},
};

/* --- the call ------------------------------------------------------------- */

static int
run(struct call *call, int (*word)(struct call *call))
{
    const struct mux_message hello = {.type = MUX_HELLO, .number = MUX_VERSION};
    const char *path = call->settings->control_path;
    int status;

    call->fd = control_socket_connect(path);
    if (call->fd < 0 && errno == ENAMETOOLONG)
        return fail("ControlPath too long ('%s')", path);
    if (call->fd < 0) {
        fprintf(stderr, "Control socket connect(%.100s): %s\r\n", path,
                strerror(errno));
        return FAILED;
    }
    if (!send_message(call, &hello) || !read_message(call) ||
        call->answer.type != MUX_HELLO)
        status = fail("master hello exchange failed");
    else if (call->answer.number != MUX_VERSION)
        status = fail("Unsupported multiplexing protocol version %u "
                      "(expected %u)",
                      call->answer.number, MUX_VERSION);
    else
        status = word(call);
    close(call->fd);
    return status;
}

int
control_client_run(const struct settings *settings)
{
    struct call call = {.settings = settings, .fd = -1};

    if (!settings->control_path)
        return fail("No ControlPath specified for \"-O\" command");
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcmp(words[i].word, settings->control_word) == 0)
            return run(&call, words[i].run);
    return fail("-O %s: no such command; there are check, exit, stop, "
                "forward, cancel, status, reconnect and kick",
                settings->control_word);
}
