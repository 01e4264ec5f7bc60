/* Names are known without regard to case, and values stand in quotes, as sshd
 * has it. What forbids or allows what nobody has here is accepted, so that a
 * line can be moved from one file to the other; what would be asked of us in
 * vain is an error. */
#include "auth/authkeys_option.h"

#include <string.h>
#include <strings.h>

#include "auth/grant_build.h"

enum effect {
    EFFECT_NONE,
    EFFECT_NO_PORTS,
    EFFECT_PORTS,
    EFFECT_OPEN,
    EFFECT_LISTEN,
    EFFECT_FROM,
    EFFECT_EXPIRY,
    EFFECT_AGENT,
    EFFECT_UNTOUCHED,
    EFFECT_REFUSED, /* an error; the option's why says which */
};

struct option {
    const char *name;
    enum effect effect;
    bool has_value;
    bool once; /* twice is an error: which of them counts? */
    const char *why;
};

static const struct option table[] = {
    {"restrict", EFFECT_NO_PORTS, false, false, NULL},
    {"no-port-forwarding", EFFECT_NO_PORTS, false, false, NULL},
    {"port-forwarding", EFFECT_PORTS, false, false, NULL},
    {"permitopen", EFFECT_OPEN, true, false, NULL},
    {"permitlisten", EFFECT_LISTEN, true, false, NULL},
    {"from", EFFECT_FROM, true, true, NULL},
    {"expiry-time", EFFECT_EXPIRY, true, false, NULL},
    {"agent", EFFECT_AGENT, true, true, NULL},
    {"pty", EFFECT_NONE, false, false, NULL},
    {"no-pty", EFFECT_NONE, false, false, NULL},
    {"agent-forwarding", EFFECT_NONE, false, false, NULL},
    {"no-agent-forwarding", EFFECT_NONE, false, false, NULL},
    {"X11-forwarding", EFFECT_NONE, false, false, NULL},
    {"no-X11-forwarding", EFFECT_NONE, false, false, NULL},
    {"user-rc", EFFECT_NONE, false, false, NULL},
    {"no-user-rc", EFFECT_NONE, false, false, NULL},
    {"no-touch-required", EFFECT_UNTOUCHED, false, false, NULL},
    {"command", EFFECT_NONE, true, true, NULL},
    {"environment", EFFECT_NONE, true, false, NULL},
    {"principals", EFFECT_NONE, true, true, NULL},
    {"cert-authority", EFFECT_REFUSED, false, false,
     "certificates are not supported"},
    {"verify-required", EFFECT_REFUSED, false, false,
     "whether a key has verified its user is not looked at"},
    {"tunnel", EFFECT_REFUSED, true, false, "there are no tun devices"},
};

#define OPTION_COUNT (sizeof(table) / sizeof(table[0]))

/* No line is so strange that more of a word tells more. */
#define WORD_SHOWN 40

/* Options under way. */
struct parse {
    const struct textfile_spot *spot;
    struct authkeys_options options;
    bool seen[OPTION_COUNT];
};

size_t
authkeys_options_span(const char *text)
{
    bool quoted = false;
    size_t len = 0;

    while (text[len] && (quoted || (text[len] != ' ' && text[len] != '\t'))) {
        if (text[len] == '\\' && text[len + 1] == '"')
            len++;
        else if (text[len] == '"')
            quoted = !quoted;
        len++;
    }
    return len;
}

