"""Reports of runs and the status of targets as values, and their outlets.

The outlets are the log, the archive, Application Insights, a chat service, and the status page. An outlet that fails
becomes a warning in the report and does not fail the run.
"""
