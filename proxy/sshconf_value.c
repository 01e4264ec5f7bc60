#include "proxy/sshconf_value.h"

#include <ctype.h>
#include <limits.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "proxy/option_dest.h"
#include "proxy/option_value.h"

/* The least of RekeyLimit that ssh takes: less would re-key with every
 * packet. */
#define REKEY_BYTES_MIN 16.0

static const char no_memory[] = "out of memory";
static const char no_value[] = "has no value";

/* What to say where a word is none of a keyword's choices. */
static const struct {
    enum sshconf_id id;
    const char *why;
} choice_faults[] = {
    {SSHCONF_ADDRESS_FAMILY, "must be any, inet or inet6"},
    {SSHCONF_CONTROL_MASTER, "must be yes, no or auto"},
    {SSHCONF_GATEWAY_PORTS, "must be yes, no or clientspecified"},
    {SSHCONF_LOG_LEVEL, "must be QUIET, FATAL, ERROR, INFO, VERBOSE or DEBUG"},
    {SSHCONF_PUBKEY_AUTHENTICATION, "must be yes, no, unbound or host-bound"},
    {SSHCONF_STRICT_HOST_KEY_CHECKING,
     "must be yes, accept-new, ask, no or off"},
};

static const char *
read_choice(const struct sshconf_entry *entry, const char *word,
            struct sshconf_value *value)
{
    for (const struct sshconf_choice *c = entry->choices; c->name; c++) {
        if (strcasecmp(c->name, word) == 0) {
            value->number = c->number;
            return NULL;
        }
    }
    for (size_t i = 0; i < sizeof(choice_faults) / sizeof(choice_faults[0]);
         i++) {
        if (choice_faults[i].id == entry->id)
            return choice_faults[i].why;
    }
    return "is none of its values; see ssh_config(5)";
}

static const char *
read_number(const char *word, struct sshconf_value *value)
{
    unsigned number = 0;
    const char *why = option_value_limit(word, INT_MAX, &number);

    if (why || strspn(word, "0123456789") == 0)
        return "must be a number";
    value->number = number;
    return NULL;
}

static const char *
read_span(const char *word, struct sshconf_value *value)
{
    if (strcasecmp(word, "none") == 0) {
        value->number = -1;
        return NULL;
    }
    return option_value_span(word, &value->number);
}

/* A size in bytes: 500M, 1G. Returns false for what is none. */
static bool
read_size(const char *word, double *bytes)
{
    static const char units[] = "kmgtpe";
    size_t len = strspn(word, "0123456789");
    const char *unit;

    if (len == 0 || len > 15)
        return false;
    *bytes = (double)strtoull(word, NULL, 10);
    if (!word[len])
        return true;
    unit = strchr(units, word[len] | 32);
    if (!unit || word[len + 1])
        return false;
    for (; unit >= units; unit--)
        *bytes *= 1024;
    return *bytes < 9e18; /* what 63 bits hold */
}

/* "default" or a size, then perhaps "none" or a time. */
static const char *
read_rekey(const struct sshconf_line *line, struct sshconf_value *value)
{
    const char *size = line->words[0];
    const char *why;

    if (line->count > 2)
        return "has more than two values";
    if (strcasecmp(size, "default") != 0) {
        if (!read_size(size, &value->number))
            return "must be a size as 500M or 1G, then perhaps a time";
        if (value->number != 0 && value->number < REKEY_BYTES_MIN)
            return "is too small a size";
    }
    if (line->count < 2 || strcasecmp(line->words[1], "none") == 0)
        return NULL;
    why = option_value_span(line->words[1], &value->second);
    return why;
}

/* ssh's forms of one word that ask for more than that there is one. */
static const char *
check_text(enum sshconf_id id, const char *word)
{
    if (id == SSHCONF_BIND_INTERFACE && strlen(word) >= IFNAMSIZ)
        return "too long for an interface";
    if (id == SSHCONF_BIND_ADDRESS && strlen(word) > TARGET_NAME_MAX)
        return "too long for a name or address";
    return NULL;
}

/* Each hop of a ProxyJump, which must be a destination. */
static const char *
check_jump(const char *text)
{
    char hop[OPTION_DEST_MAX];
    struct option_dest dest;

    if (strcasecmp(text, "none") == 0)
        return NULL;
    for (;;) {
        size_t len = strcspn(text, ",");
        const char *why;

        if (len >= sizeof(hop))
            return "too long for a destination";
        memcpy(hop, text, len);
        hop[len] = 0;
        why = option_dest_parse(hop, &dest);
        if (why)
            return why;
        if (!text[len])
            return NULL;
        text += len + 1;
    }
}

