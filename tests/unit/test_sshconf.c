/* ssh's configuration, from a file to the settings. */
#include "proxy/sshconf_dest.h"

#include <sys/socket.h>

#include "tests/unit/options_run.h"

/* A file with text, for -F. */
struct file {
    char path[32];
};

static struct file
write_file(const char *text)
{
    struct file file = {"/tmp/culvert-conf-XXXXXX"};
    int fd = mkstemp(file.path);

    cr_assert(fd >= 0);
    cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    return file;
}

/* The settings of `culvert -F text ARGS`, at most four of them. */
static struct settings *
accept_file(const char *text, const char *const args[])
{
    struct file file = write_file(text);
    const char *all[8] = {"-F", file.path};
    struct settings *settings;

    for (size_t i = 0; args[i]; i++) {
        cr_assert_lt(i, 5);
        all[2 + i] = args[i];
    }
    settings = options_accept(all);
    unlink(file.path);
    return settings;
}

static void
refuse_file(const char *text, const char *const args[], const char *word)
{
    struct file file = write_file(text);
    const char *all[8] = {"-F", file.path};

    for (size_t i = 0; args[i]; i++) {
        cr_assert_lt(i, 5);
        all[2 + i] = args[i];
    }
    options_refuse(all, word);
    unlink(file.path);
}

Test(sshconf, defaults)
{
    struct settings *s = accept_file("", ARGS("host"));
    const struct sshdest *dest = s->ssh;

    cr_assert_eq(dest->port, 22);
    cr_assert_null(dest->jump);
    cr_assert_null(dest->proxy_command);
    cr_assert_null(dest->ciphers);
    cr_assert_eq(dest->family, AF_UNSPEC);
    cr_assert_eq(dest->alive_interval, 15);
    cr_assert_eq(dest->alive_count_max, 3);
    cr_assert_float_eq(dest->connect_timeout, 30, 0);
    cr_assert_eq(dest->connection_attempts, 1);
    cr_assert_eq(dest->strict, SSHDEST_STRICT_ASK);
    cr_assert(dest->tcp_keepalive && dest->pubkey_auth && dest->password_auth &&
              dest->kbdint_auth);
    cr_assert_not(dest->gssapi_auth || dest->batch_mode || dest->compression ||
                  dest->server_nodelay);
    cr_assert_not(dest->identities_given);
    cr_assert_eq(dest->identities.count, 5);
    cr_assert_not_null(strstr(dest->identities.item[0], "/.ssh/id_rsa"));
    cr_assert_eq(dest->user_known_hosts.count, 2);
    cr_assert_str_eq(dest->global_known_hosts.item[0],
                     "/etc/ssh/ssh_known_hosts");
    cr_assert_eq(s->connections, 4);
    settings_destroy(s);
}

Test(sshconf, what_files_say_goes_to_destination_and_settings)
{
    struct settings *s = accept_file(
        "ServerAliveInterval 0\nConnectTimeout none\nRekeyLimit 2K 5m\n"
        "AddressFamily inet\nBindAddress 192.0.2.1\nGatewayPorts yes\n"
        "ExitOnForwardFailure yes\nStreamLocalBindMask 07\nDynamicForward 5\n"
        "UserKnownHostsFile none\nIdentityFile none\nHostKeyAlias ALIAS\n"
        "PubkeyAuthentication unbound\nStrictHostKeyChecking off\n"
        "PreferredAuthentications password\nLogLevel ERROR\n",
        ARGS("host"));
    const struct sshdest *dest = s->ssh;

    cr_assert_eq(dest->alive_interval, 0);
    cr_assert_float_eq(dest->connect_timeout, 0, 0);
    cr_assert_float_eq(s->connect_timeout, 20, 0); /* of targets */
    cr_assert_eq(dest->rekey_bytes, 2048);
    cr_assert_eq(dest->rekey_seconds, 300);
    cr_assert_eq(dest->family, AF_INET);
    cr_assert_eq(s->family, AF_INET); /* to listen, as in ssh */
    cr_assert_str_eq(dest->bind_host, "192.0.2.1");
    cr_assert_null(s->bind_host);
    cr_assert(s->exit_on_forward_failure);
    cr_assert_eq(s->socket_mask, 07);
    cr_assert_eq(s->forwards->where, LISTEN_ANY);
    cr_assert_eq(s->forwards->port, 5);
    cr_assert_str_eq(s->forwards->text, "5");
    cr_assert_eq(dest->user_known_hosts.count, 0);
    cr_assert_eq(dest->identities.count, 0);
    cr_assert(dest->identities_given);
    cr_assert_str_eq(dest->host_key_alias, "alias");
    cr_assert(dest->pubkey_auth);
    cr_assert_eq(dest->strict, SSHDEST_STRICT_NO);
    cr_assert_str_eq(dest->preferred, "password");
    cr_assert_eq(s->log.level, LOG_ERROR);
    settings_destroy(s);
}

