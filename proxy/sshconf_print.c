#include "proxy/sshconf_print.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "proxy/forward.h"
#include "proxy/sshconf_algo.h"
#include "proxy/sshconf_value.h"

/* libssh's own least size. */
#define RSA_BITS 1024

/* Flags, choices and numbers, in ssh's order, with what they are when nothing
 * sets them. */
static const struct {
    enum sshconf_id id;
    double usual;
} first_lines[] = {
    {SSHCONF_ADDRESS_FAMILY, AF_UNSPEC},
    {SSHCONF_BATCH_MODE, 0},
    {SSHCONF_COMPRESSION, 0},
    {SSHCONF_CONTROL_MASTER, SSHCONF_MASTER_NO},
    {SSHCONF_CLEAR_ALL_FORWARDINGS, 0},
    {SSHCONF_EXIT_ON_FORWARD_FAILURE, 0},
    {SSHCONF_GATEWAY_PORTS, 0},
    {SSHCONF_GSSAPI_AUTHENTICATION, 0},
    {SSHCONF_HASH_KNOWN_HOSTS, 0},
    {SSHCONF_IDENTITIES_ONLY, 0},
    {SSHCONF_KBD_INTERACTIVE_AUTHENTICATION, 1},
    {SSHCONF_NO_HOST_AUTHENTICATION_FOR_LOCALHOST, 0},
    {SSHCONF_PASSWORD_AUTHENTICATION, 1},
    {SSHCONF_PUBKEY_AUTHENTICATION, 1},
    {SSHCONF_FORK_AFTER_AUTHENTICATION, 0},
    {SSHCONF_STREAM_LOCAL_BIND_UNLINK, 0},
    {SSHCONF_STRICT_HOST_KEY_CHECKING, SSHDEST_STRICT_ASK},
    {SSHCONF_TCP_KEEP_ALIVE, 1},
    {SSHCONF_CONNECTION_ATTEMPTS, 1},
    {SSHCONF_NUMBER_OF_PASSWORD_PROMPTS, 3},
};

/* What is printed. */
struct print {
    const struct sshconf *conf;
    const struct settings *settings;
    FILE *to;
};

static void
put(const struct print *print, enum sshconf_id id, const char *value)
{
    const char *name = sshconf_table_id(id)->name;

    for (; *name; name++)
        fputc(tolower((unsigned char)*name), print->to);
    fprintf(print->to, " %s\n", value);
}

static void
put_number(const struct print *print, enum sshconf_id id, double number)
{
    char text[32];

    snprintf(text, sizeof(text), "%.0f", number);
    put(print, id, text);
}

static void
put_text(const struct print *print, enum sshconf_id id, const char *text)
{
    if (text)
        put(print, id, text);
}

/* One value by its form. */
static void
put_value(const struct print *print, enum sshconf_id id, double usual)
{
    const struct sshconf_entry *entry = sshconf_table_id(id);
    double number = sshconf_number(print->conf, id, usual);

    if (entry->form == SSHCONF_FORM_FLAG)
        put(print, id, number != 0 ? "yes" : "no");
    else if (entry->form == SSHCONF_FORM_CHOICE)
        put(print, id, sshconf_value_choice(entry, (int)number));
    else
        put_number(print, id, number);
}

/* A list of algorithms: with nothing set, those that are offered. */
static void
put_algorithms(const struct print *print, enum sshconf_id id, const char *list)
{
    struct sshdest_list dropped = {.count = 0};
    char *usual = NULL;

    if (!list && !sshconf_algo_resolve(id, "+", &usual, &dropped))
        list = usual;
    put_text(print, id, list);
    sshdest_list_clear(&dropped);
    free(usual);
}

static void
put_words(const struct print *print, enum sshconf_id id,
          const struct sshdest_list *list)
{
    const char *name = sshconf_table_id(id)->name;

    for (; *name; name++)
        fputc(tolower((unsigned char)*name), print->to);
    for (size_t i = 0; i < list->count; i++)
        fprintf(print->to, " %s", list->item[i]);
    fputs(list->count > 0 ? "\n" : " none\n", print->to);
}

