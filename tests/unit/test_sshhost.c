/* What known_hosts files say, and what is added to them. */
#include "transport/ssh/sshhost_files.h"

#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/resource.h>
#include <unistd.h>

#include "transport/ssh/sshhost.h"
#include "transport/ssh/sshhost_add.h"

#define TYPE "ssh-ed25519"
#define MINE "AAAAmine"
#define OLD  "AAAAold"

struct bed {
    struct sshdest *dest;
    char dir[32];
    char user[64];
    char global[64];
};

static void
write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert(file);
    fputs(text, file);
    fclose(file);
}

static void
start(struct bed *bed, const char *user, const char *global)
{
    strcpy(bed->dir, "/tmp/culvert-host-XXXXXX");
    cr_assert(mkdtemp(bed->dir));
    snprintf(bed->user, sizeof(bed->user), "%s/user", bed->dir);
    snprintf(bed->global, sizeof(bed->global), "%s/global", bed->dir);
    write_file(bed->user, user);
    write_file(bed->global, global);
    bed->dest = sshdest_create();
    bed->dest->host = strdup("gw");
    cr_assert(sshdest_list_add(&bed->dest->user_known_hosts, bed->user));
    cr_assert(
        sshdest_list_add(&bed->dest->user_known_hosts, "/nowhere/at/all"));
    cr_assert(sshdest_list_add(&bed->dest->global_known_hosts, bed->global));
}

static void
end(struct bed *bed)
{
    unlink(bed->user);
    unlink(bed->global);
    rmdir(bed->dir);
    sshdest_destroy(bed->dest);
}

static struct sshhost_found
find(const char *user, const char *global)
{
    const struct sshhost_key key = {"gw", TYPE, MINE};
    struct sshhost_found found;
    struct bed bed;

    start(&bed, user, global);
    found = sshhost_find(bed.dest, &key);
    if (found.file)
        found.file = strcmp(found.file, bed.user) == 0 ? "user" : "global";
    end(&bed);
    return found;
}

/* Not even known: the key would be taken for a new one, and accepted. */
Test(sshhost, file_that_cannot_be_read_now)
{
    const struct sshhost_key key = {"gw", TYPE, MINE};
    struct rlimit limit, none;
    struct sshhost_found found;
    struct bed bed;

    start(&bed, "", "");
    cr_assert_eq(getrlimit(RLIMIT_NOFILE, &limit), 0);
    none = limit;
    none.rlim_cur = 0;
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &none), 0);
    found = sshhost_find(bed.dest, &key);
    cr_assert_eq(setrlimit(RLIMIT_NOFILE, &limit), 0);
    cr_assert_eq(found.error, EMFILE);
    cr_assert_str_eq(found.unread, bed.global);
    found = sshhost_find(bed.dest, &key);
    cr_assert_eq(found.error, 0);
    end(&bed);
}

Test(sshhost, a_key_is_found_in_any_file)
{
    struct sshhost_found found = find("# one\ngw " TYPE " " MINE "\n", "");

    cr_expect_eq(found.state, SSHHOST_SAME);
    cr_expect_str_eq(found.file, "user");
    cr_expect_eq(found.line, 2);
    found = find("other " TYPE " " OLD "\n", "gw " TYPE " " MINE);
    cr_expect_eq(found.state, SSHHOST_SAME);
    cr_expect_str_eq(found.file, "global");
    cr_expect_eq(found.line, 1);
}

Test(sshhost, a_key_among_others_of_its_type_is_right)
{
    cr_expect_eq(find("gw " TYPE " " OLD "\ngw " TYPE " " MINE "\n", "").state,
                 SSHHOST_SAME);
    cr_expect_eq(find("gw " TYPE " " MINE "\n", "gw " TYPE " " OLD "\n").state,
                 SSHHOST_SAME);
}

Test(sshhost, another_key_of_its_type_is_a_change)
{
    struct sshhost_found found =
        find("\ngw " TYPE " " OLD "\ngw " TYPE " AAAA\n", "");

    cr_expect_eq(found.state, SSHHOST_CHANGED);
    cr_expect_eq(found.line, 2);
}

Test(sshhost, a_key_of_another_type_is_told_and_no_change)
{
    struct sshhost_found found = find("gw ssh-rsa " OLD "\n", "");

    cr_expect_eq(found.state, SSHHOST_NEW);
    cr_expect(found.has_other);
    cr_expect_not(found.has_authority);
    found = find("", "");
    cr_expect_eq(found.state, SSHHOST_NEW);
    cr_expect_not(found.has_other);
    cr_expect_null(found.file);
}

