"""What is rotated, where to and when: settings read and checked, and the plan that they make.

Nothing here asks a service, or knows how a SAS is issued or delivered.
"""
