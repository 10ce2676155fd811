"""Passes on loops and branches: what moves out of them, what becomes simpler, what becomes data flow."""
