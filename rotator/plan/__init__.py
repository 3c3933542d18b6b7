"""What is rotated, where to and when: settings read and checked, and the plan that they make.

Nothing here sends a request, or knows how a SAS is issued or delivered.
"""
