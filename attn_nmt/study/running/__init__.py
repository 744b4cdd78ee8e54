"""Running a plan.

- ``cell``: one run: train, evaluate, keep the result
- ``run_directory``: the files of a run, its lock, and what must not change between starts
- ``training_log``, ``progress``: what a training printed; the progress bar
- ``executors``: all runs, in threads of this process or as jobs
- ``submitit_jobs``: the jobs, and the queues that they are submitted to (needs submitit)
"""
