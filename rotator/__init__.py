"""Keeps the storage credentials in Kubernetes Secrets short-lived and fresh.

The rooms, from above to below (pyproject.toml says which knows which, docs/architecture.md draws them and follows one
rotation):

    commands/     the command line: one module for each command
    app.py        from settings to a run: what each trigger and command calls
    wiring.py     chooses the implementations that a run, a check and an onboarding work with
    checks/       checks every step of a rotation without changing anything, and names the command that repairs it
    onboarding/   what no template can do: from a vault and a master to a rotation that works
    deployment/   the end of a deployment: waits until the app runs
    rotation/     one run: what is due, the SAS for it, its delivery; in keys/ the rotation of account keys
    reporting/    reports and status as values, and their outlets: log, archive, Application Insights, chat, page
    issuers/      where a SAS comes from, and how storage proves it
    delivery/     how a SAS gets into a Secret; in ssh/ the connection to the master, and kubectl there
    azure/        Azure's services in this product's words; in host_storage/ the function app's own storage
    plan/         what is rotated, where to and when: settings read and checked
    sas.py, event_log.py, stopwatch.py, telemetry.py, activity.py, timestamps.py, untrusted.py, errors.py, and
    redaction.py with secret_forms.py and secret_index.py: what all rooms use
"""

__version__ = "0.1.0"