Test(sshconf, paths_are_expanded)
{
    struct settings *s;
    const struct sshdest *dest;

    setenv("CULVERT_TEST", "value", 1);
    s = accept_file(
        "IdentityFile /keys/%r@%h:%p\nCertificateFile /${CULVERT_TEST}\n"
        "ProxyCommand nc %h %p %n %r %%\nRevokedHostKeys /r/%n\n"
        "LocalForward /run/%p.sock /tmp/${CULVERT_TEST}\nHostName %h.x\n",
        ARGS("me@Host:7"));
    dest = s->ssh;
    cr_assert_str_eq(dest->identities.item[0], "/keys/me@host.x:7");
    cr_assert_str_eq(dest->certificates.item[0], "/value");
    cr_assert_str_eq(dest->proxy_command, "nc host.x 7 Host me %");
    cr_assert_str_eq(dest->revoked_host_keys.item[0], "/r/Host");
    cr_assert_str_eq(s->forwards->host, "/run/7.sock");
    cr_assert_str_eq(s->forwards->target.name, "/tmp/value");
    settings_destroy(s);
}

static void
agent_is(const char *text, const char *wanted)
{
    struct settings *s = accept_file(text, ARGS("host"));

    if (wanted)
        cr_assert_str_eq(s->ssh->identity_agent, wanted, "%s", text);
    else
        cr_assert_null(s->ssh->identity_agent, "%s", text);
    settings_destroy(s);
}

Test(sshconf, agent)
{
    setenv("SSH_AUTH_SOCK", "/agent", 1);
    setenv("OTHER", "/other", 1);
    unsetenv("NOT_SET");
    agent_is("", "/agent");
    agent_is("IdentityAgent SSH_AUTH_SOCK\n", "/agent");
    agent_is("IdentityAgent none\n", NULL);
    agent_is("IdentityAgent /a/%h\n", "/a/host");
    agent_is("IdentityAgent $OTHER\n", "/other");
    agent_is("IdentityAgent ${OTHER}/x\n", "/other/x");
    agent_is("IdentityAgent $NOT_SET\n", NULL);
    unsetenv("SSH_AUTH_SOCK");
    agent_is("", NULL);
}

/* Each hop by itself: the command line's -p, -l, -i, -o are not for it. */
Test(sshconf, hops_are_looked_up_by_themselves)
{
    struct settings *s = accept_file(
        "Host one\nPort 1\nUser first\nIdentityFile /one\n"
        "Host two\nHostName two.example\nServerAliveInterval 5\n"
        "Host *\nCompression yes\n",
        ARGS("-Jone,u@two:2", "-p9", "-lme", "-oBatchMode=yes", "three"));
    const struct sshdest *two = s->ssh->jump, *one = two->jump;

    cr_assert_eq(s->ssh->port, 9);
    cr_assert_str_eq(s->ssh->user, "me");
    cr_assert(s->ssh->batch_mode);
    cr_assert_str_eq(two->given, "two");
    cr_assert_str_eq(two->host, "two.example");
    cr_assert_eq(two->port, 2);
    cr_assert_str_eq(two->user, "u");
    cr_assert_eq(two->alive_interval, 5);
    cr_assert_not(two->batch_mode);
    cr_assert_str_eq(one->host, "one");
    cr_assert_eq(one->port, 1);
    cr_assert_str_eq(one->user, "first");
    cr_assert_str_eq(one->identities.item[0], "/one");
    cr_assert(one->compression && two->compression);
    cr_assert_null(one->jump);
    settings_destroy(s);
}

