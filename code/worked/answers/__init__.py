"""Answers to coding exercises: NumPy functions that follow from the derived formulas, without Python loops."""
