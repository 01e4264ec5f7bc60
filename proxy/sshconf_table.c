#include "proxy/sshconf_table.h"

#include <strings.h>
#include <sys/socket.h>

#include "transport/base/log.h"
#include "transport/ssh/sshdest.h"

static const struct sshconf_choice families[] = {
    {"inet", AF_INET}, {"inet6", AF_INET6}, {"any", AF_UNSPEC}, {NULL, 0}};

static const struct sshconf_choice canonicalize[] = {
    {"false", 0}, {"true", 1},   {"no", 0}, {"none", 0},
    {"yes", 1},   {"always", 2}, {NULL, 0}};

static const struct sshconf_choice control_master[] = {
    {"true", SSHCONF_MASTER_YES},         {"false", SSHCONF_MASTER_NO},
    {"yes", SSHCONF_MASTER_YES},          {"no", SSHCONF_MASTER_NO},
    {"auto", SSHCONF_MASTER_AUTO},        {"ask", SSHCONF_MASTER_ASK},
    {"autoask", SSHCONF_MASTER_AUTO_ASK}, {NULL, 0}};

static const struct sshconf_choice gateway_ports[] = {
    {"yes", SSHCONF_GATEWAY_YES},
    {"no", SSHCONF_GATEWAY_NO},
    {"true", SSHCONF_GATEWAY_YES},
    {"false", SSHCONF_GATEWAY_NO},
    {"clientspecified", SSHCONF_GATEWAY_CLIENTSPECIFIED},
    {NULL, 0}};

/* DEBUG2 and DEBUG3 are the most we have, DEBUG. */
static const struct sshconf_choice log_levels[] = {{"SILENT", LOG_QUIET},
                                                   {"QUIET", LOG_QUIET},
                                                   {"FATAL", LOG_FATAL},
                                                   {"ERROR", LOG_ERROR},
                                                   {"INFO", LOG_INFO},
                                                   {"VERBOSE", LOG_VERBOSE},
                                                   {"DEBUG", LOG_DEBUG},
                                                   {"DEBUG1", LOG_DEBUG},
                                                   {"DEBUG2", LOG_DEBUG},
                                                   {"DEBUG3", LOG_DEBUG},
                                                   {NULL, 0}};

static const struct sshconf_choice pubkey[] = {
    {"true", 1},    {"false", 0},      {"yes", 1}, {"no", 0},
    {"unbound", 2}, {"host-bound", 3}, {NULL, 0}};

static const struct sshconf_choice strict[] = {
    {"true", SSHDEST_STRICT_YES},
    {"false", SSHDEST_STRICT_NO},
    {"yes", SSHDEST_STRICT_YES},
    {"no", SSHDEST_STRICT_NO},
    {"ask", SSHDEST_STRICT_ASK},
    {"off", SSHDEST_STRICT_NO},
    {"accept-new", SSHDEST_STRICT_ACCEPT_NEW},
    {NULL, 0}};

static const struct sshconf_choice tunnel[] = {
    {"ethernet", 2}, {"point-to-point", 1}, {"yes", 1}, {"true", 1},
    {"no", 0},       {"false", 0},          {NULL, 0}};

static const struct sshconf_choice yes_no_ask[] = {
    {"true", 1}, {"false", 0}, {"yes", 1}, {"no", 0}, {"ask", 2}, {NULL, 0}};

static const struct sshconf_choice request_tty[] = {
    {"true", 1},  {"false", 0}, {"yes", 1}, {"no", 0},
    {"force", 2}, {"auto", 3},  {NULL, 0}};

static const struct sshconf_choice session_types[] = {
    {"none", 0}, {"subsystem", 1}, {"default", 2}, {NULL, 0}};

