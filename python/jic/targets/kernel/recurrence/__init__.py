"""A recurrence: a loop whose steps one kernel runs, row by row. What a step is, without where its values lie."""
