"""What is told of runs, and to whom: reports and states as values, and their outlets.

The outlets are the log, the archive, Application Insights, a chat service, and the status page. None fails a run.
"""
