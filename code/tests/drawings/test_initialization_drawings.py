"""The drawings of the pages on the teacher and on initialisation hold what they were given."""

from worked.drawings import initialization, teacher_student


def test_depth_draws_every_number():
    chart = initialization.depth({"a": [1.0, 0.5], "b": [1.0, 2.0], "c": [1.0, 1.0], "d": [1.0, 3.0]})
    assert [row["variance"] for row in chart.rows] == [1.0, 0.5, 1.0, 2.0, 1.0, 1.0, 1.0, 3.0]
    assert "a ends at 0.5; b ends at 2" in chart.alt
    assert "through 2 layers" in chart.alt


def test_diagrams_say_what_they_show():
    assert "right hump" in initialization.half().alt
    assert "teacher with weights w star" in teacher_student.pair().alt
