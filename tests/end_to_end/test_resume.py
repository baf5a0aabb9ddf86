from tests.support.scenarios.resume import *  # noqa: F403
