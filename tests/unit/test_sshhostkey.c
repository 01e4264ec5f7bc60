#include "transport/ssh/sshhostkey.h"

#include <criterion/criterion.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct bed {
    char dir[64];
    char path[128];
    struct sshhostkeys keys;
    bool made;
    char print[SSHHOSTKEY_PRINT_MAX];
    char message[512];
};

static void
start(struct bed *bed)
{
    memset(bed, 0, sizeof(*bed));
    strcpy(bed->dir, "/tmp/sshhostkey-XXXXXX");
    cr_assert(mkdtemp(bed->dir));
    snprintf(bed->path, sizeof(bed->path), "%s/key", bed->dir);
}

/* How many files there are, which are removed. */
static unsigned
end(struct bed *bed)
{
    DIR *dir = opendir(bed->dir);
    const struct dirent *entry;
    unsigned count = 0;
    char path[400];

    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", bed->dir, entry->d_name);
        unlink(path);
        count++;
    }
    closedir(dir);
    rmdir(bed->dir);
    sshhostkeys_clear(&bed->keys);
    return count;
}

static enum err
load(struct bed *bed)
{
    return sshhostkeys_load(&bed->keys, bed->path, &bed->made, bed->print,
                            bed->message, sizeof(bed->message));
}

static void
write_key(const struct bed *bed, enum ssh_keytypes_e type, int bits,
          const char *passphrase)
{
    ssh_key key;

    unlink(bed->path);
    cr_assert_eq(ssh_pki_generate(type, bits, &key), SSH_OK);
    cr_assert_eq(
        ssh_pki_export_privkey_file(key, passphrase, NULL, NULL, bed->path),
        SSH_OK);
    chmod(bed->path, 0600);
    ssh_key_free(key);
}

Test(sshhostkey, one_that_is_not_there_is_made)
{
    struct bed bed;
    struct stat st;
    char before[SSHHOSTKEY_PRINT_MAX];

    start(&bed);
    umask(0);
    cr_assert_eq(load(&bed), ERR_OK, "%s", bed.message);
    cr_expect(bed.made);
    cr_expect_eq(bed.keys.count, 1);
    cr_expect_eq(ssh_key_type(bed.keys.keys[0]), SSH_KEYTYPE_ED25519);
    cr_expect_eq(strncmp(bed.print, "SHA256:", 7), 0);
    cr_assert_eq(stat(bed.path, &st), 0);
    cr_expect_eq(st.st_mode & 07777, 0600);
    strcpy(before, bed.print);
    sshhostkeys_clear(&bed.keys);
    cr_assert_eq(load(&bed), ERR_OK, "%s", bed.message);
    cr_expect_not(bed.made, "it is there now");
    cr_expect_str_eq(bed.print, before);
    cr_expect_eq(end(&bed), 1, "nothing is left beside it");
}

Test(sshhostkey, one_that_can_not_be_made_leaves_nothing)
{
    struct bed bed;

    start(&bed);
    snprintf(bed.path, sizeof(bed.path), "%s/none/key", bed.dir);
    cr_expect_eq(load(&bed), ERR_NO_SUCH_PATH);
    cr_expect(strstr(bed.message, "none/key: No such file"), "%s", bed.message);
    cr_expect_eq(bed.keys.count, 0);
    cr_expect_eq(end(&bed), 0);
}

Test(sshhostkey, takes_one_of_each_kind)
{
    struct bed bed;

    start(&bed);
    write_key(&bed, SSH_KEYTYPE_RSA, 2048, NULL);
    cr_expect_eq(load(&bed), ERR_OK, "%s", bed.message);
    write_key(&bed, SSH_KEYTYPE_ECDSA_P384, 384, NULL);
    cr_expect_eq(load(&bed), ERR_OK, "%s", bed.message);
    write_key(&bed, SSH_KEYTYPE_ECDSA_P256, 256, NULL);
    cr_expect_eq(load(&bed), ERR_MALFORMED);
    cr_expect(strstr(bed.message, "second key"), "%s", bed.message);
    write_key(&bed, SSH_KEYTYPE_ED25519, 0, NULL);
    cr_expect_eq(load(&bed), ERR_OK, "%s", bed.message);
    cr_expect_eq(bed.keys.count, 3);
    end(&bed);
}

Test(sshhostkey, refuses_a_weak_one)
{
    struct bed bed;

    start(&bed);
    write_key(&bed, SSH_KEYTYPE_RSA, 1024, NULL);
    cr_expect_eq(load(&bed), ERR_MALFORMED);
    cr_expect(strstr(bed.message, "2048 bits"), "%s", bed.message);
    end(&bed);
}

Test(sshhostkey, refuses_one_that_others_can_read)
{
    struct bed bed;

    start(&bed);
    write_key(&bed, SSH_KEYTYPE_ED25519, 0, NULL);
    chmod(bed.path, 0640);
    cr_expect_eq(load(&bed), ERR_NOT_PERMITTED);
    cr_expect(strstr(bed.message, "key: permissions 0640"), "%s", bed.message);
    end(&bed);
}

Test(sshhostkey, asks_for_no_passphrase)
{
    struct bed bed;

    start(&bed);
    write_key(&bed, SSH_KEYTYPE_ED25519, 0, "secret");
    cr_expect_eq(load(&bed), ERR_MALFORMED);
    cr_expect(strstr(bed.message, "encrypted"), "%s", bed.message);
    write_key(&bed, SSH_KEYTYPE_RSA, 2048, "secret");
    cr_expect_eq(load(&bed), ERR_MALFORMED);
    cr_expect(strstr(bed.message, "encrypted"), "%s", bed.message);
    end(&bed);
}

static void
refuse_text(const char *text, size_t len)
{
    struct bed bed;
    FILE *file;

    start(&bed);
    file = fopen(bed.path, "w");
    fwrite(text, 1, len, file);
    fclose(file);
    chmod(bed.path, 0600);
    cr_expect_eq(load(&bed), ERR_MALFORMED);
    cr_expect(strstr(bed.message, "not a private key"), "%s", bed.message);
    cr_expect_eq(end(&bed), 1, "it is left as it is");
}

Test(sshhostkey, refuses_what_is_no_key)
{
    static char large[100000];

    refuse_text("", 0);
    refuse_text("hello\n", 6);
    refuse_text("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n", 42);
    memset(large, 'A', sizeof(large));
    refuse_text(large, sizeof(large));
}

Test(sshhostkey, refuses_a_directory)
{
    struct bed bed;

    start(&bed);
    snprintf(bed.path, sizeof(bed.path), "%s", bed.dir);
    chmod(bed.dir, 0700);
    cr_expect_eq(load(&bed), ERR_MALFORMED);
    cr_expect(strstr(bed.message, "not a file"), "%s", bed.message);
    end(&bed);
}