Test(sshconf, jumps_of_files_follow_each_other)
{
    struct settings *s =
        accept_file("Host c\nProxyJump b-%n\nHost b-c\nProxyJump a:3\nHost a\n"
                    "ProxyCommand nc %h %p\n",
                    ARGS("c"));
    const struct sshdest *b = s->ssh->jump, *a = b->jump;

    cr_assert_str_eq(b->host, "b-c");
    cr_assert_str_eq(a->host, "a");
    cr_assert_str_eq(a->proxy_command, "nc a 3");
    cr_assert_null(a->jump);
    settings_destroy(s);
}

Test(sshconf, of_jump_and_command_the_first_counts)
{
    struct settings *s =
        accept_file("ProxyCommand x\nProxyJump y\n", ARGS("h"));

    cr_assert_str_eq(s->ssh->proxy_command, "x");
    cr_assert_null(s->ssh->jump);
    settings_destroy(s);
    s = accept_file("ProxyJump none\nProxyCommand x\n", ARGS("h"));
    cr_assert_null(s->ssh->proxy_command);
    cr_assert_null(s->ssh->jump);
    settings_destroy(s);
    s = accept_file("Host h\nProxyJump y\n", ARGS("-oProxyCommand=x", "h"));
    cr_assert_str_eq(s->ssh->proxy_command, "x");
    settings_destroy(s);
}

Test(sshconf, jumps_without_end_have_one)
{
    refuse_file("ProxyJump h\n", ARGS("h"), ":1: ProxyJump: would jump");
    refuse_file("Host a\nProxyJump b\nHost b\nProxyJump a\n", ARGS("a"),
                ":2: ProxyJump: jumps through more than 16");
    refuse_file("ProxyJump a b\n", ARGS("h"), ":1: ProxyJump: host has");
}

Test(sshconf, forwards_of_files_are_no_request)
{
    struct settings *s = accept_file(
        "DynamicForward 1\nRemoteForward 2 h:3\nControlPath /tmp/x\n",
        ARGS("-Ocancel", "-S/tmp/%h", "-L4:h:5", "host"));

    cr_assert_eq(s->forwards->port, 4);
    cr_assert_null(s->forwards->next);
    cr_assert_str_eq(s->control_path, "/tmp/host");
    cr_assert_null(s->ssh);
    settings_destroy(s);
    refuse_file("ControlPath /tmp/x\n", ARGS("-Ocheck", "host"), "-S path");
}

Test(sshconf, remote_forwards)
{
    struct settings *s =
        accept_file("RemoteForward 2 h:3\nRemoteForward [::1]:4\n"
                    "RemoteForward 2 h:3\nDynamicForward 4\n"
                    "RemoteForward *:5 /run/%h\nHost x\nRemoteForward 6\n",
                    ARGS("host"));
    struct forward *f = s->forwards;

    cr_assert(f->is_remote && f->kind == FORWARD_FIXED && f->port == 2);
    f = f->next;
    cr_assert(f->is_remote && f->kind == FORWARD_SOCKS && f->port == 4);
    cr_assert_str_eq(f->host, "::1");
    f = f->next;
    cr_assert_not(f->is_remote);
    f = f->next;
    cr_assert(f->is_remote && f->where == LISTEN_ANY && f->port == 5);
    cr_assert_str_eq(f->target.name, "/run/host");
    cr_assert_null(f->next);
    cr_assert(s->ssh->listens);
    settings_destroy(s);
    refuse_file("\nRemoteForward 2 h\n", ARGS("h"), ":2: RemoteForward: not a");
    refuse_file("Host x\nRemoteForward 2:h:3\n", ARGS("h"), ":2: RemoteForw");
    refuse_file("RemoteForward 1 h:2 x\n", ARGS("h"), "too many values");
    refuse_file("RemoteForward /s h:2\n", ARGS("h"), "not for a Unix socket");
}

Test(sshconf, a_remote_and_a_local_forward_are_no_duplicates)
{
    struct settings *s =
        accept_file("DynamicForward 1\nRemoteForward 1\nLocalForward 2 h:3\n"
                    "RemoteForward 2 h:3\n",
                    ARGS("h"));
    unsigned count = 0;

    for (struct forward *f = s->forwards; f; f = f->next)
        count++;
    cr_assert_eq(count, 4);
    settings_destroy(s);
}

Test(sshconf, remote_forwards_may_be_passed_over)
{
    static const char *const args[] = {"-oClearAllForwardings=yes", "-Wh:1"};

    for (size_t i = 0; i < 2; i++) {
        struct settings *s =
            accept_file("RemoteForward 2 h:3\n", ARGS(args[i], "h"));

        cr_assert(!s->forwards || s->forwards->kind == FORWARD_STDIO);
        settings_destroy(s);
    }
}

