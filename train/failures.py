"""What the scripts say when they cannot go on."""

import sys

from train.callbacks import TrainingDiverged


def exit_status(work, when_interrupted):
    """Does the work of a script and turns expected failures into plain messages.

    Args:
        work: Called without arguments. Its result is the exit status, None for 0.
        when_interrupted: What to do next, said after Ctrl-C.

    Returns:
        The exit status: that of the work, 1 if training diverged, 2 if something asked
        for cannot be done, 130 if interrupted.
    """
    try:
        return work() or 0
    except KeyboardInterrupt:
        print(f"\nInterrupted. {when_interrupted}", file=sys.stderr)
        return 130
    except TrainingDiverged as error:
        print(f"\nStopped: {error}", file=sys.stderr)
        return 1
    except (ValueError, OSError) as error:
        print(f"\nError: {error}", file=sys.stderr)
        return 2
