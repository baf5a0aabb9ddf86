from tests.journeys.main_job import *  # noqa: F403
