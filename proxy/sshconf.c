#include "proxy/sshconf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utlist.h>

#include "proxy/option_forward.h"
#include "proxy/sshconf_value.h"

/* What is wrong with one word of several, and that word. */
#define WHY_BYTES 512

static const char no_memory[] = "out of memory";

void
sshconf_clear(struct sshconf *conf)
{
    struct forward *forward;

    while ((forward = conf->forwards)) {
        conf->forwards = forward->next;
        free(forward);
    }
    for (size_t i = 0; i < SSHCONF_IDS; i++)
        sshconf_value_clear(&conf->values[i]);
    sshdest_list_clear(&conf->texts);
    sshdest_list_clear(&conf->idle);
    free(conf->jump_host);
    conf->jump_host = NULL;
}

/* Makes "FILE:12: Keyword", "-o Keyword=value", "-p 22" or "-C". */
static char *
format_place(const struct sshconf_place *place, const char *keyword)
{
    char *text = NULL;
    int len;

    if (place->file)
        len = asprintf(&text, "%s:%u%s%s", place->file, place->line,
                       keyword ? ": " : "", keyword ? keyword : "");
    else
        len = asprintf(&text, "%s%s%s", place->option, place->value ? " " : "",
                       place->value ? place->value : "");
    return len < 0 ? NULL : text;
}

bool
sshconf_fail(const struct sshconf_place *place, const char *keyword,
             const char *why)
{
    char *where = format_place(place, keyword);

    fprintf(stderr, "culvert: %s: %s\n", where ? where : "", why);
    free(where);
    return false;
}

bool
sshconf_fail_value(const struct sshconf_value *value, const char *why)
{
    fprintf(stderr, "culvert: %s: %s\n", value->where ? value->where : "", why);
    return false;
}

static bool
is_equal(const struct forward *a, const struct forward *b)
{
    char to_a[TARGET_TEXT_MAX], to_b[TARGET_TEXT_MAX];

    if (a->kind != b->kind || a->is_remote != b->is_remote ||
        a->where != b->where || a->bind_given != b->bind_given ||
        a->port != b->port || strcmp(a->host, b->host) != 0)
        return false;
    return a->kind == FORWARD_SOCKS || a->kind == FORWARD_GATEWAY ||
           strcmp(target_format(&a->target, to_a),
                  target_format(&b->target, to_b)) == 0;
}

bool
sshconf_add_forward(struct sshconf *conf, struct forward *forward, bool unique)
{
    for (const struct forward *f = conf->forwards; unique && f; f = f->next) {
        if (is_equal(forward, f)) {
            free(forward);
            return true;
        }
    }
    if (!sshdest_list_add(&conf->texts, forward->text)) {
        free(forward);
        return false;
    }
    forward->text = conf->texts.item[conf->texts.count - 1];
    LL_APPEND(conf->forwards, forward);
    return true;
}

/* Joins words by a space; one within a word gets a backslash, as a forward's
 * field has it. */
static char *
join(const struct sshconf_line *line)
{
    size_t room = 1;
    char *text, *to;

    for (size_t i = 0; i < line->count; i++)
        room += 2 * strlen(line->words[i]) + 1;
    to = text = malloc(room);
    if (!text)
        return NULL;
    for (size_t i = 0; i < line->count; i++) {
        if (i > 0)
            *to++ = ' ';
        for (const char *at = line->words[i]; *at; at++) {
            if (*at == ' ' || *at == '\t')
                *to++ = '\\';
            *to++ = *at;
        }
    }
    *to = 0;
    return text;
}

