from tests.support.scenarios.bad_tasks import *  # noqa: F403
