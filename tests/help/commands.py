"""The command line, called inside this process."""

import json

from click.testing import CliRunner, Result

from sweep.commands.main import main


def sweep(*words: object) -> Result:
    """Run the command; an error that it does not turn into a message is raised."""
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def answer(*words):
    """Return what the command answers as JSON."""
    found = sweep(*words, "--json")
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def refused(*words):
    """Return what the command says before it exits with 2, without having shown a traceback."""
    found = sweep(*words)
    assert found.exit_code == 2 and "Traceback" not in found.output, found.output
    return found.output


def message(*words):
    """Return the one message with which the command refuses its input."""
    output = refused(*words)
    assert output.startswith("Error: "), output
    return output