static const char *
keep(struct sshconf_value *value, const char *text)
{
    return sshdest_list_add(&value->texts, text) ? NULL : no_memory;
}

static const char *
read_words(const struct sshconf_entry *entry, const struct sshconf_line *line,
           struct sshconf_value *value)
{
    const char *why = NULL;

    for (size_t i = 0; i < line->count && !why; i++) {
        const char *word = line->words[i];

        if (!*word)
            return "has an empty value";
        if (line->count > 1 && strcasecmp(word, "none") == 0 &&
            entry->form == SSHCONF_FORM_WORDS)
            return "\"none\" must stand alone";
        why = keep(value, word);
    }
    return why;
}

/* The rest of the line; of ProxyJump, which takes no quotes, up to a
 * comment. */
static const char *
read_rest(const struct sshconf_entry *entry, const struct sshconf_line *line,
          struct sshconf_value *value)
{
    char *text = strdup(line->rest + strspn(line->rest, " \t="));
    const char *why = NULL;
    size_t len;

    if (!text)
        return no_memory;
    if (entry->id == SSHCONF_PROXY_JUMP) {
        len = strcspn(text, "#");
        while (len > 0 && isspace((unsigned char)text[len - 1]))
            len--;
        text[len] = 0;
        why = check_jump(text);
    }
    if (!*text)
        why = no_value;
    if (!why)
        why = keep(value, text);
    free(text);
    return why;
}

/* The forms of a single word. */
static const char *
read_word(const struct sshconf_entry *entry, const char *word,
          struct sshconf_value *value)
{
    const char *why = NULL;
    unsigned port = 0;
    mode_t mask = 0;
    bool flag = false;

    switch (entry->form) {
    case SSHCONF_FORM_FLAG:
        why = option_value_flag(word, &flag);
        value->number = flag;
        return why;
    case SSHCONF_FORM_CHOICE:
        return read_choice(entry, word, value);
    case SSHCONF_FORM_NUMBER:
        return read_number(word, value);
    case SSHCONF_FORM_PORT:
        why = option_value_port(word, 1, &port);
        value->number = port;
        return why;
    case SSHCONF_FORM_SPAN:
        return read_span(word, value);
    case SSHCONF_FORM_MASK:
        why = option_value_mask(word, &mask);
        value->number = mask;
        return why;
    case SSHCONF_FORM_TEXT:
        why = check_text(entry->id, word);
        return why ? why : keep(value, word);
    case SSHCONF_FORM_ADD:
    case SSHCONF_FORM_ALGORITHMS:
        return keep(value, word);
    case SSHCONF_FORM_REKEY:
    case SSHCONF_FORM_REST:
    case SSHCONF_FORM_WORDS:
    case SSHCONF_FORM_FORWARD:
    case SSHCONF_FORM_BLOCK:
    case SSHCONF_FORM_ANY:
        break;
    }
    return NULL;
}

const char *
sshconf_value_read(const struct sshconf_entry *entry,
                   const struct sshconf_line *line, struct sshconf_value *value)
{
    if (entry->form == SSHCONF_FORM_REST)
        return read_rest(entry, line, value);
    if (line->count == 0 || !*line->words[0])
        return no_value;
    if (entry->form == SSHCONF_FORM_REKEY)
        return read_rekey(line, value);
    if (entry->form == SSHCONF_FORM_WORDS)
        return read_words(entry, line, value);
    if (entry->form == SSHCONF_FORM_ANY)
        return NULL;
    if (entry->form == SSHCONF_FORM_FORWARD)
        return line->count > 2 ? "has too many values" : NULL;
    if (line->count > 1)
        return "has more than one value";
    return read_word(entry, line->words[0], value);
}

void
sshconf_value_clear(struct sshconf_value *value)
{
    sshdest_list_clear(&value->texts);
    free(value->where);
    *value = (struct sshconf_value){.set = false};
}

bool
sshconf_value_is_no(const struct sshconf_line *line)
{
    static const char *const words[] = {"no", "none", "false"};

    for (size_t i = 0; i < 3; i++) {
        if (line->count == 1 && strcasecmp(line->words[0], words[i]) == 0)
            return true;
    }
    return false;
}

const char *
sshconf_value_choice(const struct sshconf_entry *entry, int number)
{
    for (const struct sshconf_choice *c = entry->choices; c->name; c++) {
        if (c->number == number)
            return c->name;
    }
    return "";
}
