from tests.journeys.resume import *  # noqa: F403
