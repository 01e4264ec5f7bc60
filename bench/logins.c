/* The load generator of the benchmarks for logins at an SSH server: connect,
 * exchange keys, authenticate with a key, leave; so many of them, at even
 * distances over so many seconds, or as many at a time as there are threads.
 * It is driven as load and storm are; see generator.h.
 *
 * With libssh, as a process of ssh for each would take more of the machine
 * than the servers that are measured. */
#include "bench/generator.h"

#include <libssh/libssh.h>
#include <pthread.h>
#include <stdatomic.h>

enum {
    THREADS_MAX = 64,
    LOGIN_TIMEOUT_S = 20,
    NICE = 19 /* who logs in has a machine of its own, elsewhere */
};

struct run {
    const char *address;
    unsigned port;
    const char *user;
    const char *key_file;
    unsigned count;
    double secs; /* 0: one after the other in each thread */
    uint64_t start_us;
    atomic_uint next;
    pthread_mutex_t lock; /* for the rest */
    struct load load;
};

/* Says where the server is and that nothing else than the key is of use. */
static void
set_options(const struct run *run, ssh_session session)
{
    bool off = false;
    int on = 1;
    long timeout_s = LOGIN_TIMEOUT_S;

    ssh_options_set(session, SSH_OPTIONS_PROCESS_CONFIG, &off);
    ssh_options_set(session, SSH_OPTIONS_HOST, run->address);
    ssh_options_set(session, SSH_OPTIONS_PORT, &run->port);
    ssh_options_set(session, SSH_OPTIONS_USER, run->user);
    ssh_options_set(session, SSH_OPTIONS_TIMEOUT, &timeout_s);
    ssh_options_set(session, SSH_OPTIONS_NODELAY, &on);
}

/* One login, complete. The first one that fails says why. */
static bool
log_in(const struct run *run, ssh_key key)
{
    static atomic_flag said = ATOMIC_FLAG_INIT;
    ssh_session session = ssh_new();
    bool done;

    if (session == NULL)
        return false;
    set_options(run, session);
    done = ssh_connect(session) == SSH_OK &&
           ssh_userauth_publickey(session, NULL, key) == SSH_AUTH_SUCCESS;
    if (!done && !atomic_flag_test_and_set(&said))
        fprintf(stderr, "logins: %s\n", ssh_get_error(session));
    ssh_disconnect(session);
    ssh_free(session);
    return done;
}

/* When a login is due; it is measured from there, however late it begins. */
static uint64_t
due_us(const struct run *run, unsigned number)
{
    uint64_t now = now_us(), due;

    if (run->secs <= 0)
        return now;
    due = run->start_us + (uint64_t)(run->secs * 1e6 * number / run->count);
    if (due > now)
        usleep((useconds_t)(due - now));
    return due;
}

static void *
run_thread(void *arg)
{
    struct run *run = arg;
    ssh_key key = NULL;
    unsigned number;

    if (ssh_pki_import_privkey_file(run->key_file, NULL, NULL, NULL, &key) !=
        SSH_OK)
        die(run->key_file);
    while ((number = atomic_fetch_add(&run->next, 1)) < run->count) {
        uint64_t due = due_us(run, number);
        bool done = log_in(run, key);

        pthread_mutex_lock(&run->lock);
        if (done)
            sample_add(&run->load, now_us() - due);
        else
            run->load.failed++;
        pthread_mutex_unlock(&run->lock);
    }
    ssh_key_free(key);
    return NULL;
}

static void
run_logins(struct run *run, unsigned threads)
{
    pthread_t thread[THREADS_MAX];
    double took_s;

    ready(&run->load);
    run->start_us = now_us();
    for (unsigned i = 0; i < threads; i++)
        if (pthread_create(&thread[i], NULL, run_thread, run) != 0)
            die("pthread_create");
    for (unsigned i = 0; i < threads; i++)
        pthread_join(thread[i], NULL);
    took_s = (double)(now_us() - run->start_us) / 1e6;
    printf("{\"mode\": \"logins\", \"secs\": %.3f, ", took_s);
    print_samples(&run->load);
    printf("\"done\": %zu, \"per_s\": %.1f, \"failed\": %u}\n",
           run->load.samples, (double)run->load.samples / took_s,
           run->load.failed);
}

int
main(int argc, char **argv)
{
    struct run run = {.lock = PTHREAD_MUTEX_INITIALIZER};
    unsigned threads;

    if (argc != 8) {
        fprintf(stderr, "usage: logins ADDRESS PORT USER KEYFILE COUNT SECS "
                        "THREADS\n");
        return 2;
    }
    run.address = argv[1];
    run.port = (unsigned)atoi(argv[2]);
    run.user = argv[3];
    run.key_file = argv[4];
    run.count = (unsigned)atoi(argv[5]);
    run.secs = atof(argv[6]);
    threads = (unsigned)atoi(argv[7]);
    if (threads < 1 || threads > THREADS_MAX)
        threads = 1;
    run.load.waits = true;
    load_init(&run.load);
    setpriority(PRIO_PROCESS, 0, NICE);
    run_logins(&run, threads);
    load_release(&run.load);
    return 0;
}
