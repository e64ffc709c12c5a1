/* Watchkeeper.app/Contents/MacOS/Watchkeeper: runs the program in this process, so that macOS sees the bundle run.
 *
 * The interpreter's own path is the first word, from which it finds its library and sets sys.executable: what the
 * program starts by that is an interpreter. No header of Python is needed, and no link into the bundle. */

#include <dlfcn.h>
#include <libgen.h>
#include <limits.h>
#include <mach-o/dyld.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int fail(const char *what, const char *why)
{
    fprintf(stderr, "Watchkeeper is damaged: %s: %s. Install it anew.\n", what, why);
    return 4;
}

int main(int count, char **words)
{
    char named[PATH_MAX], own[PATH_MAX], contents[PATH_MAX], python[PATH_MAX], library[PATH_MAX];
    uint32_t room = sizeof named;
    if (_NSGetExecutablePath(named, &room) != 0 || realpath(named, own) == NULL)
        return fail("its own path", "too long");
    /* Contents/MacOS/Watchkeeper; dirname may write into what it is given. */
    strlcpy(contents, dirname(own), sizeof contents);
    strlcpy(own, contents, sizeof own);
    strlcpy(contents, dirname(own), sizeof contents);
    int one = snprintf(python, sizeof python, "%s/Resources/python/bin/python" PYTHON, contents);
    int two = snprintf(library, sizeof library, "%s/Resources/python/lib/libpython" PYTHON ".dylib", contents);
    if (one >= (int)sizeof python || two >= (int)sizeof library)
        return fail("its own path", "too long");

    void *handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
    if (handle == NULL)
        return fail(library, dlerror());
    int (*run)(int, char **) = (int (*)(int, char **))dlsym(handle, "Py_BytesMain");
    if (run == NULL)
        return fail(library, dlerror());

    char *before[] = {python, "-I", "-m", "app.main"};
    const int own_words = sizeof before / sizeof *before;
    char **all = calloc((size_t)(own_words + count), sizeof *all);
    if (all == NULL)
        return fail("memory", "none is left");
    memcpy(all, before, sizeof before);
    int last = own_words;
    for (int each = 1; each < count; each++)
        if (strncmp(words[each], "-psn_", 5) != 0) /* what older Finders add */
            all[last++] = words[each];
    return run(last, all);
}
