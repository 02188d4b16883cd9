from flink_plugins.runtime.batch import LARGEST, SECONDS, SMALLEST, BatchSize


def settled(seconds_for_a_record, pause=0.004, batches=60):
    """The size after ``batches`` full ones, each taking its records' time and a pause."""
    size, now = BatchSize(), 100.0
    for _ in range(batches):
        count = size.limit
        size.took(count, now)
        now += pause + count * seconds_for_a_record
    return size.limit


def test_a_batch_passes_in_the_time_given():
    count = settled(10e-6)
    assert SECONDS * 0.7 < 0.004 + count * 10e-6 < SECONDS * 1.3


def test_sizes_stay_between_their_limits():
    assert settled(0.0) == LARGEST
    assert settled(1.0) == SMALLEST


def test_a_source_that_is_not_full_says_nothing_of_the_job():
    size = BatchSize()
    first = size.limit
    for second in range(20):
        size.took(1, 100.0 + second)
    assert size.limit == first


def test_a_pause_between_full_batches_is_not_their_time():
    size = BatchSize()
    first = size.limit
    size.took(first, 100.0)
    size.took(0, 100.02)
    size.took(first, 160.0)
    assert size.limit == first