static const struct sshconf_entry entries[] = {
    {"AddressFamily", SSHCONF_FORM_CHOICE, SSHCONF_ACTS, SSHCONF_ADDRESS_FAMILY,
     families},
    {"BatchMode", SSHCONF_FORM_FLAG, SSHCONF_SERVER, SSHCONF_BATCH_MODE, NULL},
    {"BindAddress", SSHCONF_FORM_TEXT, SSHCONF_ACTS, SSHCONF_BIND_ADDRESS,
     NULL},
    {"BindInterface", SSHCONF_FORM_TEXT, SSHCONF_ACTS, SSHCONF_BIND_INTERFACE,
     NULL},
    {"CanonicalizeHostname", SSHCONF_FORM_CHOICE, SSHCONF_WARNED,
     SSHCONF_CANONICALIZE_HOSTNAME, canonicalize},
    {"CertificateFile", SSHCONF_FORM_ADD, SSHCONF_SERVER,
     SSHCONF_CERTIFICATE_FILE, NULL},
    {"Ciphers", SSHCONF_FORM_ALGORITHMS, SSHCONF_SERVER, SSHCONF_CIPHERS, NULL},
    {"ClearAllForwardings", SSHCONF_FORM_FLAG, SSHCONF_ACTS,
     SSHCONF_CLEAR_ALL_FORWARDINGS, NULL},
    {"Compression", SSHCONF_FORM_FLAG, SSHCONF_SERVER, SSHCONF_COMPRESSION,
     NULL},
    {"ConnectTimeout", SSHCONF_FORM_SPAN, SSHCONF_ACTS, SSHCONF_CONNECT_TIMEOUT,
     NULL},
    {"ConnectionAttempts", SSHCONF_FORM_NUMBER, SSHCONF_SERVER,
     SSHCONF_CONNECTION_ATTEMPTS, NULL},
    {"ControlMaster", SSHCONF_FORM_CHOICE, SSHCONF_CONTROL,
     SSHCONF_CONTROL_MASTER, control_master},
    {"ControlPath", SSHCONF_FORM_TEXT, SSHCONF_CONTROL, SSHCONF_CONTROL_PATH,
     NULL},
    {"DynamicForward", SSHCONF_FORM_FORWARD, SSHCONF_ACTS,
     SSHCONF_DYNAMIC_FORWARD, NULL},
    {"ExitOnForwardFailure", SSHCONF_FORM_FLAG, SSHCONF_ACTS,
     SSHCONF_EXIT_ON_FORWARD_FAILURE, NULL},
    {"ForkAfterAuthentication", SSHCONF_FORM_FLAG, SSHCONF_ACTS,
     SSHCONF_FORK_AFTER_AUTHENTICATION, NULL},
    {"GSSAPIAuthentication", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_GSSAPI_AUTHENTICATION, NULL},
    {"GatewayPorts", SSHCONF_FORM_CHOICE, SSHCONF_ACTS, SSHCONF_GATEWAY_PORTS,
     gateway_ports},
    {"GlobalKnownHostsFile", SSHCONF_FORM_WORDS, SSHCONF_SERVER,
     SSHCONF_GLOBAL_KNOWN_HOSTS_FILE, NULL},
    {"HashKnownHosts", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_HASH_KNOWN_HOSTS, NULL},
    {"Host", SSHCONF_FORM_BLOCK, SSHCONF_ACTS, SSHCONF_HOST, NULL},
    {"HostKeyAlgorithms", SSHCONF_FORM_ALGORITHMS, SSHCONF_SERVER,
     SSHCONF_HOST_KEY_ALGORITHMS, NULL},
    {"HostKeyAlias", SSHCONF_FORM_TEXT, SSHCONF_SERVER, SSHCONF_HOST_KEY_ALIAS,
     NULL},
    {"HostName", SSHCONF_FORM_TEXT, SSHCONF_WAY, SSHCONF_HOST_NAME, NULL},
    {"IdentitiesOnly", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_IDENTITIES_ONLY, NULL},
    {"IdentityAgent", SSHCONF_FORM_TEXT, SSHCONF_SERVER, SSHCONF_IDENTITY_AGENT,
     NULL},
    {"IdentityFile", SSHCONF_FORM_ADD, SSHCONF_SERVER, SSHCONF_IDENTITY_FILE,
     NULL},
    {"IgnoreUnknown", SSHCONF_FORM_TEXT, SSHCONF_ACTS, SSHCONF_IGNORE_UNKNOWN,
     NULL},
    {"Include", SSHCONF_FORM_BLOCK, SSHCONF_ACTS, SSHCONF_INCLUDE, NULL},
    {"KbdInteractiveAuthentication", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_KBD_INTERACTIVE_AUTHENTICATION, NULL},
    {"KexAlgorithms", SSHCONF_FORM_ALGORITHMS, SSHCONF_SERVER,
     SSHCONF_KEX_ALGORITHMS, NULL},
    {"LocalForward", SSHCONF_FORM_FORWARD, SSHCONF_ACTS, SSHCONF_LOCAL_FORWARD,
     NULL},
    {"LogLevel", SSHCONF_FORM_CHOICE, SSHCONF_ACTS, SSHCONF_LOG_LEVEL,
     log_levels},
    {"MACs", SSHCONF_FORM_ALGORITHMS, SSHCONF_SERVER, SSHCONF_MACS, NULL},
    {"Match", SSHCONF_FORM_BLOCK, SSHCONF_ACTS, SSHCONF_MATCH, NULL},
    {"NoHostAuthenticationForLocalhost", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_NO_HOST_AUTHENTICATION_FOR_LOCALHOST, NULL},
    {"NumberOfPasswordPrompts", SSHCONF_FORM_NUMBER, SSHCONF_SERVER,
     SSHCONF_NUMBER_OF_PASSWORD_PROMPTS, NULL},
    {"PasswordAuthentication", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_PASSWORD_AUTHENTICATION, NULL},
    {"PermitRemoteOpen", SSHCONF_FORM_WORDS, SSHCONF_SERVER,
     SSHCONF_PERMIT_REMOTE_OPEN, NULL},
    {"Port", SSHCONF_FORM_PORT, SSHCONF_SERVER, SSHCONF_PORT, NULL},
    {"PreferredAuthentications", SSHCONF_FORM_TEXT, SSHCONF_SERVER,
     SSHCONF_PREFERRED_AUTHENTICATIONS, NULL},
    {"ProxyCommand", SSHCONF_FORM_REST, SSHCONF_WAY, SSHCONF_PROXY_COMMAND,
     NULL},
    {"ProxyJump", SSHCONF_FORM_REST, SSHCONF_WAY, SSHCONF_PROXY_JUMP, NULL},
    {"ProxyUseFdpass", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_PROXY_USE_FDPASS, NULL},
    {"PubkeyAcceptedAlgorithms", SSHCONF_FORM_ALGORITHMS, SSHCONF_SERVER,
     SSHCONF_PUBKEY_ACCEPTED_ALGORITHMS, NULL},
    {"PubkeyAuthentication", SSHCONF_FORM_CHOICE, SSHCONF_SERVER,
     SSHCONF_PUBKEY_AUTHENTICATION, pubkey},
    {"RefuseConnection", SSHCONF_FORM_TEXT, SSHCONF_WAY,
     SSHCONF_REFUSE_CONNECTION, NULL},
    {"RekeyLimit", SSHCONF_FORM_REKEY, SSHCONF_SERVER, SSHCONF_REKEY_LIMIT,
     NULL},
    {"RemoteForward", SSHCONF_FORM_FORWARD, SSHCONF_ACTS,
     SSHCONF_REMOTE_FORWARD, NULL},
    {"RequiredRSASize", SSHCONF_FORM_NUMBER, SSHCONF_SERVER,
     SSHCONF_REQUIRED_RSA_SIZE, NULL},
    {"RevokedHostKeys", SSHCONF_FORM_TEXT, SSHCONF_SERVER,
     SSHCONF_REVOKED_HOST_KEYS, NULL},
    {"ServerAliveCountMax", SSHCONF_FORM_NUMBER, SSHCONF_SERVER,
     SSHCONF_SERVER_ALIVE_COUNT_MAX, NULL},
    {"ServerAliveInterval", SSHCONF_FORM_SPAN, SSHCONF_SERVER,
     SSHCONF_SERVER_ALIVE_INTERVAL, NULL},
    {"StreamLocalBindMask", SSHCONF_FORM_MASK, SSHCONF_ACTS,
     SSHCONF_STREAM_LOCAL_BIND_MASK, NULL},
    {"StreamLocalBindUnlink", SSHCONF_FORM_FLAG, SSHCONF_ACTS,
     SSHCONF_STREAM_LOCAL_BIND_UNLINK, NULL},
    {"StrictHostKeyChecking", SSHCONF_FORM_CHOICE, SSHCONF_SERVER,
     SSHCONF_STRICT_HOST_KEY_CHECKING, strict},
    {"TCPKeepAlive", SSHCONF_FORM_FLAG, SSHCONF_SERVER, SSHCONF_TCP_KEEP_ALIVE,
     NULL},
    {"Tag", SSHCONF_FORM_TEXT, SSHCONF_SERVER, SSHCONF_TAG, NULL},
    {"User", SSHCONF_FORM_TEXT, SSHCONF_SERVER, SSHCONF_USER, NULL},
    {"UserKnownHostsFile", SSHCONF_FORM_WORDS, SSHCONF_SERVER,
     SSHCONF_USER_KNOWN_HOSTS_FILE, NULL},

    /* Older names of some of them. */
    {"ChallengeResponseAuthentication", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_KBD_INTERACTIVE_AUTHENTICATION, NULL},
    {"SkeyAuthentication", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_KBD_INTERACTIVE_AUTHENTICATION, NULL},
    {"TISAuthentication", SSHCONF_FORM_FLAG, SSHCONF_SERVER,
     SSHCONF_KBD_INTERACTIVE_AUTHENTICATION, NULL},
    {"DSAAuthentication", SSHCONF_FORM_CHOICE, SSHCONF_SERVER,
     SSHCONF_PUBKEY_AUTHENTICATION, pubkey},
    {"IdentityFile2", SSHCONF_FORM_ADD, SSHCONF_SERVER, SSHCONF_IDENTITY_FILE,
     NULL},
    {"KeepAlive", SSHCONF_FORM_FLAG, SSHCONF_SERVER, SSHCONF_TCP_KEEP_ALIVE,
     NULL},
    {"PubkeyAcceptedKeyTypes", SSHCONF_FORM_ALGORITHMS, SSHCONF_SERVER,
     SSHCONF_PUBKEY_ACCEPTED_ALGORITHMS, NULL},

    {"ControlPersist", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"KnownHostsCommand", SSHCONF_FORM_REST, SSHCONF_WARNED, SSHCONF_NO_ID,
     NULL},
    {"PKCS11Provider", SSHCONF_FORM_TEXT, SSHCONF_REFUSED, SSHCONF_NO_ID, NULL},
    {"PermitLocalCommand", SSHCONF_FORM_FLAG, SSHCONF_WARNED, SSHCONF_NO_ID,
     NULL},
    {"RemoteCommand", SSHCONF_FORM_REST, SSHCONF_REFUSED_HERE, SSHCONF_NO_ID,
     NULL},
    {"Tunnel", SSHCONF_FORM_CHOICE, SSHCONF_REFUSED, SSHCONF_NO_ID, tunnel},
    {"VerifyHostKeyDNS", SSHCONF_FORM_CHOICE, SSHCONF_WARNED, SSHCONF_NO_ID,
     yes_no_ask},
    {"AddKeysToAgent", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"CASignatureAlgorithms", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"CanonicalDomains", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"CanonicalizeFallbackLocal", SSHCONF_FORM_FLAG, SSHCONF_IDLE,
     SSHCONF_NO_ID, NULL},
    {"CanonicalizeMaxDots", SSHCONF_FORM_NUMBER, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"CanonicalizePermittedCNAMEs", SSHCONF_FORM_ANY, SSHCONF_IDLE,
     SSHCONF_NO_ID, NULL},
    {"ChannelTimeout", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"CheckHostIP", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"EnableEscapeCommandline", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"EnableSSHKeysign", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"EscapeChar", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"FingerprintHash", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"ForwardAgent", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"ForwardX11", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"ForwardX11Timeout", SSHCONF_FORM_SPAN, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"ForwardX11Trusted", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"GSSAPIClientIdentity", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"GSSAPIDelegateCredentials", SSHCONF_FORM_FLAG, SSHCONF_IDLE,
     SSHCONF_NO_ID, NULL},
    {"GSSAPIKexAlgorithms", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"GSSAPIKeyExchange", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"GSSAPIRenewalForcesRekey", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"GSSAPIServerIdentity", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"GSSAPITrustDns", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"HostbasedAcceptedAlgorithms", SSHCONF_FORM_ANY, SSHCONF_IDLE,
     SSHCONF_NO_ID, NULL},
    {"HostbasedAuthentication", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"HostbasedKeyTypes", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"IPQoS", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"KbdInteractiveDevices", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"LocalCommand", SSHCONF_FORM_REST, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"LogVerbose", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"ObscureKeystrokeTiming", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"RequestTTY", SSHCONF_FORM_CHOICE, SSHCONF_IDLE, SSHCONF_NO_ID,
     request_tty},
    {"SecurityKeyProvider", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"SendEnv", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"SessionType", SSHCONF_FORM_CHOICE, SSHCONF_IDLE, SSHCONF_NO_ID,
     session_types},
    {"SetEnv", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"StdinNull", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"SyslogFacility", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"TunnelDevice", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"UpdateHostKeys", SSHCONF_FORM_CHOICE, SSHCONF_IDLE, SSHCONF_NO_ID,
     yes_no_ask},
    {"VersionAddendum", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"VisualHostKey", SSHCONF_FORM_FLAG, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"WarnWeakCrypto", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"XAuthLocation", SSHCONF_FORM_TEXT, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"AFSTokenPassing", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"Cipher", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"CompressionLevel", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"FallBackToRsh", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"GlobalKnownHostsFile2", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"KerberosAuthentication", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"KerberosTgtPassing", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"Protocol", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"RSAAuthentication", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"RhostsAuthentication", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"RhostsRSAAuthentication", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
    {"SmartcardDevice", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"UseBlacklistedKeys", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"UsePrivilegedPort", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"UseRoaming", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"UseRsh", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID, NULL},
    {"UserKnownHostsFile2", SSHCONF_FORM_ANY, SSHCONF_IDLE, SSHCONF_NO_ID,
     NULL},
};

#define ENTRIES (sizeof(entries) / sizeof(entries[0]))

const struct sshconf_entry *
sshconf_table_at(size_t index)
{
    return index < ENTRIES ? &entries[index] : NULL;
}

const struct sshconf_entry *
sshconf_table_name(const char *name)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        if (strcasecmp(entries[i].name, name) == 0)
            return &entries[i];
    }
    return NULL;
}

const struct sshconf_entry *
sshconf_table_id(enum sshconf_id id)
{
    for (size_t i = 0; i < ENTRIES; i++) {
        if (entries[i].id == id)
            return &entries[i];
    }
    return NULL;
}
