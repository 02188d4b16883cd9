from ekuiper import Function


class Revert(Function):
    """Turns a text round."""

    def validate(self, args):
        if len(args) != 1:
            return f"revert takes one text, not {len(args)} arguments"
        return ""

    def exec(self, args, ctx):
        return args[0][::-1]

    def is_aggregate(self):
        return False


class Longest(Function):
    """The longest text of a group."""

    def validate(self, args):
        return "" if len(args) == 1 else "longest takes one text"

    def exec(self, args, ctx):
        return max(args[0], key=len)

    def is_aggregate(self):
        return True
