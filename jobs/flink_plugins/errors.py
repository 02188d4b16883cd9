"""Errors that the author of a job or of a plugin can fix, and the two policies for them."""

FAIL = "fail"
LOG = "log"
POLICIES = (FAIL, LOG)


class PluginError(Exception):
    """Base of the errors of this package; its text names the plugin and says what to do."""


class PipelineError(PluginError):
    """A pipeline file is wrong; the text names the place in it."""


class PluginNotFoundError(PluginError):
    """No plugin of that name is installed, or its file is not where the pipeline says."""


class PluginFailure(PluginError):  # noqa: N818  # what happened to a plugin, not to this package
    """A plugin raised, or reported an error, and the policy is to fail the job."""


class SourceClosed(Exception):  # noqa: N818  # says "stop", as StopIteration does
    """``ctx.emit`` was called after the source was told to close: return from ``open``."""
