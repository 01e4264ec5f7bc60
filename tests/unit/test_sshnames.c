#include "transport/ssh/sshnames.h"

#include <criterion/criterion.h>
#include <stdio.h>

Test(sshnames, a_quick_name_is_known_for_a_while)
{
    struct sshnames names = {0};

    cr_assert_not(sshnames_is_known(&names, "a.example", 1000));
    sshnames_note(&names, "a.example", true, 1000);
    cr_assert(sshnames_is_known(&names, "a.example", 1299));
    cr_assert(sshnames_is_known(&names, "A.Example", 1299));
    cr_assert_not(sshnames_is_known(&names, "b.example", 1299));
    cr_assert_not(sshnames_is_known(&names, "a.example", 1301));
    sshnames_note(&names, "a.example", true, 1301);
    cr_assert(sshnames_is_known(&names, "a.example", 1302));
    cr_assert_eq(names.count, 1);
    sshnames_clear(&names);
}

Test(sshnames, one_that_took_long_is_forgotten)
{
    struct sshnames names = {0};

    sshnames_note(&names, "a.example", false, 1000);
    cr_assert_eq(names.count, 0);
    sshnames_note(&names, "a.example", true, 1000);
    sshnames_note(&names, "a.example", false, 1001);
    cr_assert_not(sshnames_is_known(&names, "a.example", 1002));
    cr_assert_eq(names.count, 0);
}

Test(sshnames, there_is_an_end_to_them)
{
    struct sshnames names = {0};
    char name[32];

    for (int i = 0; i < 5000; i++) {
        snprintf(name, sizeof(name), "%d.example", i);
        sshnames_note(&names, name, true, 1000);
        cr_assert(sshnames_is_known(&names, name, 1000));
        cr_assert_leq(names.count, 1000);
    }
    sshnames_clear(&names);
    cr_assert_eq(names.count, 0);
}

Test(sshnames, a_name_of_any_length_is_taken)
{
    struct sshnames names = {0};
    char name[300];

    memset(name, 'a', sizeof(name) - 1);
    name[255] = 0;
    sshnames_note(&names, name, true, 1);
    cr_assert(sshnames_is_known(&names, name, 2));
    name[254] = 0;
    cr_assert_not(sshnames_is_known(&names, name, 2));
    sshnames_clear(&names);
}