static const char *
take_forward(struct sshconf *conf, enum sshconf_id id,
             const struct sshconf_line *line, bool active, bool unique)
{
    bool dynamic = id == SSHCONF_DYNAMIC_FORWARD;
    enum option_forward_form form = dynamic ? OPTION_FORWARD_DYNAMIC
                                    : id == SSHCONF_REMOTE_FORWARD
                                        ? OPTION_FORWARD_REMOTE_WORDS
                                        : OPTION_FORWARD_LOCAL_WORDS;
    struct forward *forward = calloc(1, sizeof(*forward));
    char *text = join(line);
    const char *why = NULL;

    if (!forward || !text)
        why = no_memory;
    else if (line->count > (dynamic ? 1 : 2))
        why = "has too many values";
    else
        why = option_forward_parse(form, text, forward);
    if (!why && active) {
        if (!sshconf_add_forward(conf, forward, unique))
            why = no_memory;
        forward = NULL;
    }
    free(text);
    free(forward);
    return why;
}

/* ProxyCommand and ProxyJump shut each other out: the first of either
 * counts. */
static bool
is_shut_out(const struct sshconf *conf, enum sshconf_id id)
{
    if (id == SSHCONF_PROXY_COMMAND)
        return conf->values[SSHCONF_PROXY_JUMP].set;
    if (id == SSHCONF_PROXY_JUMP)
        return conf->values[SSHCONF_PROXY_COMMAND].set;
    return false;
}

static bool
has_text(const struct sshdest_list *list, const char *text)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->item[i], text) == 0)
            return true;
    }
    return false;
}

/* Adds the texts of one to another, but for those that it has. */
static bool
add_texts(struct sshconf_value *to, const struct sshconf_value *from)
{
    for (size_t i = 0; i < from->texts.count; i++) {
        if (!has_text(&to->texts, from->texts.item[i]) &&
            !sshdest_list_add(&to->texts, from->texts.item[i]))
            return false;
    }
    return true;
}

/* Keeps a value that has been read, if it counts; else frees it. */
static bool
keep(struct sshconf *conf, const struct sshconf_entry *entry,
     struct sshconf_value *value, const struct sshconf_place *place)
{
    struct sshconf_value *kept = &conf->values[entry->id];
    bool good = true;

    if (is_shut_out(conf, entry->id)) {
        sshconf_value_clear(value);
    } else if (!kept->set) {
        value->set = true;
        value->in_file = place->file != NULL;
        value->where = format_place(place, entry->name);
        *kept = *value;
    } else {
        if (entry->form == SSHCONF_FORM_ADD)
            good = add_texts(kept, value);
        sshconf_value_clear(value);
    }
    return good || sshconf_fail(place, entry->name, no_memory);
}

/* What a keyword without effect is worth: a word in the one warning, an error
 * on the command line, or nothing. */
static bool
take_idle(struct sshconf *conf, const struct sshconf_entry *entry,
          const struct sshconf_line *line, const struct sshconf_place *place)
{
    bool in_file = place->file != NULL;
    bool says_no = sshconf_value_is_no(line);
    bool warn = !in_file;

    switch (entry->effect) {
    case SSHCONF_REFUSED:
    case SSHCONF_REFUSED_HERE:
        if (says_no)
            return true;
        if (!in_file)
            return sshconf_fail(place, entry->name, "is not supported");
        warn = entry->effect == SSHCONF_REFUSED;
        break;
    case SSHCONF_WARNED:
        warn = !says_no;
        break;
    case SSHCONF_ACTS:
    case SSHCONF_SERVER:
    case SSHCONF_WAY:
    case SSHCONF_CONTROL:
    case SSHCONF_IDLE:
        break;
    }
    if (!warn || has_text(&conf->idle, entry->name))
        return true;
    return sshdest_list_add(&conf->idle, entry->name) ||
           sshconf_fail(place, entry->name, no_memory);
}

/* Reads the words of a PermitRemoteOpen. Returns NULL, or what is wrong: static
 * text, or written to text, which has room for WHY_BYTES. */
