"""Finds the customers who are about to leave.

The same wheel trains, validates, scores and smoke-tests; which of them runs is the task's entry point.
"""