Test(sshhost, a_revoked_key_is_never_right)
{
    cr_expect_eq(
        find("gw " TYPE " " MINE "\n", "@revoked * " TYPE " " MINE).state,
        SSHHOST_REVOKED);
    cr_expect_eq(
        find("@revoked * " TYPE " " MINE "\ngw " TYPE " " MINE, "").state,
        SSHHOST_REVOKED);
    cr_expect_eq(find("@revoked * " TYPE " " OLD "\n", "").state, SSHHOST_NEW);
}

Test(sshhost, an_authority_is_told_and_vouches_for_nothing)
{
    struct sshhost_found found = find("@cert-authority * " TYPE " " MINE, "");

    cr_expect_eq(found.state, SSHHOST_NEW);
    cr_expect(found.has_authority);
}

Test(sshhost, algorithms_of_known_keys_come_first)
{
    char list[256];
    struct bed bed;

    start(&bed, "gw ssh-rsa AAAA\nother ecdsa-sha2-nistp384 AAAA\n",
          "gw ecdsa-sha2-nistp256 AAAA\n");
    cr_expect_str_eq(sshhost_algorithms(bed.dest, "gw", list, sizeof(list)),
                     "ecdsa-sha2-nistp256,rsa-sha2-512,rsa-sha2-256,"
                     "ssh-ed25519,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521");
    cr_expect_str_eq(sshhost_algorithms(bed.dest, "new", list, 13),
                     "ssh-ed25519");
    end(&bed);
}

Test(sshhost, names_are_the_hosts_or_its_alias)
{
    char name[1100];
    struct bed bed;

    start(&bed, "", "");
    bed.dest->port = 2222;
    cr_assert(sshhost_name(bed.dest, name));
    cr_expect_str_eq(name, "[gw]:2222");
    bed.dest->host_key_alias = strdup("Alias");
    cr_assert(sshhost_name(bed.dest, name));
    cr_expect_str_eq(name, "alias");
    end(&bed);
}

Test(sshhost, a_key_that_was_added_is_found)
{
    const struct sshhost_key key = {"gw", TYPE, MINE};
    struct bed bed;

    for (int hashed = 0; hashed < 2; hashed++) {
        start(&bed, "other " TYPE " " OLD, "");
        bed.dest->hash_known_hosts = hashed;
        cr_assert(sshhost_add(bed.dest, &key));
        cr_expect_eq(sshhost_find(bed.dest, &key).state, SSHHOST_SAME);
        cr_expect_eq(sshhost_find(bed.dest, &key).line, 2);
        end(&bed);
    }
}

Test(sshhost, a_file_and_its_folder_are_made_for_their_owner_alone)
{
    const struct sshhost_key key = {"gw", TYPE, MINE};
    char folder[64];
    char path[96];
    struct stat st;
    struct bed bed;

    start(&bed, "", "");
    snprintf(folder, sizeof(folder), "%s/ssh", bed.dir);
    snprintf(path, sizeof(path), "%s/known_hosts", folder);
    free(bed.dest->user_known_hosts.item[0]);
    bed.dest->user_known_hosts.item[0] = strdup(path);
    cr_assert(sshhost_add(bed.dest, &key));
    cr_assert_eq(stat(folder, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0700);
    cr_assert_eq(stat(path, &st), 0);
    cr_expect_eq(st.st_mode & 0777, 0600);
    unlink(path);
    rmdir(folder);
    end(&bed);
}

static enum sshhost_revocation
revoked(const char *list)
{
    const struct sshhost_key key = {"gw", TYPE, MINE};
    enum sshhost_revocation revocation;
    const char *file;
    struct bed bed;

    start(&bed, list, "");
    cr_assert(sshdest_list_add(&bed.dest->revoked_host_keys, bed.user));
    revocation = sshhost_revoked(bed.dest, &key, &file);
    end(&bed);
    return revocation;
}

Test(sshhost, a_list_of_revoked_keys_is_looked_through)
{
    cr_expect_eq(revoked("# none\n" TYPE " " OLD "\n"), SSHHOST_NOT_REVOKED);
    cr_expect_eq(revoked(TYPE " " OLD "\n" TYPE " " MINE " me"),
                 SSHHOST_IS_REVOKED);
    cr_expect_eq(revoked("SSHKRL\n...."), SSHHOST_UNREADABLE);
}

Test(sshhost, a_list_of_revoked_keys_that_is_missing_counts_as_unreadable)
{
    const struct sshhost_key key = {"gw", TYPE, MINE};
    const char *file = NULL;
    struct bed bed;

    start(&bed, "", "");
    cr_assert(sshdest_list_add(&bed.dest->revoked_host_keys, "/nowhere"));
    cr_expect_eq(sshhost_revoked(bed.dest, &key, &file), SSHHOST_UNREADABLE);
    cr_expect_str_eq(file, "/nowhere");
    end(&bed);
}
