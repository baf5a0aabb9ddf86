from tests.support.scenarios.main_job import *  # noqa: F403
