"""Names this software's own packages, and the folders that packages are installed in."""

SOFTWARE = ("cluster", "results", "sweep", "trainables")
"""The packages of this software."""

INSTALLED = ("site-packages", "dist-packages")
"""The names of the folders of installed packages."""
