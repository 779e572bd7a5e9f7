"""The one exception the laboratory raises on purpose: its text is a line that says what is wrong and what to do."""


class LabError(Exception):
    """A failure whose message is meant for the person at the terminal; never shown with a traceback."""
