"""Files that tasks leave in their private directories, and the directory that the next task
gets."""

import errno
import os
import shutil
import tempfile
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hpckit.common.scratch_dir import ScratchDir, remove_tree
from hpckit.model.task import Task, TaskSettings
from hpckit.worker.task.environment import SlotResources, TaskStartError, prepare

#: Where other tests have left threads, Python 3.12 and later warn of `os.fork`.
pytestmark = pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")

NOBODY = 65534
TASK = Task(index=0, key="k", argv=("x",))
AROUND = TaskSettings(run="r", cwd="")


@pytest.fixture
def ground() -> Iterator[Path]:
    """A directory that `as_a_user` may use; pytest's own are closed to all but root."""
    path = Path(tempfile.mkdtemp())
    if os.getuid() == 0:
        os.chown(path, NOBODY, NOBODY)
    yield path
    for directory, _, _ in os.walk(path):
        Path(directory).chmod(0o700)
    shutil.rmtree(path)


def as_a_user(act: Callable[[], object]) -> None:
    """Act in a process of a user who is not root: no mode holds root back."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            if os.getuid() == 0:
                os.setgroups([])
                os.setresgid(NOBODY, NOBODY, NOBODY)
                os.setresuid(NOBODY, NOBODY, NOBODY)
            act()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def leave_closed(root: Path) -> None:
    """Leave files in directories below each other that nobody may write to, or even enter."""
    deep = root / "read 'only'" / "closed" / "ünread"
    deep.mkdir(parents=True)
    for directory, mode in ((deep, 0o300), (deep.parent, 0), (deep.parents[1], 0o555)):
        for name in "ab":
            (directory / name).write_text("left behind")
        directory.chmod(mode)


def test_read_only_directories_go_with_all_that_is_in_them(ground: Path) -> None:
    def act() -> None:
        (ground / "tree").mkdir()
        leave_closed(ground / "tree")
        (ground / "tree").chmod(0o500)
        shutil.rmtree(ground / "tree", ignore_errors=True)
        assert (ground / "tree").exists()
        remove_tree(ground / "tree")

    as_a_user(act)
    assert list(ground.iterdir()) == []


def test_what_cannot_be_removed_is_left_and_nothing_around_it_is_opened(ground: Path) -> None:
    def act() -> None:
        for name in ("tree", "tree of others", "mine"):
            (ground / name).mkdir()
        (ground / "tree" / "file").write_text("")
        (ground / "tree" / "link").symlink_to(ground / "mine")
        for name in ("tree of others", "mine", "."):
            (ground / name).chmod(0o500)
        remove_tree(ground / "tree")
        remove_tree(ground / "no such")

    as_a_user(act)
    assert list((ground / "tree").iterdir()) == []
    modes = [oct((ground / name).stat().st_mode)[-3:] for name in ("tree of others", "mine", ".")]
    assert modes == ["500"] * 3


def test_what_tasks_and_workers_leave_is_removed_though_it_is_read_only(ground: Path) -> None:
    def act() -> None:
        node = ScratchDir(str(ground))
        context = prepare(TASK, 1, AROUND, SlotResources(0, node.make("tasks"), {}), token="t")
        for path in context.made:
            leave_closed(Path(path))
        context.remove()
        assert list((node.path / "tasks").iterdir()) == []
        leave_closed(node.path)
        node.remove()

    as_a_user(act)
    assert list(ground.iterdir()) == []


@pytest.mark.parametrize("mode", [0, 0o555, 0o777])
def test_a_directory_is_as_new_for_the_next_task_whatever_its_mode_was(
    ground: Path, mode: int
) -> None:
    def act() -> None:
        slot = SlotResources(0, ground, {})
        first = prepare(TASK, 1, AROUND, slot, token="t")
        for path in first.made:
            Path(path).chmod(mode)
        first.remove()
        again = prepare(TASK, 2, AROUND, slot, token="t")
        assert sorted(again.made) == sorted(first.made)
        assert {oct(Path(path).stat().st_mode)[-4:] for path in again.made} == {"0700"}

    as_a_user(act)


def test_a_link_that_a_task_puts_in_its_directorys_place_is_not_followed(tmp_path: Path) -> None:
    slot = SlotResources(0, tmp_path, {})
    mine = tmp_path / "mine"
    mine.mkdir(mode=0o755)
    context = prepare(TASK, 1, AROUND, slot, token="t")
    Path(context.cwd).rmdir()
    Path(context.cwd).symlink_to(mine)
    context.remove()
    assert slot.spare == [context.env["TMPDIR"]]
    assert oct(mine.stat().st_mode)[-3:] == "755"


def test_a_task_that_gets_one_of_its_two_directories_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = tempfile.mkdtemp

    def on_a_disk_with_room_for_one(dir: Path) -> str:
        if list(tmp_path.iterdir()):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return make(dir=dir)

    monkeypatch.setattr(tempfile, "mkdtemp", on_a_disk_with_room_for_one)
    slot = SlotResources(0, tmp_path, {})
    for attempt in range(3):
        with pytest.raises(TaskStartError, match="No space left on device"):
            prepare(TASK, attempt, AROUND, slot, token="t")
        assert list(tmp_path.iterdir()) == slot.spare == []
