"""Errors and names as one printable line."""

import pytest

from saliency_bench.protocols import known_names, one_line, printable


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain, Übung, 猫, 🐈", "plain, Übung, 猫, 🐈"),
        ("red\x1b[31m", r"red\x1b[31m"),
        ("two\nlines\r", r"two\nlines\r"),
        ("nul\x00 bell\x07 c1\x9b", r"nul\x00 bell\x07 c1\x9b"),
        ("gpj\u202egnp \u2066x\u2069", r"gpj\u202egnp \u2066x\u2069"),
        ("line\u2028paragraph\u2029", r"line\u2028paragraph\u2029"),
        ("lone \udcff", r"lone \udcff"),
        ("joined 👩\u200d🔬", "joined 👩\u200d🔬"),
    ],
)
def test_what_controls_a_terminal_is_shown_as_an_escape(text, line):
    assert printable(text) == line
    assert printable(line) == line


def test_an_error_of_several_coloured_lines_is_one_line():
    keras = "\n\nArguments received by Conv2D.call():\n  x=tf.Tensor"
    error = ValueError(f"Exception in Conv2D\n\n\x1b[1mNegative size\x1b[0m\tin\x00 layer{keras}")
    assert one_line(error) == r"Exception in Conv2D Negative size in\x00 layer"


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError(""), "ValueError: "),
        (SystemExit(3), "it ended the process by sys.exit(3)"),
        (OSError("disk"), "disk"),
    ],
)
def test_an_error_says_its_class_where_its_message_does_not_speak(error, line):
    assert one_line(error) == line


def test_a_long_error_is_cut_below_300_characters():
    line = one_line(ValueError("x" * 1000))
    assert len(line) == 280
    assert line.endswith("x ...")
    assert one_line(ValueError("x" * 30), longest=10) == "xxxxxx ..."


def test_few_names_are_told_in_full_and_near_ones_first():
    known = ["base", "samples"]
    assert known_names("sampels", known) == "nearest: samples; there are: base, samples"
    assert known_names("nothing", known) == "there are: base, samples"


def test_of_many_names_the_nearest_are_told_or_the_first():
    many = [f"number_{number}" for number in range(100)]
    assert known_names("nmber_7", many).startswith("nearest: number_7, ")
    assert known_names("?", many) == (
        "there are 100, such as number_0, number_1, number_2, number_3, number_4"
    )
