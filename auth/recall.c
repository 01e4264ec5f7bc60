#include "auth/recall.h"

#include <errno.h>
#include <nettle/memops.h>
#include <string.h>
#include <sys/random.h>

enum err
recall_init(struct recall *recall, uint64_t span_ms)
{
    uint8_t secret[32];
    ssize_t got;

    do
        got = getrandom(secret, sizeof(secret), 0);
    while (got < 0 && errno == EINTR);
    if (got != (ssize_t)sizeof(secret))
        return ERR_NO_RESOURCES;
    memset(recall, 0, sizeof(*recall));
    recall->span_ms = span_ms;
    hmac_sha256_set_key(&recall->keyed, sizeof(secret), secret);
    explicit_bzero(secret, sizeof(secret));
    return ERR_OK;
}

void
recall_wipe(struct recall *recall)
{
    explicit_bzero(recall, sizeof(*recall));
}

void
recall_make_key(const struct recall *recall, struct recall_key *key,
                const uint8_t *user, size_t user_len, const uint8_t *password,
                size_t password_len)
{
    struct hmac_sha256_ctx hmac = recall->keyed;
    uint64_t where = user_len;

    /* The length first: "ab" with "c" is not "a" with "bc". */
    hmac_sha256_update(&hmac, sizeof(where), (const uint8_t *)&where);
    hmac_sha256_update(&hmac, user_len, user);
    hmac_sha256_update(&hmac, password_len, password);
    hmac_sha256_digest(&hmac, sizeof(key->bytes), key->bytes);
    explicit_bzero(&hmac, sizeof(hmac));
}

bool
recall_same(const struct recall_key *a, const struct recall_key *b)
{
    return memeql_sec(a->bytes, b->bytes, sizeof(a->bytes));
}

/* Keys are as good as random, so a byte of one spreads them evenly. */
static unsigned
set_of(const struct recall_key *key)
{
    _Static_assert(RECALL_SETS == 256, "one byte of the key picks the set");
    return key->bytes[0];
}

void
recall_add(struct recall *recall, const struct recall_key *key, uint64_t now_ms)
{
    struct recall_entry *set = recall->sets[set_of(key)];
    struct recall_entry *into = &set[0];

    for (unsigned i = 0; i < RECALL_WAYS; i++) {
        if (recall_same(&set[i].key, key)) {
            into = &set[i];
            break;
        }
        if (set[i].until_ms < into->until_ms)
            into = &set[i];
    }
    into->key = *key;
    into->until_ms = now_ms + recall->span_ms;
}

bool
recall_has(const struct recall *recall, const struct recall_key *key,
           uint64_t now_ms)
{
    const struct recall_entry *set = recall->sets[set_of(key)];

    for (unsigned i = 0; i < RECALL_WAYS; i++)
        if (now_ms < set[i].until_ms && recall_same(&set[i].key, key))
            return true;
    return false;
}

void
recall_forget_all(struct recall *recall)
{
    explicit_bzero(recall->sets, sizeof(recall->sets));
}
