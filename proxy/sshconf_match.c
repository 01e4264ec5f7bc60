#include "proxy/sshconf_match.h"

#include <errno.h>
#include <fcntl.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/wait.h>
#include <unistd.h>

#include "auth/cidr.h"

/* What "Match version" compares: the version whose keywords are known here. */
#define VERSION_TEXT "OpenSSH_10.0"

/* A Match line, while its words are gone through. */
struct judge {
    struct sshconf_scope *scope;
    const struct sshconf_place *place;
    struct sshconf_tokens tokens;
    bool runs;
    bool holds; /* every condition so far */
};

static bool
fail(const struct judge *judge, const char *why)
{
    return sshconf_fail(judge->place, "Match", why);
}

/* Runs a command by the shell, its output thrown away. Returns its status, or
 * -1 when it could not be run or was killed. */
static int
run(const char *command)
{
    const char *shell = getenv("SHELL");
    pid_t pid = fork();
    int status;

    if (!shell || !*shell)
        shell = "/bin/sh";
    if (pid == 0) {
        int null = open("/dev/null", O_RDWR);

        if (null >= 0) {
            dup2(null, STDIN_FILENO);
            dup2(null, STDOUT_FILENO);
        }
        execl(shell, shell, "-c", command, (char *)NULL);
        _exit(127);
    }
    if (pid < 0)
        return -1;
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return -1;
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool
judge_exec(struct judge *judge, const char *command, bool *result)
{
    const char *why;
    char *expanded;
    int status;

    if (!judge->runs || !judge->holds)
        return true;
    expanded = sshconf_expand(&judge->tokens, command, SSHCONF_TOKENS_MOST,
                              SSHCONF_EXPAND_TOKENS | SSHCONF_EXPAND_ENV, &why);
    if (!expanded)
        return fail(judge, why);
    status = judge->scope->run ? judge->scope->run(expanded) : run(expanded);
    free(expanded);
    if (status < 0)
        return fail(judge, "exec: the command could not be run");
    *result = status == 0;
    return true;
}

/* Whether one of this machine's addresses is in a network. */
static bool
has_address_in(const struct cidr *net)
{
    struct ifaddrs *all, *at;
    bool found = false;

    if (getifaddrs(&all) != 0)
        return false;
    for (at = all; at && !found; at = at->ifa_next) {
        union addr addr;
        socklen_t len;

        if (!at->ifa_addr || !(at->ifa_flags & IFF_UP))
            continue;
        if (at->ifa_addr->sa_family == AF_INET)
            len = sizeof(struct sockaddr_in);
        else if (at->ifa_addr->sa_family == AF_INET6)
            len = sizeof(struct sockaddr_in6);
        else
            continue;
        memset(&addr, 0, sizeof(addr));
        memcpy(&addr, at->ifa_addr, len);
        found = cidr_has(net, &addr);
    }
    freeifaddrs(all);
    return found;
}

static bool
judge_network(const struct judge *judge, const char *list, bool *result)
{
    while (*list) {
        size_t len = strcspn(list, ",");
        const char *why = NULL;
        struct cidr net;

        if (cidr_parse(&net, list, len, &why) != ERR_OK)
            return fail(judge, why);
        *result |= has_address_in(&net);
        list += len;
        list += *list == ',';
    }
    return true;
}

/* Judges the conditions that have an argument. Sets *result if it holds. */
static bool
judge_argument(struct judge *judge, const char *name, const char *argument,
               bool *result)
{
    const struct sshconf_tokens *tokens = &judge->tokens;
    const char *tag = sshconf_text(judge->scope->conf, SSHCONF_TAG);
    const struct {
        const char *name;
        const char *subject;
        bool fold;
    } lists[] = {
        {"host", tokens->host, true},
        {"originalhost", judge->scope->original, true},
        {"user", tokens->user, false},
        {"localuser", tokens->local->user, false},
        {"tagged", tag ? tag : "", false},
        {"version", VERSION_TEXT, false},
        /* There is never a command, nor a session for one. */
        {"command", "", false},
        {"sessiontype", "none", false},
    };

    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcasecmp(name, lists[i].name) == 0) {
            *result =
                sshconf_line_matches(argument, lists[i].subject, lists[i].fold);
            return true;
        }
    }
    if (strcasecmp(name, "exec") == 0)
        return judge_exec(judge, argument, result);
    if (strcasecmp(name, "localnetwork") == 0)
        return judge_network(judge, argument, result);
    return fail(judge, "has a condition that is not known");
}

/* Judges the condition at words[0]. Returns how many words it took; 0 when it
 * was wrong and a message has been printed. */
static size_t
judge_one(struct judge *judge, char **words)
{
    bool negated = *words[0] == '!';
    const char *name = words[0] + negated;
    const char *equal = strchr(name, '=');
    const char *argument = equal ? equal + 1 : words[1];
    bool result = false;
    char copy[32];

    if (strcasecmp(name, "canonical") == 0 || strcasecmp(name, "final") == 0) {
        if (strcasecmp(name, "final") == 0)
            judge->scope->wants_final = true;
        judge->holds &= judge->scope->final != negated;
        return 1;
    }
    if (!argument || !*argument) {
        fail(judge, "has a condition that lacks its argument");
        return 0;
    }
    if (equal && (size_t)(equal - name) < sizeof(copy)) {
        memcpy(copy, name, (size_t)(equal - name));
        copy[equal - name] = 0;
        name = copy;
    }
    if (!judge_argument(judge, name, argument, &result))
        return 0;
    judge->holds &= result != negated;
    return equal ? 1 : 2;
}

/* What is known so far stands for host, user and port. Returns the host, for
 * free(). */
static char *
set_tokens(struct judge *judge)
{
    struct sshconf_scope *scope = judge->scope;
    const struct sshconf *conf = scope->conf;
    const char *name = sshconf_text(conf, SSHCONF_HOST_NAME);
    const char *user = sshconf_text(conf, SSHCONF_USER);
    const char *why = NULL;
    char *host;

    judge->tokens = (struct sshconf_tokens){
        .local = scope->local,
        .given = scope->original,
        .host = scope->host,
        .user = user ? user : scope->local->user,
        .alias = sshconf_text(conf, SSHCONF_HOST_KEY_ALIAS),
        .port = (unsigned)sshconf_number(conf, SSHCONF_PORT, 22),
    };
    if (!name || scope->final)
        host = strdup(name ? name : scope->host);
    else
        host = sshconf_expand(&judge->tokens, name, SSHCONF_TOKENS_HOST,
                              SSHCONF_EXPAND_TOKENS, &why);
    judge->tokens.host = host;
    if (!host)
        fail(judge, why ? why : "out of memory");
    return host;
}

bool
sshconf_match(struct sshconf_scope *scope, const struct sshconf_line *line,
              const struct sshconf_place *place, bool runs, bool *matches)
{
    struct judge judge = {
        .scope = scope, .place = place, .runs = runs, .holds = true};
    char *host = set_tokens(&judge);
    size_t at = 0;
    bool good = host != NULL;

    if (good && line->count == 0)
        good = fail(&judge, "has no condition");
    while (good && at < line->count) {
        const char *word = line->words[at];
        size_t took;

        if (strcasecmp(word + (*word == '!'), "all") == 0) {
            /* Before it there may be one of those without an argument. */
            if (at > 1 || at + 1 < line->count)
                good = fail(&judge, "all must stand alone");
            judge.holds &= *word != '!';
            break;
        }
        took = judge_one(&judge, line->words + at);
        good = took > 0;
        at += took;
    }
    free(host);
    *matches = judge.holds;
    return good;
}
