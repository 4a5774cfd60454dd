"""What really runs behind the APIs: jobs, functions and models, each in a process of its own."""
