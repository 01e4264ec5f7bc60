#include "tests/unit/ssh_bed.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/unit/loop_help.h"

#define SSHD "/usr/sbin/sshd"

static void
path_in(const struct ssh_bed *bed, const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", bed->dir, name);
}

static ssh_key
make_key(const struct ssh_bed *bed, const char *name)
{
    char path[128];
    ssh_key key;

    path_in(bed, name, path);
    cr_assert_eq(ssh_pki_generate(SSH_KEYTYPE_ED25519, 0, &key), SSH_OK);
    cr_assert_eq(ssh_pki_export_privkey_file(key, NULL, NULL, NULL, path),
                 SSH_OK);
    chmod(path, 0600);
    return key;
}

static void
write_config(const struct ssh_bed *bed, ssh_key user, const char *more)
{
    char path[128];
    char *text;
    FILE *file;

    path_in(bed, "authorized", path);
    file = fopen(path, "w");
    cr_assert(file);
    cr_assert_eq(ssh_pki_export_pubkey_base64(user, &text), SSH_OK);
    fprintf(file, "ssh-ed25519 %s\n", text);
    ssh_string_free_char(text);
    fclose(file);
    path_in(bed, "config", path);
    file = fopen(path, "w");
    cr_assert(file);
    fprintf(file,
            "HostKey %s/host\nAuthorizedKeysFile %s/authorized\n"
            "PidFile none\nUsePAM no\nStrictModes no\n"
            "PermitRootLogin yes\nMaxSessions 1000\n%s\n",
            bed->dir, bed->dir, more);
    fclose(file);
}

static void
run_server(struct ssh_bed *bed, int fd)
{
    char config[128];
    char log[128];

    path_in(bed, "config", config);
    path_in(bed, "log", log);
    mkdir("/run/sshd", 0755);
    bed->server = fork();
    cr_assert_geq(bed->server, 0);
    if (bed->server > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    dup2(fd, 0);
    dup2(fd, 1);
    execl(SSHD, SSHD, "-i", "-f", config, "-E", log, (char *)NULL);
    _exit(127);
}

static void
set_blocking(int fd)
{
    cr_assert_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
}

static void
log_in(struct ssh_bed *bed, int fd, ssh_key user)
{
    ssh_session session = ssh_new();
    int config = 0;

    cr_assert(session);
    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &config);
    ssh_options_set(session, SSH_OPTIONS_HOST, "127.0.0.1");
    ssh_options_set(session, SSH_OPTIONS_USER, getpwuid(getuid())->pw_name);
    ssh_options_set(session, SSH_OPTIONS_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_GLOBAL_KNOWNHOSTS, "/dev/null");
    ssh_options_set(session, SSH_OPTIONS_FD, &fd);
    cr_assert_eq(ssh_connect(session), SSH_OK, "%s", ssh_get_error(session));
    cr_assert_eq(ssh_userauth_publickey(session, NULL, user), SSH_AUTH_SUCCESS,
                 "%s", ssh_get_error(session));
    bed->session = session;
}

void
ssh_bed_start(struct ssh_bed *bed, const char *config)
{
    ssh_key host;
    ssh_key user;
    int fds[2];

    memset(bed, 0, sizeof(*bed));
    strcpy(bed->dir, "/tmp/ssh-bed-XXXXXX");
    cr_assert(mkdtemp(bed->dir));
    host = make_key(bed, "host");
    user = make_key(bed, "user");
    write_config(bed, user, config);
    sockets_tcp(fds);
    set_blocking(fds[0]);
    set_blocking(fds[1]);
    run_server(bed, fds[1]);
    close(fds[1]);
    log_in(bed, fds[0], user);
    ssh_key_free(host);
    ssh_key_free(user);
    bed->listener = sockets_listen(&bed->addr, 100);
    fcntl(bed->listener, F_SETFL, O_NONBLOCK);
    target_set_addr(&bed->target, &bed->addr);
    bed->dest = sshdest_create();
    bed->dest->host = strdup("127.0.0.1");
    bed->dest->user = strdup("me");
}