/* Names of files as they were written, one a line. */
static void
put_files(const struct print *print, enum sshconf_id id,
          const struct sshdest_list *usual, const char *home)
{
    const struct sshconf_value *value = &print->conf->values[id];
    const struct sshdest_list *list = value->set ? &value->texts : usual;
    size_t len = strlen(home);

    for (size_t i = 0; i < list->count; i++) {
        const char *path = list->item[i];
        bool below = !value->set && strncmp(path, home, len) == 0;

        fprintf(print->to, "%s %s%s\n",
                id == SSHCONF_IDENTITY_FILE ? "identityfile"
                                            : "certificatefile",
                below ? "~" : "", below ? path + len : path);
    }
}

/* A bind address as it was written: an empty one means all, as "*" does. */
static const char *
bind_text(const struct forward *forward)
{
    if (forward->where == LISTEN_ANY)
        return forward->text[0] == ':' ? "" : "*";
    return forward->where == LISTEN_LOOPBACK ? "localhost" : forward->host;
}

/* Takes no part in ssh's own output: only where it was asked for. */
static void
put_gateway(const struct print *print)
{
    const struct settings *settings = print->settings;
    const struct forward *each = settings->forwards;

    for (; each; each = each->next) {
        if (each->kind != FORWARD_GATEWAY)
            continue;
        if (each->bind_given)
            fprintf(print->to, "gateway [%s]:%u\n", bind_text(each),
                    each->port);
        else
            fprintf(print->to, "gateway %u\n", each->port);
    }
    for (size_t i = 0; i < settings->host_keys.count; i++)
        fprintf(print->to, "hostkey %s\n", settings->host_keys.item[i]);
    if (settings->authorized_keys)
        fprintf(print->to, "authorizedkeysfile %s\n",
                settings->authorized_keys);
}

static void
put_forward(const struct print *print, const struct forward *forward)
{
    const struct target *target = &forward->target;
    char text[TARGET_TEXT_MAX];

    fputs(forward->is_remote               ? "remoteforward"
          : forward->kind == FORWARD_SOCKS ? "dynamicforward"
                                           : "localforward",
          print->to);
    if (forward->where == LISTEN_UNIX)
        fprintf(print->to, " %s", forward->host);
    else if (!forward->bind_given)
        fprintf(print->to, " %u", forward->port);
    else
        fprintf(print->to, " [%s]:%u", bind_text(forward), forward->port);
    if (forward->kind == FORWARD_FIXED && target->kind == TARGET_UNIX)
        fprintf(print->to, " %s", target->name);
    else if (forward->kind == FORWARD_FIXED && target->kind == TARGET_ADDR)
        fprintf(print->to, " [%s]:%u", addr_format_host(&target->addr, text),
                target->port);
    else if (forward->kind == FORWARD_FIXED)
        fprintf(print->to, " [%s]:%u", target->name, target->port);
    else if (forward->is_remote) /* ssh's word for it */
        fputs(" [socks]:0", print->to);
    fputc('\n', print->to);
}

static void
put_forwards(const struct print *print, const char *option)
{
    const struct forward *forward = print->settings->forwards;

    for (; forward; forward = forward->next) {
        if (strcmp(forward_option(forward), option) == 0)
            put_forward(print, forward);
    }
}

/* The agent's socket; its two words are printed as they are. */
static void
put_agent(const struct print *print)
{
    const char *text = sshconf_text(print->conf, SSHCONF_IDENTITY_AGENT);
    const char *path = print->settings->ssh->identity_agent;

    if (text &&
        (strcasecmp(text, "none") == 0 || (text[0] == '$' && text[1] != '{') ||
         !path || strcmp(text, "SSH_AUTH_SOCK") == 0))
        path = text;
    if (text)
        put(print, SSHCONF_IDENTITY_AGENT, path);
}

