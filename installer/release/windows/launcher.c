/* watchkeeper.exe: runs the program in its own process, on the Python that lies beside it. So the task manager, the
 * firewall and the notifications show Watchkeeper and its icon, and no interpreter.
 *
 * It is built twice: for windows, and with CONSOLE for the command line. That one lies in `bin`, which may stand on
 * PATH: no python.exe lies there, which would get in the way of the person's own.
 */
#define WIN32_LEAN_AND_MEAN
#include <windows.h>
#include <shellapi.h>
#include <stdio.h>
#include <wchar.h>

#define LONGEST 32768 /* characters in any path of Windows */

typedef int (*python_main)(int, wchar_t **);

static int is_russian(void)
{
    return PRIMARYLANGID(GetUserDefaultUILanguage()) == LANG_RUSSIAN;
}

static int refuse(const wchar_t *what)
{
    static wchar_t text[LONGEST + 512];
    DWORD code = GetLastError();
    const wchar_t *format = is_russian()
        ? L"Watchkeeper не запускается: файл %ls отсутствует или повреждён (ошибка %lu).\n\nУстановите Watchkeeper заново."
        : L"Watchkeeper cannot start: the file %ls is missing or damaged (error %lu).\n\nInstall Watchkeeper again.";
    _snwprintf(text, LONGEST + 511, format, what, code);
#ifdef CONSOLE
    fwprintf(stderr, L"%ls\n", text);
#else
    MessageBoxW(NULL, text, L"Watchkeeper", MB_OK | MB_ICONERROR | MB_SETFOREGROUND);
#endif
    return 3;
}

/* Cuts the last part off a path; gives whether there was one. */
static int cut(wchar_t *path)
{
    wchar_t *end = wcsrchr(path, L'\\');
    if (end == NULL)
        return 0;
    *end = L'\0';
    return 1;
}

#ifndef CONSOLE
/* A program without a console can inherit handles of one that is gone, at which Python's start would end. */
static void drop_dead_streams(void)
{
    const DWORD streams[] = {STD_INPUT_HANDLE, STD_OUTPUT_HANDLE, STD_ERROR_HANDLE};
    for (size_t each = 0; each < sizeof streams / sizeof *streams; each++) {
        HANDLE stream = GetStdHandle(streams[each]);
        SetLastError(ERROR_SUCCESS);
        if (stream != NULL && stream != INVALID_HANDLE_VALUE && GetFileType(stream) == FILE_TYPE_UNKNOWN
            && GetLastError() != ERROR_SUCCESS)
            SetStdHandle(streams[each], NULL);
    }
}
#endif

static int run(void)
{
    static wchar_t folder[LONGEST], library[LONGEST + 32];
    DWORD length = GetModuleFileNameW(NULL, folder, LONGEST);
    if (length == 0 || length >= LONGEST || !cut(folder))
        return refuse(L"watchkeeper.exe");
#ifdef CONSOLE
    if (!cut(folder))
        return refuse(L"watchkeeper.exe");
#else
    drop_dead_streams();
#endif
    /* Never from the folder that somebody happens to be in: a library planted there would be run. */
    SetDllDirectoryW(L"");
    SetDefaultDllDirectories(LOAD_LIBRARY_SEARCH_DEFAULT_DIRS);
    AddDllDirectory(folder);
    _snwprintf(library, LONGEST + 31, L"%ls\\%ls", folder, PYTHON_LIBRARY);
    HMODULE python = LoadLibraryExW(library, NULL, LOAD_LIBRARY_SEARCH_DLL_LOAD_DIR | LOAD_LIBRARY_SEARCH_SYSTEM32);
    if (python == NULL)
        return refuse(library);
    FARPROC found = GetProcAddress(python, "Py_Main");
    if (found == NULL)
        return refuse(library);
    int count;
    wchar_t **given = CommandLineToArgvW(GetCommandLineW(), &count);
    wchar_t **words = given == NULL ? NULL : HeapAlloc(GetProcessHeap(), 0, sizeof *words * (count + 4));
    if (words == NULL)
        return refuse(L"watchkeeper.exe");
    words[0] = given[0];
    words[1] = L"-I";
    words[2] = L"-m";
    words[3] = L"watchkeeper_start";
    for (int each = 1; each < count; each++)
        words[each + 3] = given[each];
    words[count + 3] = NULL;
    return ((python_main)(void *)found)(count + 3, words);
}

#ifdef CONSOLE
int wmain(void)
{
    return run();
}
#else
int WINAPI wWinMain(HINSTANCE instance, HINSTANCE before, LPWSTR line, int show)
{
    (void)instance, (void)before, (void)line, (void)show;
    return run();
}
#endif
