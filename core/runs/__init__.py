"""Long work that people watch: its kinds, how it is started, done, stopped and started again.

models.runs      the row, its states and the moves between them
kinds            what each app registers: how a kind is called, its queue, its runner
control          launch, cancel, start again
messages         the broker's messages
execution        a worker claims a run, does it and ends it; the sweep
context          what a runner is given
outside          progress that is visible during one long transaction
"""
