"""What runs in the user's own interpreter: pytest, as `python -m pytest ARGUMENTS` would run it, told and told to.

Loaded from its folder as the package `watchkeeper_worker` (`launch.py` says how); nothing here is imported by
Watchkeeper itself. CPython 3.8 and later with pytest 7 and later: standard library only, no thread, nothing written to
the project. One JSON document a line goes into the descriptor (on Windows: the handle) that WATCHKEEPER_RESULTS_FD
names, and orders are read from WATCHKEEPER_ORDERS_FD in the same form. Neither variable, nor the descriptors, reaches
a program that a test starts. Paths are relative to the working folder and have forward slashes.

Orders come in this sequence, each by its `do`. The process ends at once when they end while one is awaited; without
the variable everything runs, as if told so.

    warm   preload       modules to import ahead, before any conftest.py
           rehearse      whether there is time to do ahead what a first failure needs done
    load   coverage      go on until tests are to be collected; coverage: measure with coverage.py from there on
           trace         "none" when the run will not be traced, so that this stretch need not be either
    collect chunk        collect the file of this chunk ahead of the order to run it, and run nothing yet
           trace         as in `run`
    run    chunks        [{path, only, leave, probe, unused}]: test files that run first, in this order. Of the file's
                         tests only those in `only` (null: all), without those in `leave`; those in `probe` run first;
                         functions in `unused` will not run, so their assertions need not be rewritten
           rest          then collect everything and run what did not run yet
           stream        collect each chunk just before it runs, not everything first. It is not done where a plugin or
                         a conftest.py wants to see the whole collection, and nothing is reordered where one counts on
                         the order
           trace         "all": tell what each test executes and reads; "cheap": only where that costs next to nothing
                         (CPython 3.12 and later); "none"
           nice          the priority to lower this process to at once; the rest runs at 10 at least

The lines that are told, by their `kind`:

    no-pytest      name, text          pytest cannot be imported; nothing follows
    ready          rss, modules, files, read, warned; before `load`: resident bytes, number of modules, the project's
                                       files that are loaded and that were read so far, and preloaded modules whose
                                       import gave a warning, which tests would no longer see
    loaded         files, read         before `run`: the same
    session        python, pytest, rootdir
    stage          stage, tests        "impacted" or "rest" begins; tests is null as long as it is not known
    items          ids                 node ids in the order in which they will run, or ran, in parts
    collected      count               the last part came
    collect-error  id, text            a file that cannot be imported
    start          id
    end            id, outcome, seconds, text; outcome as in app.domain.verdicts.Outcome
    codes          add                 [[index, path, first line, name]]: functions that later lines name by index
    deps           id, codes, read, listed, opaque; after a traced test's end: what it and its fixtures executed, files
                                       opened for reading, folders listed, and whether another process was started
    imported       codes, read, listed, opaque; the same for all that ran outside of tests and fixtures, when traced
    coverage       files or error      [{path, statements, missing}], or why it was not measured
    modules        files, lazy, thirdparty; path by name of the project's modules, those files of them that no import
                                       statement outside of tests shows, and names of all other modules in order
    internal-error text                pytest or a plugin broke
    interrupted    text
    stopped        why, partial        the session ends; why is empty unless it stops early, partial says that options
                                       like --lf left out tests
    wrote          path                a file below the working folder that this process is about to write, move or
                                       remove; once for each
    left           files               how such files were left by the tests so far: path to [mtime_ns, size], or
                                       [0, -1] for one that is gone
    finish         exit                what pytest.main returned
"""
