"""Plugins of other systems as operators of a PyFlink job.

``flink_plugins.extensions`` is shared by many distributions, which need not be in one folder
(venv.zip and deps.zip do not): every folder on the path may add to this package.
"""

from pkgutil import extend_path

__path__ = extend_path(__path__, __name__)
__version__ = "0.1.0"
