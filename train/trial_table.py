"""The trials of a search, as rows, as text, and the best of them."""

COMPLETED = "COMPLETED"


def trial_rows(trials, hypermodel):
    """Describes trials, the best first.

    Args:
        trials: KerasTuner's, an iterable.
        hypermodel: The `train.trials.TrialHyperModel` that built them.

    Returns:
        A list of dicts: `trial`, `status`, `validation_error` in per cent, `epochs`,
        `seconds`, `parameters`, and the hyperparameters by their names; `continues`
        where Hyperband went on with an earlier trial, and `message` where one failed.
    """
    rows = [_row(trial, hypermodel) for trial in trials]
    return sorted(
        rows,
        key=lambda row: (
            row["status"] != COMPLETED,
            row.get("validation_error", 0),
            row["trial"],
        ),
    )


def best_choices(rows):
    """The hyperparameters of the best trial.

    Raises:
        ValueError: If no trial was completed.
    """
    if not rows or rows[0]["status"] != COMPLETED:
        messages = [row["message"] for row in rows if "message" in row]
        raise ValueError(
            f"None of {len(rows)} trials was completed. "
            + (f"The last failed with: {messages[-1]}" if messages else "")
        )
    return rows[0]["choices"]


def format_table(rows):
    """Returns the rows as text, one line each.

    Under "from" is the trial that Hyperband went on with.
    """
    names = ["trial", "from", "error %", "epochs", "minutes", "parameters"]
    choices = list(dict.fromkeys(name for row in rows for name in row["choices"]))
    lines = [[*names, *choices]]
    for row in rows:
        error = row.get("validation_error")
        lines.append(
            [
                row["trial"],
                row.get("continues", ""),
                row["status"].lower() if error is None else f"{error:.2f}",
                _number(row.get("epochs")),
                f"{row['seconds'] / 60:.2f}" if "seconds" in row else "",
                f"{row['parameters']:,}" if "parameters" in row else "",
                *(_text(row["choices"].get(name)) for name in choices),
            ]
        )
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if index < len(names) else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _row(trial, hypermodel):
    hp = trial.hyperparameters
    row = {"trial": trial.trial_id, "status": str(trial.status)}
    if trial.status == COMPLETED:
        value = trial.metrics.get_best_value(hypermodel.objective)
        # What is below the float32 that KerasTuner's workers send is not a difference.
        error = hypermodel.error_percent({hypermodel.metric: round(value, 7)})
        row["validation_error"] = error
        for name in ("epochs", "parameters"):
            row[name] = int(trial.metrics.get_best_value(name))
        row["seconds"] = round(trial.metrics.get_best_value("seconds"), 1)
    if hp.values.get("tuner/trial_id"):
        row["continues"] = hp.values["tuner/trial_id"]
    if trial.message:
        row["message"] = trial.message.strip().splitlines()[-1]
    return {**row, "choices": hypermodel.choices(hp)}


def _number(value):
    return "" if value is None else str(value)


def _text(value):
    if value is None:
        return "-"
    return f"{value:.3g}" if isinstance(value, float) else str(value)
