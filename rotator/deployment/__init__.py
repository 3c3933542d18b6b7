"""The end of a deployment: from a package that was uploaded to an app that runs.

`finish.py` has the order of the steps: `listing.py` waits until the platform lists our functions, `run.py` asks for a
run of what is due, `timer.py` looks whether the timer has a next moment. Nothing here changes the app itself.
"""
