#include "transport/net/hosts.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "transport/net/sysfile.h"

static struct hosts *
parse(const char *text)
{
    struct hosts *hosts = NULL;

    cr_assert_eq(hosts_parse(strdup(text), strlen(text), &hosts), ERR_OK);
    return hosts;
}

static void
check(const struct hosts *hosts, const char *name, int family,
      const char *expected)
{
    union addr addrs[HOSTS_ADDRS_MAX];
    size_t count = hosts_find(hosts, name, family, addrs);
    char all[512] = "";
    char text[ADDR_TEXT_MAX];

    for (size_t i = 0; i < count; i++) {
        strcat(all, i ? " " : "");
        strcat(all, addr_format_host(&addrs[i], text));
    }
    cr_assert_str_eq(all, expected, "%s: %s instead of %s", name, all,
                     expected);
}

Test(hosts, finds_names_and_aliases_by_family)
{
    struct hosts *hosts = parse("127.0.0.1 localhost\n"
                                "192.0.2.1\tone.test  one # a comment two\n"
                                "2001:db8::1 one six\n"
                                "  192.0.2.2 indented\r\n"
                                "192.0.2.3 last");

    check(hosts, "one", AF_INET, "192.0.2.1");
    check(hosts, "one", AF_INET6, "2001:db8::1");
    check(hosts, "one.test", AF_INET6, "");
    check(hosts, "six", AF_INET, "");
    check(hosts, "indented", AF_INET, "192.0.2.2");
    check(hosts, "last", AF_INET, "192.0.2.3");
    cr_assert_not(hosts_has(hosts, "two"));
    cr_assert_not(hosts_has(hosts, "on"));
    cr_assert_not(hosts_has(hosts, ""));
    hosts_destroy(hosts);
}

Test(hosts, case_and_last_dot_make_no_difference)
{
    struct hosts *hosts = parse("192.0.2.1 Name.Test.\n");

    cr_assert(hosts_has(hosts, "name.test"));
    check(hosts, "NAME.TEST.", AF_INET, "192.0.2.1");
    hosts_destroy(hosts);
}

Test(hosts, gives_all_lines_of_a_name_in_their_order)
{
    struct hosts *hosts = parse("192.0.2.9 n\n192.0.2.1 m n\n192.0.2.5 n\n");

    check(hosts, "n", AF_INET, "192.0.2.9 192.0.2.1 192.0.2.5");
    hosts_destroy(hosts);
}

Test(hosts, gives_no_more_than_there_is_room_for)
{
    char text[HOSTS_ADDRS_MAX * 2 * 16] = "";
    union addr addrs[HOSTS_ADDRS_MAX];
    struct hosts *hosts;

    for (int i = 0; i < HOSTS_ADDRS_MAX * 2; i++)
        sprintf(text + strlen(text), "192.0.2.%d n\n", i);
    hosts = parse(text);
    cr_assert_eq(hosts_find(hosts, "n", AF_INET, addrs),
                 (size_t)HOSTS_ADDRS_MAX);
    hosts_destroy(hosts);
}

Test(hosts, passes_over_what_it_does_not_understand)
{
    struct hosts *hosts =
        parse("# nothing\n\n   \n192.0.2.1\nname 192.0.2.2\n300.1.1.1 bad\n"
              "fe80::1%eth0 zone\n[::1] bracket\n192.0.2.4 good\n");

    cr_assert_not(hosts_has(hosts, "bad"));
    cr_assert_not(hosts_has(hosts, "zone"));
    cr_assert_not(hosts_has(hosts, "bracket"));
    cr_assert_not(hosts_has(hosts, "192.0.2.2"));
    check(hosts, "good", AF_INET, "192.0.2.4");
    hosts_destroy(hosts);
}

Test(hosts, no_file_has_no_names)
{
    union addr addrs[HOSTS_ADDRS_MAX];

    cr_assert_not(hosts_has(NULL, "localhost"));
    cr_assert_eq(hosts_find(NULL, "localhost", AF_INET, addrs), 0u);
    hosts_destroy(NULL);
}

Test(hosts, holds_many_names)
{
    size_t room = 100000 * 32;
    char *text = malloc(room);
    size_t len = 0;
    struct hosts *hosts;

    for (int i = 0; i < 100000; i++)
        len += (size_t)snprintf(text + len, room - len, "10.%d.%d.%d h%d\n",
                                i >> 16, (i >> 8) & 255, i & 255, i);
    cr_assert_eq(hosts_parse(text, len, &hosts), ERR_OK);
    check(hosts, "h0", AF_INET, "10.0.0.0");
    check(hosts, "h99999", AF_INET, "10.1.134.159");
    check(hosts, "h100000", AF_INET, "");
    hosts_destroy(hosts);
}

Test(sysfile, sees_another_file_and_none)
{
    char path[] = "/tmp/culvert-sysfile-XXXXXX";
    int fd = mkstemp(path);
    struct sysfile seen = {.exists = false};

    cr_assert(sysfile_changed(&seen, path));
    cr_assert_not(sysfile_changed(&seen, path));
    cr_assert_eq(write(fd, "x", 1), 1);
    cr_assert(sysfile_changed(&seen, path));
    cr_assert_not(sysfile_changed(&seen, path));
    sysfile_forget(&seen);
    cr_assert(sysfile_changed(&seen, path));
    unlink(path);
    cr_assert(sysfile_changed(&seen, path));
    cr_assert_not(sysfile_changed(&seen, path));
    close(fd);
}

Test(sysfile, reads_files_and_nothing_else)
{
    char dir[] = "/tmp/culvert-sysfile-XXXXXX";
    char fifo[64];
    char *text;
    size_t len;

    cr_assert(mkdtemp(dir));
    snprintf(fifo, sizeof(fifo), "%s/fifo", dir);
    cr_assert_eq(mkfifo(fifo, 0600), 0);
    cr_assert_eq(sysfile_read(fifo, &text, &len), ERR_IO);
    cr_assert_eq(sysfile_read(dir, &text, &len), ERR_IO);
    unlink(fifo);
    cr_assert_eq(sysfile_read(fifo, &text, &len), ERR_NO_SUCH_PATH);
    rmdir(dir);
}
