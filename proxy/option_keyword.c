#include "proxy/option_keyword.h"

#include <ctype.h>
#include <fnmatch.h>
#include <string.h>
#include <strings.h>

#include "proxy/option_apply.h"
#include "proxy/usage.h"

#define VALUE_MAX 1024

enum keyword_kind {
    KEYWORD_ACTS,
    KEYWORD_WORDS,     /* acts, on the rest of the line as it is */
    KEYWORD_IDLE,      /* has no effect, and no harm in that */
    KEYWORD_UNLESS_NO, /* has none when it is no or none; else needs SSH */
    KEYWORD_NEEDS_SSH,
};

struct keyword {
    const char *name;
    enum keyword_kind kind;
    option_apply_fn *apply;
};

static const struct keyword keywords[] = {
    {"AddressFamily", KEYWORD_ACTS, option_apply_family},
    {"BindAddress", KEYWORD_ACTS, option_apply_bind_host},
    {"BindInterface", KEYWORD_ACTS, option_apply_bind_device},
    {"ClearAllForwardings", KEYWORD_ACTS, option_apply_clear_forwards},
    {"ConnectTimeout", KEYWORD_ACTS, option_apply_connect_timeout},
    {"DynamicForward", KEYWORD_WORDS, option_apply_dynamic},
    {"ExitOnForwardFailure", KEYWORD_ACTS, option_apply_exit_on_failure},
    {"ForkAfterAuthentication", KEYWORD_ACTS, option_apply_background},
    {"GatewayPorts", KEYWORD_ACTS, option_apply_gateway_ports},
    {"IgnoreUnknown", KEYWORD_ACTS, option_apply_ignore_unknown},
    {"LocalForward", KEYWORD_WORDS, option_apply_local_words},
    {"LogLevel", KEYWORD_ACTS, option_apply_log_level},
    {"StreamLocalBindMask", KEYWORD_ACTS, option_apply_mask},
    {"StreamLocalBindUnlink", KEYWORD_ACTS, option_apply_unlink},

    {"Host", KEYWORD_NEEDS_SSH, NULL},
    {"HostName", KEYWORD_NEEDS_SSH, NULL},
    {"Include", KEYWORD_NEEDS_SSH, NULL},
    {"Match", KEYWORD_NEEDS_SSH, NULL},
    {"RemoteForward", KEYWORD_NEEDS_SSH, NULL},
    {"ControlMaster", KEYWORD_UNLESS_NO, NULL},
    {"ControlPath", KEYWORD_UNLESS_NO, NULL},
    {"ControlPersist", KEYWORD_UNLESS_NO, NULL},
    {"PKCS11Provider", KEYWORD_UNLESS_NO, NULL},
    {"ProxyCommand", KEYWORD_UNLESS_NO, NULL},
    {"ProxyJump", KEYWORD_UNLESS_NO, NULL},
    {"RefuseConnection", KEYWORD_UNLESS_NO, NULL},
    {"RemoteCommand", KEYWORD_UNLESS_NO, NULL},
    {"Tunnel", KEYWORD_UNLESS_NO, NULL},

    {"AddKeysToAgent", KEYWORD_IDLE, NULL},
    {"BatchMode", KEYWORD_IDLE, NULL},
    {"CASignatureAlgorithms", KEYWORD_IDLE, NULL},
    {"CanonicalDomains", KEYWORD_IDLE, NULL},
    {"CanonicalizeFallbackLocal", KEYWORD_IDLE, NULL},
    {"CanonicalizeHostname", KEYWORD_IDLE, NULL},
    {"CanonicalizeMaxDots", KEYWORD_IDLE, NULL},
    {"CanonicalizePermittedCNAMEs", KEYWORD_IDLE, NULL},
    {"CertificateFile", KEYWORD_IDLE, NULL},
    {"ChallengeResponseAuthentication", KEYWORD_IDLE, NULL},
    {"ChannelTimeout", KEYWORD_IDLE, NULL},
    {"CheckHostIP", KEYWORD_IDLE, NULL},
    {"Ciphers", KEYWORD_IDLE, NULL},
    {"Compression", KEYWORD_IDLE, NULL},
    {"ConnectionAttempts", KEYWORD_IDLE, NULL},
    {"EnableEscapeCommandline", KEYWORD_IDLE, NULL},
    {"EnableSSHKeysign", KEYWORD_IDLE, NULL},
    {"EscapeChar", KEYWORD_IDLE, NULL},
    {"FingerprintHash", KEYWORD_IDLE, NULL},
    {"ForwardAgent", KEYWORD_IDLE, NULL},
    {"ForwardX11", KEYWORD_IDLE, NULL},
    {"ForwardX11Timeout", KEYWORD_IDLE, NULL},
    {"ForwardX11Trusted", KEYWORD_IDLE, NULL},
    {"GSSAPIAuthentication", KEYWORD_IDLE, NULL},
    {"GSSAPIClientIdentity", KEYWORD_IDLE, NULL},
    {"GSSAPIDelegateCredentials", KEYWORD_IDLE, NULL},
    {"GSSAPIKexAlgorithms", KEYWORD_IDLE, NULL},
    {"GSSAPIKeyExchange", KEYWORD_IDLE, NULL},
    {"GSSAPIRenewalForcesRekey", KEYWORD_IDLE, NULL},
    {"GSSAPIServerIdentity", KEYWORD_IDLE, NULL},
    {"GSSAPITrustDns", KEYWORD_IDLE, NULL},
    {"GlobalKnownHostsFile", KEYWORD_IDLE, NULL},
    {"HashKnownHosts", KEYWORD_IDLE, NULL},
    {"HostKeyAlgorithms", KEYWORD_IDLE, NULL},
    {"HostKeyAlias", KEYWORD_IDLE, NULL},
    {"HostbasedAcceptedAlgorithms", KEYWORD_IDLE, NULL},
    {"HostbasedAuthentication", KEYWORD_IDLE, NULL},
    {"HostbasedKeyTypes", KEYWORD_IDLE, NULL},
    {"IPQoS", KEYWORD_IDLE, NULL},
    {"IdentitiesOnly", KEYWORD_IDLE, NULL},
    {"IdentityAgent", KEYWORD_IDLE, NULL},
    {"IdentityFile", KEYWORD_IDLE, NULL},
    {"KbdInteractiveAuthentication", KEYWORD_IDLE, NULL},
    {"KbdInteractiveDevices", KEYWORD_IDLE, NULL},
    {"KexAlgorithms", KEYWORD_IDLE, NULL},
    {"KnownHostsCommand", KEYWORD_IDLE, NULL},
    {"LocalCommand", KEYWORD_IDLE, NULL},
    {"LogVerbose", KEYWORD_IDLE, NULL},
    {"MACs", KEYWORD_IDLE, NULL},
    {"NoHostAuthenticationForLocalhost", KEYWORD_IDLE, NULL},
    {"NumberOfPasswordPrompts", KEYWORD_IDLE, NULL},
    {"ObscureKeystrokeTiming", KEYWORD_IDLE, NULL},
    {"PasswordAuthentication", KEYWORD_IDLE, NULL},
    {"PermitLocalCommand", KEYWORD_IDLE, NULL},
    {"PermitRemoteOpen", KEYWORD_IDLE, NULL},
    {"Port", KEYWORD_IDLE, NULL},
    {"PreferredAuthentications", KEYWORD_IDLE, NULL},
    {"ProxyUseFdpass", KEYWORD_IDLE, NULL},
    {"PubkeyAcceptedAlgorithms", KEYWORD_IDLE, NULL},
    {"PubkeyAcceptedKeyTypes", KEYWORD_IDLE, NULL},
    {"PubkeyAuthentication", KEYWORD_IDLE, NULL},
    {"RekeyLimit", KEYWORD_IDLE, NULL},
    {"RequestTTY", KEYWORD_IDLE, NULL},
    {"RequiredRSASize", KEYWORD_IDLE, NULL},
    {"RevokedHostKeys", KEYWORD_IDLE, NULL},
    {"SecurityKeyProvider", KEYWORD_IDLE, NULL},
    {"SendEnv", KEYWORD_IDLE, NULL},
    {"ServerAliveCountMax", KEYWORD_IDLE, NULL},
    {"ServerAliveInterval", KEYWORD_IDLE, NULL},
    {"SessionType", KEYWORD_IDLE, NULL},
    {"SetEnv", KEYWORD_IDLE, NULL},
    {"StdinNull", KEYWORD_IDLE, NULL},
    {"StrictHostKeyChecking", KEYWORD_IDLE, NULL},
    {"SyslogFacility", KEYWORD_IDLE, NULL},
    {"TCPKeepAlive", KEYWORD_IDLE, NULL},
    {"Tag", KEYWORD_IDLE, NULL},
    {"TunnelDevice", KEYWORD_IDLE, NULL},
    {"UpdateHostKeys", KEYWORD_IDLE, NULL},
    {"User", KEYWORD_IDLE, NULL},
    {"UserKnownHostsFile", KEYWORD_IDLE, NULL},
    {"VerifyHostKeyDNS", KEYWORD_IDLE, NULL},
    {"VersionAddendum", KEYWORD_IDLE, NULL},
    {"VisualHostKey", KEYWORD_IDLE, NULL},
    {"WarnWeakCrypto", KEYWORD_IDLE, NULL},
    {"XAuthLocation", KEYWORD_IDLE, NULL},
};

