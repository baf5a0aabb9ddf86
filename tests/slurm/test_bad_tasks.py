from tests.journeys.bad_tasks import *  # noqa: F403
