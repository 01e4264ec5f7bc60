/* A head is looked at only when it is whole (RFC 9112 2), but for its first
 * line: who sends no HTTP at all is told at once and not after a timeout.
 *
 * Not done, on purpose: the Host field is not read, since with authority-form
 * the request line alone says where to go; and a body is not known of, since
 * what follows the head of CONNECT is the tunnel (RFC 9110 9.3.6). */
#include "transport/wire/http.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "transport/base/reader.h"
#include "transport/wire/basic.h"
#include "transport/wire/codes.h"

/* A piece of the head. Borrows. */
struct span {
    const char *at;
    size_t len;
};

struct request_line {
    struct span method;
    struct span target;
    struct span version;
};

/* What is said with a status, and what a status says of the far side. */
static const struct status {
    int status;
    enum err err;
    const char *reason;
} statuses[] = {
    {200, ERR_OK, "Connection established"},
    {400, ERR_MALFORMED, "Bad Request"},
    {403, ERR_PROHIBITED, "Forbidden"},
    {407, ERR_AUTH_FAILED, "Proxy Authentication Required"},
    {408, ERR_HANDSHAKE_TIMEOUT, "Request Timeout"},
    {429, ERR_LIMIT, "Too Many Requests"},
    {501, ERR_BAD_COMMAND, "Not Implemented"},
    {502, ERR_REMOTE_FAILED, "Bad Gateway"},
    {503, ERR_NO_RESOURCES, "Service Unavailable"},
    {504, ERR_TIMED_OUT, "Gateway Timeout"},
};

bool
http_starts_with(uint8_t first)
{
    return first >= 'A' && first <= 'Z';
}

/* RFC 9110 5.6.2, tchar. */
static bool
is_token(struct span s)
{
    static const char marks[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < s.len; i++) {
        char c = s.at[i];
        bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
                     (c >= 'a' && c <= 'z');

        if (!alnum && (c == 0 || !strchr(marks, c)))
            return false;
    }
    return s.len > 0;
}

static bool
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool
span_is(struct span s, const char *text)
{
    return s.len == strlen(text) && memcmp(s.at, text, s.len) == 0;
}

/* Takes the next line, without its end. Returns false when there is none. */
static bool
take_line(struct reader *r, struct span *line)
{
    size_t left = (size_t)(r->end - r->at);
    const uint8_t *end = left > 0 ? memchr(r->at, '\n', left) : NULL;

    if (!end)
        return false;
    line->len = (size_t)(end - r->at);
    line->at = (const char *)reader_bytes(r, line->len + 1);
    if (line->len > 0 && line->at[line->len - 1] == '\r')
        line->len--;
    return true;
}

/* Takes what stands before the first space, and the space. */
static bool
take_word(struct span *line, struct span *word)
{
    const char *end = memchr(line->at, ' ', line->len);

    if (!end)
        return false;
    word->at = line->at;
    word->len = (size_t)(end - line->at);
    line->at += word->len + 1;
    line->len -= word->len + 1;
    return true;
}

/* "HTTP/" DIGIT "." DIGIT, RFC 9112 2.3. */
static bool
is_version(struct span s)
{
    return s.len == 8 && memcmp(s.at, "HTTP/", 5) == 0 && is_digit(s.at[5]) &&
           s.at[6] == '.' && is_digit(s.at[7]);
}

/* Returns false for a line that is no request line (RFC 9112 3). */
static bool
split_request_line(struct span line, struct request_line *out)
{
    if (!take_word(&line, &out->method) || !take_word(&line, &out->target))
        return false;
    out->version = line;
    if (!is_token(out->method) || !is_version(out->version))
        return false;
    for (size_t i = 0; i < out->target.len; i++)
        if ((uint8_t)out->target.at[i] < ' ' || out->target.at[i] == 0x7f)
            return false;
    return out->target.len > 0;
}

/* Finds the end of the head: *head is its length with the empty line. A NUL
 * counts only when it comes before that. */
static enum wire_status
find_head(const void *bytes, size_t len, size_t *head)
{
    size_t max = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX;
    const uint8_t *nul = max > 0 ? memchr(bytes, 0, max) : NULL;
    struct reader r = reader_over(bytes, max);
    struct span line;

    if (nul)
        r.end = nul;
    while (take_line(&r, &line)) {
        if (line.len == 0) {
            *head = (size_t)(r.at - (const uint8_t *)bytes);
            return WIRE_DONE;
        }
    }
    return nul || len >= HTTP_HEAD_MAX ? WIRE_BAD : WIRE_MORE;
}

