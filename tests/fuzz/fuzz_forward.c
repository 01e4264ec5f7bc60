/* The grammar of forwards. The first byte says which form; the rest is the
 * text, up to a NUL. */
#include "tests/fuzz/fuzz.h"

#include <sys/un.h>

#include "proxy/option_forward.h"

static void
check_parsed(enum option_forward_form form, const struct forward *forward)
{
    size_t len = strlen(forward->host);

    FUZZ_CHECK(forward->port <= 65535 && !forward->next);
    switch (forward->where) {
    case LISTEN_LOOPBACK:
    case LISTEN_ANY:
        FUZZ_CHECK(len == 0);
        break;
    case LISTEN_HOST:
        FUZZ_CHECK(len > 0 && !strchr(forward->host, '/'));
        break;
    case LISTEN_UNIX:
        FUZZ_CHECK(len < sizeof(((struct sockaddr_un *)0)->sun_path));
        FUZZ_CHECK(strchr(forward->host, '/'));
        break;
    }
    FUZZ_CHECK(forward->is_remote == (form == OPTION_FORWARD_REMOTE ||
                                      form == OPTION_FORWARD_REMOTE_WORDS));
    FUZZ_CHECK(!forward->is_remote || forward->where != LISTEN_UNIX);
    FUZZ_CHECK(form != OPTION_FORWARD_DYNAMIC ||
               forward->kind == FORWARD_SOCKS);
    FUZZ_CHECK((form == OPTION_FORWARD_GATEWAY) ==
               (forward->kind == FORWARD_GATEWAY));
    FUZZ_CHECK(forward->kind != FORWARD_GATEWAY ||
               forward->where != LISTEN_UNIX);
    if (forward->kind == FORWARD_SOCKS || forward->kind == FORWARD_GATEWAY)
        return;
    FUZZ_CHECK((forward->target.kind == TARGET_UNIX) ==
               (forward->target.port == 0));
}

/* Writes a side in brackets. A bracket in it can only have come by a
 * backslash. Returns false where there is one: brackets cannot hold it. */
static bool
put_field(char *spec, const char *text)
{
    if (strpbrk(text, "]\\"))
        return false;
    strcat(strcat(strcat(spec, "["), text), "]");
    return true;
}

/* Writes a forward as -D, -L and -R take it. */
static bool
write_spec(const struct forward *forward, char *spec)
{
    const struct target *target = &forward->target;
    char text[TARGET_TEXT_MAX];

    *spec = 0;
    if (forward->where == LISTEN_ANY)
        strcpy(spec, "*");
    else if (forward->where != LISTEN_LOOPBACK &&
             !put_field(spec, forward->host))
        return false;
    else if (forward->where == LISTEN_LOOPBACK && forward->bind_given)
        strcpy(spec, "localhost");
    if (forward->where != LISTEN_UNIX)
        sprintf(spec + strlen(spec), "%s%u", *spec ? ":" : "", forward->port);
    if (forward->kind == FORWARD_SOCKS)
        return true;
    strcat(spec, ":");
    if (target->kind == TARGET_UNIX)
        return put_field(spec, target->name);
    if (target->kind == TARGET_ADDR)
        addr_format_host(&target->addr, text);
    else
        strcpy(text, target->name);
    if (!put_field(spec, text))
        return false;
    sprintf(spec + strlen(spec), ":%u", target->port);
    return true;
}

/* What was read, written and read again, is the same. */
static void
check_again(const struct forward *forward)
{
    enum option_forward_form form = forward->is_remote ? OPTION_FORWARD_REMOTE
                                    : forward->kind == FORWARD_SOCKS
                                        ? OPTION_FORWARD_DYNAMIC
                                        : OPTION_FORWARD_LOCAL;
    char spec[3 * TARGET_TEXT_MAX], a[TARGET_TEXT_MAX], b[TARGET_TEXT_MAX];
    struct forward again;

    if (forward->kind == FORWARD_STDIO || forward->kind == FORWARD_GATEWAY ||
        !write_spec(forward, spec))
        return;
    FUZZ_CHECK(!option_forward_parse(form, spec, &again));
    FUZZ_CHECK(again.kind == forward->kind && again.where == forward->where);
    FUZZ_CHECK(again.bind_given == forward->bind_given);
    FUZZ_CHECK(again.is_remote == forward->is_remote);
    FUZZ_CHECK(again.port == forward->port);
    FUZZ_CHECK(strcmp(again.host, forward->host) == 0);
    if (forward->kind == FORWARD_FIXED)
        FUZZ_CHECK(strcmp(target_format(&again.target, a),
                          target_format(&forward->target, b)) == 0);
}

static void
check_forward(enum option_forward_form form, const char *text)
{
    struct forward forward, before;

    memset(&forward, 0x5a, sizeof(forward));
    before = forward;
    if (option_forward_parse(form, text, &forward)) {
        FUZZ_CHECK(memcmp(&forward, &before, sizeof(forward)) == 0);
        return;
    }
    FUZZ_CHECK(forward.text == text);
    check_parsed(form, &forward);
    check_again(&forward);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    char *text;

    if (len == 0)
        return 0;
    text = strndup((const char *)bytes + 1, len - 1);
    FUZZ_CHECK(text);
    switch (bytes[0]) {
    case 'D':
        check_forward(OPTION_FORWARD_DYNAMIC, text);
        break;
    case 'L':
        check_forward(OPTION_FORWARD_LOCAL, text);
        break;
    case 'l':
        check_forward(OPTION_FORWARD_LOCAL_WORDS, text);
        break;
    case 'R':
        check_forward(OPTION_FORWARD_REMOTE, text);
        break;
    case 'r':
        check_forward(OPTION_FORWARD_REMOTE_WORDS, text);
        break;
    case 'W':
        check_forward(OPTION_FORWARD_STDIO, text);
        break;
    case 'G':
        check_forward(OPTION_FORWARD_GATEWAY, text);
        break;
    default:
        break;
    }
    free(text);
    return 0;
}
