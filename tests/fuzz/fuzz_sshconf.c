/* ssh's configuration: the input is a file of it. Commands are not run, and
 * nothing is included. */
#include "tests/fuzz/fuzz.h"

#include <sys/mman.h>
#include <unistd.h>

#include "proxy/sshconf_dest.h"
#include "proxy/sshconf_print.h"

#define HOST "host.example"

/* Every other command succeeds. */
static int
run(const char *command)
{
    return (int)(strlen(command) % 2);
}

static void
check_forwards(const struct sshconf *conf)
{
    for (struct forward *f = conf->forwards; f; f = f->next) {
        FUZZ_CHECK(f->kind != FORWARD_STDIO && f->text);
        FUZZ_CHECK(f->port <= 65535);
    }
}

static void
check_dest(const struct sshdest *dest)
{
    unsigned hops = 0;

    for (; dest; dest = dest->jump) {
        FUZZ_CHECK(dest->given && dest->host && dest->user);
        FUZZ_CHECK(dest->port > 0 && dest->port <= 65535);
        FUZZ_CHECK(dest->connection_attempts > 0);
        FUZZ_CHECK(dest->connect_timeout >= 0);
        FUZZ_CHECK(!dest->jump || !dest->proxy_command);
        for (size_t i = 0; i < dest->identities.count; i++)
            FUZZ_CHECK(dest->identities.item[i]);
        hops++;
    }
    FUZZ_CHECK(hops <= 17);
}

/* What -G prints: the name of a keyword in lower case and a value, a line. */
static void
check_print(struct sshconf *conf, struct sshdest *dest)
{
    struct settings *settings = settings_create();
    char *text = NULL;
    size_t len = 0;
    FILE *to = open_memstream(&text, &len);

    FUZZ_CHECK(settings && to);
    settings->ssh = dest;
    sshconf_print(conf, settings, "/home/user", to);
    fclose(to);
    FUZZ_CHECK(strncmp(text, "host " HOST "\nuser ", 22) == 0);
    free(text);
    settings_destroy(settings);
}

static void
check_file(const char *path)
{
    struct sshconf_local local;
    const char *why = NULL;
    struct sshconf conf = {.forwards = NULL};
    struct sshconf_ask ask = {
        .given = HOST, .path = path, .local = &local, .run = run};
    struct sshdest *dest = NULL;

    FUZZ_CHECK(sshconf_local_read(&local, &why));
    if (sshconf_resolve(&conf, &ask) && sshconf_expand_forwards(&conf, &ask))
        dest = sshconf_dest_make(&conf, &ask);
    check_forwards(&conf);
    check_dest(dest);
    if (dest)
        check_print(&conf, dest);
    sshconf_clear(&conf);
    sshconf_local_clear(&local);
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
    int fd = memfd_create("sshconf", MFD_CLOEXEC);
    char *text = strndup((const char *)bytes, len);
    FILE *said = stderr;
    FILE *null = fopen("/dev/null", "w");
    char path[32];

    FUZZ_CHECK(fd >= 0 && text && null);
    FUZZ_CHECK(write(fd, bytes, len) == (ssize_t)len);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    stderr = null; /* glibc lets it be set; messages would drown all else */
    if (!strcasestr(text, "include") && strlen(text) == len)
        check_file(path);
    stderr = said;
    fclose(null);
    free(text);
    close(fd);
    return 0;
}
