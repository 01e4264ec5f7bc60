/* What callers of the control socket ask, and what they are answered. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proxy/control_forward.h"
#include "proxy/control_parts.h"

#include "transport/base/log.h"
#include "transport/reverse/registry.h"
/* -O status: a page of lines; what is beyond it is left out. */
#define STATUS_BYTES (60u * 1024)

static void
answer(struct caller *caller, enum mux_type type, uint32_t number)
{
    const struct mux_message message = {
        .type = type, .request = caller->request, .number = number};

    control_send(caller, &message);
}

static void
answer_text(struct caller *caller, enum mux_type type, const char *text)
{
    const struct mux_message message = {.type = type,
                                        .request = caller->request,
                                        .text = text,
                                        .text_len = strlen(text)};

    control_send(caller, &message);
}

/* --- forwards ------------------------------------------------------------- */

static void
on_forward_done(struct forwards_ask *ask)
{
    struct caller *caller =
        (struct caller *)((char *)ask - offsetof(struct caller, ask));

    caller->asking = false;
    if (ask->err == ERR_DENIED)
        answer_text(caller, MUX_S_PERMISSION_DENIED, ask->why);
    else if (ask->err)
        answer_text(caller, MUX_S_FAILURE, ask->why);
    else if (ask->port)
        answer(caller, MUX_S_PORT, ask->port);
    else
        answer(caller, MUX_S_OK, 0);
    control_resume(caller);
}

static void
act_on_forward(struct caller *caller, const struct mux_message *message)
{
    struct forwards *forwards = caller->control->config.forwards;
    struct forward forward;
    const struct settings *settings = forwards->settings;
    const char *why = control_forward_read(&message->forward,
                                           settings->gateway_ports, &forward);

    if (!why && forward.is_remote && !settings->ssh)
        why = "a remote forward needs a destination, and this culvert has none";
    if (why) {
        answer_text(caller, MUX_S_FAILURE, why);
        return;
    }
    caller->asking = true;
    caller->ask.done = on_forward_done;
    if (message->type == MUX_C_OPEN_FORWARD)
        forwards_add(forwards, &caller->ask, &forward);
    else
        forwards_cancel(forwards, &caller->ask, &forward);
}

/* --- the rest ------------------------------------------------------------- */

static const char *
greet(struct caller *caller, const struct mux_message *message)
{
    if (caller->greeted)
        return "a second hello";
    if (message->number != MUX_VERSION)
        return "another version of the protocol";
    caller->greeted = true;
    return NULL;
}

/* With descriptors behind it, each on a byte of its own, which the kernel
 * closes as nobody takes them. */
static void
refuse_descriptors(struct caller *caller, const char *why)
{
    answer_text(caller, MUX_S_FAILURE, why);
    caller->deaf = true;
}

static void
reconnect(struct caller *caller)
{
    const struct control_config *config = &caller->control->config;
    const char *why = config->reconnect(config->owner);

    if (why)
        answer_text(caller, MUX_S_FAILURE, why);
    else
        answer(caller, MUX_S_OK, 0);
}

static void
tell_status(struct caller *caller, bool json)
{
    const struct control_config *config = &caller->control->config;
    char *text = malloc(STATUS_BYTES);

    if (!text) {
        answer_text(caller, MUX_S_FAILURE, err_text(ERR_NO_MEMORY));
        return;
    }
    text[config->status(config->owner, json, text, STATUS_BYTES)] = 0;
    answer_text(caller, MUX_S_TEXT, text);
    free(text);
}

static void
kick(struct caller *caller, const struct mux_message *message)
{
    const struct control_config *config = &caller->control->config;
    char name[REGISTRY_NAME_MAX + 1] = "";
    unsigned sessions = 0;
    const char *why = "no name";

    /* What does not fit, or has a NUL in it, is none. */
    if (message->text_len < sizeof(name) &&
        !memchr(message->text, 0, message->text_len))
        memcpy(name, message->text, message->text_len);
    if (*name)
        why = config->kick(config->owner, name, &sessions);
    if (why)
        answer_text(caller, MUX_S_FAILURE, why);
    else
        answer(caller, MUX_S_KICKED, sessions);
}

static void
stop_listening(struct caller *caller)
{
    /* Not to be sent away for those who are let in last. */
    caller->asking = true;
    control_stop(caller->control);
    caller->asking = false;
    answer(caller, MUX_S_OK, 0);
}

static void
end_program(struct caller *caller)
{
    const struct control_config *config = &caller->control->config;

    log_write(LOG_VERBOSE, "control socket: told to exit");
    answer(caller, MUX_S_OK, 0);
    config->exit(config->owner);
}

const char *
control_act(struct caller *caller, const struct mux_message *message)
{
    if (message->type == MUX_HELLO)
        return greet(caller, message);
    if (!caller->greeted)
        return "no hello";
    caller->request = message->request;
    switch (message->type) {
    case MUX_C_ALIVE_CHECK:
        answer(caller, MUX_S_ALIVE, (uint32_t)getpid());
        break;
    case MUX_C_TERMINATE:
        end_program(caller);
        break;
    case MUX_C_STOP_LISTENING:
        stop_listening(caller);
        break;
    case MUX_C_OPEN_FORWARD:
    case MUX_C_CLOSE_FORWARD:
        act_on_forward(caller, message);
        break;
    case MUX_C_STATUS:
        tell_status(caller, false);
        break;
    case MUX_C_STATUS_JSON:
        tell_status(caller, true);
        break;
    case MUX_C_KICK:
        kick(caller, message);
        break;
    case MUX_C_RECONNECT:
        reconnect(caller);
        break;
    case MUX_C_NEW_SESSION:
        refuse_descriptors(caller, "culvert runs no sessions");
        break;
    case MUX_C_NEW_STDIO_FORWARD:
        refuse_descriptors(caller, "culvert forwards no standard input here; "
                                   "run culvert -W");
        break;
    case MUX_C_PROXY:
    case MUX_S_OK:
    case MUX_S_PERMISSION_DENIED:
    case MUX_S_FAILURE:
    case MUX_S_ALIVE:
    case MUX_S_PORT:
    case MUX_S_TEXT:
    case MUX_S_KICKED:
    case MUX_OTHER:
    case MUX_HELLO:
        answer_text(caller, MUX_S_FAILURE, "unsupported request");
        break;
    }
    return NULL;
}
