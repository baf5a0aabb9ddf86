from hypothesis import given
from hypothesis import strategies as st

from hpckit.model.worker import slots_for
from hpckit.protocol.result import BundleResult, TaskResult
from hpckit.worker.task.capture import last_object
from tests.unit.factories import make_plan, make_result


def test_a_lone_surrogate_in_the_output_of_a_task_can_be_written() -> None:
    value = last_object('{"x": "\\ud800", "y": {"z": ["\\udfff"]}}')
    result = make_result(0, value=value, message="no such file \udc80.npy", stderr="\ud800")
    assert result.value == {"x": "?", "y": {"z": ["?"]}}
    assert result.message == "no such file ?.npy"
    text = BundleResult(bundle="1-1", worker="w", results=(result,)).to_json()
    assert BundleResult.from_json(text.encode()).results == (result,)


def test_a_last_line_that_is_nested_too_deeply_is_no_result() -> None:
    assert last_object('{"a":' * 4000 + "1" + "}" * 4000) is None


@given(st.text(alphabet=st.characters()), st.dictionaries(st.text(), st.text()))
def test_every_result_can_be_encoded(text: str, value: dict[str, str]) -> None:
    result = TaskResult(index=0, attempt=1, kind="ok", stdout=text, message=text, value=value)
    assert result.stdout.encode().decode() == result.stdout
    BundleResult(bundle="b", worker="w", results=(result,)).to_json().encode()


def test_the_number_of_slots_is_what_cores_memory_and_gpus_allow() -> None:
    settings = make_plan().task_settings
    assert slots_for(8, 2000, 0, settings) == 8
    from dataclasses import replace

    assert slots_for(8, 2000, 0, replace(settings, memory_mib=900)) == 2
    assert slots_for(32, 2000, 4, replace(settings, gpus=1)) == 4
    assert slots_for(1, 10, 0, replace(settings, cores=4, memory_mib=900)) == 1