static int
two_digits(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* Whether there is such a day and time of day. */
static bool
is_real(const struct tm *tm)
{
    struct tm same = {
        .tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday};

    if (tm->tm_hour > 23 || tm->tm_min > 59 || tm->tm_sec > 59)
        return false;
    timegm(&same);
    return same.tm_mon == tm->tm_mon && same.tm_mday == tm->tm_mday;
}

/* Reads YYYYMMDD[HHMM[SS]], local time, or UTC with a Z (or UTC, which newer
 * versions of OpenSSH take) behind it. */
static bool
parse_time(const char *text, time_t *when)
{
    size_t digits = strspn(text, "0123456789");
    const char *zone = text + digits;
    struct tm tm = {.tm_isdst = -1};
    time_t made;

    if ((digits != 8 && digits != 12 && digits != 14) ||
        (*zone && strcasecmp(zone, "Z") != 0 && strcasecmp(zone, "UTC") != 0))
        return false;
    tm.tm_year = two_digits(text) * 100 + two_digits(text + 2) - 1900;
    tm.tm_mon = two_digits(text + 4) - 1;
    tm.tm_mday = two_digits(text + 6);
    if (digits >= 12) {
        tm.tm_hour = two_digits(text + 8);
        tm.tm_min = two_digits(text + 10);
    }
    if (digits == 14)
        tm.tm_sec = two_digits(text + 12);
    if (!is_real(&tm))
        return false;
    made = *zone ? timegm(&tm) : mktime(&tm);
    if (made <= 0)
        return false;
    *when = made;
    return true;
}

/* The earliest counts, as in sshd. */
static enum err
set_expiry(struct authkeys_options *options, const char *value,
           const char **why)
{
    time_t when;

    if (!parse_time(value, &when)) {
        *why = "not a time: YYYYMMDD[HHMM[SS]][Z] is expected";
        return ERR_MALFORMED;
    }
    if (options->expires == 0 || when < options->expires)
        options->expires = when;
    return ERR_OK;
}

static enum err
set_agent(struct authkeys_options *options, const char *value, const char **why)
{
    if (!grant_agent_is_legal(value)) {
        *why = "a name is 1 to 63 of A-Z, a-z, 0-9, _ and -";
        return ERR_MALFORMED;
    }
    grant_set_agent(options->grant, value);
    return ERR_OK;
}

static enum err
apply(struct authkeys_options *options, const struct option *option,
      const char *value, const char **why)
{
    switch (option->effect) {
    case EFFECT_NONE:
        return ERR_OK;
    case EFFECT_NO_PORTS:
        grant_set_forwarding(options->grant, false);
        return ERR_OK;
    case EFFECT_PORTS:
        grant_set_forwarding(options->grant, true);
        return ERR_OK;
    case EFFECT_OPEN:
        return grant_permit_open(options->grant, value, why);
    case EFFECT_LISTEN:
        return grant_permit_listen(options->grant, value, why);
    case EFFECT_FROM:
        return keyfrom_parse(value, &options->from, why);
    case EFFECT_EXPIRY:
        return set_expiry(options, value, why);
    case EFFECT_AGENT:
        return set_agent(options, value, why);
    case EFFECT_UNTOUCHED:
        options->untouched = true;
        return ERR_OK;
    case EFFECT_REFUSED:
        break;
    }
    *why = option->why;
    return ERR_MALFORMED;
}

static const struct option *
find_option(const char *name, size_t len)
{
    for (size_t i = 0; i < OPTION_COUNT; i++)
        if (strlen(table[i].name) == len &&
            strncasecmp(table[i].name, name, len) == 0)
            return &table[i];
    return NULL;
}

/* What begins with no known option may be a key of a type that is not known,
 * or no line of such a file at all. */
static enum err
fail_unknown(const struct textfile_spot *spot, const char *name, size_t len)
{
    static const char *const types[] = {"ssh-", "ecdsa-", "sk-", "x509v3-"};
    size_t shown = 0;

    if (strncmp(name, "----", 4) == 0)
        return textfile_fail(spot, "not a key as OpenSSH writes it: the line "
                                   "of a .pub file is expected");
    while (shown < len && shown < WORD_SHOWN && name[shown] > ' ' &&
           name[shown] < 0x7f)
        shown++;
    if (shown < len && shown < WORD_SHOWN)
        return textfile_fail(spot, "neither an option nor a type of key");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (strncmp(name, types[i], strlen(types[i])) == 0)
            return textfile_fail(spot,
                                 "%.*s: keys of this type are not "
                                 "supported",
                                 (int)shown, name);
    return textfile_fail(spot, "%.*s: an unknown option", (int)shown, name);
}

/* Takes a value in quotes at *at, which it moves behind them, and cuts it off
 * in place. Returns NULL when it is not in quotes. */
static char *
dequote(char **at)
{
    char *from = *at;
    char *to = *at;

    if (*from++ != '"')
        return NULL;
    while (*from && *from != '"') {
        if (*from == '\\' && from[1] == '"')
            from++;
        *to++ = *from++;
    }
    if (!*from)
        return NULL;
    *to = 0;
    to = *at;
    *at = from + 1;
    return to;
}

/* Takes what follows the name of an option at *at, which it moves behind it;
 * *value is left alone where the option has none. */
static enum err
parse_value(const struct textfile_spot *spot, const struct option *option,
            char **at, const char **value)
{
    bool assigned = **at == '=';
    bool quoted = assigned && (*at)[1] == '"';

    if (option->has_value) {
        char *text;

        *at += assigned;
        text = assigned ? dequote(at) : NULL;
        if (!text && quoted)
            return textfile_fail(spot, "%s: a quote that is not closed",
                                 option->name);
        if (!text)
            return textfile_fail(spot, "%s: %s=\"...\" is expected",
                                 option->name, option->name);
        *value = text;
    }
    if (**at && **at != ',')
        return textfile_fail(
            spot, "%s: a comma or a blank is expected behind it", option->name);
    return ERR_OK;
}

/* Takes one option at *at, which it moves behind it. */
static enum err
parse_option(struct parse *parse, char **at)
{
    const struct textfile_spot *spot = parse->spot;
    size_t len = strcspn(*at, ",=\"");
    const struct option *option = find_option(*at, len);
    const char *value = ""; /* of one that has none */
    const char *why = NULL;
    enum err err;

    if (len == 0)
        return textfile_fail(spot, **at && **at != ','
                                       ? "a value without an option"
                                       : "a comma without an option");
    if (!option)
        return fail_unknown(spot, *at, len);
    if (option->effect == EFFECT_REFUSED)
        return textfile_fail(spot, "%s: %s", option->name, option->why);
    *at += len;
    err = parse_value(spot, option, at, &value);
    if (err)
        return err;
    if (option->once && parse->seen[option - table])
        return textfile_fail(spot, "%s= is there twice", option->name);
    parse->seen[option - table] = true;
    err = apply(&parse->options, option, value, &why);
    return err == ERR_MALFORMED
               ? textfile_fail(spot, "%s: %s", option->name, why)
               : err;
}

enum err
authkeys_options_parse(char *text, const struct textfile_spot *spot,
                       struct authkeys_options *options)
{
    struct parse parse = {.spot = spot};
    bool more = *text != 0;
    enum err err = ERR_OK;

    parse.options.grant = grant_create(NULL);
    if (!parse.options.grant)
        return ERR_NO_MEMORY;
    while (!err && more) {
        err = parse_option(&parse, &text);
        more = *text == ',';
        text += more;
    }
    if (err)
        authkeys_options_clear(&parse.options);
    else
        *options = parse.options;
    return err;
}

void
authkeys_options_clear(struct authkeys_options *options)
{
    grant_unref(options->grant);
    keyfrom_destroy(options->from);
    memset(options, 0, sizeof(*options));
}