#define KEYWORDS (sizeof(keywords) / sizeof(keywords[0]))

const char *
option_keyword_at(size_t index, bool *acts)
{
    if (index >= KEYWORDS)
        return NULL;
    *acts = keywords[index].apply != NULL;
    return keywords[index].name;
}

static const struct keyword *
find(const char *name, size_t len)
{
    for (size_t i = 0; i < KEYWORDS; i++) {
        if (strncasecmp(keywords[i].name, name, len) == 0 &&
            !keywords[i].name[len])
            return &keywords[i];
    }
    return NULL;
}

/* Whether a list of patterns, each perhaps with a "!" before it, has name. */
static bool
list_matches(const char *list, const char *name)
{
    char item[256];
    bool found = false;

    while (*list) {
        size_t len = strcspn(list, ",");
        bool negated = *list == '!';

        if (len < sizeof(item)) {
            memcpy(item, list, len);
            item[len] = 0;
            if (fnmatch(item + negated, name, FNM_CASEFOLD) == 0) {
                if (negated)
                    return false;
                found = true;
            }
        }
        list += len;
        list += *list == ',';
    }
    return found;
}

/* Where the value starts: behind white space with at most one "=" in it. */
static const char *
value_of(const char *at)
{
    while (isspace((unsigned char)*at))
        at++;
    if (*at == '=')
        at++;
    while (isspace((unsigned char)*at))
        at++;
    return at;
}

