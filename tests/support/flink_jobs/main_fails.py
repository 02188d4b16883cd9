"""A job whose main() raises before there is a job."""


def look_up(settings):
    return settings["topic"]


print("about to look up the topic")
look_up({})
