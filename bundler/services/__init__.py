"""Where a job runs, and how each such place wants to be told: one module a service."""
