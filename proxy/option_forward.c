/* ssh once took host/port as another way to write host:port. It no longer
 * does (a '/' makes a path), and neither is it read here: "127.0.0.1/1080"
 * would be an address to one of the two and a file to the other. */
#include "proxy/option_forward.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>

#include "proxy/option_value.h"

#define FIELDS_MAX 4

static const char bad_form[] = "not a forward (see culvert --help)";
static const char bad_host[] = "not a host name or address";
static const char bad_path[] = "a socket's path has 1 to 107 bytes";
static const char remote_path[] =
    "the server can be asked for a port, not for a Unix socket: libssh has no "
    "request for that";

struct field {
    char text[TARGET_NAME_MAX + 1];
    bool is_path;
};

struct fields {
    struct field at[FIELDS_MAX];
    size_t count;
    size_t second; /* where the second of two words starts; else 0 */
};

/* Reads one field up to a colon, a space (words) or the end, and returns where
 * it stopped; NULL when it has no end or does not fit. */
static const char *
read_field(const char *at, bool words, struct field *field)
{
    bool bracketed = *at == '[';
    size_t len = 0;

    field->is_path = false;
    if (bracketed)
        at++;
    for (; *at; at++) {
        if (bracketed ? *at == ']'
                      : *at == ':' || (words && isspace((unsigned char)*at)))
            break;
        if (!bracketed && *at == '\\' && at[1])
            at++;
        if (len == sizeof(field->text) - 1)
            return NULL;
        if (*at == '/')
            field->is_path = true;
        field->text[len++] = *at;
    }
    field->text[len] = 0;
    if (!bracketed)
        return at;
    if (*at++ != ']')
        return NULL;
    return at;
}

/* Takes a spec apart, into one field at least; in words, white space parts the
 * two sides. */
static const char *
split(const char *at, bool words, struct fields *fields)
{
    for (;;) {
        if (fields->count == FIELDS_MAX)
            return bad_form;
        at = read_field(at, words, &fields->at[fields->count++]);
        if (!at)
            return bad_form;
        if (words && isspace((unsigned char)*at)) {
            while (isspace((unsigned char)*at))
                at++;
            if (!*at)
                return NULL;
            if (fields->second)
                return bad_form;
            fields->second = fields->count;
        } else if (*at == ':') {
            at++;
        } else {
            return *at ? bad_form : NULL;
        }
    }
}

/* An address that can be bound: a literal, one with a zone, or a name. */
static bool
is_bindable(const char *host)
{
    size_t len = strlen(host);
    union addr addr;

    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)host[i] <= ' ' || host[i] == 0x7f)
            return false;
    }
    if (!memchr(host, ':', len))
        return !memchr(host, '[', len) && !memchr(host, ']', len);
    return addr_parse(&addr, host, strcspn(host, "%"), 0);
}

static const char *
set_listen_path(struct forward *forward, const struct field *path)
{
    size_t len = strlen(path->text);

    if (forward->is_remote)
        return remote_path;
    if (len == 0 || len >= sizeof(((struct sockaddr_un *)0)->sun_path))
        return bad_path;
    forward->where = LISTEN_UNIX;
    forward->bind_given = true;
    memcpy(forward->host, path->text, len + 1);
    return NULL;
}

/* bind is NULL where none was written. */
static const char *
set_listen(struct forward *forward, const struct field *bind,
           const struct field *port)
{
    if ((bind && bind->is_path) || port->is_path)
        return bad_form;
    forward->where = LISTEN_LOOPBACK;
    forward->bind_given = bind != NULL;
    if (bind && (!*bind->text || strcmp(bind->text, "*") == 0)) {
        forward->where = LISTEN_ANY;
    } else if (bind && strcasecmp(bind->text, "localhost") != 0) {
        if (!is_bindable(bind->text))
            return "not an address to listen on";
        forward->where = LISTEN_HOST;
        memcpy(forward->host, bind->text, sizeof(forward->host));
    }
    return option_value_port(port->text, 0, &forward->port);
}

static const char *
set_target(struct forward *forward, const struct field *host,
           const struct field *port)
{
    unsigned number = 0;
    const char *why = option_value_port(port->text, 1, &number);

    if (host->is_path || port->is_path)
        return bad_form;
    if (why)
        return why;
    if (target_set_host(&forward->target, host->text, strlen(host->text),
                        (uint16_t)number) != ERR_OK)
        return bad_host;
    return NULL;
}