/* Copies the one word that a value is, without its quotes. */
static const char *
read_word(const char *at, char word[VALUE_MAX])
{
    char stop = *at == '"' ? '"' : 0;
    size_t len = 0;

    if (stop)
        at++;
    while (*at && (stop ? *at != stop : !isspace((unsigned char)*at))) {
        if (len == VALUE_MAX - 1)
            return "value is too long";
        word[len++] = *at++;
    }
    word[len] = 0;
    if (stop && *at++ != stop)
        return "has no closing quote";
    while (isspace((unsigned char)*at))
        at++;
    return *at ? "has more than one value" : NULL;
}

static bool
is_no(const char *word)
{
    return strcasecmp(word, "no") == 0 || strcasecmp(word, "none") == 0 ||
           strcasecmp(word, "false") == 0;
}

static bool
apply_known(struct option_state *state, const struct keyword *keyword,
            const char *value)
{
    char word[VALUE_MAX];
    const char *why;

    switch (keyword->kind) {
    case KEYWORD_WORDS:
        return keyword->apply(state, value);
    case KEYWORD_ACTS:
        why = read_word(value, word);
        return why ? option_state_fail(state, why)
                   : keyword->apply(state, word);
    case KEYWORD_UNLESS_NO:
        if (!read_word(value, word) && is_no(word))
            return true;
        return option_state_fail(state, USAGE_NEEDS_SSH);
    case KEYWORD_NEEDS_SSH:
        return option_state_fail(state, USAGE_NEEDS_SSH);
    case KEYWORD_IDLE:
        option_state_idle(state, keyword->name);
        return true;
    }
    return false;
}

bool
option_keyword_apply(struct option_state *state, const char *text)
{
    const struct keyword *keyword;
    const char *value;
    char name[64];
    size_t len;
    bool good;

    while (isspace((unsigned char)*text))
        text++;
    len = strcspn(text, "= \t\r\n\f\v");
    if (len == 0 || len >= sizeof(name))
        return option_state_fail(state, "not Keyword=value");
    memcpy(name, text, len);
    name[len] = 0;
    keyword = find(name, len);
    if (!keyword && list_matches(state->ignore_unknown, name))
        return true;
    if (!keyword)
        return option_state_fail(state, "not a keyword of ssh_config");
    value = value_of(text + len);
    if (!*value)
        return option_state_fail(state, "has no value");
    state->from_keyword = true;
    good = apply_known(state, keyword, value);
    state->from_keyword = false;
    return good;
}