/* Reads a port, 1 to 65535. Returns 0 for all else. */
static uint16_t
port_from(struct span s)
{
    unsigned port = 0;

    if (s.len == 0 || s.len > 5)
        return 0;
    for (size_t i = 0; i < s.len; i++) {
        if (!is_digit(s.at[i]))
            return 0;
        port = port * 10 + (unsigned)(s.at[i] - '0');
    }
    return port <= UINT16_MAX ? (uint16_t)port : 0;
}

/* Reads authority-form, host ":" port (RFC 9112 3.2.3). What belongs to other
 * forms (a scheme, a path, a user) is no host's name. */
static enum err
target_from_authority(struct span s, struct target *target)
{
    const char *colon;
    struct span port;
    uint16_t number;

    if (s.at[0] == '[') {
        colon = memchr(s.at, ']', s.len);
        colon = colon ? colon + 1 : NULL;
    } else {
        colon = memchr(s.at, ':', s.len);
    }
    if (!colon || colon == s.at + s.len || *colon != ':')
        return ERR_MALFORMED;
    port.at = colon + 1;
    port.len = (size_t)(s.at + s.len - port.at);
    number = port_from(port);
    s.len = (size_t)(colon - s.at);
    for (size_t i = 0; i < s.len; i++)
        if (strchr("/?#@\\", s.at[i]))
            return ERR_MALFORMED;
    if (number == 0)
        return ERR_MALFORMED;
    return target_set_host(target, s.at, s.len, number);
}

/* Reads the value of Proxy-Authorization. Returns false, out as it was, for
 * another scheme and for what cannot be decoded. */
static bool
read_basic(struct span value, struct wire_credentials *out)
{
    struct span scheme;

    if (!take_word(&value, &scheme) || scheme.len != 5 ||
        strncasecmp(scheme.at, "Basic", 5) != 0)
        return false;
    while (value.len > 0 && value.at[0] == ' ') {
        value.at++;
        value.len--;
    }
    return basic_decode(value.at, value.len, out);
}

/* Splits name ":" value and trims the value. Returns false for what RFC 9112
 * 5.1 and 5.2 have a server refuse: no name, a space before the colon, a line
 * folded onto the last one, a CR inside. Each is read differently by others,
 * which is how requests are smuggled. */
static bool
split_field(struct span line, struct span *name, struct span *value)
{
    const char *colon = memchr(line.at, ':', line.len);

    if (!colon || memchr(line.at, '\r', line.len))
        return false;
    name->at = line.at;
    name->len = (size_t)(colon - line.at);
    value->at = colon + 1;
    value->len = line.len - name->len - 1;
    while (value->len > 0 && strchr(" \t", value->at[0])) {
        value->at++;
        value->len--;
    }
    while (value->len > 0 && strchr(" \t", value->at[value->len - 1]))
        value->len--;
    return is_token(*name);
}

/* Reads the fields of a whole head. A second Proxy-Authorization makes both
 * void: which one is meant is anyone's guess. */
static enum err
read_fields(struct reader *r, struct http_request *out)
{
    static const char wanted[] = "Proxy-Authorization";
    unsigned seen = 0;
    struct span line;

    while (take_line(r, &line) && line.len > 0) {
        struct span name;
        struct span value;

        if (!split_field(line, &name, &value))
            return ERR_MALFORMED;
        if (name.len != strlen(wanted) ||
            strncasecmp(name.at, wanted, name.len) != 0)
            continue;
        out->has_credentials =
            seen++ == 0 && read_basic(value, &out->credentials);
    }
    if (!out->has_credentials)
        wire_credentials_wipe(&out->credentials);
    return ERR_OK;
}

/* Judges the request line (its form is right). */
static enum err
judge(const struct request_line *line, struct target *target)
{
    if (!span_is(line->method, "CONNECT"))
        return ERR_BAD_COMMAND;
    if (line->version.at[5] != '1')
        return ERR_MALFORMED;
    return target_from_authority(line->target, target);
}

enum wire_status
http_parse_request(const void *bytes, size_t len, struct http_request *out,
                   size_t *used)
{
    struct reader r = reader_over(bytes, len);
    struct request_line request;
    struct span line;
    size_t head = 0;
    enum wire_status status = find_head(bytes, len, &head);
    enum err fields;

    if (status == WIRE_BAD || !take_line(&r, &line))
        return status;
    if (!split_request_line(line, &request))
        return WIRE_BAD;
    if (status == WIRE_MORE)
        return WIRE_MORE;
    memset(out, 0, sizeof(*out));
    fields = read_fields(&r, out);
    out->err = judge(&request, &out->target);
    if (out->err == ERR_OK)
        out->err = fields;
    *used = head;
    return WIRE_DONE;
}