static void
put_texts(const struct print *print)
{
    const struct sshdest *dest = print->settings->ssh;
    const struct sshconf *conf = print->conf;

    put_text(print, SSHCONF_BIND_ADDRESS, dest->bind_host);
    put_text(print, SSHCONF_BIND_INTERFACE, dest->bind_device);
    put_algorithms(print, SSHCONF_CIPHERS, dest->ciphers);
    put_text(print, SSHCONF_CONTROL_PATH, print->settings->control_path);
    put_algorithms(print, SSHCONF_HOST_KEY_ALGORITHMS,
                   dest->host_key_algorithms);
    put_text(print, SSHCONF_HOST_KEY_ALIAS, dest->host_key_alias);
    put_agent(print);
    put_text(print, SSHCONF_IGNORE_UNKNOWN,
             sshconf_text(conf, SSHCONF_IGNORE_UNKNOWN));
    put_algorithms(print, SSHCONF_KEX_ALGORITHMS, dest->kex);
    put(print, SSHCONF_LOG_LEVEL,
        sshconf_value_choice(sshconf_table_id(SSHCONF_LOG_LEVEL),
                             (int)print->settings->log.level));
    put_algorithms(print, SSHCONF_MACS, dest->macs);
    put_text(print, SSHCONF_PREFERRED_AUTHENTICATIONS, dest->preferred);
    put_algorithms(print, SSHCONF_PUBKEY_ACCEPTED_ALGORITHMS,
                   dest->pubkey_algorithms);
    if (dest->revoked_host_keys.count > 0)
        put(print, SSHCONF_REVOKED_HOST_KEYS, dest->revoked_host_keys.item[0]);
    put_forwards(print, "-D");
    put_forwards(print, "-L");
    put_forwards(print, "-R");
    put_gateway(print);
}

/* ssh's order ends with these. */
static void
put_rest(const struct print *print)
{
    const struct sshdest *dest = print->settings->ssh;
    const struct sshconf *conf = print->conf;
    const char *command = sshconf_text(conf, SSHCONF_PROXY_COMMAND);
    double timeout =
        sshconf_number(conf, SSHCONF_CONNECT_TIMEOUT, dest->connect_timeout);

    put_words(print, SSHCONF_GLOBAL_KNOWN_HOSTS_FILE,
              &dest->global_known_hosts);
    put_words(print, SSHCONF_USER_KNOWN_HOSTS_FILE, &dest->user_known_hosts);
    if (conf->values[SSHCONF_PERMIT_REMOTE_OPEN].set)
        put_words(print, SSHCONF_PERMIT_REMOTE_OPEN,
                  &conf->values[SSHCONF_PERMIT_REMOTE_OPEN].texts);
    else
        put(print, SSHCONF_PERMIT_REMOTE_OPEN, "any");
    if (timeout < 0)
        put(print, SSHCONF_CONNECT_TIMEOUT, "none");
    else
        put_number(print, SSHCONF_CONNECT_TIMEOUT, timeout);
    put_text(print, SSHCONF_TAG, sshconf_text(conf, SSHCONF_TAG));
    fprintf(print->to, "rekeylimit %llu %u\n",
            (unsigned long long)dest->rekey_bytes, dest->rekey_seconds);
    fprintf(print->to, "streamlocalbindmask 0%o\n",
            (unsigned)print->settings->socket_mask);
    if (dest->jump)
        put_text(print, SSHCONF_PROXY_JUMP,
                 sshconf_text(conf, SSHCONF_PROXY_JUMP));
    else if (dest->proxy_command)
        put_text(print, SSHCONF_PROXY_COMMAND, command);
}

void
sshconf_print(const struct sshconf *conf, const struct settings *settings,
              const char *home, FILE *to)
{
    const struct print print = {conf, settings, to};
    const struct sshdest *dest = settings->ssh;

    fprintf(to, "host %s\n", dest->given);
    put(&print, SSHCONF_USER, dest->user);
    put(&print, SSHCONF_HOST_NAME, dest->host);
    put_number(&print, SSHCONF_PORT, dest->port);
    for (size_t i = 0; i < sizeof(first_lines) / sizeof(first_lines[0]); i++)
        put_value(&print, first_lines[i].id, first_lines[i].usual);
    put_number(&print, SSHCONF_SERVER_ALIVE_COUNT_MAX, dest->alive_count_max);
    put_number(&print, SSHCONF_SERVER_ALIVE_INTERVAL, dest->alive_interval);
    put_value(&print, SSHCONF_REQUIRED_RSA_SIZE, RSA_BITS);
    put_texts(&print);
    put_files(&print, SSHCONF_IDENTITY_FILE, &dest->identities, home);
    put_files(&print, SSHCONF_CERTIFICATE_FILE, &dest->certificates, home);
    put_rest(&print);
}
