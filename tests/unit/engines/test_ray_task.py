"""An error that Ray's workers raise reaches the head: Ray sends it there as a pickle."""

import pickle
import socket
import threading
from pathlib import Path

import pytest

from hpckit.engines.ray.task import run_bundle


def as_the_head_sees_it(error: BaseException) -> str:
    return f"{type(error).__name__}: {pickle.loads(pickle.dumps(error))}"


def test_the_head_learns_that_a_node_has_no_runner(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HPCKIT_RUNNER", str(tmp_path / "none"))
    with pytest.raises(RuntimeError) as caught:
        run_bundle("{}")
    assert as_the_head_sees_it(caught.value) == (
        f"RuntimeError: no hpckit runner at {tmp_path / 'none'}: No such file or directory"
    )


def test_the_head_learns_that_a_runner_ended_without_a_result(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "runner")
    monkeypatch.setenv("HPCKIT_RUNNER", path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()

        def hang_up() -> None:
            stream, _ = server.accept()
            with stream:
                stream.recv(100)

        thread = threading.Thread(target=hang_up)
        thread.start()
        with pytest.raises(RuntimeError) as caught:
            run_bundle("{}")
        thread.join()
    assert as_the_head_sees_it(caught.value).endswith(f"{path} ended without a result")