/* Finds a status' row. Returns NULL when there is none. */
static const struct status *
status_find(int status)
{
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++)
        if (statuses[i].status == status)
            return &statuses[i];
    return NULL;
}

static size_t
write_failure(char out[HTTP_REPLY_MAX], int status, const char *text)
{
    const struct status *row = status_find(status);
    const char *challenge =
        status == 407 ? "Proxy-Authenticate: Basic realm=\"culvert\"\r\n" : "";

    return (size_t)snprintf(out, HTTP_REPLY_MAX,
                            "HTTP/1.1 %d %s\r\n%s"
                            "Content-Type: text/plain\r\n"
                            "Content-Length: %zu\r\n"
                            "Connection: close\r\n\r\n%s\n",
                            status, row ? row->reason : "Error", challenge,
                            strlen(text) + 1, text);
}

size_t
http_write_reply(char out[HTTP_REPLY_MAX], enum err err)
{
    if (err != ERR_OK)
        return write_failure(out, http_status_from_err(err), err_text(err));
    /* No Content-Length: RFC 9110 9.3.6 forbids it after CONNECT. */
    return (size_t)snprintf(out, HTTP_REPLY_MAX, "HTTP/1.1 200 %s\r\n\r\n",
                            status_find(200)->reason);
}

size_t
http_write_not_proxy(char out[HTTP_REPLY_MAX])
{
    return write_failure(out, http_status_from_err(ERR_BAD_COMMAND),
                         "This port speaks SOCKS4, SOCKS4a, SOCKS5 and HTTP "
                         "CONNECT; other HTTP requests are not served here.");
}

size_t
http_write_request(char out[HTTP_REQUEST_MAX], const struct target *target,
                   const struct wire_credentials *credentials)
{
    char authority[TARGET_TEXT_MAX];
    char basic[BASIC_SIZE];
    size_t len;

    if (target->kind == TARGET_UNIX ||
        (credentials && basic_encode(credentials, basic) == 0))
        return 0;
    target_format(target, authority);
    len = (size_t)snprintf(out, HTTP_REQUEST_MAX,
                           "CONNECT %s HTTP/1.1\r\nHost: %s\r\n", authority,
                           authority);
    if (credentials) {
        len += (size_t)snprintf(out + len, HTTP_REQUEST_MAX - len,
                                "Proxy-Authorization: Basic %s\r\n", basic);
        explicit_bzero(basic, sizeof(basic));
    }
    memcpy(out + len, "\r\n", 3);
    return len + 2;
}

/* Reads a status line (RFC 9112 4). Some proxies leave out the reason and the
 * space before it. Returns 0 for a line that is none. */
static int
status_from_line(struct span line)
{
    struct span version;

    if (!take_word(&line, &version) || !is_version(version) ||
        version.at[5] != '1' || line.len < 3 ||
        (line.len > 3 && line.at[3] != ' '))
        return 0;
    if (line.at[0] == '0' || !is_digit(line.at[0]) || !is_digit(line.at[1]) ||
        !is_digit(line.at[2]))
        return 0;
    return (line.at[0] - '0') * 100 + (line.at[1] - '0') * 10 +
           (line.at[2] - '0');
}

enum wire_status
http_parse_reply(const void *bytes, size_t len, int *status, size_t *used)
{
    struct reader r = reader_over(bytes, len);
    struct span line;
    size_t head = 0;
    enum wire_status found = find_head(bytes, len, &head);
    int number;

    if (found == WIRE_BAD || !take_line(&r, &line))
        return found;
    number = status_from_line(line);
    if (number == 0)
        return WIRE_BAD;
    if (found == WIRE_MORE)
        return WIRE_MORE;
    *status = number;
    *used = head;
    return WIRE_DONE;
}

int
http_status_from_err(enum err err)
{
    return codes_of(err)->http;
}

enum err
http_err_from_status(int status)
{
    const struct status *row = status_find(status);

    /* Any 2xx opens the tunnel (RFC 9110 9.3.6). */
    if (status >= 200 && status <= 299)
        return ERR_OK;
    return row ? row->err : ERR_REMOTE_FAILED;
}