static const char *
check_opens(const struct sshconf_value *value, char *text)
{
    const struct sshdest_list *words = &value->texts;
    struct permitopen *list = permitopen_create();
    const char *why = NULL;
    enum err err = list ? ERR_OK : ERR_NO_MEMORY;

    for (size_t i = 0; i < words->count && !err && !why; i++) {
        const char *word = words->item[i];

        err = permitopen_add(list, word, &why);
        if (!err && words->count > 1 && strcasecmp(word, "any") == 0)
            why = "must stand alone";
        if (why) {
            snprintf(text, WHY_BYTES, "%s: %s", word, why);
            why = text;
        }
    }
    permitopen_destroy(list);
    return err == ERR_NO_MEMORY ? no_memory : why;
}

bool
sshconf_take(struct sshconf *conf, const struct sshconf_entry *entry,
             const struct sshconf_line *line, const struct sshconf_place *place,
             bool active)
{
    struct sshconf_value value = {.set = false};
    char text[WHY_BYTES];
    const char *why;

    if (entry->form == SSHCONF_FORM_FORWARD) {
        why = take_forward(conf, entry->id, line, active, place->file);
        return !why || sshconf_fail(place, entry->name, why);
    }
    why = sshconf_value_read(entry, line, &value);
    if (!why && entry->id == SSHCONF_PERMIT_REMOTE_OPEN)
        why = check_opens(&value, text);
    /* It is sshd's, and so our gateway's; to ssh's files it is an error. */
    if (!why && entry->id == SSHCONF_GATEWAY_PORTS && place->file &&
        value.number == SSHCONF_GATEWAY_CLIENTSPECIFIED)
        why = "must be yes or no";
    if (why) {
        sshconf_value_clear(&value);
        return sshconf_fail(place, entry->name, why);
    }
    if (entry->effect == SSHCONF_CONTROL && place->file)
        active = false;
    if (!active || entry->id == SSHCONF_NO_ID) {
        sshconf_value_clear(&value);
        return !active || take_idle(conf, entry, line, place);
    }
    if (entry->effect == SSHCONF_WARNED &&
        !take_idle(conf, entry, line, place)) {
        sshconf_value_clear(&value);
        return false;
    }
    return keep(conf, entry, &value, place);
}

bool
sshconf_put(struct sshconf *conf, enum sshconf_id id, const char *text,
            const struct sshconf_place *place)
{
    const struct sshconf_entry *entry = sshconf_table_id(id);
    struct sshconf_value value = {.set = false};
    char *words[2] = {NULL, NULL};
    struct sshconf_line line = {.words = words, .count = 1};
    const char *why = no_memory;

    line.rest = words[0] = strdup(text);
    if (words[0])
        why = sshconf_value_read(entry, &line, &value);
    free(words[0]);
    if (why) {
        sshconf_value_clear(&value);
        return sshconf_fail(place, entry->name, why);
    }
    if (entry->form != SSHCONF_FORM_ADD)
        sshconf_value_clear(&conf->values[id]);
    return keep(conf, entry, &value, place);
}

bool
sshconf_offer(struct sshconf *conf, enum sshconf_id id, const char *text,
              const struct sshconf_place *place)
{
    struct sshconf scratch = {.forwards = NULL};
    bool good;

    if (!conf->values[id].set)
        return sshconf_put(conf, id, text, place);
    /* It must be right all the same. */
    good = sshconf_put(&scratch, id, text, place);
    sshconf_clear(&scratch);
    return good;
}

const char *
sshconf_text(const struct sshconf *conf, enum sshconf_id id)
{
    const struct sshdest_list *texts = &conf->values[id].texts;

    return texts->count > 0 ? texts->item[0] : NULL;
}

double
sshconf_number(const struct sshconf *conf, enum sshconf_id id, double otherwise)
{
    return conf->values[id].set ? conf->values[id].number : otherwise;
}

bool
sshconf_flag(const struct sshconf *conf, enum sshconf_id id, bool otherwise)
{
    return sshconf_number(conf, id, otherwise) != 0;
}
