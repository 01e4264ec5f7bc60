/* Runs a fuzz target over files, and over those in directories: a corpus as a
 * test, with any compiler.
 *
 *     fuzz_NAME FILE|DIRECTORY...
 *
 * Prints how many inputs were run. Exits 1 when there was none, or one cannot
 * be read; a target that finds something aborts. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

static void
die(const char *path)
{
    perror(path);
    exit(1);
}

static void
run_file(const char *path, size_t len)
{
    uint8_t *bytes = malloc(len > 0 ? len : 1);
    FILE *file = fopen(path, "rb");

    if (!bytes || !file || fread(bytes, 1, len, file) != len)
        die(path);
    fclose(file);
    /* stderr is not buffered: after a crash the last name is the culprit. */
    fprintf(stderr, "%s\n", path);
    LLVMFuzzerTestOneInput(bytes, len);
    free(bytes);
}

/* Runs a file, or those of a directory and not below. Returns how many. */
static unsigned
run_path(const char *path)
{
    struct stat st;
    struct dirent **entries;
    unsigned count = 0;
    int n;

    if (stat(path, &st) != 0)
        die(path);
    if (S_ISREG(st.st_mode)) {
        run_file(path, (size_t)st.st_size);
        return 1;
    }
    if (!S_ISDIR(st.st_mode))
        return 0;
    n = scandir(path, &entries, NULL, alphasort);
    if (n < 0)
        die(path);
    for (int i = 0; i < n; i++) {
        char *child;

        if (asprintf(&child, "%s/%s", path, entries[i]->d_name) < 0)
            die(path);
        if (stat(child, &st) == 0 && S_ISREG(st.st_mode)) {
            run_file(child, (size_t)st.st_size);
            count++;
        }
        free(child);
        free(entries[i]);
    }
    free(entries);
    return count;
}

int
main(int argc, char **argv)
{
    unsigned count = 0;

    for (int i = 1; i < argc; i++)
        count += run_path(argv[i]);
    printf("%u inputs\n", count);
    return count > 0 ? 0 : 1;
}
