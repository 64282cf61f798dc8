from __future__ import annotations

import re
import subprocess

import pytest

from passband.data.class_order import order_classes


@pytest.mark.parametrize(
    "names",
    [
        ["dog", "ant", "Bee"],
        [str(i) for i in range(10)],
        [f"{i:02}" for i in range(12)],
        ["n02085620", "n01440764"],
        ["2d", "10 cats", "plain"],
        ["1", "01", "2"],
        [],
    ],
)
def test_names_with_one_order_are_sorted_as_text(names):
    assert order_classes(names) == (sorted(names), ())


def test_whole_numbers_are_sorted_by_value_and_the_other_order_can_be_pasted():
    classes, (notice,) = order_classes([str(i) for i in range(12)])
    assert classes == [str(i) for i in range(12)]
    assert notice.warning
    assert "output 2 stands for '2', and sorted by text for '10'" in notice.message
    assert "torchvision's ImageFolder" in notice.message
    outputs = [int(each) for each in notice.message.split("--class-indices ")[1].split(",")]
    image_folder = sorted(classes)
    assert [image_folder[output] for output in outputs] == classes


@pytest.mark.parametrize("name", ["class_{}", "{}_dog", "c{}-x"])
def test_other_numbered_names_stay_sorted_as_text_and_warn(name):
    names = [name.format(i) for i in range(1, 13)]
    classes, (notice,) = order_classes(names)
    assert classes == sorted(names)
    outputs = [int(each) for each in notice.message.split("--class-indices ")[1].split(",")]
    assert [names[output] for output in outputs] == classes


def test_the_order_of_many_classes_is_a_command():
    classes, (notice,) = order_classes([str(i) for i in range(1, 1001)])
    command = re.search(r'"\$\(.*\)"', notice.message)
    printed = subprocess.run(
        ["sh", "-c", f'python() {{ python3 "$@"; }}; echo {command[0]}'],
        capture_output=True,
        text=True,
        check=True,
    )
    outputs = [int(each) for each in printed.stdout.split(",")]
    assert [sorted(classes)[output] for output in outputs] == classes
