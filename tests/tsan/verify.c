/* The verifier used from several workers at once, while its users change: for
 * ThreadSanitizer, and so without Criterion. Ends with 0 when every check was
 * answered rightly or cancelled. */
#include "auth/verify.h"

#include <crypt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "auth/users.h"

#define WORKERS 3
#define SLOTS   8   /* checks under way on each worker */
#define CHECKS  400 /* on each worker */

/* Where one check after the other is made. */
struct slot {
    struct client *client;
    struct verify *verify;
    bool expected;
};

/* What lives on one worker. */
struct client {
    struct worker *worker;
    struct verifier *verifier;
    struct slot slots[SLOTS];
    unsigned seed;
    unsigned started;
    unsigned answered;
    unsigned cancelled;
    unsigned wrong;
};

static void
fail(const char *what)
{
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static unsigned
roll(struct client *client, unsigned sides)
{
    client->seed = client->seed * 1103515245 + 12345;
    return client->seed / 65536 % sides;
}

static void start_check(struct slot *slot);

/* Drops some other check, and goes on there with a new one. */
static void
drop_one(struct client *client)
{
    struct slot *slot = &client->slots[roll(client, SLOTS)];

    if (!slot->verify)
        return;
    verify_cancel(slot->verify);
    slot->verify = NULL;
    client->cancelled++;
    start_check(slot);
}

static void
on_done(void *arg, bool good)
{
    struct slot *slot = arg;
    struct client *client = slot->client;

    slot->verify = NULL;
    client->answered++;
    client->wrong += good != slot->expected;
    start_check(slot);
    if (roll(client, 3) == 0)
        drop_one(client);
    if (client->answered + client->cancelled == CHECKS)
        worker_stop(client->worker);
}

static void
start_check(struct slot *slot)
{
    struct client *client = slot->client;
    char password[16] = "pw";

    if (client->started == CHECKS)
        return;
    client->started++;
    slot->expected = roll(client, 2) == 0;
    if (!slot->expected)
        snprintf(password, sizeof(password), "no%u", roll(client, 4));
    if (verify_start(client->verifier, client->worker, (const uint8_t *)"alice",
                     5, (const uint8_t *)password, strlen(password), on_done,
                     slot, &slot->verify))
        fail("verify_start");
}

static void
start_client(void *arg)
{
    struct client *client = arg;

    for (int i = 0; i < SLOTS; i++) {
        client->slots[i].client = client;
        start_check(&client->slots[i]);
    }
}

/* A file with one user, whose hash has a salt of its own each time. */
static struct users *
make_users(void)
{
    static struct crypt_data scratch;
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    char text[512];
    char message[256];
    struct users *users;

    if (!crypt_gensalt_rn("$6$", 1000, NULL, 0, setting, sizeof(setting)))
        fail("crypt_gensalt_rn");
    snprintf(text, sizeof(text), "alice:%s\n",
             crypt_r("pw", setting, &scratch));
    if (users_parse(text, strlen(text), "f", &users, message, sizeof(message)))
        fail(message);
    return users;
}

int
main(void)
{
    struct client clients[WORKERS];
    struct users *users = make_users();
    struct verifier *verifier;
    unsigned wrong = 0;

    if (verifier_create(users, &verifier))
        fail("verifier_create");
    users_unref(users);
    memset(clients, 0, sizeof(clients));
    for (unsigned i = 0; i < WORKERS; i++) {
        clients[i].worker = worker_create(i);
        clients[i].verifier = verifier;
        clients[i].seed = i + 1;
        if (!clients[i].worker ||
            worker_start(clients[i].worker, start_client, NULL, &clients[i]))
            fail("worker_start");
    }
    for (int i = 0; i < 50; i++) {
        users = make_users();
        verifier_set_users(verifier, users);
        users_unref(users);
    }
    for (unsigned i = 0; i < WORKERS; i++)
        worker_join(clients[i].worker);
    /* Some before the verifier and some after: either is promised. */
    worker_destroy(clients[0].worker);
    verifier_destroy(verifier);
    for (unsigned i = 0; i < WORKERS; i++) {
        if (i > 0)
            worker_destroy(clients[i].worker);
        wrong += clients[i].wrong;
        if (clients[i].answered + clients[i].cancelled != CHECKS)
            fail("a check got lost");
    }
    if (wrong)
        fail("a wrong answer");
    return 0;
}