static bool
may_open(const struct settings *settings, const char *host, uint16_t port)
{
    struct target target;

    cr_assert_eq(target_set_host(&target, host, strlen(host), port), ERR_OK);
    return permitopen_allows(settings->remote_open, &target);
}

Test(sshconf, permit_remote_open)
{
    struct settings *s = accept_file("", ARGS("h"));

    cr_assert(may_open(s, "a", 1));
    settings_destroy(s);
    s = accept_file("PermitRemoteOpen a:1 \"[::1]:*\"\nPermitRemoteOpen b:2\n",
                    ARGS("h"));
    cr_assert(may_open(s, "A.", 1));
    cr_assert(may_open(s, "::1", 7));
    cr_assert_not(may_open(s, "b", 2));
    settings_destroy(s);
    s = accept_file("PermitRemoteOpen none\n", ARGS("h"));
    cr_assert_not(may_open(s, "a", 1));
    settings_destroy(s);
    s = accept_file("PermitRemoteOpen none\n",
                    ARGS("-oPermitRemoteOpen=ANY", "h"));
    cr_assert(may_open(s, "a", 1));
    settings_destroy(s);
}

Test(sshconf, permit_remote_open_names_the_wrong_word)
{
    refuse_file("Host x\nPermitRemoteOpen a:1 b:x\n", ARGS("h"),
                ":2: PermitRemoteOpen: b:x: port must be");
    refuse_file("PermitRemoteOpen a\n", ARGS("h"), "a: not host:port");
    refuse_file("PermitRemoteOpen a:1 any\n", ARGS("h"),
                "any: must stand alone");
    refuse_file("PermitRemoteOpen a:1 none\n", ARGS("h"), "must stand alone");
    refuse_file("PermitRemoteOpen\n", ARGS("h"), "has no value");
}

Test(sshconf, control_socket_of_a_file_is_for_ssh)
{
    struct settings *s =
        accept_file("ControlMaster auto\nControlPath /tmp/%C\n", ARGS("h"));

    cr_assert_not(s->control_master);
    cr_assert_null(s->control_path);
    settings_destroy(s);
}

Test(sshconf, stdio_implies_unless_a_file_says_otherwise)
{
    struct settings *s = accept_file(
        "DynamicForward 1\nExitOnForwardFailure no\n", ARGS("-Wh:1", "h"));

    cr_assert_eq(s->forwards->kind, FORWARD_STDIO);
    cr_assert_null(s->forwards->next);
    cr_assert_not(s->exit_on_forward_failure);
    settings_destroy(s);
}

Test(sshconf, user_of_a_file_may_have_tokens)
{
    struct settings *s = accept_file("User x-%n\n", ARGS("h"));

    cr_assert_str_eq(s->ssh->user, "x-h");
    settings_destroy(s);
    s = accept_file("", ARGS("-lx-%n", "h"));
    cr_assert_str_eq(s->ssh->user, "x-%n");
    settings_destroy(s);
}

static char commands[256];

static int
note_command(const char *command)
{
    strncat(commands, command, sizeof(commands) - strlen(commands) - 2);
    strcat(commands, ";");
    return strcmp(command, "yes") != 0;
}

Test(sshconf, match_runs_what_it_must)
{
    struct file file = write_file("Match exec no exec never\nPort 1\n"
                                  "Match host x exec never\nPort 2\n"
                                  "Match exec yes\nPort 3\n"
                                  "Match !exec no-%p host h\nUser u\n");
    struct sshconf_local local;
    const char *why = NULL;
    struct sshconf conf = {.forwards = NULL};
    struct sshconf_ask ask = {
        .given = "h", .path = file.path, .local = &local, .run = note_command};

    cr_assert(sshconf_local_read(&local, &why));
    cr_assert(sshconf_resolve(&conf, &ask));
    cr_assert_str_eq(commands, "no;yes;no-3;");
    cr_assert_eq(sshconf_number(&conf, SSHCONF_PORT, 0), 3);
    cr_assert_str_eq(sshconf_text(&conf, SSHCONF_USER), "u");
    sshconf_clear(&conf);
    sshconf_local_clear(&local);
    unlink(file.path);
}
