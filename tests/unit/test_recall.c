#include "auth/recall.h"

#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SPAN 60000

static struct recall *
recall_of(uint64_t span_ms)
{
    struct recall *recall = malloc(sizeof(*recall));

    cr_assert(recall);
    cr_assert_eq(recall_init(recall, span_ms), ERR_OK);
    return recall;
}

static struct recall_key
key_of(const struct recall *recall, const char *user, const char *password)
{
    struct recall_key key;

    recall_make_key(recall, &key, (const uint8_t *)user, strlen(user),
                    (const uint8_t *)password, strlen(password));
    return key;
}

Test(recall, key_is_the_same_for_the_same_pair_alone)
{
    struct recall *recall = recall_of(SPAN);
    struct recall_key key = key_of(recall, "ab", "cd");
    struct recall_key same = key_of(recall, "ab", "cd");
    struct recall_key moved = key_of(recall, "abc", "d");
    struct recall_key longer = key_of(recall, "ab", "cde");
    struct recall_key other = key_of(recall, "ab", "ce");
    struct recall_key empty = key_of(recall, "abcd", "");

    cr_expect(recall_same(&key, &same));
    cr_expect(!recall_same(&key, &moved));
    cr_expect(!recall_same(&key, &longer));
    cr_expect(!recall_same(&key, &other));
    cr_expect(!recall_same(&key, &empty));
    free(recall);
}

Test(recall, nul_bytes_count)
{
    struct recall *recall = recall_of(SPAN);
    struct recall_key a;
    struct recall_key b;

    recall_make_key(recall, &a, (const uint8_t *)"u", 1,
                    (const uint8_t *)"p\0q", 3);
    recall_make_key(recall, &b, (const uint8_t *)"u", 1,
                    (const uint8_t *)"p\0r", 3);
    cr_expect(!recall_same(&a, &b));
    free(recall);
}

Test(recall, secret_differs_each_time)
{
    struct recall *one = recall_of(SPAN);
    struct recall *two = recall_of(SPAN);
    struct recall_key a = key_of(one, "u", "p");
    struct recall_key b = key_of(two, "u", "p");

    cr_expect(!recall_same(&a, &b));
    free(one);
    free(two);
}

Test(recall, remembers_for_its_span)
{
    struct recall *recall = recall_of(SPAN);
    struct recall_key key = key_of(recall, "u", "p");
    struct recall_key other = key_of(recall, "u", "q");

    cr_expect(!recall_has(recall, &key, 1000));
    recall_add(recall, &key, 1000);
    cr_expect(recall_has(recall, &key, 1000));
    cr_expect(recall_has(recall, &key, 1000 + SPAN - 1));
    cr_expect(!recall_has(recall, &key, 1000 + SPAN));
    cr_expect(!recall_has(recall, &other, 1000));
    free(recall);
}

Test(recall, being_asked_does_not_prolong_and_being_added_does)
{
    struct recall *recall = recall_of(SPAN);
    struct recall_key key = key_of(recall, "u", "p");

    recall_add(recall, &key, 0);
    cr_expect(recall_has(recall, &key, SPAN - 1));
    cr_expect(!recall_has(recall, &key, SPAN));
    recall_add(recall, &key, SPAN);
    cr_expect(recall_has(recall, &key, SPAN + SPAN - 1));
    free(recall);
}

Test(recall, zero_key_is_not_known_to_an_empty_table)
{
    struct recall *recall = recall_of(SPAN);
    struct recall_key zero = {{0}};

    cr_expect(!recall_has(recall, &zero, 0));
    cr_expect(!recall_has(recall, &zero, 1));
    free(recall);
}

Test(recall, forgets_all)
{
    struct recall *recall = recall_of(SPAN);
    struct recall_key key = key_of(recall, "u", "p");
    struct recall_key again;

    recall_add(recall, &key, 0);
    recall_forget_all(recall);
    cr_expect(!recall_has(recall, &key, 1));
    again = key_of(recall, "u", "p");
    cr_expect(recall_same(&key, &again));
    free(recall);
}

Test(recall, full_set_gives_up_its_oldest)
{
    struct recall *recall = recall_of(SPAN);
    struct recall_key keys[RECALL_WAYS + 1];

    for (unsigned i = 0; i <= RECALL_WAYS; i++) {
        memset(&keys[i], 7, sizeof(keys[i]));
        keys[i].bytes[31] = (uint8_t)i;
        recall_add(recall, &keys[i], 100 + i);
    }
    cr_expect(!recall_has(recall, &keys[0], 200));
    for (unsigned i = 1; i <= RECALL_WAYS; i++)
        cr_expect(recall_has(recall, &keys[i], 200), "%u", i);
    free(recall);
}

Test(recall, key_added_twice_takes_one_place)
{
    struct recall *recall = recall_of(SPAN);
    struct recall_key keys[RECALL_WAYS];

    for (unsigned i = 0; i < RECALL_WAYS; i++) {
        memset(&keys[i], 7, sizeof(keys[i]));
        keys[i].bytes[31] = (uint8_t)i;
        recall_add(recall, &keys[i], 100 + i);
    }
    recall_add(recall, &keys[RECALL_WAYS - 1], 200);
    for (unsigned i = 0; i < RECALL_WAYS; i++)
        cr_expect(recall_has(recall, &keys[i], 201), "%u", i);
    free(recall);
}

Test(recall, wipe_leaves_nothing)
{
    static const struct recall zero;
    struct recall *recall = recall_of(SPAN);
    struct recall_key key = key_of(recall, "u", "p");

    recall_add(recall, &key, 1);
    recall_wipe(recall);
    cr_expect_eq(memcmp(recall, &zero, sizeof(zero)), 0);
    free(recall);
}
