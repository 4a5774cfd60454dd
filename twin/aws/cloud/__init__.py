"""The twin's cloud: the AWS APIs on loopback, kept between commands, with real jobs and real endpoints.

`client` finds, starts and stops the process; `server` is the process. Everything else serves the latter.
"""