static void
on_down(void *arg, enum err err, const char *text)
{
    struct ssh_bed *bed = arg;

    bed->downs++;
    bed->down_err = err;
    snprintf(bed->down_text, sizeof(bed->down_text), "%s", text);
}

static void
on_offered(void *arg, const struct sshlink_offer *offer)
{
    struct ssh_bed *bed = arg;

    bed->offers++;
    bed->offer = offer->stream;
    bed->offer_port = offer->port;
    bed->offer_peer = offer->peer;
}

void
ssh_bed_link(struct ssh_bed *bed, struct worker *worker)
{
    struct sshlink_config config = {
        .worker = worker,
        .dest = bed->dest,
        .session = bed->session,
        .load = &bed->load,
        .down = on_down,
        .offered = on_offered,
        .arg = bed,
    };

    bed->worker = worker;
    bed->session = NULL;
    cr_assert_eq(sshlink_create(&config, &bed->link), ERR_OK);
}

static void
on_done(struct sshlink_open *open)
{
    *(bool *)open->owner = true;
}

enum err
ssh_bed_open(struct ssh_bed *bed, const struct target *target,
             struct stream **stream)
{
    bool done = false;
    struct sshlink_open open = {
        .target = target,
        .done = on_done,
        .owner = &done,
    };

    sshlink_open_start(bed->link, &open);
    cr_assert_not(done, "from inside the call");
    cr_assert(loop_until_set(bed->worker, &done));
    cr_assert_eq(open.stream != NULL, open.err == ERR_OK);
    *stream = open.stream;
    return open.err;
}

struct stream *
ssh_bed_connect(struct ssh_bed *bed, int *fd)
{
    struct stream *stream;

    cr_assert_eq(ssh_bed_open(bed, &bed->target, &stream), ERR_OK);
    *fd = accept4(bed->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    cr_assert_geq(*fd, 0);
    return stream;
}

static void
on_listened(struct sshlink_listen *listen)
{
    *(bool *)listen->owner = true;
}

enum err
ssh_bed_listen(struct ssh_bed *bed, const char *address, unsigned port,
               bool ends, unsigned *bound)
{
    bool done = false;
    struct sshlink_listen listen = {
        .address = address,
        .port = port,
        .ends = ends,
        .done = on_listened,
        .owner = &done,
    };

    sshlink_listen_start(bed->link, &listen);
    cr_assert_not(done, "from inside the call");
    cr_assert(loop_until_set(bed->worker, &done));
    if (bound)
        *bound = listen.bound;
    return listen.err;
}

static bool
has_offer(void *arg)
{
    return ((struct ssh_bed *)arg)->offer != NULL;
}

int
ssh_bed_call(struct ssh_bed *bed, unsigned port)
{
    union addr addr;
    int fd;

    cr_assert(addr_parse(&addr, "127.0.0.1", 9, (uint16_t)port));
    bed->offer = NULL;
    fd = sockets_connect(&addr);
    cr_assert(loop_until(bed->worker, has_offer, bed));
    return fd;
}

static void
remove_dir(const struct ssh_bed *bed)
{
    static const char *const names[] = {"host", "user", "authorized", "config",
                                        "log"};
    char path[128];

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        path_in(bed, names[i], path);
        unlink(path);
    }
    rmdir(bed->dir);
}

void
ssh_bed_end(struct ssh_bed *bed)
{
    sshlink_destroy(bed->link);
    bed->link = NULL;
    if (bed->session) {
        int fd = ssh_get_fd(bed->session);

        ssh_disconnect(bed->session);
        ssh_free(bed->session);
        close(fd);
    }
    if (bed->server > 0) {
        kill(bed->server, SIGKILL);
        waitpid(bed->server, NULL, 0);
    }
    close(bed->listener);
    sshdest_destroy(bed->dest);
    remove_dir(bed);
}
