#include "transport/ssh/sshdest.h"

#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

static struct sshdest *
create(void)
{
    struct sshdest *dest = sshdest_create();

    dest->host = strdup("gw.example");
    dest->user = strdup("alice");
    return dest;
}

static void
expect_format(struct sshdest *dest, const char *wanted)
{
    char text[64];

    cr_expect_str_eq(sshdest_format(dest, text, sizeof(text)), wanted);
}

Test(sshdest, a_name_has_its_port_unless_it_is_22)
{
    struct sshdest *dest = create();

    expect_format(dest, "alice@gw.example");
    dest->port = 2222;
    expect_format(dest, "alice@gw.example:2222");
    free(dest->host);
    dest->host = strdup("::1");
    expect_format(dest, "alice@[::1]:2222");
    sshdest_destroy(dest);
}

Test(sshdest, a_copy_shares_nothing)
{
    struct sshdest *dest = create();
    struct sshdest *copy;

    dest->jump = create();
    dest->ciphers = strdup("aes128-ctr");
    dest->port = 7;
    cr_assert(sshdest_list_add(&dest->identities, "/a"));
    cr_assert(sshdest_list_add(&dest->identities, "/b"));
    copy = sshdest_copy(dest);
    cr_assert(copy);
    cr_expect_null(copy->jump);
    cr_expect_null(copy->macs);
    cr_expect_eq(copy->port, 7);
    cr_expect_str_eq(copy->ciphers, "aes128-ctr");
    cr_expect_neq(copy->ciphers, dest->ciphers);
    cr_assert_eq(copy->identities.count, 2);
    cr_expect_str_eq(copy->identities.item[1], "/b");
    cr_expect_neq(copy->identities.item, dest->identities.item);
    cr_expect_eq(copy->certificates.count, 0);
    sshdest_destroy(dest);
    cr_expect_str_eq(copy->host, "gw.example");
    cr_expect_str_eq(copy->identities.item[0], "/a");
    sshdest_destroy(copy);
    sshdest_destroy(NULL);
}
