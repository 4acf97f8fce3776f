# Progress on the console in place of Snakemake's account of each job, which stays in its log file. DIGITPAIRS_CONSOLE=full
# shows that account, too.

if (console := os.getenv("DIGITPAIRS_CONSOLE", "")) not in ("", "full"):
    sys.exit(f"error: DIGITPAIRS_CONSOLE = {console!r}; allowed is full")

if console != "full":
    from digitpairs.progress import Progress, shorten

    shorten(logger)

    def show_progress():
        """Say why steps run, then show how far they are."""
        workflow.dag.print_reasons()
        workflow.globals["progress"] = Progress(workflow.dag.needrun_jobs())
        silent = {"all", "progress"} & set(map(str, workflow.output_settings.quiet or ()))
        workflow.globals["progress"].start(logger, silent=bool(silent))

    onstart:
        show_progress()

    onsuccess:
        progress.stop()

    onerror:
        progress.stop(early=True)
