"""Whole Python control flow: functions are interpreted statement by statement while they are traced."""
