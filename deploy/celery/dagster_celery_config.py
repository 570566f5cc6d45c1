"""Settings of the Celery workers; found by ``dagster_celery.app`` where this folder is on PYTHONPATH."""

from lumen_assets.environment import require_secret

broker_url = result_backend = require_secret("LUMEN_REDIS_URL")
broker_connection_retry_on_startup = True

# Seconds after which a run that a worker took is given to another one: longer than `max_runtime_seconds`.
broker_transport_options = {"visibility_timeout": 7200}

# A worker takes a run only when it has a place for it, so that none waits behind one that was killed.
worker_prefetch_multiplier = 1
task_acks_late = True

worker_max_tasks_per_child = 50  # what a process gathered over many days is given back
