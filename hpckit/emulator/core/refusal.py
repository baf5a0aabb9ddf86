"""Reasons for which Slurm refuses a request, with the messages of its ``slurm_strerror``."""

from __future__ import annotations

TEXT = {
    "invalid_partition": "Invalid partition name specified",
    "invalid_node": "Invalid node name specified",
    "impossible": "Requested node configuration is not available",
    "dependency": "Job dependency problem",
    "array": "Invalid job array specification",
    "too_many_jobs": "Slurm temporarily unable to accept job, sleeping and retrying",
    "invalid_job": "Invalid job id specified",
    "finished": "Job has already finished",
    "pending": "Job is pending execution",
    "not_requeueable": "Requested operation is presently disabled",
    "too_many_nodes": "More processors requested than permitted",
    "too_few_nodes": "Requested node configuration is not available",
    "busy": "Requested nodes are busy",
    "expired": "Job/step already completing or completed",
    "time_limit": "Requested time limit is invalid (missing or exceeds some limit)",
    "invalid_feature": "Invalid feature specification",
    "gres": "Invalid generic resource (gres) specification",
    "access": "Access/permission denied",
}


class Refusal(Exception):
    """A request that Slurm's controller would refuse.

    Attributes:
        code: a key of `TEXT`.
        text: the message that Slurm's commands print.
    """

    def __init__(self, code: str, text: str = "") -> None:
        self.code = code
        self.text = text or TEXT[code]
        super().__init__(self.text)