static const char *
set_target_path(struct forward *forward, const struct field *path)
{
    if (target_set_unix(&forward->target, path->text) != ERR_OK)
        return bad_path;
    return NULL;
}

static const char *
parse_dynamic(const struct fields *fields, struct forward *forward)
{
    const struct field *at = fields->at;

    forward->kind = FORWARD_SOCKS;
    switch (fields->count) {
    case 1:
        return at[0].is_path ? set_listen_path(forward, &at[0])
                             : set_listen(forward, NULL, &at[0]);
    case 2:
        return set_listen(forward, &at[0], &at[1]);
    default:
        return bad_form;
    }
}

/* The target is the last field when that is a path, else the last two; what
 * stands before it is where to listen. */
static const char *
parse_local(const struct fields *fields, struct forward *forward)
{
    const struct field *at = fields->at;
    bool to_path = at[fields->count - 1].is_path;
    size_t listen = fields->count - (to_path ? 1 : 2);
    const char *why;

    forward->kind = FORWARD_FIXED;
    if (fields->count < 2 || listen < 1 || listen > 2 ||
        (fields->second && fields->second != listen))
        return bad_form;
    if (listen == 2)
        why = set_listen(forward, &at[0], &at[1]);
    else if (at[0].is_path)
        why = set_listen_path(forward, &at[0]);
    else
        why = set_listen(forward, NULL, &at[0]);
    if (why)
        return why;
    return to_path ? set_target_path(forward, &at[listen])
                   : set_target(forward, &at[listen], &at[listen + 1]);
}

/* ssh tries both, a fixed target first. "8080:/path" has one in either form of
 * it; one word with a host in it, "8080:h:80", is nothing in a file. */
static const char *
parse_remote(const struct fields *fields, bool words, struct forward *forward)
{
    size_t count = fields->count;
    bool dynamic = count == 1 || (count == 2 && !fields->at[1].is_path);

    forward->is_remote = true;
    if (words && !fields->second && count > 2)
        return bad_form;
    if (dynamic && !fields->second)
        return parse_dynamic(fields, forward);
    return parse_local(fields, forward);
}

static const char *
parse_stdio(const struct fields *fields, struct forward *forward)
{
    forward->kind = FORWARD_STDIO;
    if (fields->count != 2)
        return "not host:port";
    return set_target(forward, &fields->at[0], &fields->at[1]);
}

static const char *
parse_gateway(const struct fields *fields, struct forward *forward)
{
    const struct field *at = fields->at;
    const struct field *bind = fields->count == 2 ? &at[0] : NULL;
    const char *why;

    forward->kind = FORWARD_GATEWAY;
    if (fields->count > 2 || at[0].is_path || at[fields->count - 1].is_path)
        return "not [bind:]port";
    why = set_listen(forward, bind, &at[fields->count - 1]);
    if (!bind)
        forward->where = LISTEN_ANY;
    return why;
}

const char *
option_forward_parse(enum option_forward_form form, const char *spec,
                     struct forward *forward)
{
    bool words = form == OPTION_FORWARD_LOCAL_WORDS ||
                 form == OPTION_FORWARD_REMOTE_WORDS;
    struct forward parsed = {.text = spec};
    struct fields fields = {.count = 0};
    const char *why = split(spec, words, &fields);

    if (why)
        return why;
    switch (form) {
    case OPTION_FORWARD_DYNAMIC:
        why = parse_dynamic(&fields, &parsed);
        break;
    case OPTION_FORWARD_LOCAL:
        why = parse_local(&fields, &parsed);
        break;
    case OPTION_FORWARD_LOCAL_WORDS:
        /* One word would be "8080:host:80", which ssh refuses here too. */
        why = fields.second ? parse_local(&fields, &parsed) : bad_form;
        break;
    case OPTION_FORWARD_REMOTE:
    case OPTION_FORWARD_REMOTE_WORDS:
        why = parse_remote(&fields, words, &parsed);
        break;
    case OPTION_FORWARD_STDIO:
        why = parse_stdio(&fields, &parsed);
        break;
    case OPTION_FORWARD_GATEWAY:
        why = parse_gateway(&fields, &parsed);
        break;
    }
    if (!why)
        *forward = parsed;
    return why;
}
