"""Results of runs that there never were, for tables."""


def result(task, variant, seed, error, recipe="laptop", full=True, **config):
    """What `result.json` of a run holds, as far as tables need it."""
    return {
        "error": error,
        "passes": [error] * 10,
        "seed": seed,
        "recipe": recipe,
        "config": {
            "dataset": "mnist",
            "task": task,
            "variant": variant,
            "seed": seed,
            **config,
        },
        "parameters": 1234,
        "minutes": 3.25,
        "epochs": 24,
        "data": "MNIST." if full else "NOT the full MNIST, from /home/me/data/x.npz.",
        "is_full_data": full,
        "images": {"train": 60000 if full else 4000, "test": 10000 if full else 1000},
        "device": "CPU, 2 cores",
        "versions": {"backend": "tensorflow", "tensorflow": "2.21.0"},
    }
